// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

extern "C" {
#include "composed/ground/ground.h"
}

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace {

class Ground : public testing::TestWithParam<bool> {
  protected:
    void SetUp() override
    {
        cairn_ground_config config = {};
        config.policy = CAIRN_PAGESOURCE_MMAP; // the break belongs to the test's own malloc
        config.two_level_map = GetParam();
        config.has_runs = has_runs_;
        ASSERT_EQ(cairn_ground_init(&ground_, &config), 0);
        EXPECT_EQ(ground_.map.shape, GetParam() ? CAIRN_PAGEMAP_TWO_LEVEL : CAIRN_PAGEMAP_FLAT);
    }

    char *Alloc(size_t size_bytes, size_t align_bytes = 1, bool *is_zeroed = nullptr)
    {
        return static_cast<char *>(
            cairn_ground_alloc(&ground_, size_bytes, align_bytes, is_zeroed));
    }
    uint16_t Tag(const void *block)
    {
        return cairn_pagemap_tag(&ground_.map, block);
    }
    size_t Usable(const void *block)
    {
        return cairn_ground_usable_bytes(&ground_, block, Tag(block), "test");
    }
    void Free(void *block)
    {
        cairn_ground_free(&ground_, block, Tag(block), "free");
    }
    size_t Outstanding()
    {
        return ground_.buddy == nullptr ? 0 : cairn_ground_stats(&ground_).buddy.used_bytes;
    }

    bool has_runs_ = false;
    cairn_ground ground_ = {};
};

// Under a cache that tells large blocks by their length.
class GroundRuns : public Ground {
  protected:
    GroundRuns()
    {
        has_runs_ = true;
    }

    void SetUp() override
    {
        Ground::SetUp();
        if (!ground_.has_runs)
            GTEST_SKIP() << "granules are not of 16 KiB here";
    }

    size_t RunOf(const void *block)
    {
        return cairn_run_at(&ground_, block, Tag(block));
    }
};

TEST_P(Ground, ServesLargeAndHugeBlocks)
{
    for (size_t size : {40000ul, 65536ul, 1ul << 20, (1ul << 20) + 1, 5ul << 20, 100ul << 20}) {
        bool is_huge = size > (1 << 20);
        char *block = Alloc(size);
        ASSERT_NE(block, nullptr);
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) %
                      (is_huge ? ground_.page_bytes : ground_.granule_bytes),
                  0u);
        EXPECT_GE(Usable(block), size);
        EXPECT_LT(Usable(block), size + ground_.granule_bytes);
        block[0] = block[size - 1] = 1;
        EXPECT_EQ(cairn_tag_kind(Tag(block)), is_huge ? CAIRN_KIND_HUGE : CAIRN_KIND_LARGE);
        Free(block);
        EXPECT_EQ(Tag(block), 0);
    }
    EXPECT_EQ(Outstanding(), 0u);
    cairn_ground_check(&ground_);
}

TEST_P(GroundRuns, EachLengthIsAClass)
{
    for (size_t size = 32769; size <= 200000; size += 61) {
        char *block = Alloc(size);
        size_t run_idx = RunOf(block);
        ASSERT_EQ(run_idx < CAIRN_RUN_COUNT, size <= 131072) << size;
        EXPECT_EQ(run_idx < CAIRN_RUN_COUNT, cairn_run_of(size) < CAIRN_RUN_COUNT);
        if (run_idx < CAIRN_RUN_COUNT) {
            EXPECT_EQ(run_idx, cairn_run_of(size));
            EXPECT_EQ(cairn_run_bytes(run_idx), Usable(block)) << size;
        } else {
            EXPECT_EQ(cairn_tag_kind(Tag(block)), CAIRN_KIND_LARGE);
        }
        EXPECT_GE(cairn_run_at(&ground_, block + 16, Tag(block)), size_t{CAIRN_RUN_COUNT});
        Free(block);
        ASSERT_EQ(Tag(block), 0);
    }
    EXPECT_GE(cairn_run_of(1), size_t{CAIRN_RUN_COUNT});
    EXPECT_GE(cairn_run_of(32768), size_t{CAIRN_RUN_COUNT});
    EXPECT_GE(cairn_run_of(SIZE_MAX), size_t{CAIRN_RUN_COUNT});
    EXPECT_EQ(Outstanding(), 0u);
}

TEST_P(GroundRuns, AreServedAndTakenBackByTheSource)
{
    cairn_source runs = cairn_ground_as_run_source(&ground_);
    std::vector<void *> blocks(20);
    for (size_t run_idx = 0; run_idx < CAIRN_RUN_COUNT; run_idx++) {
        uint32_t bytes = cairn_run_bytes(run_idx);
        ASSERT_EQ(cairn_source_take(runs, bytes, 16, blocks.data(), blocks.size()), blocks.size());
        for (void *block : blocks) {
            EXPECT_EQ(RunOf(block), run_idx);
            memset(block, 1, bytes);
        }
        cairn_source_give(runs, bytes, blocks.data(), blocks.size());
        EXPECT_EQ(Outstanding(), 0u);
        EXPECT_DEATH(cairn_source_give(runs, bytes, blocks.data(), 1), "double free|freed before");
    }
    cairn_ground_check(&ground_);
}

