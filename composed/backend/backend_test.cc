// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "composed/backend/backend_fixture.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace {

TEST_F(Backend, ServesLargeAndHugeBlocks)
{
    for (size_t size : {40000ul, 65536ul, 1ul << 20, (1ul << 20) + 1, 5ul << 20, 100ul << 20}) {
        bool is_huge = size > (1 << 20);
        char *block = Alloc(size);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) %
                      (is_huge ? backend_.page_bytes : backend_.granule_bytes),
                  0u);
        EXPECT_GE(Usable(block), size);
        EXPECT_LT(Usable(block), size + backend_.granule_bytes);
        block[0] = block[size - 1] = 1;
        EXPECT_EQ(cairn_tag_kind(Tag(block)), is_huge ? CAIRN_KIND_HUGE : CAIRN_KIND_LARGE);
        Free(block);
        EXPECT_EQ(Tag(block), 0);
    }
    EXPECT_EQ(Outstanding(), 0u);
    cairn_backend_check(&backend_);
}

TEST_F(Backend, AlignsUpToAnyPowerOfTwo)
{
    for (size_t align = 1; align <= (64ul << 20); align *= 2) {
        char *block = Alloc(50000, align);
        ASSERT_NE(block, nullptr) << align;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % align, 0u);
        memset(block, 1, 50000);
        Free(block);
    }
    cairn_backend_check(&backend_);
}

TEST_F(Backend, NeverLetsTwoBlocksBeginInOneGranule)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 64; idx++) {
        blocks.push_back(Alloc(100, 2 << 20));
        blocks.push_back(Alloc((1 << 20) + 4096));
    }
    for (char *block : blocks)
        Free(block);
    cairn_backend_check(&backend_);
    EXPECT_EQ(cairn_backend_stats(&backend_).huge_count, 0u);
}

TEST_F(Backend, SaysZeroedOnlyOfZeroes)
{
    std::mt19937 random(7);
    for (int round = 0; round < 200; round++) {
        size_t size = 40000 + random() % (3 << 20);
        bool is_zeroed = false;
        char *block = Alloc(size, 1, &is_zeroed);
        ASSERT_NE(block, nullptr);
        for (size_t at = 0; is_zeroed && at < size; at++)
            ASSERT_EQ(block[at], 0) << "byte " << at << " of " << size;
        memset(block, 0xa5, size);
        Free(block);
        if (round % 50 == 49)
            cairn_backend_trim(&backend_);
    }
}

TEST_F(Backend, FreshMemoryIsKnownToBeZero)
{
    bool is_zeroed = false;
    char *block = Alloc(100000, 1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    Free(block);
    block = Alloc(200 << 20, 1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    Free(block);
}

TEST_F(Backend, ResizesWithoutLosingTheContent)
{
    std::mt19937 random(11);
    for (int round = 0; round < 100; round++) {
        size_t size = 40000 + random() % (4 << 20);
        size_t wanted = 40000 + random() % (4 << 20);
        char *block = Alloc(size);
        for (size_t at = 0; at < size; at += 4096)
            block[at] = static_cast<char>(at >> 12);
        char *resized = Resize(block, wanted);
        char *now = resized != nullptr ? resized : block;
        size_t kept = resized != nullptr ? std::min(size, wanted) : size;
        for (size_t at = 0; at < kept; at += 4096)
            ASSERT_EQ(now[at], static_cast<char>(at >> 12));
        EXPECT_GE(Usable(now), resized != nullptr ? wanted : size);
        EXPECT_TRUE(now == block || Tag(block) == 0);
        Free(now);
    }
    cairn_backend_check(&backend_);
}

TEST_F(Backend, MovesThePagesOfAHugeBlockThatGrows)
{
    char *block = Alloc(64 << 20);
    char *behind = Alloc(64 << 20); // so that it cannot simply extend
    block[12345678] = 42;
    char *grown = Resize(block, 256 << 20);
    ASSERT_NE(grown, nullptr);
    EXPECT_GE(Usable(grown), 256u << 20);
    EXPECT_GE(cairn_backend_stats(&backend_).pages.remap_calls, 1u);
    EXPECT_EQ(cairn_backend_is_block(&backend_, block), grown == block);
    EXPECT_EQ(grown[12345678], 42);
    Free(grown);
    Free(behind);
    cairn_backend_check(&backend_);
}

TEST_F(Backend, TrimGivesEverythingBack)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 64; idx++) {
        blocks.push_back(Alloc(512 << 10));
        memset(blocks.back(), 1, 512 << 10);
    }
    for (char *block : blocks)
        Free(block);
    cairn_backend_trim(&backend_);
    struct cairn_backend_stats stats = cairn_backend_stats(&backend_);
    EXPECT_EQ(stats.runs.free_dirty_bytes, 0u);
    EXPECT_EQ(stats.pages.free_dirty_bytes, 0u);
}

TEST_F(Backend, IsSharedByThreads)
{
    std::vector<std::thread> threads;
    for (unsigned seed = 1; seed <= 4; seed++)
        threads.emplace_back([this, seed] {
            std::mt19937 random(seed);
            std::map<char *, size_t> live;
            for (int round = 0; round < 2000; round++) {
                size_t size = 33000 + random() % (random() % 8 == 0 ? 3 << 20 : 300000);
                char *block = Alloc(size);
                ASSERT_NE(block, nullptr);
                block[0] = block[size - 1] = static_cast<char>(seed);
                live[block] = size;
                if (live.size() > 8) {
                    auto victim = live.begin();
                    ASSERT_EQ(victim->first[0], static_cast<char>(seed));
                    ASSERT_EQ(victim->first[victim->second - 1], static_cast<char>(seed));
                    Free(victim->first);
                    live.erase(victim);
                }
            }
            for (auto &entry : live)
                Free(entry.first);
        });
    for (auto &thread : threads)
        thread.join();
    cairn_backend_check(&backend_);
    EXPECT_EQ(Outstanding(), 0u);
}

