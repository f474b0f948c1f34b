/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * arena_test.cc - what each call promises.
 */

#include <cairn/arena.h>

#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "arena_fixture.h"

namespace {

using cairn_test::ArenaOfEverySize;
using cairn_test::Buffer;

INSTANTIATE_TEST_SUITE_P(Buffers, ArenaOfEverySize, testing::ValuesIn(cairn_test::kSizes));

/* ---- Examples ---- */

TEST(Arena, IsAHeapInAStaticBuffer)
{
    static unsigned char buffer[64 * 1024];
    struct cairn_arena *arena = cairn_arena_init(buffer, sizeof(buffer));
    char *name = static_cast<char *>(cairn_arena_alloc(arena, 100));

    strcpy(name, "cairn");
    name = static_cast<char *>(cairn_arena_realloc(arena, name, 10000));
    EXPECT_STREQ(name, "cairn");
    EXPECT_GE(cairn_arena_usable_bytes(arena, name), 10000u);
    cairn_arena_free(arena, name);
    EXPECT_EQ(cairn_arena_stats(arena).used_bytes, 0u);
}

TEST(Arena, TwoArenasKnowTheirOwnBlocksOnly)
{
    Buffer first_buffer(65536);
    Buffer second_buffer(1 << 20);
    struct cairn_arena *first = first_buffer.arena();
    struct cairn_arena *second = second_buffer.arena();
    void *block = cairn_arena_alloc(first, 10);

    EXPECT_TRUE(cairn_arena_owns(first, block));
    EXPECT_FALSE(cairn_arena_owns(second, block));
    EXPECT_FALSE(cairn_arena_owns(first, NULL));
    EXPECT_FALSE(cairn_arena_owns(first, first));
    EXPECT_FALSE(cairn_arena_owns(first, first_buffer.at(0) + first_buffer.bytes()));
}

/* ---- Making one ---- */

TEST(Arena, RefusesABufferThatIsTooSmallOrTooLargeOrNone)
{
    Buffer buffer(CAIRN_ARENA_BYTES_MIN);
    std::vector<unsigned char> untouched(CAIRN_ARENA_BYTES_MIN, 0xa5);

    EXPECT_EQ(cairn_arena_init(buffer.at(0), 0), nullptr);
    EXPECT_EQ(cairn_arena_init(buffer.at(0), CAIRN_ARENA_BYTES_MIN - 1), nullptr);
    EXPECT_EQ(cairn_arena_init(buffer.at(0), (size_t{1} << 40) + 1), nullptr);
    EXPECT_EQ(cairn_arena_init(buffer.at(0), SIZE_MAX), nullptr);
    EXPECT_EQ(cairn_arena_init(NULL, CAIRN_ARENA_BYTES_MIN), nullptr);
    EXPECT_EQ(memcmp(buffer.at(0), untouched.data(), untouched.size()), 0);
}

TEST(Arena, TheSmallestBufferHasMoreMemoryThanState)
{
    for (size_t misalign = 0; misalign < 64; misalign++) {
        Buffer buffer(CAIRN_ARENA_BYTES_MIN);
        struct cairn_arena *arena = cairn_arena_init(buffer.at(misalign), CAIRN_ARENA_BYTES_MIN);
        struct cairn_arena_stats stats;

        ASSERT_NE(arena, nullptr);
        stats = cairn_arena_stats(arena);
        EXPECT_LT(stats.state_bytes, CAIRN_ARENA_BYTES_MIN * 2 / 5);
        EXPECT_GT(stats.usable_bytes, CAIRN_ARENA_BYTES_MIN / 2);
        cairn_arena_check(arena);
    }
}

TEST(Arena, StateIsAFewPercentOfALargerBuffer)
{
    for (size_t bytes : {size_t{64} << 10, size_t{256} << 10, size_t{1} << 20, size_t{64} << 20}) {
        Buffer buffer(bytes);
        struct cairn_arena_stats stats = cairn_arena_stats(buffer.arena());

        EXPECT_LT(stats.state_bytes, bytes / (bytes < (1 << 20) ? 12 : 20)) << bytes;
        RecordProperty("state_bytes_of_" + std::to_string(bytes),
                       std::to_string(stats.state_bytes));
    }
}

/* ---- Promises of each call ---- */

TEST_P(ArenaOfEverySize, SizeZeroGivesDistinctBlocks)
{
    void *first = cairn_arena_alloc(arena_, 0);
    void *second = cairn_arena_alloc(arena_, 0);

    ASSERT_NE(first, nullptr);
    ASSERT_NE(second, nullptr);
    EXPECT_NE(first, second);
    EXPECT_EQ(cairn_arena_realloc(arena_, first, 0), first);
    cairn_arena_free(arena_, first);
    cairn_arena_free(arena_, second);
}

TEST_P(ArenaOfEverySize, FreeOfNullDoesNothing)
{
    cairn_arena_free(arena_, NULL);
    EXPECT_EQ(stats().free_count, 0u);
}

TEST_P(ArenaOfEverySize, WastesLessThanAnEighthOrSixteenBytes)
{
    for (size_t size = 1; size <= stats().usable_bytes / 4; size += 1 + size / 37) {
        void *block = cairn_arena_alloc(arena_, size);
        size_t usable;

        ASSERT_NE(block, nullptr) << size;
        usable = cairn_arena_usable_bytes(arena_, block);
        EXPECT_GE(usable, size);
        EXPECT_LE(usable - size, std::max<size_t>(usable / 8, 15)) << size;
        cairn_arena_free(arena_, block);
    }
}

TEST_P(ArenaOfEverySize, AlignsAsAsked)
{
    for (size_t align = 1; align <= CAIRN_ARENA_ALIGN_MAX; align *= 2) {
        for (size_t size : {size_t{0}, size_t{1}, size_t{8}, size_t{100}, size_t{1000}}) {
            void *block = cairn_arena_alloc_aligned(arena_, size, align);

            if (block == NULL) { /* the smallest buffer may hold no such address */
                EXPECT_LE(buffer_.bytes(), size_t{2} * CAIRN_ARENA_ALIGN_MAX);
                EXPECT_GE(align, size_t{CAIRN_ARENA_ALIGN_MAX} / 4);
                continue;
            }
            EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % align, 0u);
            EXPECT_GE(cairn_arena_usable_bytes(arena_, block), size);
            cairn_arena_free(arena_, block);
        }
    }
}

