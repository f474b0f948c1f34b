// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runs.h"

namespace {

constexpr std::size_t kGranules = 64 * 4;

// Three bits per granule, one character each, and the same in words.
class Runs : public ::testing::Test {
  protected:
    cairn_buddy_run_word words_[kGranules / 64] = {};

    std::string Picture(std::uint64_t cairn_buddy_run_word::*member) const
    {
        std::string picture;

        for (std::size_t g = 0; g < kGranules; g++)
            picture += (words_[g / 64].*member >> (g % 64) & 1) != 0 ? '1' : '.';
        return picture;
    }
    std::string InUse() const
    {
        return Picture(&cairn_buddy_run_word::in_use);
    }
    std::string Start() const
    {
        return Picture(&cairn_buddy_run_word::start);
    }
    std::string Dirty() const
    {
        return Picture(&cairn_buddy_run_word::dirty);
    }

    static std::string Ones(std::size_t first, std::size_t end)
    {
        std::string picture(kGranules, '.');

        return picture.replace(first, end - first, end - first, '1');
    }
};

using RunsDeathTest = Runs;

TEST_F(Runs, EveryRangeIsMarkedAndUnmarkedExactly)
{
    const std::string none(kGranules, '.');

    for (std::size_t first = 0; first < kGranules; first++) {
        for (std::size_t end = first + 1; end <= kGranules; end++) {
            ASSERT_EQ(cairn_buddy_runs_mark(words_, first, end), 0u);
            ASSERT_EQ(InUse(), Ones(first, end));
            ASSERT_EQ(Start(), Ones(first, first + 1));
            ASSERT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, first, kGranules),
                      end - first);
            ASSERT_EQ(cairn_buddy_runs_count(words_, CAIRN_BUDDY_IN_USE, 0, kGranules),
                      end - first);
            ASSERT_EQ(cairn_buddy_runs_find(words_, CAIRN_BUDDY_IN_USE, 0, kGranules), first);
            cairn_buddy_runs_check(words_, 0, kGranules);
            cairn_buddy_runs_unmark(words_, first, end);
            ASSERT_EQ(InUse(), none);
            ASSERT_EQ(Start(), none);
            ASSERT_EQ(Dirty(), Ones(first, end));
            ASSERT_EQ(cairn_buddy_runs_count(words_, CAIRN_BUDDY_FREE_DIRTY, 0, kGranules),
                      end - first);
            ASSERT_EQ(cairn_buddy_runs_dirty_end(words_, 0, kGranules), end);
            ASSERT_EQ(cairn_buddy_runs_mark(words_, first, end), end - first);
            cairn_buddy_runs_unmark(words_, first, end);
            cairn_buddy_runs_set_dirty(words_, first, end, false);
            ASSERT_EQ(Dirty(), none);
        }
    }
}

TEST_F(Runs, OneGranuleIsMarkedAndUnmarkedAsARange)
{
    for (std::size_t granule = 0; granule < kGranules; granule++) {
        EXPECT_FALSE(cairn_buddy_runs_is_one(words_, granule)) << "free";
        ASSERT_FALSE(cairn_buddy_runs_mark_one(words_, granule));
        ASSERT_EQ(InUse(), Ones(granule, granule + 1));
        ASSERT_EQ(Start(), Ones(granule, granule + 1));
        ASSERT_EQ(Dirty(), Ones(granule, granule + 1));
        cairn_buddy_runs_unmark_one(words_, granule);
        ASSERT_EQ(InUse(), std::string(kGranules, '.'));
        ASSERT_EQ(Start(), std::string(kGranules, '.'));
        ASSERT_EQ(Dirty(), Ones(granule, granule + 1));
        ASSERT_TRUE(cairn_buddy_runs_mark_one(words_, granule)) << "it was dirty";
        cairn_buddy_runs_unmark_one(words_, granule);
        cairn_buddy_runs_set_dirty(words_, granule, granule + 1, false);
    }
}

TEST_F(Runs, ARunIsOfOneGranuleWhereItsWordAloneSaysSo)
{
    for (std::size_t granule = 0; granule + 2 <= kGranules; granule++) {
        cairn_buddy_runs_mark_one(words_, granule);
        EXPECT_EQ(cairn_buddy_runs_is_one(words_, granule), granule % 64 != 63) << "alone";
        cairn_buddy_runs_mark_one(words_, granule + 1);
        EXPECT_EQ(cairn_buddy_runs_is_one(words_, granule), granule % 64 != 63) << "two runs";
        cairn_buddy_runs_unmark_one(words_, granule);
        cairn_buddy_runs_unmark_one(words_, granule + 1);
        cairn_buddy_runs_mark(words_, granule, granule + 2);
        EXPECT_FALSE(cairn_buddy_runs_is_one(words_, granule)) << "one run of two";
        EXPECT_FALSE(cairn_buddy_runs_is_one(words_, granule + 1)) << "the inside of a run";
        cairn_buddy_runs_unmark(words_, granule, granule + 2);
        cairn_buddy_runs_mark_one(words_, granule);
        cairn_buddy_runs_set_dirty(words_, granule, granule + 1, false);
        EXPECT_FALSE(cairn_buddy_runs_is_one(words_, granule)) << "being purged";
        cairn_buddy_runs_unmark(words_, granule, granule + 1);
    }
}

