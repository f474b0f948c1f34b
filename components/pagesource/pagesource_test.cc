// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The policy, against a fake kernel with pages of 4, 16 and 64 KiB.

#include "model.h"

#include <algorithm>
#include <cerrno>

namespace {

class Policy : public PageSizes {};

// --- examples ------------------------------------------------------------------------------------

TEST(PageSource, GivesZeroedPagesAndTakesThemBack)
{
    static struct cairn_pagesource source;
    bool is_zeroed = false;

    ASSERT_EQ(0, cairn_pagesource_init(&source, nullptr));
    char *block = static_cast<char *>(cairn_pagesource_alloc(&source, 10000, 1, &is_zeroed));
    ASSERT_NE(nullptr, block);
    EXPECT_TRUE(is_zeroed);
    EXPECT_EQ(0, block[9999]);
    block[9999] = 1;
    EXPECT_EQ(12288u, cairn_pagesource_stats(&source).outstanding_bytes);
    cairn_pagesource_free(&source, block, 10000);
    EXPECT_EQ(12288u, cairn_pagesource_stats(&source).free_dirty_bytes);
    EXPECT_EQ(12288u, cairn_pagesource_purge(&source));
    cairn_pagesource_fini(&source);
}

TEST_P(Policy, InitMakesNoCallButForThePageSize)
{
    Model model(page, {});
    EXPECT_EQ(0u, model.fake.calls);
    EXPECT_EQ(1u, model.fake.page_size_calls);
    model.verify();
    model.end();
}

TEST_P(Policy, AutoGrowsTheBreakForSmallAndMapsLarge)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    uintptr_t small = model.alloc(page, 1);
    EXPECT_EQ(model.fake.floor() + page, small) << "above the guard";
    EXPECT_EQ(4 * page, model.stats().brk_bytes) << "one growth step";
    EXPECT_EQ((std::vector<std::string>{"sbrk+", "protect"}), model.fake.log);
    model.alloc(8 * page, 1);
    EXPECT_EQ(4 * page, model.stats().brk_bytes);
    EXPECT_EQ(8 * page, model.stats().mapped_bytes) << "a large block is mapped exactly";
    EXPECT_EQ(3u, model.fake.calls);
    EXPECT_EQ(small + page, model.alloc(2 * page, 1)) << "from the step's remainder";
    EXPECT_EQ(3u, model.fake.calls) << "without a call";
    model.verify();
    model.end();
    EXPECT_EQ(model.fake.floor(), model.fake.now());
}

TEST_P(Policy, BrkPolicyPutsLargeBlocksIntoTheDataSegment)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    model.alloc(100 * page, 1);
    EXPECT_EQ(0u, model.stats().mapped_bytes);
    model.verify();
    model.end();
    EXPECT_EQ(model.fake.floor(), model.fake.now());
}

TEST_P(Policy, MmapPolicyNeverTouchesTheBreak)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_MMAP));
    model.fake.refuses_map = true;
    EXPECT_EQ(0u, model.alloc(page, 1));
    model.fake.refuses_map = false;
    model.alloc(page, 1);
    EXPECT_EQ(4 * page, model.stats().mapped_bytes) << "small blocks share a step";
    model.alloc(9 * page, 1);
    EXPECT_EQ(13 * page, model.stats().mapped_bytes);
    model.verify();
    EXPECT_EQ(model.fake.floor(), model.fake.now());
    model.end();
}

// --- growth --------------------------------------------------------------------------------------

TEST_P(Policy, GrowsByAnEighthOfWhatIsHeld)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    size_t held_pages = 4;
    for (size_t taken = 0; taken < 700; taken++) {
        ASSERT_NE(0u, model.alloc(page, 1));
        if (taken == held_pages)
            held_pages += std::clamp<size_t>(held_pages / 8, 4, 64);
        ASSERT_EQ(held_pages * page, model.stats().brk_bytes) << "after " << taken + 1;
    }
    model.verify();
    model.end();
}

TEST_P(Policy, AsksForExactlyWhatIsMissingWhenTheStepIsRefused)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    model.fake.failing = {0};
    uintptr_t block = model.alloc(page, 1);
    EXPECT_EQ(page, model.stats().brk_bytes);
    model.fake.break_limit = model.fake.now() + 2 * page;
    EXPECT_EQ(block + page, model.alloc(2 * page, 1));
    EXPECT_EQ(3 * page, model.stats().brk_bytes);
    model.verify();
    model.end();
}