TEST_P(GroundRuns, BecomeAnotherClassWhenTheyAreResized)
{
    char *block = Alloc(120000);
    EXPECT_EQ(RunOf(block), cairn_run_of(120000));
    ASSERT_EQ(cairn_ground_resize(&ground_, block, Tag(block), 50000), block);
    EXPECT_EQ(RunOf(block), cairn_run_of(50000));
    ASSERT_EQ(cairn_ground_resize(&ground_, block, Tag(block), 120000), block);
    EXPECT_EQ(RunOf(block), cairn_run_of(120000));
    ASSERT_EQ(cairn_ground_resize(&ground_, block, Tag(block), 400000), block);
    EXPECT_EQ(cairn_tag_kind(Tag(block)), CAIRN_KIND_LARGE);
    ASSERT_EQ(cairn_ground_resize(&ground_, block, Tag(block), 120000), block);
    EXPECT_EQ(RunOf(block), cairn_run_of(120000));
    Free(block);
    EXPECT_EQ(Outstanding(), 0u);
    cairn_ground_check(&ground_);
}

TEST_P(Ground, AlignsUpToAnyPowerOfTwo)
{
    for (size_t align = 1; align <= (64ul << 20); align *= 2) {
        char *block = Alloc(50000, align);
        ASSERT_NE(block, nullptr) << align;
        EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % align, 0u);
        memset(block, 1, 50000);
        Free(block);
    }
    cairn_ground_check(&ground_);
}

TEST_P(Ground, NeverLetsTwoBlocksBeginInOneGranule)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 64; idx++) {
        blocks.push_back(Alloc(100, 2 << 20));
        blocks.push_back(Alloc((1 << 20) + 4096));
    }
    for (char *block : blocks)
        Free(block);
    cairn_ground_check(&ground_);
    EXPECT_EQ(cairn_ground_stats(&ground_).huge_count, 0u);
}

TEST_P(Ground, SaysZeroedOnlyOfZeroes)
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
            cairn_ground_trim(&ground_);
    }
}

TEST_P(Ground, FreshMemoryIsKnownToBeZero)
{
    bool is_zeroed = false;
    char *block = Alloc(100000, 1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    Free(block);
    block = Alloc(200 << 20, 1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    Free(block);
}

TEST_P(Ground, ResizesWithoutLosingTheContent)
{
    std::mt19937 random(11);
    for (int round = 0; round < 100; round++) {
        size_t size = 40000 + random() % (4 << 20);
        size_t wanted = 40000 + random() % (4 << 20);
        char *block = Alloc(size);
        for (size_t at = 0; at < size; at += 4096)
            block[at] = static_cast<char>(at >> 12);
        char *resized =
            static_cast<char *>(cairn_ground_resize(&ground_, block, Tag(block), wanted));
        char *now = resized != nullptr ? resized : block;
        size_t kept = resized != nullptr ? std::min(size, wanted) : size;
        for (size_t at = 0; at < kept; at += 4096)
            ASSERT_EQ(now[at], static_cast<char>(at >> 12));
        EXPECT_GE(Usable(now), resized != nullptr ? wanted : size);
        EXPECT_TRUE(now == block || Tag(block) == 0);
        Free(now);
    }
    cairn_ground_check(&ground_);
}

TEST_P(Ground, MovesThePagesOfAHugeBlockThatGrows)
{
    char *block = Alloc(64 << 20);
    char *behind = Alloc(64 << 20); // so that it cannot simply extend
    block[12345678] = 42;
    char *grown = static_cast<char *>(cairn_ground_resize(&ground_, block, Tag(block), 256 << 20));
    if (GetParam()) {
        EXPECT_TRUE(grown == nullptr || grown == block)
            << "a two-level map cannot promise a mark elsewhere";
        grown = grown == nullptr ? block : grown;
    } else {
        ASSERT_NE(grown, nullptr);
        EXPECT_GE(Usable(grown), 256u << 20);
        EXPECT_GE(cairn_ground_stats(&ground_).pages.remap_calls, 1u);
    }
    EXPECT_EQ(grown[12345678], 42);
    Free(grown);
    Free(behind);
    cairn_ground_check(&ground_);
}

TEST_P(Ground, TrimGivesEverythingBack)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 64; idx++) {
        blocks.push_back(Alloc(512 << 10));
        memset(blocks.back(), 1, 512 << 10);
    }
    for (char *block : blocks)
        Free(block);
    cairn_ground_trim(&ground_);
    struct cairn_ground_stats stats = cairn_ground_stats(&ground_);
    EXPECT_EQ(stats.buddy.free_dirty_bytes, 0u);
    EXPECT_EQ(stats.pages.free_dirty_bytes, 0u);
}