TEST_F(Runs, ARunEndsBeforeTheNextOneOrAtTheLimit)
{
    cairn_buddy_runs_mark(words_, 60, 64);
    cairn_buddy_runs_mark(words_, 64, 70);
    cairn_buddy_runs_mark(words_, 70, 71);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 60, kGranules), 4u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 64, kGranules), 6u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 70, kGranules), 1u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 64, 66), 2u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 63, 64), 0u) << "inside a run";
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 71, kGranules), 0u) << "free";
    cairn_buddy_runs_check(words_, 0, kGranules);
}

TEST_F(Runs, ExtendingJoinsTheRunBefore)
{
    cairn_buddy_runs_mark(words_, 10, 20);
    EXPECT_EQ(cairn_buddy_runs_extend(words_, 20, 130), 0u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 10, kGranules), 120u);
    cairn_buddy_runs_unmark(words_, 50, 130);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 10, kGranules), 40u);
    EXPECT_EQ(cairn_buddy_runs_extend(words_, 50, 131), 80u) << "all but one were dirty";
}

TEST_F(Runs, WhatIsSoughtIsSoughtWithinTheRangeOnly)
{
    cairn_buddy_runs_mark(words_, 100, 110);
    cairn_buddy_runs_unmark(words_, 104, 106);
    EXPECT_EQ(cairn_buddy_runs_find(words_, CAIRN_BUDDY_IN_USE, 0, 100), 100u);
    EXPECT_EQ(cairn_buddy_runs_find(words_, CAIRN_BUDDY_IN_USE, 104, 106), 106u);
    EXPECT_EQ(cairn_buddy_runs_find(words_, CAIRN_BUDDY_FREE_DIRTY, 101, kGranules), 104u);
    EXPECT_EQ(cairn_buddy_runs_find(words_, CAIRN_BUDDY_FREE_DIRTY, 110, kGranules), kGranules);
    EXPECT_EQ(cairn_buddy_runs_find(words_, CAIRN_BUDDY_FREE_DIRTY, 128, 128), 128u);
    EXPECT_EQ(cairn_buddy_runs_dirty_end(words_, 0, 105), 105u);
    EXPECT_EQ(cairn_buddy_runs_dirty_end(words_, 110, kGranules), 110u);
    EXPECT_EQ(cairn_buddy_runs_dirty_end(words_, 128, 128), 128u);
    EXPECT_EQ(cairn_buddy_runs_count(words_, CAIRN_BUDDY_FREE_DIRTY, 101, 105), 1u);
    EXPECT_EQ(cairn_buddy_runs_count(words_, CAIRN_BUDDY_IN_USE, 101, 105), 3u);
}

TEST_F(Runs, AStretchBeingPurgedIsInUseAndNotDirtyAndNoRun)
{
    cairn_buddy_runs_mark(words_, 50, 60);
    cairn_buddy_runs_mark(words_, 60, 70);
    cairn_buddy_runs_set_dirty(words_, 60, 70, false);
    cairn_buddy_runs_mark(words_, 70, 75);
    cairn_buddy_runs_check(words_, 0, kGranules);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 50, kGranules), 10u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_PURGING, 50, kGranules), 0u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_RUN, 60, kGranules), 0u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_PURGING, 60, kGranules), 10u);
    EXPECT_EQ(cairn_buddy_runs_length(words_, CAIRN_BUDDY_PURGING, 61, kGranules), 0u);
    EXPECT_EQ(cairn_buddy_runs_count(words_, CAIRN_BUDDY_RUN, 0, kGranules), 15u);
    EXPECT_EQ(cairn_buddy_runs_count(words_, CAIRN_BUDDY_PURGING, 0, kGranules), 10u);
    EXPECT_EQ(cairn_buddy_runs_count(words_, CAIRN_BUDDY_FREE_DIRTY, 0, kGranules), 0u);
    cairn_buddy_runs_unmark(words_, 60, 70);
    EXPECT_EQ(Dirty(), Ones(50, 60).replace(70, 5, 5, '1')) << "it comes back clean";
}

TEST_F(RunsDeathTest, CheckSeesWhatIsNotARun)
{
    cairn_buddy_runs_mark(words_, 60, 70);
    words_[0].start = 0;
    EXPECT_DEATH(cairn_buddy_runs_check(words_, 0, kGranules), "invariant broken") << "no start";
    words_[0].start = std::uint64_t{1} << 60 | 1;
    EXPECT_DEATH(cairn_buddy_runs_check(words_, 0, kGranules), "invariant broken")
        << "a free start";
    words_[0].start = std::uint64_t{1} << 60;
    cairn_buddy_runs_check(words_, 0, kGranules);
    words_[1].dirty = 0;
    EXPECT_DEATH(cairn_buddy_runs_check(words_, 0, kGranules), "invariant broken") << "half clean";
}

} // namespace
