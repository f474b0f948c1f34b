// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The whole page source on the real kernel: the laws, its limits, guards and threads.

#include <cairn/pagesource.h>
#include <cairn/source_laws.h>

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/random.h"

namespace {

constexpr size_t kMiB = 1 << 20;
const enum cairn_pagesource_policy kPolicies[] = {CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK,
                                                  CAIRN_PAGESOURCE_MMAP};

using cairn_test::test_seed;

// How many bytes of [base, base + length) are mapped readable and writable.
size_t mapped_of(const void *base, size_t length)
{
    unsigned long low = reinterpret_cast<unsigned long>(base), high = low + length, from, to;
    size_t bytes = 0;
    char line[512], rights[8];
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != nullptr && fgets(line, sizeof line, maps) != nullptr)
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && rights[0] == 'r' &&
            rights[1] == 'w' && from < high && to > low)
            bytes += std::min(to, high) - std::max(from, low);
    fclose(maps);
    return bytes;
}

size_t resident_bytes()
{
    unsigned long total = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    EXPECT_EQ(2, fscanf(statm, "%lu %lu", &total, &resident));
    fclose(statm);
    return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

class Kernel : public testing::TestWithParam<enum cairn_pagesource_policy> {
  protected:
    void SetUp() override
    {
        struct cairn_pagesource_config config = {};
        config.policy = GetParam();
        config.growth_min_bytes = 64 * 1024;
        config.retain_min_bytes = kMiB;
        ASSERT_EQ(0, cairn_pagesource_init(&source, &config));
    }
    char *alloc(size_t length, size_t align = 1)
    {
        return static_cast<char *>(cairn_pagesource_alloc(&source, length, align, nullptr));
    }
    struct cairn_pagesource_stats stats()
    {
        return cairn_pagesource_stats(&source);
    }

    struct cairn_pagesource source;
};

TEST_P(Kernel, KeepsTheLaws)
{
    uint64_t seed = test_seed();
    for (struct cairn_law_shape shape : {cairn_law_shape{4096, 1, 128, seed},
                                         {5000, 16384, 64, seed},
                                         {65536, 65536, 32, seed},
                                         {300000, 2 * kMiB, 8, seed},
                                         {5 * kMiB, 4096, 2, seed}}) {
        EXPECT_EQ(nullptr, cairn_laws_hold(cairn_pagesource_as_source(&source), &shape));
        cairn_pagesource_check(&source);
    }
    struct cairn_law_shape shape = {100000, 4096, 32, seed};
    struct cairn_source reserve = cairn_pagesource_as_reserve_source(&source);
    EXPECT_TRUE(cairn_source_has(reserve, CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE));
    EXPECT_EQ(nullptr, cairn_laws_hold(reserve, &shape));
    EXPECT_EQ(nullptr, cairn_source_take_one(reserve, 4096, 2 * kMiB));
    EXPECT_EQ(0u, stats().reserved_bytes);
    cairn_pagesource_fini(&source);
}

TEST_P(Kernel, AgreesWithProcSelfMaps)
{
    uint64_t seed = test_seed();
    std::mt19937_64 random(seed);
    std::map<char *, size_t> blocks;
    void *break_before = sbrk(0);

    for (int step = 0; step < 400; step++) {
        if (random() % 5 < 3) {
            size_t length = (random() % (random() % 8 == 0 ? 2000 : 60) + 1) * 4096;
            char *base = alloc(length, size_t{4096} << random() % 8);
            ASSERT_NE(nullptr, base);
            base[0] = base[length - 1] = 1;
            blocks[base] = length;
        } else if (!blocks.empty()) {
            auto victim = std::next(blocks.begin(), static_cast<long>(random() % blocks.size()));
            cairn_pagesource_free(&source, victim->first, victim->second);
            blocks.erase(victim);
        }
        for (auto &[base, length] : blocks)
            if (step % 20 == 0) {
                ASSERT_EQ(length, mapped_of(base, length));
            }
        cairn_pagesource_check(&source);
    }
    for (auto &[base, length] : blocks)
        cairn_pagesource_free(&source, base, length);
    EXPECT_EQ(0u, stats().refused_calls);
    EXPECT_EQ(GetParam() == CAIRN_PAGESOURCE_MMAP, stats().brk_calls == 0);
    cairn_pagesource_fini(&source);
    if (GetParam() == CAIRN_PAGESOURCE_BRK) {
        EXPECT_EQ(break_before, sbrk(0));
    }
}

TEST_P(Kernel, PurgeEmptiesAndLowersTheResidentSet)
{
    constexpr size_t kBytes = 64 * kMiB;
    char *block = alloc(kBytes);
    char *lid = alloc(4096);
    ASSERT_NE(nullptr, block);
    memset(block, 1, kBytes);
    size_t full = resident_bytes();
    EXPECT_EQ(0, cairn_pagesource_purge_range(&source, block, kBytes / 2));
    EXPECT_EQ(0, block[kBytes / 2 - 1]);
    EXPECT_EQ(1, block[kBytes / 2]);
    EXPECT_LT(resident_bytes(), full - kBytes / 2 + 4 * kMiB);
    cairn_pagesource_free(&source, block, kBytes);
    cairn_pagesource_purge(&source);
    EXPECT_LT(resident_bytes(), full - kBytes + 4 * kMiB);
    EXPECT_EQ(0u, stats().free_dirty_bytes);
    cairn_pagesource_check(&source);
    cairn_pagesource_free(&source, lid, 4096);
    cairn_pagesource_fini(&source);
}

TEST_P(Kernel, ResizesKeepingTheContents)
{
    size_t length = 8192;
    char *block = alloc(length);

    memset(block, 9, length);
    for (; length < 40 * kMiB; length *= 2) {
        char *resized = static_cast<char *>(
            cairn_pagesource_resize(&source, block, length, 2 * length, 1, true));
        if (resized == nullptr) {
            resized = alloc(2 * length);
            ASSERT_NE(nullptr, resized);
            memcpy(resized, block, length);
            cairn_pagesource_free(&source, block, length);
        }
        block = resized;
        for (size_t at = 0; at < length; at += 4096)
            ASSERT_EQ(9, block[at]);
        memset(block + length, 9, length);
        cairn_pagesource_check(&source);
    }
    EXPECT_EQ(length, stats().outstanding_bytes);
    EXPECT_EQ(GetParam() == CAIRN_PAGESOURCE_MMAP, stats().remap_calls > 0);
    cairn_pagesource_free(&source, block, length);
    cairn_pagesource_fini(&source);
}

// --- limits of the process: in a child, because they cannot be taken back ------------------------

void limit(int resource, rlim_t value)
{
    struct rlimit both = {value, RLIM_INFINITY};
    getrlimit(static_cast<__rlimit_resource_t>(resource), &both);
    both.rlim_cur = value;
    setrlimit(static_cast<__rlimit_resource_t>(resource), &both);
}

// Ends a child: 0 when everything held, else the number of the line.
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(__LINE__ % 251 + 1);                                                             \
    } while (0)