// What is free and perhaps resident, in the buddy.
size_t DirtyBytes(cairn_ground *ground)
{
    return cairn_ground_stats(ground).buddy.free_dirty_bytes;
}

TEST_P(Ground, EmptiesWhatLayIdleForATenthOfASecond)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 300; idx++)
        blocks.push_back(Alloc(100000));
    // Every other one stays, so that no chunk becomes empty.
    for (int idx = 0; idx < 300; idx += 2)
        Free(blocks[idx]);
    EXPECT_GT(DirtyBytes(&ground_), 0u);
    for (int round = 0; round < 3; round++) {
        usleep(120 * 1000);
        Free(Alloc(100000));
    }
    EXPECT_LE(DirtyBytes(&ground_), 5u << 20);
    for (int idx = 1; idx < 300; idx += 2)
        Free(blocks[idx]);
    cairn_ground_check(&ground_);
}

TEST_P(Ground, EmptiesAtOnceWhatIsMoreThanIsUsed)
{
    std::vector<char *> blocks;
    for (int idx = 0; idx < 1500; idx++)
        blocks.push_back(Alloc(100000));
    for (int idx = 0; idx < 1500; idx++)
        if (idx % 15 != 0)
            Free(blocks[idx]);
    EXPECT_LE(DirtyBytes(&ground_), 40u << 20);
    for (int idx = 0; idx < 1500; idx += 15)
        Free(blocks[idx]);
    cairn_ground_check(&ground_);
}

TEST_P(Ground, IsSharedByThreads)
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
    cairn_ground_check(&ground_);
    EXPECT_EQ(Outstanding(), 0u);
}

TEST_P(Ground, StopsForPointersThatItDidNotGive)
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

TEST_P(Ground, AnswersNullAboveWhatCanBe)
{
    EXPECT_EQ(Alloc(PTRDIFF_MAX), nullptr);
    EXPECT_EQ(Alloc(1ul << 47), nullptr);
    EXPECT_EQ(Alloc(40000, 1ul << 62), nullptr);
    cairn_ground_check(&ground_);
    EXPECT_EQ(Outstanding(), 0u);
}

const auto kMapName = [](const testing::TestParamInfo<bool> &info) {
    return info.param ? "TwoLevel" : "Flat";
};

INSTANTIATE_TEST_SUITE_P(Maps, Ground, testing::Values(false, true), kMapName);
INSTANTIATE_TEST_SUITE_P(Maps, GroundRuns, testing::Values(false, true), kMapName);

TEST(GroundLimit, IsNeverExceeded)
{
    auto ground = std::make_unique<cairn_ground>();
    cairn_ground_config config = {};
    config.policy = CAIRN_PAGESOURCE_MMAP;
    config.limit_bytes = 32 << 20;
    ASSERT_EQ(cairn_ground_init(ground.get(), &config), 0);
    std::vector<void *> blocks;
    for (;;) {
        void *block = cairn_ground_alloc(ground.get(), 300000, 1, nullptr);
        if (block == nullptr)
            break;
        blocks.push_back(block);
        struct cairn_pagesource_stats pages = cairn_pagesource_stats(&ground->pages);
        ASSERT_LE(pages.outstanding_bytes + pages.free_bytes, config.limit_bytes);
    }
    // 19 granules come from a block of 32: four in a chunk of 128, in each of 16 chunks.
    EXPECT_EQ(blocks.size(), 64u);
    for (void *block : blocks)
        cairn_ground_free(ground.get(), block, cairn_pagemap_tag(&ground->map, block), "free");
    cairn_ground_check(ground.get());
}

TEST(Huge, GivesEachBlockAnIdAndUsesItAgain)
{
    std::vector<cairn_huge_entry> table(8);
    cairn_huge huge;
    cairn_huge_init(&huge, table.data(), table.size() * sizeof(table[0]));
    int blocks[8];
    uint32_t ids[8];
    for (int idx = 0; idx < 7; idx++)
        ASSERT_NE(ids[idx] = cairn_huge_add(&huge, &blocks[idx], 100u + idx), 0u);
    EXPECT_EQ(cairn_huge_add(&huge, &blocks[7], 1), 0u) << "the table is full";
    EXPECT_EQ(cairn_huge_bytes(&huge, ids[3], &blocks[3]), 103u);
    EXPECT_EQ(cairn_huge_bytes(&huge, ids[3], &blocks[4]), 0u);
    EXPECT_EQ(cairn_huge_remove(&huge, ids[3], &blocks[4]), 0u);
    EXPECT_EQ(cairn_huge_remove(&huge, ids[3], &blocks[3]), 103u);
    EXPECT_EQ(cairn_huge_remove(&huge, ids[3], &blocks[3]), 0u);
    EXPECT_EQ(cairn_huge_add(&huge, &blocks[7], 1), ids[3]);
    cairn_huge_check(&huge);
}

} // namespace
