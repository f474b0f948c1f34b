// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Examples first, then queries, resize, the laws, and the bound on steps. All over a range.

#include <algorithm>
#include <cerrno>

#include <gtest/gtest.h>

#include <cairn/source_laws.h>

#include "buddy_fixture.h"

namespace {

using buddy_fixture::OverRange;
using buddy_fixture::Placed;
using buddy_fixture::Region;
using buddy_fixture::Seed;

constexpr std::size_t kGranule = 64;

// Sixteen granules that must not be touched.
class Buddy : public ::testing::Test {
  protected:
    void *Alloc(std::size_t granules, std::size_t align_granules = 1)
    {
        return cairn_buddy_alloc(buddy_.get(), granules * kGranule, align_granules * kGranule,
                                 nullptr);
    }
    void Free(void *run, std::size_t granules)
    {
        cairn_buddy_free(buddy_.get(), run, granules * kGranule);
    }
    bool Resize(void *run, std::size_t old_granules, std::size_t new_granules)
    {
        return cairn_buddy_resize(buddy_.get(), run, old_granules * kGranule,
                                  new_granules * kGranule);
    }
    void *Granule(std::size_t idx) const
    {
        return region_.At(idx * kGranule);
    }
    struct cairn_buddy_stats Stats() const
    {
        return buddy_.stats();
    }
    std::size_t Largest() const
    {
        return Stats().largest_free_bytes / kGranule;
    }
    void TearDown() override
    {
        cairn_buddy_check(buddy_.get());
        EXPECT_TRUE(buddy_.state().IsIntact());
    }

    Region region_{1 << 20, 1 << 16};
    Placed buddy_{OverRange(region_.At(0), 16 * kGranule, kGranule, 16 * kGranule)};
};

TEST_F(Buddy, ARunOfFiveKeepsFiveOfEightAndGivesTheTailBack)
{
    EXPECT_EQ(Alloc(8), Granule(0));
    EXPECT_EQ(Alloc(5), Granule(8));
    EXPECT_EQ(Stats().used_bytes, 13 * kGranule);
    EXPECT_EQ(Alloc(1), Granule(13)) << "the tail of one";
    EXPECT_EQ(Alloc(2), Granule(14)) << "the tail of two";
    EXPECT_EQ(Alloc(1), nullptr);
}

TEST_F(Buddy, TheSmallestBlockThatFitsIsSplitAndTheLowestOfThose)
{
    void *low = Alloc(4);
    void *middle = Alloc(1);

    EXPECT_EQ(middle, Granule(4));
    Free(low, 4);
    EXPECT_EQ(Alloc(1), Granule(5)) << "a free granule, although block 0 lies lower";
    EXPECT_EQ(Alloc(3), Granule(0)) << "of the blocks of four (0) and eight (8)";
}

TEST_F(Buddy, MergesWithBuddiesOnly)
{
    void *runs[4] = {Alloc(4), Alloc(4), Alloc(4), Alloc(4)};

    Free(runs[1], 4);
    Free(runs[2], 4);
    EXPECT_EQ(Largest(), 4u) << "neighbours that are not buddies";
    EXPECT_EQ(Alloc(8), nullptr);
    Free(runs[0], 4);
    EXPECT_EQ(Largest(), 8u);
    Free(runs[3], 4);
    EXPECT_EQ(Largest(), 16u);
}

TEST_F(Buddy, ARunOfAnyLengthMayBeGivenBackAtOnce)
{
    for (std::size_t granules = 1; granules <= 16; granules++) {
        void *run = Alloc(granules);

        ASSERT_EQ(run, Granule(0));
        EXPECT_EQ(Stats().free_bytes, (16 - granules) * kGranule);
        cairn_buddy_check(buddy_.get());
        Free(run, granules);
        EXPECT_EQ(Largest(), 16u);
    }
}

TEST_F(Buddy, AnAlignmentBeyondTheLengthTakesALargerBlockAndGivesItsTailBack)
{
    EXPECT_EQ(Alloc(1), Granule(0));
    EXPECT_EQ(Alloc(1, 8), Granule(8));
    EXPECT_EQ(Alloc(3, 4), Granule(4)) << "of the block of four";
    EXPECT_EQ(Alloc(4, 4), Granule(12));
    EXPECT_EQ(Alloc(1, 4), nullptr) << "granules are left, but none so aligned";
    EXPECT_EQ(Stats().free_bytes, 7 * kGranule);
}

TEST_F(Buddy, LengthsAreRoundedUpToGranules)
{
    void *run = cairn_buddy_alloc(buddy_.get(), 1, 1, nullptr);

    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), run), kGranule);
    cairn_buddy_free(buddy_.get(), run, kGranule); // any length of as many granules
    run = cairn_buddy_alloc(buddy_.get(), kGranule + 1, 1, nullptr);
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), run), 2 * kGranule);
    cairn_buddy_free(buddy_.get(), run, 2 * kGranule - 1);
    EXPECT_EQ(Stats().used_bytes, 0u);
}