TEST_P(ArenaOfEverySize, RefusesAnAlignmentThatItNeverServes)
{
    for (size_t align : {size_t{0}, size_t{3}, size_t{24}, size_t{2} * CAIRN_ARENA_ALIGN_MAX,
                         SIZE_MAX, size_t{1} << 63})
        EXPECT_EQ(cairn_arena_alloc_aligned(arena_, 1, align), nullptr) << align;
    EXPECT_EQ(stats().failed_count, 0u) << "not for want of memory";
}

TEST_P(ArenaOfEverySize, RefusesSizesThatCannotBe)
{
    for (size_t size : {buffer_.bytes(), buffer_.bytes() + 1, size_t{1} << 40, SIZE_MAX / 2,
                        SIZE_MAX - 63, SIZE_MAX - 15, SIZE_MAX}) {
        uint64_t failed = stats().failed_count;
        void *block = cairn_arena_alloc(arena_, 10);

        EXPECT_EQ(cairn_arena_alloc(arena_, size), nullptr) << size;
        EXPECT_EQ(cairn_arena_alloc_aligned(arena_, size, 4096), nullptr) << size;
        EXPECT_EQ(cairn_arena_calloc(arena_, size, 1), nullptr) << size;
        EXPECT_EQ(cairn_arena_realloc(arena_, block, size), nullptr) << size;
        EXPECT_EQ(stats().failed_count, failed + 4);
        cairn_arena_free(arena_, block);
    }
    EXPECT_EQ(stats().used_bytes, 0u);
}