TEST_F(Backend, StopsForPointersThatItDidNotGive)
{
    char *large = Alloc(100000);
    char *huge = Alloc(5 << 20);
    char on_stack = 0;
    EXPECT_DEATH(Free(large + 16),
                 "^cairn: pointer is not the start of a block in use.* in free\n$");
    EXPECT_DEATH(Free(large + 65536), "not the start of a block in use");
    EXPECT_DEATH(Free(huge + 16), "not the start of a block in use");
    EXPECT_DEATH(Free(huge + 65536), "^cairn: pointer is not from this heap.* in free\n$");
    EXPECT_DEATH(Free(&on_stack), "not from this heap");
    EXPECT_DEATH(Free(reinterpret_cast<void *>(16)), "not from this heap");
    EXPECT_DEATH(Free(reinterpret_cast<void *>(~uintptr_t{15})), "not from this heap");
    EXPECT_DEATH(
        {
            Free(large);
            Free(large);
        },
        "not the start of a block in use");
    EXPECT_DEATH(
        {
            Free(huge);
            Free(huge);
        },
        "freed before");
    Free(large);
    Free(huge);
}

TEST_F(Backend, AnswersNullAboveWhatCanBe)
{
    EXPECT_EQ(Alloc(PTRDIFF_MAX), nullptr);
    EXPECT_EQ(Alloc(1ul << 47), nullptr);
    EXPECT_EQ(Alloc(40000, 1ul << 62), nullptr);
    cairn_backend_check(&backend_);
    EXPECT_EQ(Outstanding(), 0u);
}

class BackendLimit : public Backend {
  protected:
    BackendLimit()
    {
        limit_bytes_ = 32 << 20;
    }
    size_t Held()
    {
        struct cairn_pagesource_stats pages = cairn_pagesource_stats(&backend_.pages);
        return pages.outstanding_bytes + pages.free_bytes;
    }
};

TEST_F(BackendLimit, IsNeverExceeded)
{
    std::vector<void *> blocks;
    for (void *block = Alloc(300000); block != nullptr; block = Alloc(300000)) {
        blocks.push_back(block);
        ASSERT_LE(Held(), limit_bytes_);
    }
    // 19 granules come from a block of 32: four in a chunk of 128, in each of 16 chunks.
    EXPECT_EQ(blocks.size(), 64u);
    for (void *block : blocks)
        Free(block);
}

TEST_F(BackendLimit, IsThereForPastBlocksToo)
{
    char *large = Alloc(100000);
    std::vector<void *> blocks;
    for (;;) {
        void *block = cairn_backend_alloc_past(&backend_, 1 << 20, 1);
        if (block == nullptr)
            break;
        blocks.push_back(block);
        ASSERT_LE(blocks.size(), 30u);
    }
    EXPECT_GE(blocks.size(), 28u) << "32 MiB, but for a chunk and what was cut off to align it";
    EXPECT_LE(Held() + (blocks.size() << 20), limit_bytes_);
    EXPECT_EQ(Alloc(4 << 20), nullptr);
    for (void *block : blocks)
        EXPECT_TRUE(cairn_backend_free_past(&backend_, block));
    char *huge = Alloc(20 << 20);
    EXPECT_NE(huge, nullptr);
    Free(huge);
    Free(large);
}

long AddressSpacePages()
{
    char text[64] = "";
    int file = open("/proc/self/statm", O_RDONLY);
    ssize_t got = read(file, text, sizeof(text) - 1);
    close(file);
    return got > 0 ? atol(text) : -1;
}

// With more and more room, page by page, until it succeeds.
[[noreturn]] void StartAgainAndAgain(const cairn_backend_config &config)
{
    static cairn_backend backend;
    rlimit limit = {};
    long before = AddressSpacePages();
    for (long more = 0; more < 2000; more++) {
        limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
        limit.rlim_cur = static_cast<rlim_t>(before + more) * 4096;
        if (setrlimit(RLIMIT_AS, &limit) != 0)
            _exit(3);
        backend = {};
        if (cairn_backend_init(&backend, &config) == 0)
            _exit(more > 0 ? 0 : 4);
        if (AddressSpacePages() != before)
            _exit(5);
    }
    _exit(6);
}

TEST(BackendStart, ThatFailsHoldsNothing)
{
    Tables tables;
    cairn_backend_config config = Config(tables);
    pid_t child = fork();
    if (child == 0)
        StartAgainAndAgain(config);
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "5: it kept some";
}

// It used to take chunks until there was no memory, none of which could hold the block.
TEST_F(BackendMedium, SourcesRefuseAtOnceWhatTheyCanNeverServe)
{
    void *block;
    for (cairn_source source :
         {cairn_backend_as_source(&backend_), cairn_backend_as_medium_source(&backend_)}) {
        for (size_t bytes : {backend_.large_max_bytes + 16384, backend_.chunk_bytes * 2, SIZE_MAX})
            EXPECT_EQ(cairn_source_take(source, bytes, 16384, &block, 1), 0u) << bytes;
        EXPECT_EQ(cairn_source_take(source, 49152, SIZE_MAX / 2 + 1, &block, 1), 0u);
    }
    EXPECT_EQ(cairn_backend_stats(&backend_).runs.chunk_count, 0u);
}

} // namespace