// Takes blocks until there are none, writes to them, gives them back; how many.
size_t fill(struct cairn_pagesource *source, size_t length)
{
    static char *blocks[4096];
    size_t count = 0;

    while (count < 4096 && (blocks[count] = static_cast<char *>(
                                cairn_pagesource_alloc(source, length, 1, nullptr))) != nullptr) {
        blocks[count][0] = blocks[count][length - 1] = 1;
        count++;
    }
    cairn_pagesource_check(source);
    for (size_t idx = 0; idx < count; idx++)
        cairn_pagesource_free(source, blocks[idx], length);
    cairn_pagesource_check(source);
    return count;
}

TEST_P(Kernel, SurvivesADataSegmentThatIsWalledIn)
{
    auto child = [this] {
        char *wall = reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(sbrk(0)) + 0x4ffff) &
                                              ~uintptr_t{0xffff});
        REQUIRE(mmap(wall, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
                     0) == wall);
        char *block = alloc(kMiB);
        REQUIRE(block != nullptr);
        REQUIRE(stats().mapped_bytes >= kMiB);
        REQUIRE(GetParam() == CAIRN_PAGESOURCE_MMAP || stats().refused_calls > 0);
        cairn_pagesource_free(&source, block, kMiB);
        REQUIRE(fill(&source, 65536) == 4096);
        cairn_pagesource_fini(&source);
        _exit(0);
    };
    EXPECT_EXIT(child(), testing::ExitedWithCode(0), "");
}