TEST_P(Policy, ContinuesTheFreeTailOfTheDataSegment)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    uintptr_t first = model.alloc(page, 1);
    uintptr_t second = model.alloc(7 * page, 1);
    EXPECT_EQ(first + page, second) << "across the fresh tail and the new memory";
    EXPECT_EQ(8 * page, model.stats().brk_bytes);
    model.verify();
    model.end();
}

TEST_P(Policy, MapsWhenTheBreakIsRefusedAndTheOtherWayRound)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    model.fake.refuses_sbrk = true;
    ASSERT_NE(0u, model.alloc(page, 1));
    EXPECT_EQ(4 * page, model.stats().mapped_bytes);
    model.fake.refuses_sbrk = false;
    model.fake.refuses_map = true;
    ASSERT_NE(0u, model.alloc(20 * page, 1));
    EXPECT_EQ(20 * page, model.stats().brk_bytes);
    model.verify();
    model.end();
}

TEST_P(Policy, AlignsInTheDataSegmentKeepingTheTrimmings)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    for (size_t align = page; align <= 256 * page; align *= 2) {
        ASSERT_NE(0u, model.alloc(page, align));
        ASSERT_NE(0u, model.alloc(3 * page, align));
        model.verify();
    }
    size_t held = model.stats().brk_bytes;
    EXPECT_GT(model.stats().free_bytes, 100 * page);
    ASSERT_NE(0u, model.alloc(100 * page, 1)) << "from the trimmings";
    EXPECT_EQ(held, model.stats().brk_bytes);
    model.end();
    EXPECT_EQ(model.fake.floor(), model.fake.now());
}

TEST_P(Policy, AlignsMappingsUnmappingTheTrimmings)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_MMAP));
    size_t expected = 0;
    for (size_t align = page; align <= 256 * page; align *= 2) {
        ASSERT_NE(0u, model.alloc(40 * page, align));
        expected += 40 * page;
        EXPECT_EQ(expected, model.stats().mapped_bytes);
        model.verify();
    }
    model.end();
}

TEST_P(Policy, KeepsTheTrimmingsThatCannotBeUnmapped)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_MMAP));
    model.fake.refuses_unmap = true;
    ASSERT_NE(0u, model.alloc(40 * page, 64 * page));
    EXPECT_GT(model.stats().unmap_pending_bytes, 0u);
    EXPECT_EQ(model.stats().unmap_pending_bytes, model.stats().free_bytes);
    model.verify();
    size_t held = model.stats().mapped_bytes;
    ASSERT_NE(0u, model.alloc(20 * page, 1)) << "they are free memory";
    EXPECT_EQ(held, model.stats().mapped_bytes);
    model.fake.refuses_unmap = false;
    cairn_pagesource_purge(model.source.get());
    EXPECT_EQ(0u, model.stats().unmap_pending_bytes);
    EXPECT_EQ(60 * page, model.stats().mapped_bytes);
    model.verify();
    model.end();
}

TEST_P(Policy, TakesAMappingThatIsAlignedByLuckAsItIs)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_MMAP));
    model.fake.misaligns = false;
    ASSERT_NE(0u, model.alloc(64 * page, 64 * page));
    ASSERT_NE(0u, model.alloc(64 * page, 64 * page));
    EXPECT_EQ(2u, model.fake.calls);
    model.end();
}

// --- what is retained ----------------------------------------------------------------------------

TEST_P(Policy, ReusesDirtyBeforeFreshAndTheBestFitAtTheLowestAddress)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_BRK);
    config.retain_min_bytes = 64 * page;
    Model model(page, config);
    std::vector<uintptr_t> blocks;
    for (size_t pages : {1, 3, 1, 2, 1, 2, 1, 4, 1})
        blocks.push_back(model.alloc(pages * page, 1));
    for (size_t idx : {1, 3, 5})
        model.free(blocks[idx]);
    model.verify();
    EXPECT_EQ(blocks[3], model.alloc(2 * page, 1)) << "best fit, lowest";
    EXPECT_EQ(blocks[5], model.alloc(2 * page, 1));
    EXPECT_EQ(blocks[1], model.alloc(2 * page, 1)) << "dirty before fresh";
    model.verify();
    model.end();
}

