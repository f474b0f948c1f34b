// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <gtest/gtest.h>

#include <cairn/buffer.h>
#include <cairn/counted.h>

#include "components/source/source_testing.h"
#include "buddy_fixture.h"

namespace {

using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Placed;
using buddy_fixture::Region;

constexpr std::size_t kGranule = 64;

// Notes the calls; refuses those from `fail_from` on.
struct Log {
    std::vector<std::pair<char *, std::size_t>> calls;
    std::size_t fail_from = SIZE_MAX;

    static int Empty(void *self, void *base, std::size_t length_bytes)
    {
        Log *log = static_cast<Log *>(self);

        log->calls.push_back({static_cast<char *>(base), length_bytes});
        return log->calls.size() > log->fail_from ? -12 : 0;
    }
};

class Purge : public ::testing::Test {
  protected:
    std::size_t PurgeAll(std::size_t min_granules = 1)
    {
        std::size_t bytes =
            cairn_buddy_purge(buddy_.get(), min_granules * kGranule, Log::Empty, &log_);

        cairn_buddy_check(buddy_.get());
        return bytes / kGranule;
    }
    void *Alloc(std::size_t granules, bool *is_zeroed = nullptr)
    {
        return cairn_buddy_alloc(buddy_.get(), granules * kGranule, 1, is_zeroed);
    }
    void Free(void *run, std::size_t granules)
    {
        cairn_buddy_free(buddy_.get(), run, granules * kGranule);
    }
    std::pair<char *, std::size_t> Stretch(std::size_t first, std::size_t granules) const
    {
        return {static_cast<char *>(region_.At(first * kGranule)), granules * kGranule};
    }
    std::size_t Dirty() const
    {
        return buddy_.stats().free_dirty_bytes / kGranule;
    }