TEST_P(ArenaOfEverySize, CallocRefusesAProductThatWraps)
{
    EXPECT_EQ(cairn_arena_calloc(arena_, SIZE_MAX / 2 + 2, 2), nullptr);
    EXPECT_EQ(cairn_arena_calloc(arena_, size_t{1} << 32, size_t{1} << 32), nullptr);
    EXPECT_EQ(stats().failed_count, 2u);
    EXPECT_NE(cairn_arena_calloc(arena_, 0, SIZE_MAX), nullptr);
}

TEST_P(ArenaOfEverySize, CallocClearsWhatWasUsedBefore)
{
    for (size_t size : {1, 8, 24, 100, 500, 2000}) {
        void *block = cairn_arena_alloc(arena_, size);
        std::vector<unsigned char> zeros(size, 0);

        memset(block, 0xff, cairn_arena_usable_bytes(arena_, block));
        cairn_arena_free(arena_, block);
        block = cairn_arena_calloc(arena_, size, 1);
        EXPECT_EQ(memcmp(block, zeros.data(), size), 0) << size;
        cairn_arena_free(arena_, block);
    }
}

TEST_P(ArenaOfEverySize, EveryUsableByteBelongsToTheBlock)
{
    std::vector<std::pair<unsigned char *, size_t>> blocks;

    for (size_t size = 1; size < 400; size += 13) {
        auto *block = static_cast<unsigned char *>(cairn_arena_alloc(arena_, size));

        if (block == NULL)
            break;
        blocks.emplace_back(block, cairn_arena_usable_bytes(arena_, block));
        memset(block, static_cast<int>(blocks.size()), blocks.back().second);
    }
    for (size_t i = 0; i < blocks.size(); i++)
        for (size_t j = 0; j < blocks[i].second; j++)
            ASSERT_EQ(blocks[i].first[j], static_cast<unsigned char>(i + 1));
}

/* ---- Realloc ---- */

TEST_P(ArenaOfEverySize, ReallocStaysInPlaceWithinTheUsableSize)
{
    for (size_t size : {5, 17, 100, 1000, 2000}) {
        void *block = cairn_arena_alloc(arena_, size);

        EXPECT_EQ(cairn_arena_realloc(arena_, block, cairn_arena_usable_bytes(arena_, block)),
                  block);
        EXPECT_EQ(cairn_arena_realloc(arena_, block, size), block);
        cairn_arena_free(arena_, block);
    }
    EXPECT_EQ(stats().alloc_count, 5u);
}

TEST_P(ArenaOfEverySize, ReallocGrowsALargeBlockIntoFreeMemoryInPlace)
{
    size_t largest = stats().largest_free_bytes;
    void *block = cairn_arena_alloc(arena_, largest / 2 + 1); /* begins a free block of `largest` */
    size_t used = stats().used_bytes;

    for (size_t size = largest / 2 + 1; size <= largest; size += largest / 8)
        ASSERT_EQ(cairn_arena_realloc(arena_, block, size), block);
    EXPECT_GT(stats().used_bytes, used);
    EXPECT_EQ(stats().used_peak_bytes, stats().used_bytes);
    EXPECT_EQ(cairn_arena_realloc(arena_, block, largest / 2 + 1), block);
    EXPECT_EQ(stats().used_bytes, used);
    EXPECT_EQ(stats().alloc_count, 1u);
    EXPECT_EQ(stats().free_count, 0u);
}

TEST_P(ArenaOfEverySize, ReallocMovesWhenItMustAndKeepsTheContent)
{
    auto *block = static_cast<unsigned char *>(cairn_arena_alloc(arena_, 32));
    size_t large = stats().usable_bytes / 4;

    memset(block, 7, 32);
    ASSERT_NE(cairn_arena_alloc(arena_, 32), nullptr); /* what follows is not free */
    block = static_cast<unsigned char *>(cairn_arena_realloc(arena_, block, large));
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(std::count(block, block + 32, 7), 32);
    memset(block, 8, large);
    block = static_cast<unsigned char *>(cairn_arena_realloc(arena_, block, 20));
    EXPECT_EQ(std::count(block, block + 20, 8), 20);
    EXPECT_LE(cairn_arena_usable_bytes(arena_, block), 32u);
    EXPECT_EQ(stats().used_bytes, cairn_arena_usable_bytes(arena_, block) + 32);
}