TEST_P(Kernel, SurvivesEveryLimitOfDataAndAddressSpace)
{
    auto child = [this](int resource, size_t extra) {
        size_t used = 0, data = 0, dummy;
        FILE *statm = fopen("/proc/self/statm", "r");
        REQUIRE(fscanf(statm, "%zu %zu %zu %zu %zu %zu", &used, &dummy, &dummy, &dummy, &dummy,
                       &data) == 6);
        fclose(statm);
        limit(resource, (resource == RLIMIT_AS ? used : data) * 4096 + extra);
        size_t first = fill(&source, 40960);
        size_t second = fill(&source, 40960);
        REQUIRE(first <= (extra + kMiB) / 40960); // statm counts the stack as data
        REQUIRE(second + 2 >= first);             // as much again, but for a seam
        REQUIRE(alloc(2 * extra + kMiB) == nullptr);
        cairn_pagesource_check(&source);
        limit(resource, RLIM_INFINITY);
        char *block = alloc(2 * extra + kMiB);
        REQUIRE(block != nullptr);
        cairn_pagesource_free(&source, block, 2 * extra + kMiB);
        cairn_pagesource_fini(&source);
        _exit(0);
    };
    for (size_t extra = 0; extra <= 4 * kMiB; extra = extra * 2 + 4096)
        for (int resource : {RLIMIT_AS, RLIMIT_DATA})
            EXPECT_EXIT(child(resource, extra), testing::ExitedWithCode(0), "")
                << "extra " << extra << " resource " << resource;
}

// --- threads -------------------------------------------------------------------------------------

// Past the lock, within what is left of the limit.
void pass(struct cairn_pagesource *source, int steps)
{
    for (int step = 0; step < steps; step++) {
        size_t length = static_cast<size_t>(step % 7 + 1) * 4096;
        char *base = static_cast<char *>(cairn_pagesource_map_past(source, length));
        if (base == nullptr)
            continue;
        ASSERT_EQ(0, base[0]);
        base[length - 1] = 1;
        cairn_pagesource_unmap_past(source, base, length);
    }
}

void churn(struct cairn_pagesource *source, uint64_t seed, int steps)
{
    std::mt19937_64 random(seed);
    struct Block {
        char *base;
        size_t length;
    };
    std::vector<Block> blocks;
    char mark = static_cast<char>(seed);

    for (int step = 0; step < steps; step++) {
        size_t length = (random() % 100 + 1) * 4096;
        if (random() % 16 == 0)
            cairn_pagesource_purge(source);
        if (blocks.size() < 20) {
            char *base = static_cast<char *>(
                cairn_pagesource_alloc(source, length, size_t{4096} << random() % 4, nullptr));
            ASSERT_NE(nullptr, base);
            base[0] = base[length - 1] = mark;
            blocks.push_back({base, length});
        }
        Block &chosen = blocks[random() % blocks.size()];
        ASSERT_EQ(mark, chosen.base[0]);
        ASSERT_EQ(mark, chosen.base[chosen.length - 1]);
        if (random() % 4 == 0) {
            void *resized =
                cairn_pagesource_resize(source, chosen.base, chosen.length, length, 1, true);
            if (resized == nullptr)
                continue;
            chosen = {static_cast<char *>(resized), length};
            chosen.base[length - 1] = mark;
            continue;
        }
        cairn_pagesource_free(source, chosen.base, chosen.length);
        chosen = blocks.back();
        blocks.pop_back();
    }
    for (Block &block : blocks)
        cairn_pagesource_free(source, block.base, block.length);
}