    Region region_{1 << 20, 1 << 16};
    Placed buddy_{OverRange(region_.At(0), 256 * kGranule, kGranule)};
    Log log_;
};

TEST_F(Purge, EmptiesAllThatIsFreeInOneCall)
{
    EXPECT_EQ(PurgeAll(), 256u);
    ASSERT_EQ(log_.calls.size(), 1u);
    EXPECT_EQ(log_.calls[0], Stretch(0, 256));
    EXPECT_EQ(Dirty(), 0u);
    EXPECT_EQ(PurgeAll(), 0u) << "what is empty is not emptied again";
    EXPECT_EQ(log_.calls.size(), 1u);
}

TEST_F(Purge, WhatIsEmptyIsGivenOutAsZeroed)
{
    bool is_zeroed = false;

    PurgeAll();
    void *run = Alloc(3, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    Free(run, 3);
    Alloc(3, &is_zeroed);
    EXPECT_FALSE(is_zeroed) << "it was handed out in between";
    Alloc(1, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
}

TEST_F(Purge, LeavesRunsAlone)
{
    void *first = Alloc(10);
    void *second = Alloc(32);

    ASSERT_EQ(second, region_.At(32 * kGranule));
    EXPECT_EQ(PurgeAll(), 214u);
    ASSERT_EQ(log_.calls.size(), 2u);
    EXPECT_EQ(log_.calls[0], Stretch(10, 22));
    EXPECT_EQ(log_.calls[1], Stretch(64, 192));
    Free(first, 10);
    Free(second, 32);
    EXPECT_EQ(Dirty(), 42u);
}

TEST_F(Purge, CutsAStretchToItsDirtyGranules)
{
    PurgeAll();
    void *low = Alloc(70);
    void *high = Alloc(4);

    ASSERT_EQ(high, region_.At(72 * kGranule));
    Free(low, 70);
    Free(high, 4);
    EXPECT_EQ(Dirty(), 74u);
    EXPECT_EQ(PurgeAll(), 74u);
    ASSERT_EQ(log_.calls.size(), 2u);
    EXPECT_EQ(log_.calls[1], Stretch(0, 76)) << "over the two clean ones between, not beyond";
}

TEST_F(Purge, ShortStretchesAreLeft)
{
    PurgeAll();
    void *run = Alloc(5);

    Free(run, 5);
    EXPECT_EQ(PurgeAll(6), 0u);
    EXPECT_EQ(Dirty(), 5u);
    EXPECT_EQ(PurgeAll(5), 5u);
}

TEST_F(Purge, WhatCouldNotBeEmptiedStaysDirty)
{
    Alloc(10);
    void *second = Alloc(32);

    log_.fail_from = 0;
    EXPECT_EQ(PurgeAll(), 0u);
    EXPECT_EQ(log_.calls.size(), 2u);
    EXPECT_EQ(Dirty(), 214u);
    log_.fail_from = 3;
    EXPECT_EQ(PurgeAll(), 22u) << "the first of two";
    EXPECT_EQ(Dirty(), 192u);
    log_.fail_from = SIZE_MAX;
    EXPECT_EQ(PurgeAll(), 192u);
    Free(second, 32);
}

TEST_F(Purge, EveryCallMayFail)
{
    for (std::size_t from = 0; from < 6; from++) {
        Placed buddy(OverRange(region_.At(0), 12 * kGranule, kGranule));
        void *runs[12];
        Log log;

        for (void *&run : runs)
            run = cairn_buddy_alloc(buddy.get(), kGranule, 1, nullptr);
        for (std::size_t i = 0; i < 12; i += 2)
            cairn_buddy_free(buddy.get(), runs[i], kGranule);
        log.fail_from = from;
        EXPECT_EQ(cairn_buddy_purge(buddy.get(), 0, Log::Empty, &log), from * kGranule);
        EXPECT_EQ(log.calls.size(), 6u);
        EXPECT_EQ(buddy.stats().free_dirty_bytes, (6 - from) * kGranule);
        cairn_buddy_check(buddy.get());
    }
}

TEST_F(Purge, NeverTouchesGranulesBeforeTheBase)
{
    Placed buddy(OverRange(region_.At(5 * kGranule), 9 * kGranule, kGranule, 16 * kGranule));

    EXPECT_EQ(cairn_buddy_purge(buddy.get(), 0, Log::Empty, &log_), 9 * kGranule);
    ASSERT_EQ(log_.calls.size(), 1u);
    EXPECT_EQ(log_.calls[0], Stretch(5, 9));
}

TEST_F(Purge, EmptyChunksGoBackAndStretchesEndWithTheirChunk)
{
    constexpr std::size_t chunk = 16 * kGranule;
    cairn_buffer buffer;
    cairn_counted counted;

    source_testing::Init(&buffer, region_.At(0), 8 * chunk);
    source_testing::Init(&counted, cairn_buffer_as_source(&buffer));
    cairn_buddy_config config = OverSource(cairn_counted_as_source(&counted), chunk, 8, kGranule);
    config.chunk_keep_count = 8;
    Placed buddy(config);
    void *runs[4];
    for (void *&run : runs)
        run = cairn_buddy_alloc(buddy.get(), chunk, 1, nullptr);
    ASSERT_TRUE(cairn_buddy_resize(buddy.get(), runs[0], chunk, 4 * kGranule));
    cairn_buddy_free(buddy.get(), runs[1], chunk);
    cairn_buddy_free(buddy.get(), runs[3], chunk);
    ASSERT_TRUE(cairn_buddy_resize(buddy.get(), runs[2], chunk, 15 * kGranule));

    EXPECT_EQ(cairn_counted_counts(&counted).bytes_outstanding, 4 * chunk);
    EXPECT_EQ(cairn_buddy_purge(buddy.get(), 0, Log::Empty, &log_), 13 * kGranule);
    EXPECT_EQ(cairn_counted_counts(&counted).bytes_outstanding, 2 * chunk);
    ASSERT_EQ(log_.calls.size(), 2u);
    EXPECT_EQ(log_.calls[0], Stretch(4, 12));
    EXPECT_EQ(log_.calls[1], Stretch(47, 1));
    EXPECT_EQ(buddy.stats().free_dirty_bytes, 0u);
    cairn_buddy_check(buddy.get());
    cairn_buddy_free(buddy.get(), runs[0], 4 * kGranule);
    cairn_buddy_free(buddy.get(), runs[2], 15 * kGranule);
    cairn_buddy_fini(buddy.get());
    cairn_counted_fini(&counted);
    cairn_buffer_fini(&buffer);
}

class TwoSteps : public Purge {
  protected:
    std::vector<cairn_buddy_stretch> Begin(std::size_t count, std::size_t quota_granules = 1 << 20,
                                           std::size_t min_granules = 1)
    {
        std::vector<cairn_buddy_stretch> stretches(count);

        stretches.resize(cairn_buddy_purge_begin(buddy_.get(), min_granules * kGranule,
                                                 quota_granules * kGranule, stretches.data(),
                                                 count));
        cairn_buddy_check(buddy_.get());
        return stretches;
    }
    void End(std::vector<cairn_buddy_stretch> stretches, bool is_emptied)
    {
        for (cairn_buddy_stretch &stretch : stretches)
            stretch.is_emptied = is_emptied;
        cairn_buddy_purge_end(buddy_.get(), stretches.data(), stretches.size());
        cairn_buddy_check(buddy_.get());
    }
    // Free and dirty stretches of 1, 2, 3 ... granules, with a granule in use after each.
    void MakeStretches(std::size_t count)
    {
        std::vector<void *> runs;

        for (std::size_t granules = 1; granules <= 256; granules++)
            runs.push_back(Alloc(1));
        for (std::size_t at = 0, granules = 1; granules <= count; at += ++granules) {
            for (std::size_t i = 0; i < granules; i++)
                Free(runs[at + i], 1);
        }
    }
    static std::size_t Granules(const cairn_buddy_stretch &stretch)
    {
        return stretch.length_bytes / kGranule;
    }
};

TEST_F(TwoSteps, WhatIsBeingPurgedIsNeitherFreeNorUsedAndComesBackClean)
{
    void *run = Alloc(64);
    bool is_zeroed = false;
    auto stretches = Begin(4);

    ASSERT_EQ(stretches.size(), 1u);
    EXPECT_EQ(stretches[0].base, region_.At(64 * kGranule));
    EXPECT_EQ(stretches[0].length_bytes, 192 * kGranule);
    EXPECT_EQ(stretches[0].dirty_bytes, 192 * kGranule);
    EXPECT_FALSE(stretches[0].is_emptied);
    EXPECT_EQ(buddy_.stats().purging_bytes, 192 * kGranule);
    EXPECT_EQ(buddy_.stats().used_bytes, 64 * kGranule);
    EXPECT_EQ(buddy_.stats().free_bytes, 0u);
    EXPECT_EQ(buddy_.stats().free_dirty_bytes, 0u);
    EXPECT_EQ(buddy_.stats().largest_free_bytes, 0u);
    EXPECT_EQ(Alloc(1), nullptr);
    EXPECT_FALSE(cairn_buddy_resize(buddy_.get(), run, 64 * kGranule, 65 * kGranule));
    EXPECT_EQ(cairn_buddy_run_bytes(buddy_.get(), stretches[0].base), 0u);
    EXPECT_TRUE(cairn_buddy_owns(buddy_.get(), stretches[0].base));
    Free(run, 64);
    End(stretches, true);
    EXPECT_EQ(buddy_.stats().purging_bytes, 0u);
    EXPECT_EQ(buddy_.stats().largest_free_bytes, 256 * kGranule);
    EXPECT_EQ(Dirty(), 64u) << "of the run freed meanwhile";
    EXPECT_NE(Alloc(65, &is_zeroed), nullptr);
    EXPECT_FALSE(is_zeroed);
}

TEST_F(TwoSteps, WhatCouldNotBeEmptiedIsDirtyAllOver)
{
    PurgeAll();
    void *low = Alloc(1);
    Alloc(1);
    void *high = Alloc(1);
    Free(low, 1);
    Free(high, 1);
    void *other = Alloc(8);
    Free(other, 8); // dirty granules 0 and 2, and 8 to 15
    auto stretches = Begin(4);

    ASSERT_EQ(stretches.size(), 2u);
    EXPECT_EQ(Granules(stretches[1]), 14u);
    EXPECT_EQ(stretches[1].dirty_bytes, 9 * kGranule);
    End(stretches, false);
    EXPECT_EQ(Dirty(), 15u);
}

TEST_F(TwoSteps, TheQuotaEndsWithTheStretchThatFillsIt)
{
    MakeStretches(6);
    EXPECT_EQ(Begin(9, 0).size(), 0u);
    EXPECT_EQ(Begin(0).size(), 0u);
    auto first = Begin(9, 4);
    ASSERT_EQ(first.size(), 3u) << "1 + 2 are less than 4";
    auto second = Begin(9, 4);
    ASSERT_EQ(second.size(), 1u);
    EXPECT_EQ(Granules(second[0]), 4u);
    EXPECT_EQ(Begin(9, 99, 6).size(), 1u) << "not that of 5";
    EXPECT_EQ(Begin(9, 99, 6).size(), 0u);
    End(second, true);
    EXPECT_EQ(Granules(Begin(9, 1)[0]), 5u);
    End(first, true);
}

TEST_F(TwoSteps, EachCallGoesOnWhereTheOneBeforeEnded)
{
    MakeStretches(6);
    for (std::size_t i = 0; i < 20; i++) {
        auto stretches = Begin(1);

        ASSERT_EQ(stretches.size(), 1u);
        ASSERT_EQ(Granules(stretches[0]), i % 6 + 1);
        End(stretches, false);
    }
}

TEST_F(TwoSteps, AStretchAcrossTheCursorIsNotOverlooked)
{
    std::vector<void *> runs;

    for (std::size_t i = 0; i < 256; i++)
        runs.push_back(Alloc(1));
    Free(runs[0], 1);
    End(Begin(1), false); // the cursor is at 1
    for (std::size_t i = 1; i < 4; i++)
        Free(runs[i], 1);
    auto stretches = Begin(1, 99, 4);
    ASSERT_EQ(stretches.size(), 1u);
    EXPECT_EQ(stretches[0].base, region_.At(0));
    EXPECT_EQ(Granules(stretches[0]), 4u);
    End(stretches, true);
}

TEST_F(TwoSteps, StretchesOfTwoCallersMayEndInAnyOrder)
{
    MakeStretches(4);
    auto first = Begin(2);
    auto second = Begin(2);

    ASSERT_EQ(second.size(), 2u);
    EXPECT_EQ(Alloc(1), nullptr);
    End({second[1], first[0]}, true);
    ASSERT_EQ(second[1].base, region_.At(9 * kGranule));
    EXPECT_EQ(Alloc(2), region_.At(10 * kGranule));
    End({second[0], first[1]}, false);
    EXPECT_EQ(Dirty(), 5u);
    EXPECT_EQ(buddy_.stats().purging_bytes, 0u);
}

// The first pass begins at the end of all memory, where nothing is.
TEST_F(TwoSteps, APassThatBeginsAtTheEndStartsOver)
{
    End(Begin(1), false);
    for (int i = 0; i < 3; i++) {
        auto stretches = Begin(1);

        ASSERT_EQ(stretches.size(), 1u);
        EXPECT_EQ(Granules(stretches[0]), 256u);
        End(stretches, false);
    }
}

TEST_F(TwoSteps, ACleanBuddyIsLeftAlone)
{
    End(Begin(1), true);
    EXPECT_EQ(Dirty(), 0u);
    EXPECT_EQ(Begin(1).size(), 0u);
}

} // namespace