TEST_F(Buddy, WhatCannotBeHadIsNullAndChangesNothing)
{
    std::vector<char> before = buddy_.state().Bytes();

    EXPECT_EQ(cairn_buddy_alloc(buddy_.get(), 0, 1, nullptr), nullptr);
    EXPECT_EQ(cairn_buddy_alloc(buddy_.get(), 16 * kGranule + 1, 1, nullptr), nullptr);
    EXPECT_EQ(cairn_buddy_alloc(buddy_.get(), SIZE_MAX, 1, nullptr), nullptr);
    EXPECT_EQ(cairn_buddy_alloc(buddy_.get(), SIZE_MAX - kGranule, 1, nullptr), nullptr);
    EXPECT_EQ(cairn_buddy_alloc(buddy_.get(), SIZE_MAX / 2 + 2, 1, nullptr), nullptr);
    EXPECT_EQ(cairn_buddy_alloc(buddy_.get(), 1, 32 * kGranule, nullptr), nullptr);
    EXPECT_EQ(cairn_buddy_alloc(buddy_.get(), 1, std::size_t{1} << 63, nullptr), nullptr);
    EXPECT_EQ(before, buddy_.state().Bytes());
}

TEST_F(Buddy, WhatWasGivenBackIsGivenOutAgainAsDirty)
{
    bool is_zeroed = true;
    void *run = cairn_buddy_alloc(buddy_.get(), 1, 1, &is_zeroed);

    EXPECT_FALSE(is_zeroed) << "of a range nothing is known";
    Free(run, 1);
    EXPECT_EQ(Stats().free_dirty_bytes, 16 * kGranule);
}

bool SaysZeroed(void *self, const void *base)
{
    *static_cast<const void **>(self) = base;
    return true;
}

TEST_F(Buddy, ARangeThatIsZeroedIsKnownToBe)
{
    const void *asked = nullptr;
    cairn_buddy_config config = OverRange(region_.At(0), 16 * kGranule, kGranule);
    bool is_zeroed = false;

    config.chunk_is_zeroed = SaysZeroed;
    config.chunk_is_zeroed_self = &asked;
    Placed buddy(config);
    EXPECT_EQ(asked, region_.At(0));
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 0u);
    void *run = cairn_buddy_alloc(buddy.get(), 2 * kGranule, 1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    cairn_buddy_free(buddy.get(), run, 2 * kGranule);
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 2 * kGranule);
    run = cairn_buddy_alloc(buddy.get(), 3 * kGranule, 1, &is_zeroed);
    EXPECT_FALSE(is_zeroed) << "one dirty granule is enough";
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 0u) << "in use is not free";
}

bool SaysDirty(void *, const void *)
{
    return false;
}

TEST_F(Buddy, ARangeThatIsSaidNotToBeZeroedIsDirty)
{
    cairn_buddy_config config = OverRange(region_.At(0), 16 * kGranule, kGranule);

    config.chunk_is_zeroed = SaysDirty;
    EXPECT_EQ(Placed(config).stats().free_dirty_bytes, 16 * kGranule);
}

TEST_F(Buddy, RunBytesAnswersForAnyPointer)
{
    void *run = Alloc(5);

    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), run), 5 * kGranule);
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), Granule(1)), 0u) << "inside";
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), region_.At(1)), 0u) << "inside a granule";
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), Granule(5)), 0u) << "free";
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), Granule(16)), 0u) << "behind";
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), static_cast<char *>(Granule(0)) - kGranule), 0u);
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), nullptr), 0u);
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), reinterpret_cast<void *>(UINTPTR_MAX)), 0u);
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), buddy_.get()), 0u);
}