TEST_P(Policy, TakesABlockAcrossTheDirtyAndTheFreshPartOfARun)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    uintptr_t first = model.alloc(2 * page, 1);
    model.free(first);
    EXPECT_EQ(1u, model.stats().free_extent_count) << "one run";
    EXPECT_EQ(2 * page, model.stats().free_dirty_bytes);
    EXPECT_EQ(4 * page, model.stats().free_bytes);
    bool is_zeroed = true;
    void *block = cairn_pagesource_alloc(model.source.get(), 3 * page, 1, &is_zeroed);
    EXPECT_EQ(first, reinterpret_cast<uintptr_t>(block));
    EXPECT_FALSE(is_zeroed);
    EXPECT_EQ(2u, model.fake.calls) << "none but the growth and its guard";
    model.stamp(first, 3 * page);
    model.end();
}

TEST_P(Policy, MergesNeighboursInEveryOrder)
{
    std::vector<size_t> order = {0, 1, 2, 3};
    do {
        struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_BRK);
        config.retain_min_bytes = 64 * page;
        Model model(page, config);
        std::vector<uintptr_t> blocks;
        for (size_t idx = 0; idx < 4; idx++)
            blocks.push_back(model.alloc(page, 1));
        for (size_t idx : order) {
            model.free(blocks[idx]);
            model.verify();
        }
        EXPECT_EQ(1u, model.stats().free_extent_count);
        model.end();
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(Policy, AnyPartOfABlockMayBeGivenBackOnItsOwn)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_AUTO);
    config.retain_min_bytes = 1024 * page;
    for (size_t pages : {size_t{6}, size_t{300}}) {
        Model model(page, config);
        uintptr_t block = model.alloc(pages * page, 1);
        model.blocks.clear();
        for (size_t idx = 0; idx < pages; idx++)
            model.stamp(block + idx * page, page);
        for (size_t idx = 0; idx < pages; idx += 2)
            model.free(block + idx * page);
        model.verify();
        EXPECT_GE(model.stats().free_extent_count, pages / 2);
        model.end();
    }
}

TEST_P(Policy, FreeingAMappedBlockRaisesTheBorderAboveItsSize)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    EXPECT_EQ(8 * page, model.stats().map_threshold_bytes);
    uintptr_t block = model.alloc(20 * page, 1);
    model.free(block);
    EXPECT_EQ(21 * page, model.stats().map_threshold_bytes);
    size_t calls = model.fake.calls;
    EXPECT_EQ(block, model.alloc(20 * page, 1)) << "retained, though above retain_min_bytes";
    EXPECT_EQ(calls, model.fake.calls);
    ASSERT_NE(0u, model.alloc(20 * page, 1));
    EXPECT_EQ(20 * page, model.stats().brk_bytes) << "the next one comes from the break";
    model.verify();
    model.end();
}

TEST_P(Policy, TheBorderDoesNotRiseAboveItsMaximum)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    model.free(model.alloc(33 * page, 1));
    EXPECT_EQ(8 * page, model.stats().map_threshold_bytes) << "too large to raise it";
    EXPECT_EQ(0u, model.stats().mapped_bytes) << "and to keep";
    model.free(model.alloc(32 * page, 1));
    EXPECT_EQ(32 * page, model.stats().map_threshold_bytes);
    model.verify();
    model.end();
}

TEST_P(Policy, KeepsDirtyMemoryUpToTheBoundAndAnEighthOfWhatIsOutstanding)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_BRK);
    Model model(page, config);
    std::vector<uintptr_t> blocks;
    for (size_t idx = 0; idx < 160; idx++)
        blocks.push_back(model.alloc(page, 1));
    size_t calls = model.fake.calls;
    for (size_t idx = 0; idx < 34; idx += 2) {
        model.free(blocks[idx]);
        model.verify();
    }
    EXPECT_EQ(17 * page, model.stats().free_dirty_bytes) << "143 outstanding / 8 = 17";
    EXPECT_EQ(calls, model.fake.calls);
    model.free(blocks[34]);
    EXPECT_EQ(142 * page / 8 * 7 / 8 / page * page, model.stats().free_dirty_bytes);
    EXPECT_GT(model.fake.calls, calls);
    model.free_all();
    EXPECT_LE(model.stats().free_dirty_bytes, 6 * page);
    model.verify();
    model.end();
}