TEST_P(Kernel, ServesManyThreads)
{
    uint64_t seed = test_seed();
    std::vector<std::thread> threads;
    for (uint64_t idx = 0; idx < 4; idx++)
        threads.emplace_back(churn, &source, seed + idx, 1500);
    threads.emplace_back(pass, &source, 1500);
    for (int round = 0; round < 50; round++)
        cairn_pagesource_check(&source);
    for (std::thread &thread : threads)
        thread.join();
    cairn_pagesource_check(&source);
    EXPECT_EQ(0u, stats().outstanding_bytes);
    cairn_pagesource_fini(&source);
}

// So much that every thread finds what it needs if it waits for what the others have in transit. In
// the data segment holes would stay holes.
TEST_P(Kernel, NoThreadIsRefusedWhatTheLimitAllows)
{
    if (GetParam() != CAIRN_PAGESOURCE_MMAP)
        return;
    constexpr size_t kThreads = 4, kBytes = 24 * kMiB;
    struct cairn_pagesource_config config = {};
    config.policy = GetParam();
    config.limit_bytes = kThreads * kBytes;
    config.map_threshold_max_bytes = 8 * kMiB;
    ASSERT_EQ(0, cairn_pagesource_init(&source, &config));
    std::vector<std::thread> threads;
    for (size_t idx = 0; idx < kThreads; idx++)
        threads.emplace_back([this] {
            for (int round = 0; round < 60; round++) {
                size_t length = round % 2 == 0 ? kBytes : kBytes / 2;
                char *block = alloc(length);
                ASSERT_NE(nullptr, block);
                memset(block, 1, length / 8);
                cairn_pagesource_free(&source, block, length);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    cairn_pagesource_check(&source);
    EXPECT_LE(stats().held_peak_bytes, kThreads * kBytes);
    cairn_pagesource_fini(&source);
}

TEST_P(Kernel, MetadataLiesBetweenPagesThatNothingMayTouch)
{
    std::vector<std::pair<char *, size_t>> reserved;
    std::vector<char *> blocks;
    for (size_t length : {size_t{100}, size_t{8192}, size_t{600000}, 2 * kMiB}) {
        reserved.push_back(
            {static_cast<char *>(cairn_pagesource_reserve(&source, length)), length});
        blocks.push_back(alloc(8 * kMiB)); // what the kernel puts beside
        ASSERT_NE(nullptr, reserved.back().first);
    }
    for (auto &[base, length] : {reserved[2], reserved[3]}) {
        size_t rounded = (length + 4095) & ~size_t{4095};
        EXPECT_EQ(rounded, mapped_of(base - 4096, rounded + 8192));
    }
    EXPECT_EQ(kMiB, mapped_of(reserved[0].first - 4096, kMiB + 8192)) << "it is the first piece";
    for (auto &[base, length] : reserved)
        cairn_pagesource_unreserve(&source, base, length);
    for (char *block : blocks)
        cairn_pagesource_free(&source, block, 8 * kMiB);
    cairn_pagesource_fini(&source);
}

std::string name_of(const testing::TestParamInfo<enum cairn_pagesource_policy> &info)
{
    static const char *const names[] = {"Auto", "Brk", "Mmap"};
    return names[info.param];
}

INSTANTIATE_TEST_SUITE_P(Policies, Kernel, testing::ValuesIn(kPolicies), name_of);

} // namespace