TEST_F(Buddy, OwnsTheWholeGranulesOfItsRangeAndNothingElse)
{
    Placed buddy(OverRange(region_.At(10), 4 * kGranule, kGranule, 8 * kGranule));
    auto owns = [&](std::size_t offset) {
        return cairn_buddy_owns(buddy.get(), region_.At(offset));
    };

    EXPECT_FALSE(owns(0));
    EXPECT_FALSE(owns(10)) << "cut off in front";
    EXPECT_FALSE(owns(kGranule - 1));
    EXPECT_TRUE(owns(kGranule));
    EXPECT_TRUE(owns(4 * kGranule - 1));
    EXPECT_FALSE(owns(4 * kGranule)) << "cut off behind";
    EXPECT_FALSE(cairn_buddy_owns(buddy.get(), nullptr));
    EXPECT_FALSE(cairn_buddy_owns(buddy.get(), buddy.get()));
}

TEST_F(Buddy, ResizeGrowsIntoWhatIsFreeAndShrinksByTheTail)
{
    void *run = Alloc(3);

    EXPECT_TRUE(Resize(run, 3, 9));
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), run), 9 * kGranule);
    cairn_buddy_check(buddy_.get());
    EXPECT_EQ(Largest(), 4u) << "9, 10 and 11, 12 to 15";
    EXPECT_TRUE(Resize(run, 9, 16));
    EXPECT_EQ(Stats().free_bytes, 0u);
    EXPECT_TRUE(Resize(run, 16, 1));
    EXPECT_EQ(Largest(), 8u);
    EXPECT_TRUE(Resize(run, 1, 1));
    Free(run, 1);
    EXPECT_EQ(Largest(), 16u);
}

TEST_F(Buddy, AResizeThatCannotBeDoneChangesNothing)
{
    void *run = Alloc(3);
    void *next = Alloc(4);
    std::vector<char> before = buddy_.state().Bytes();

    EXPECT_EQ(next, Granule(4));
    EXPECT_FALSE(Resize(run, 3, 5)) << "another run is in the way";
    EXPECT_FALSE(Resize(run, 3, 0));
    EXPECT_FALSE(Resize(next, 4, 13)) << "beyond the end";
    EXPECT_FALSE(cairn_buddy_resize(buddy_.get(), next, 4 * kGranule, SIZE_MAX));
    EXPECT_EQ(before, buddy_.state().Bytes());
    EXPECT_TRUE(Resize(run, 3, 4));
    EXPECT_TRUE(Resize(next, 4, 12));
}

TEST_F(Buddy, GranulesThatAResizeAddsAreDirtyOnceFreed)
{
    const void *asked = nullptr;
    cairn_buddy_config config = OverRange(region_.At(0), 16 * kGranule, kGranule);

    config.chunk_is_zeroed = SaysZeroed;
    config.chunk_is_zeroed_self = &asked;
    Placed buddy(config);
    void *run = cairn_buddy_alloc(buddy.get(), kGranule, 1, nullptr);
    ASSERT_TRUE(cairn_buddy_resize(buddy.get(), run, kGranule, 6 * kGranule));
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 0u);
    ASSERT_TRUE(cairn_buddy_resize(buddy.get(), run, 6 * kGranule, 2 * kGranule));
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 4 * kGranule);
    ASSERT_TRUE(cairn_buddy_resize(buddy.get(), run, 2 * kGranule, 3 * kGranule));
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 3 * kGranule);
    cairn_buddy_check(buddy.get());
}

TEST_F(Buddy, StatsAddUp)
{
    Alloc(3);
    struct cairn_buddy_stats stats = Stats();

    EXPECT_EQ(stats.granule_bytes, kGranule);
    EXPECT_EQ(stats.held_bytes, 16 * kGranule);
    EXPECT_EQ(stats.used_bytes, 3 * kGranule);
    EXPECT_EQ(stats.free_bytes, 13 * kGranule);
    EXPECT_EQ(stats.free_dirty_bytes, 13 * kGranule);
    EXPECT_EQ(stats.largest_free_bytes, 8 * kGranule);
    EXPECT_EQ(stats.chunk_count, 0u);
    EXPECT_EQ(stats.state_bytes, buddy_.state().size());
    EXPECT_EQ(stats.steps_max, 2u + 3u) << "find and take the block, spill 3, 4 ... 7, 8 ... 15";
    Alloc(13);
    EXPECT_EQ(Stats().largest_free_bytes, 8 * kGranule);
}