TEST_P(ArenaOfEverySize, ReallocOfNullAllocates)
{
    void *block = cairn_arena_realloc(arena_, NULL, 100);

    ASSERT_NE(block, nullptr);
    EXPECT_GE(cairn_arena_usable_bytes(arena_, block), 100u);
    EXPECT_EQ(stats().alloc_count, 1u);
}

TEST_P(ArenaOfEverySize, ReallocThatFailsLeavesTheBlockAsItWas)
{
    auto *block = static_cast<unsigned char *>(cairn_arena_alloc(arena_, 100));
    void *next = cairn_arena_alloc(arena_, 100);
    struct cairn_arena_stats before = stats();

    ASSERT_NE(next, nullptr);
    memset(block, 9, 100);
    EXPECT_EQ(cairn_arena_realloc(arena_, block, stats().usable_bytes - 100), nullptr);
    EXPECT_EQ(std::count(block, block + 100, 9), 100);
    EXPECT_EQ(stats().used_bytes, before.used_bytes);
    EXPECT_EQ(stats().failed_count, 1u);
}

TEST_P(ArenaOfEverySize, MakingABlockSmallerNeverFails)
{
    size_t largest = stats().largest_free_bytes;
    void *block = cairn_arena_alloc(arena_, largest);

    while (cairn_arena_alloc(arena_, 1) != NULL)
        ;
    for (size_t size = largest; size > 0; size /= 2)
        ASSERT_NE(block = cairn_arena_realloc(arena_, block, size), nullptr) << size;
    ASSERT_NE(cairn_arena_realloc(arena_, block, 0), nullptr);
}

TEST(Arena, ALargeBlockThatMustStayGivesItsEndBack)
{
    Buffer buffer(1 << 20);
    struct cairn_arena *arena = buffer.arena();
    void *block = cairn_arena_alloc(arena, 2000);

    for (size_t size = 65536; size > 0; size /= 2)
        while (cairn_arena_alloc(arena, size) != NULL)
            ;
    EXPECT_EQ(cairn_arena_realloc(arena, block, 10), block);
    EXPECT_LE(cairn_arena_usable_bytes(arena, block), 64u);
    EXPECT_NE(cairn_arena_alloc(arena, 1000), nullptr);
    cairn_arena_check(arena);
}

/* ---- The end of the memory ---- */

TEST_P(ArenaOfEverySize, SmallBlocksUseTheCapToTheEnd)
{
    size_t size =
        buffer_.bytes() < 262144 ? 64 : 48; /* a run of 3 buddy granules needs a free block of 4 */
    size_t block_bytes = 0;

    while (cairn_arena_alloc(arena_, size) != NULL)
        block_bytes += size;
    EXPECT_GT(block_bytes, stats().usable_bytes / 100 * 95);
    EXPECT_LT(stats().largest_free_bytes, size);
}

TEST_P(ArenaOfEverySize, BlocksOfEightBytesUseTheCapToTheEnd)
{
    while (cairn_arena_alloc(arena_, 8) != NULL)
        ;
    EXPECT_GT(stats().used_bytes, stats().usable_bytes / 100 * 95);
    EXPECT_EQ(stats().largest_free_bytes, 0u);
}

TEST_P(ArenaOfEverySize, ASmallRequestTakesALargerBlockBeforeItFails)
{
    std::vector<void *> blocks;

    while (void *block = cairn_arena_alloc(arena_, 200))
        blocks.push_back(block);
    while (cairn_arena_alloc(arena_, 1) != NULL)
        ;
    cairn_arena_free(arena_, blocks[blocks.size() / 2]);
    EXPECT_GE(stats().largest_free_bytes, 128u);
    EXPECT_NE(cairn_arena_alloc(arena_, 20), nullptr);
}