TEST_P(Policy, GivesTheTopOfTheDataSegmentBackBySbrk)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    uintptr_t low = model.alloc(2 * page, 1);
    uintptr_t high = model.alloc(40 * page, 1);
    model.fake.log.clear();
    model.free(high);
    EXPECT_EQ(std::vector<std::string>{"sbrk-"}, model.fake.log);
    EXPECT_EQ(low + 2 * page + 5 * page, model.fake.now()) << "down to 7/8 of 6 pages";
    model.verify();
    model.end();
}

TEST_P(Policy, EmptiesWhatIsSurroundedAndKnowsItIsFreshAgain)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    uintptr_t middle = model.alloc(40 * page, 1);
    model.alloc(page, 1);
    model.fake.log.clear();
    model.free(middle);
    EXPECT_EQ(std::vector<std::string>{"purge"}, model.fake.log);
    EXPECT_EQ(5 * page, model.stats().free_dirty_bytes);
    model.verify();
    bool is_zeroed = false;
    ASSERT_NE(nullptr, cairn_pagesource_alloc(model.source.get(), 35 * page, 1, &is_zeroed));
    EXPECT_TRUE(is_zeroed);
    model.stamp(middle + 5 * page, 35 * page);
    model.verify();
    model.end();
}

TEST_P(Policy, UnmapsWholeMappedRunsThatFitIntoTheExcess)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.map_threshold_max_bytes = 8 * page;
    Model model(page, config);
    uintptr_t first = model.alloc(7 * page, 1);
    uintptr_t second = model.alloc(7 * page, 1);
    model.alloc(4 * page, 1);
    model.free(first);
    EXPECT_EQ(18 * page, model.stats().mapped_bytes) << "two pages are in excess: emptied";
    EXPECT_EQ(5 * page, model.stats().free_dirty_bytes);
    model.verify();
    model.free(second);
    EXPECT_EQ(11 * page, model.stats().mapped_bytes) << "seven are: the larger run goes";
    EXPECT_EQ(5 * page, model.stats().free_dirty_bytes);
    EXPECT_FALSE(model.fake.is_backed(second, page));
    EXPECT_TRUE(model.fake.is_backed(first, 7 * page));
    model.verify();
    model.end();
}

TEST_P(Policy, PurgeGivesAllDirtyMemoryBack)
{
    for (auto policy : {CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK, CAIRN_PAGESOURCE_MMAP}) {
        Model model(page, tiny(policy));
        std::vector<uintptr_t> blocks;
        for (size_t idx = 0; idx < 6; idx++)
            blocks.push_back(model.alloc(page, 1));
        for (size_t idx : {0, 2, 3, 5})
            model.free(blocks[idx]);
        EXPECT_EQ(4 * page, cairn_pagesource_purge(model.source.get()));
        EXPECT_EQ(0u, model.stats().free_dirty_bytes);
        EXPECT_EQ(0u, cairn_pagesource_purge(model.source.get()));
        model.verify();
        model.end();
    }
}

// --- resizing ------------------------------------------------------------------------------------

TEST_P(Policy, ShrinksInPlaceAndGrowsBackIntoAShortTail)
{
    if (4 * page >= 64 * 1024)
        GTEST_SKIP() << "the tail goes back at once";
    for (auto policy : {CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK, CAIRN_PAGESOURCE_MMAP}) {
        Model model(page, tiny(policy));
        uintptr_t block = model.alloc(6 * page, 1);
        model.alloc(page, 1);
        EXPECT_EQ(block, model.resize(block, 2 * page, 1, false));
        model.verify();
        size_t calls = model.fake.calls;
        EXPECT_EQ(block, model.resize(block, 6 * page, 1, false));
        EXPECT_EQ(block, model.resize(block, 6 * page, 1, true));
        EXPECT_EQ(calls, model.fake.calls);
        EXPECT_EQ(0u, model.resize(block, 0, 1, true));
        EXPECT_EQ(0u, model.resize(block, SIZE_MAX - 1, 1, true));
        model.verify();
        model.end();
    }
}

TEST_P(Policy, ExtendsTheTopBlockOfTheDataSegment)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    uintptr_t block = model.alloc(2 * page, 1);
    EXPECT_EQ(block, model.resize(block, 50 * page, 1, false));
    EXPECT_EQ(50 * page, model.stats().brk_bytes);
    model.fake.other_sbrk(static_cast<intptr_t>(page));
    EXPECT_EQ(0u, model.resize(block, 51 * page, 1, true)) << "another user is in the way";
    model.verify();
    model.end();
}

