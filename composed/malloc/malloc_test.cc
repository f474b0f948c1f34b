// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The default malloc, linked with `malloc =`: what is cairn's own. What every malloc must do is
// tests/conformance.

#include <cairn/malloc.h>

#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

struct cairn_malloc_stats Stats()
{
    struct cairn_malloc_stats stats = {};
    EXPECT_EQ(cairn_malloc_stats(&stats, sizeof(stats)), sizeof(stats));
    return stats;
}

std::string Print(cairn_malloc_format format)
{
    std::string text;
    text.reserve(1 << 16); // the writer must not allocate
    cairn_malloc_stats_print(
        [](void *self, const char *bytes, size_t count) {
            static_cast<std::string *>(self)->append(bytes, count);
        },
        &text, format);
    return text;
}

// Keeps the compiler from removing a pair of malloc and free.
void *Opaque(void *block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

TEST(Cairn, IsLinkedIn)
{
    ASSERT_NE(cairn_malloc_is_active, nullptr);
    EXPECT_EQ(cairn_malloc_is_active(), 1);
    EXPECT_STREQ(Stats().stack, "cairn");
}

TEST(Cairn, UsesTheSizeOfTheClass)
{
    for (size_t size = 0; size <= 40000; size++) {
        void *block = malloc(size);
        size_t usable = malloc_usable_size(block);
        ASSERT_GE(usable, size);
        if (size > 128 && size <= 32768) {
            ASSERT_LE((usable - size) * 8, usable) << "more than 12.5 % wasted for " << size;
        }
        free(block);
    }
}

// True when a block that is freed is the next one of its size; a thread that changes its CPU in
// between gets another.
bool GivesTheNewestAgain(size_t size)
{
    for (int attempt = 0; attempt < 10; attempt++) {
        void *freed = Opaque(malloc(size));
        uintptr_t address = reinterpret_cast<uintptr_t>(freed);
        free(freed);
        void *block = Opaque(malloc(size));
        bool is_again = reinterpret_cast<uintptr_t>(block) == address;
        free(block);
        if (is_again) {
            return true;
        }
    }
    return false;
}

TEST(Cairn, GivesTheNewestBlockAgainUpToTheLargestThatIsCached)
{
    for (size_t size = 1; size <= size_t{128} * 1024; size += 509) {
        ASSERT_TRUE(GivesTheNewestAgain(size)) << size << " bytes";
    }
}

TEST(Cairn, CountsWhatTheProgramHolds)
{
    struct cairn_malloc_stats before = Stats();
    std::vector<void *> blocks;
    blocks.reserve(1000);
    size_t reserved = Stats().allocated_bytes;
    size_t held = 0;
    for (int idx = 0; idx < 1000; idx++) {
        blocks.push_back(Opaque(malloc(static_cast<size_t>(idx) * 97)));
        held += malloc_usable_size(blocks.back());
    }
    EXPECT_EQ(Stats().allocated_bytes - reserved, held);
    for (void *block : blocks)
        free(block);
    EXPECT_EQ(Stats().allocated_bytes, reserved);
    EXPECT_GE(Stats().held_peak_bytes, before.allocated_bytes + held);
}

TEST(Cairn, SumsUp)
{
    std::vector<std::vector<char>> blocks;
    std::mt19937 random(3);
    for (int idx = 0; idx < 500; idx++)
        blocks.emplace_back(random() % 100000);
    struct cairn_malloc_stats stats = Stats();
    EXPECT_EQ(stats.slab_bytes + stats.large_bytes + stats.run_free_bytes + stats.huge_bytes +
                  stats.page_free_bytes,
              stats.brk_bytes + stats.mapped_bytes);
    EXPECT_EQ(stats.slab_bytes - stats.slab_free_bytes - stats.cached_bytes + stats.large_bytes +
                  stats.huge_bytes,
              stats.allocated_bytes);
}

size_t ResidentBytes()
{
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    EXPECT_EQ(fscanf(file, "%lu %lu", &total, &resident), 2);
    fclose(file);
    return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

TEST(Cairn, TrimGivesMemoryBack)
{
    std::vector<void *> blocks(20000);
    cairn_malloc_trim(); // what earlier tests left
    size_t before = ResidentBytes();
    for (void *&block : blocks)
        memset(block = malloc(4000), 1, 4000);
    ASSERT_GT(ResidentBytes(), before + (70u << 20));
    for (void *block : blocks)
        free(block);
    size_t released = cairn_malloc_trim();
    struct cairn_malloc_stats stats = {};
    cairn_malloc_stats(&stats, sizeof(stats));
    EXPECT_GT(released, 0u);
    EXPECT_EQ(stats.cached_bytes, 0u);
    EXPECT_EQ(stats.run_dirty_bytes, 0u);
    EXPECT_LT(ResidentBytes(), before + (2u << 20));
}

TEST(Cairn, PrintsATableAndJson)
{
    std::string table = Print(CAIRN_MALLOC_TEXT);
    EXPECT_NE(table.find("allocated_bytes"), std::string::npos);
    EXPECT_NE(table.find("system calls made for memory"), std::string::npos);
    std::string json = Print(CAIRN_MALLOC_JSON);
    EXPECT_EQ(json.front(), '{');
    EXPECT_EQ(json.substr(json.size() - 2), "}\n");
    EXPECT_NE(json.find("\"stack\":\"cairn\""), std::string::npos);
    EXPECT_EQ(std::count(json.begin(), json.end(), '"') % 2, 0);
}

TEST(Cairn, FillsAnOlderProgramsShorterStruct)
{
    struct {
        const char *stack;
        char beyond;
    } old = {nullptr, 'x'};
    EXPECT_EQ(
        cairn_malloc_stats(reinterpret_cast<struct cairn_malloc_stats *>(&old), sizeof(char *)),
        sizeof(struct cairn_malloc_stats));
    EXPECT_STREQ(old.stack, "cairn");
    EXPECT_EQ(old.beyond, 'x');
}

TEST(Cairn, PassesItsOwnCheckAfterThreadsWorked)
{
    std::vector<std::thread> threads;
    for (unsigned seed = 0; seed < 8; seed++)
        threads.emplace_back([seed] {
            std::mt19937 random(seed);
            std::vector<void *> live(256, nullptr);
            for (int round = 0; round < 50000; round++) {
                void *&slot = live[random() % live.size()];
                free(slot);
                slot = malloc(random() % (random() % 64 == 0 ? 200000 : 2000));
            }
            for (void *block : live)
                free(block);
        });
    for (auto &thread : threads)
        thread.join();
    cairn_malloc_check();
}

TEST(Cairn, ChildOfABusyProcessHasASoundHeap)
{
    bool stop = false;
    std::vector<std::thread> threads;
    for (unsigned seed = 0; seed < 4; seed++)
        threads.emplace_back([&stop, seed] {
            std::mt19937 random(seed);
            while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
                free(Opaque(malloc(random() % 100000)));
        });
    for (int round = 0; round < 50; round++) {
        pid_t child = fork();
        if (child == 0) {
            cairn_malloc_check();
            for (int idx = 0; idx < 1000; idx++)
                free(Opaque(malloc(static_cast<size_t>(idx) * 100)));
            cairn_malloc_check();
            _exit(0);
        }
        int status = -1;
        waitpid(child, &status, 0);
        ASSERT_EQ(status, 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (auto &thread : threads)
        thread.join();
}

TEST(Cairn, NeverWritesIntoFreeMemory)
{
    std::vector<unsigned char *> blocks;
    for (size_t size : {8ul, 24ul, 64ul, 500ul, 4000ul, 30000ul})
        for (int idx = 0; idx < 50; idx++) {
            blocks.push_back(static_cast<unsigned char *>(malloc(size)));
            memset(blocks.back(), 0x5c, malloc_usable_size(blocks.back()));
        }
    std::vector<size_t> sizes;
    for (unsigned char *block : blocks)
        sizes.push_back(malloc_usable_size(block));
    for (unsigned char *block : blocks)
        free(block);
    size_t changed = 0;
    for (size_t idx = 0; idx < blocks.size();
         idx++) // reading freed memory on purpose: it is still mapped
        for (size_t at = 0; at < sizes[idx]; at++)
            changed += *const_cast<volatile unsigned char *>(blocks[idx] + at) != 0x5c;
    EXPECT_EQ(changed, 0u);
}

} // namespace