TEST(Arena, AnEmptySlabThatWasKeptServesALargeRequestBeforeItFails)
{
    Buffer buffer(1 << 20);
    struct cairn_arena *arena = buffer.arena();
    void *small = cairn_arena_alloc(arena, 16);

    for (size_t size = 65536; size >= 1024; size /= 2) /* runs; the slab's other blocks stay free */
        while (cairn_arena_alloc(arena, size) != NULL)
            ;
    EXPECT_EQ(cairn_arena_alloc(arena, 4000), nullptr);
    cairn_arena_free(arena, small);
    EXPECT_NE(cairn_arena_alloc(arena, 4000), nullptr);
    cairn_arena_check(arena);
}

TEST(Arena, KeepsOneEmptySlabAtMost)
{
    Buffer buffer(1 << 20);
    struct cairn_arena *arena = buffer.arena();
    size_t largest = cairn_arena_stats(arena).largest_free_bytes;
    std::vector<void *> blocks;

    for (size_t size = 8; size <= 512; size += 8)
        blocks.push_back(cairn_arena_alloc(arena, size));
    for (void *block : blocks) {
        cairn_arena_free(arena, block);
        cairn_arena_check(arena);
    }
    EXPECT_EQ(cairn_arena_stats(arena).largest_free_bytes, largest);
}

TEST_P(ArenaOfEverySize, LargestFreeBytesIsExact)
{
    size_t largest = stats().largest_free_bytes;
    void *block;

    EXPECT_EQ(cairn_arena_alloc(arena_, largest + 1), nullptr);
    ASSERT_NE(block = cairn_arena_alloc(arena_, largest), nullptr);
    cairn_arena_free(arena_, block);
    EXPECT_EQ(stats().largest_free_bytes, largest);
    EXPECT_GE(largest, stats().usable_bytes / 4);
}

TEST_P(ArenaOfEverySize, WhatAllBlocksHeldIsOneRangeAgainOnceFreed)
{
    struct cairn_arena_stats before = stats();
    std::vector<void *> blocks;

    for (size_t size = 1; size < before.usable_bytes / 2; size += 1 + size / 9)
        if (void *block = cairn_arena_alloc(arena_, size))
            blocks.push_back(block);
    for (void *block : blocks)
        cairn_arena_free(arena_, block);
    EXPECT_NE(cairn_arena_alloc(arena_, before.largest_free_bytes), nullptr);
}

/* ---- Reset ---- */

/* Where the blocks of a fixed scenario come to lie, and what the statistics say: equal for equal
   states. */
std::vector<size_t> digest_of(struct cairn_arena *arena)
{
    struct cairn_arena_stats stats = cairn_arena_stats(arena);
    std::vector<size_t> digest = {stats.state_bytes,        stats.usable_bytes, stats.used_bytes,
                                  stats.largest_free_bytes, stats.alloc_count,  stats.free_count,
                                  stats.used_peak_bytes,    stats.failed_count};
    std::vector<void *> blocks;

    cairn_arena_check(arena);
    for (size_t size = 1; stats.failed_count < 3; size = size * 7 % 1009) {
        blocks.push_back(cairn_arena_alloc(arena, size));
        digest.push_back(reinterpret_cast<uintptr_t>(blocks.back()));
        if (blocks.size() % 3 == 0) {
            cairn_arena_free(arena, blocks[blocks.size() / 2]);
            blocks[blocks.size() / 2] = NULL;
        }
        stats = cairn_arena_stats(arena);
    }
    digest.push_back(stats.used_bytes);
    return digest;
}

TEST_P(ArenaOfEverySize, ResetRestoresTheStateOfTheBeginning)
{
    std::vector<size_t> first = digest_of(arena_);

    cairn_arena_reset(arena_);
    EXPECT_EQ(digest_of(arena_), first);
    cairn_arena_reset(arena_);
    EXPECT_EQ(digest_of(arena_), first);
}

TEST_P(ArenaOfEverySize, StartsTheSameWhateverTheBufferHeld)
{
    std::vector<size_t> first = digest_of(arena_);

    memset(buffer_.at(0), 0xff, buffer_.bytes());
    arena_ = buffer_.arena();
    EXPECT_EQ(digest_of(arena_), first);
}

} // namespace