TEST_P(Policy, MovesAMappedBlockByItsPagesToWhereThereIsRoom)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    uintptr_t block = model.alloc(20 * page, 1);
    EXPECT_EQ(block, model.resize(block, 21 * page, 1, false)) << "into the hole behind it";
    EXPECT_EQ(0u, model.resize(block, 40 * page, 1, false));
    EXPECT_EQ(0u, model.resize(block, 40 * page, 2 * page, true)) << "would lose its alignment";
    uintptr_t moved = model.resize(block, 40 * page, 1, true);
    EXPECT_NE(0u, moved);
    EXPECT_NE(block, moved);
    uint64_t room = model.stats().free_bytes;
    EXPECT_EQ(40 * page + room, model.stats().mapped_bytes);
    EXPECT_GE(room, 4 * page);
    EXPECT_LE(room, 40 * page);
    EXPECT_EQ(0u, model.stats().free_dirty_bytes) << "room costs no memory";
    unsigned calls = model.fake.calls;
    EXPECT_EQ(moved, model.resize(moved, 40 * page + room, 1, true));
    EXPECT_EQ(calls, model.fake.calls) << "without a call";
    model.verify();
    model.end();
}

TEST_P(Policy, LeavesNoRoomWhereTheLimitForbidsIt)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.limit_bytes = 41 * page;
    Model model(page, config);
    uintptr_t block = model.alloc(20 * page, 1);
    block = model.resize(block, 40 * page, 1, true);
    EXPECT_NE(0u, block);
    EXPECT_EQ(40 * page, model.stats().mapped_bytes);
    model.verify();
    model.end();
}

TEST_P(Policy, ABlockIsCopiedIntoTouchedMemoryWhereThatSavesPageFaults)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.retain_min_bytes = 100 * page;
    Model model(page, config);
    uintptr_t touched = model.alloc(40 * page, 1);
    model.alloc(10 * page, 1);
    uintptr_t block = model.alloc(20 * page, 1);
    model.free(touched);
    EXPECT_EQ(0u, model.resize(block, 40 * page, 1, true)) << "the caller copies ...";
    EXPECT_EQ(touched, model.alloc(40 * page, 1)) << "... to here";
    model.verify();
    model.end();
}

TEST_P(Policy, WhatABlockMayGrowOverIsTakenLast)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.retain_min_bytes = 100 * page;
    Model model(page, config);
    uintptr_t block = model.alloc(40 * page, 1);
    uintptr_t other = model.alloc(40 * page, 1);
    EXPECT_EQ(block, model.resize(block, 20 * page, 1, true));
    EXPECT_NE(block + 20 * page, model.resize(other, 60 * page, 1, true))
        << "no block is copied into another one's room";
    EXPECT_EQ(block, model.resize(block, 40 * page, 1, true));
    model.verify();
    model.end();
}

TEST_P(Policy, AResizeRespectsTheLimit)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_AUTO);
    config.limit_bytes = 30 * page;
    Model model(page, config);
    uintptr_t large = model.alloc(20 * page, 1);
    uintptr_t small = model.alloc(2 * page, 1);
    EXPECT_EQ(0u, model.resize(large, 31 * page, 1, true));
    EXPECT_EQ(0u, model.resize(small, 11 * page, 1, true));
    EXPECT_EQ(small, model.resize(small, 10 * page, 1, true));
    model.verify();
    model.end();
}

TEST_P(Policy, PurgesARangeOfABlockOnRequest)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    uintptr_t block = model.alloc(4 * page, 1);
    auto middle = reinterpret_cast<void *>(block + page);
    model.dirty(block + page, 2 * page);
    EXPECT_EQ(0, cairn_pagesource_purge_range(model.source.get(), middle, 2 * page));
    EXPECT_EQ(0u, *model.word(block + page));
    EXPECT_EQ(0u, *model.word(block + 2 * page));
    model.verify();
    model.fake.refuses_purge = true;
    EXPECT_EQ(-EINVAL, cairn_pagesource_purge_range(model.source.get(), middle, page));
    EXPECT_EQ(2u, model.stats().purge_calls);
    EXPECT_EQ(1u, model.stats().refused_calls);
    EXPECT_EQ(0, cairn_pagesource_purge_range(model.source.get(), middle, 0));
    model.end();
}

INSTANTIATE_TEST_SUITE_P(Pages, Policy, testing::Values(4096, 16384, 65536));

} // namespace