TEST_F(Buddy, ManyRunsFillTheRangeCompletely)
{
    std::vector<void *> runs;

    for (std::size_t granules : {3, 5, 1, 2, 1, 4})
        runs.push_back(Alloc(granules));
    EXPECT_EQ(std::count(runs.begin(), runs.end(), nullptr), 0);
    EXPECT_EQ(Stats().free_bytes, 0u) << "a run wastes less than a granule";
}

TEST(BuddySource, KeepsTheLawsOverARange)
{
    Region region(1 << 20, 1 << 16, PROT_READ | PROT_WRITE);
    Placed buddy(OverRange(region.At(100), 1 << 18, 64, 4096));
    cairn_source source = cairn_buddy_as_source(buddy.get());

    EXPECT_STREQ(source.ops->name, "buddy");
    EXPECT_EQ(source.ops->traits, 0u);
    for (std::size_t block : {1, 64, 65, 100, 4096, 5000, 65536}) {
        for (std::size_t align : {1, 64, 1024, 4096}) {
            cairn_law_shape shape = {block, align, block < 4096 ? 30u : 2u, Seed()};

            EXPECT_EQ(cairn_laws_hold(source, &shape), nullptr) << block << " " << align;
            cairn_buddy_check(buddy.get());
            EXPECT_EQ(buddy.stats().used_bytes, 0u);
        }
    }
}

TEST(BuddySource, TakesWhatThereIsWhenThereIsLess)
{
    Region region(1 << 20, 1 << 16);
    Placed buddy(OverRange(region.At(0), 10 * kGranule, kGranule));
    cairn_source source = cairn_buddy_as_source(buddy.get());
    void *blocks[8];

    EXPECT_EQ(cairn_source_take(source, 3 * kGranule, 1, blocks, 8), 2u) << "at 0 and 4; 8 has two";
    EXPECT_EQ(cairn_source_take(source, 3 * kGranule, 1, blocks + 2, 1), 0u);
    EXPECT_EQ(cairn_source_take(source, 0, 1, blocks + 2, 1), 0u);
    EXPECT_EQ(cairn_source_take(source, 1, 4096, blocks + 2, 1), 0u) << "never served";
    cairn_source_give(source, 3 * kGranule, blocks, 2);
    EXPECT_EQ(buddy.stats().used_bytes, 0u);
}

TEST(BuddySource, LeavesErrnoAlone)
{
    Region region(1 << 20, 1 << 16);
    Placed buddy(OverRange(region.At(0), 10 * kGranule, kGranule));

    errno = 4711;
    cairn_buddy_free(buddy.get(), cairn_buddy_alloc(buddy.get(), 1, 1, nullptr), 1);
    EXPECT_EQ(cairn_buddy_alloc(buddy.get(), 1 << 20, 1, nullptr), nullptr);
    EXPECT_EQ(errno, 4711);
}

// The longest walks that there are: a run from the second granule to the last but one, in a range
// of 2^top granules.
TEST(BuddySteps, TheBoundHoldsWhereItIsTight)
{
    for (unsigned top = 2; top <= 20; top++) {
        std::size_t granules = std::size_t{1} << top;
        Region region(granules * 16, 4096);
        Placed buddy(OverRange(region.At(0), granules * 16, 16));
        void *first = cairn_buddy_alloc(buddy.get(), 16, 1, nullptr);
        void *run = cairn_buddy_alloc(buddy.get(), 16, 1, nullptr);
        std::size_t run_bytes = (granules - 2) * 16;

        ASSERT_EQ(run, region.At(16));
        ASSERT_TRUE(cairn_buddy_resize(buddy.get(), run, 16, run_bytes));
        void *last = cairn_buddy_alloc(buddy.get(), 16, 1, nullptr);
        ASSERT_EQ(last, region.At(granules * 16 - 16));
        cairn_buddy_free(buddy.get(), run, run_bytes);
        EXPECT_GE(buddy.stats().steps_max, 4u * (top - 1)) << "two tests, two updates per order";
        EXPECT_LE(buddy.stats().steps_max, 4u * top + 2);
        cairn_buddy_free(buddy.get(), first, 16);
        cairn_buddy_free(buddy.get(), last, 16);
        EXPECT_EQ(buddy.stats().largest_free_bytes, granules * 16);
        EXPECT_LE(buddy.stats().steps_max, 4u * top + 2);
    }
    EXPECT_LE(4 * 31 + 2, static_cast<int>(CAIRN_BUDDY_STEPS_MAX));
}

} // namespace
