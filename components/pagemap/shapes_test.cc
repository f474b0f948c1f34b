// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// How a map over the whole address space is made: flat if it can be, in two levels otherwise, or not at all.

#include "table_source.h"

#include <cairn/failing.h>
#include <cairn/pagemap.h>
#include <cairn/source_laws.h>

#include <cerrno>
#include <cstdlib>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

constexpr size_t kGranule = 16384;
constexpr size_t kLeaf = size_t{1} << CAIRN_PAGEMAP_LEAF_SHIFT;

void *GranuleAt(size_t number)
{
    return reinterpret_cast<void *>(number * kGranule);
}

class Shapes : public ::testing::Test {
  protected:
    void SetUp() override
    {
        cairn_failing_init(&failing_, tables_.source());
    }

    void TearDown() override
    {
        cairn_failing_fini(&failing_);
        EXPECT_EQ(tables_.outstanding_bytes(), 0u);
    }

    cairn_source source()
    {
        return cairn_failing_as_source(&failing_);
    }

    void ExpectNothing(const cairn_pagemap &map)
    {
        EXPECT_EQ(map.granule_count, 0u);
        EXPECT_EQ(map.tags, nullptr);
        EXPECT_EQ(map.root, nullptr);
        for (uintptr_t value : {uintptr_t{0}, uintptr_t{1} << 30, UINTPTR_MAX})
            EXPECT_EQ(cairn_pagemap_tag(&map, reinterpret_cast<void *>(value)), 0);
    }

    TableSource tables_;
    cairn_failing failing_;
    cairn_pagemap map_;
};

TEST_F(Shapes, TheSourceOfTheseTestsKeepsTheLaws)
{
    const cairn_law_shape shape = {3 * 4096, 4096, 100, 1};

    EXPECT_STREQ(cairn_laws_hold(tables_.source(), &shape), nullptr);
}

TEST_F(Shapes, AMapOfZeroBytesSaysNotOurs)
{
    const cairn_pagemap zero = {};

    ExpectNothing(zero);
    cairn_pagemap_check(&zero, nullptr, SIZE_MAX);
}

TEST_F(Shapes, AddressesOfThisProcessLieWithinTheMap)
{
    int on_stack;

    EXPECT_EQ(reinterpret_cast<uintptr_t>(&on_stack) >> cairn_pagemap_address_bits(), 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(&failing_) >> cairn_pagemap_address_bits(), 0u);
}

TEST_F(Shapes, CoverEveryAddressWithEveryGranule)
{
    for (size_t granule = 4096; granule < size_t{1} << cairn_pagemap_address_bits(); granule *= 4)
        for (auto init : {cairn_pagemap_init, cairn_pagemap_init_two_level}) {
            const uintptr_t end = uintptr_t{1} << cairn_pagemap_address_bits();
            void *last = reinterpret_cast<void *>(end - granule);

            ASSERT_EQ(init(&map_, granule, source()), 0);
            ASSERT_EQ(map_.granule_count, end / granule);
            ASSERT_EQ(cairn_pagemap_set(&map_, last, 1, 5, 6), 0);
            EXPECT_EQ(cairn_pagemap_tag(&map_, reinterpret_cast<void *>(end - 1)), 5);
            EXPECT_EQ(cairn_pagemap_tag(&map_, reinterpret_cast<void *>(end)), 0);
            cairn_pagemap_fini(&map_);
        }
}

TEST_F(Shapes, RefuseABadGranule)
{
    for (auto init : {cairn_pagemap_init, cairn_pagemap_init_two_level})
        for (size_t granule :
             {size_t{0}, size_t{1}, size_t{2048}, size_t{4095}, size_t{4097}, size_t{12288},
              size_t{1} << cairn_pagemap_address_bits(), size_t{1} << 63, SIZE_MAX}) {
            EXPECT_EQ(init(&map_, granule, source()), -EINVAL) << granule;
            ExpectNothing(map_);
        }
    EXPECT_EQ(cairn_failing_seen(&failing_), 0u) << "before anything is taken";
}

TEST_F(Shapes, RefuseASourceWithoutTheTraits)
{
    for (unsigned traits :
         {0u, unsigned{CAIRN_SOURCE_ZEROED}, unsigned{CAIRN_SOURCE_THREAD_SAFE}}) {
        TableSource poor;

        poor.ops.traits = traits;
        EXPECT_EQ(cairn_pagemap_init(&map_, kGranule, poor.source()), -EINVAL);
        EXPECT_EQ(cairn_pagemap_init_two_level(&map_, kGranule, poor.source()), -EINVAL);
        ExpectNothing(map_);
    }
}

TEST_F(Shapes, AreFlatFirstThenTwoLevelsThenNothing)
{
    cairn_failing_plan(&failing_, 0, 0);
    ASSERT_EQ(cairn_pagemap_init(&map_, kGranule, source()), 0);
    EXPECT_EQ(map_.shape, CAIRN_PAGEMAP_FLAT);
    cairn_pagemap_fini(&map_);
    cairn_failing_plan(&failing_, 0, 1);
    ASSERT_EQ(cairn_pagemap_init(&map_, kGranule, source()), 0);
    EXPECT_EQ(map_.shape, CAIRN_PAGEMAP_TWO_LEVEL);
    cairn_pagemap_fini(&map_);
    cairn_failing_plan(&failing_, 0, 2);
    EXPECT_EQ(cairn_pagemap_init(&map_, kGranule, source()), -ENOMEM);
    ExpectNothing(map_);
    cairn_failing_plan(&failing_, 0, 1);
    EXPECT_EQ(cairn_pagemap_init_two_level(&map_, kGranule, source()), -ENOMEM);
    ExpectNothing(map_);
}

TEST_F(Shapes, AreTwoLevelsWhereTheReservationIsTooMuch)
{
    TableSource tight(size_t{1} << 30);

    ASSERT_EQ(cairn_pagemap_init(&map_, kGranule, tight.source()), 0);
    EXPECT_EQ(map_.shape, CAIRN_PAGEMAP_TWO_LEVEL);
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(1000), 3, 1, 2), 0);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(1002)), 2u);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(1000 + kLeaf)), 0) << "no leaf there";
    cairn_pagemap_fini(&map_);
    EXPECT_EQ(tight.outstanding_bytes(), 0u);
}

TEST_F(Shapes, AFlatMapCommitsOnlyWhatIsMarked)
{
    rusage before, after;

    ASSERT_EQ(cairn_pagemap_init(&map_, kGranule, source()), 0);
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < 10000; i++) {
        ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf + 4 * i), 4, 1, 1), 0);
        ASSERT_EQ(cairn_pagemap_tag(&map_, GranuleAt(100000 * i)), 0);
    }
    getrusage(RUSAGE_SELF, &after);
    // 40000 granules at 6 bytes are 59 pages; looking up reads the one page of zeroes.
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 4096) << "KiB";
    cairn_pagemap_fini(&map_);
}

// A run over three leaves that are not there; the n-th of them cannot be had.
TEST_F(Shapes, MarkNothingWhenALeafCannotBeHad)
{
    const size_t first = 7 * kLeaf - 5, count = kLeaf + 10;
    uint64_t n = 0;

    for (;; n++) {
        ASSERT_EQ(cairn_pagemap_init_two_level(&map_, kGranule, source()), 0);
        ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(first), 2, 3, 4), 0);
        cairn_failing_plan(&failing_, n, 1);
        int result = cairn_pagemap_set(&map_, GranuleAt(first + 2), count, 1, 2);

        if (result == 0)
            break;
        EXPECT_EQ(result, -ENOMEM);
        cairn_pagemap_check(&map_, GranuleAt(first), (count + 2) * kGranule);
        EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(first + 1)), 1 << 8 | 3) << "as before";
        for (size_t i = 0; i < count; i++)
            ASSERT_EQ(cairn_pagemap_tag(&map_, GranuleAt(first + 2 + i)), 0);
        ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(first + 2), count, 1, 2), 0) << "again";
        EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(first + 1 + count)), 2u);
        cairn_pagemap_fini(&map_);
        cairn_failing_plan(&failing_, 0, 0);
    }
    EXPECT_EQ(n, 2u) << "the first leaf was there";
    EXPECT_EQ(map_.leaf_count, 3u);
    cairn_pagemap_fini(&map_);
}

TEST_F(Shapes, AThreadThatWaitedForALeafFindsItMade)
{
    ASSERT_EQ(cairn_pagemap_init_two_level(&map_, kGranule, source()), 0);
    // The one that makes the leaf stays until the other waits for the lock.
    tables_.on_take = [this] {
        while (cairn_load_relaxed(&map_.lock.state) != 2)
            std::this_thread::yield();
    };
    std::thread other(
        [this] { ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf), 1, 1, 1), 0); });
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf + 1), 1, 2, 2), 0);
    other.join();
    tables_.on_take = nullptr;
    EXPECT_EQ(map_.leaf_count, 1u);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(kLeaf)), 1);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(kLeaf + 1)), 2);
    cairn_pagemap_fini(&map_);
}

TEST_F(Shapes, ThreadsThatNeedTheSameLeafMakeItOnce)
{
    constexpr size_t kThreads = 8, kLeaves = 40;

    ASSERT_EQ(cairn_pagemap_init_two_level(&map_, kGranule, source()), 0);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; t++)
        threads.emplace_back([this, t] {
            for (size_t leaf = 1; leaf <= kLeaves; leaf++)
                ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(leaf * kLeaf + 8 * t), 8, 2,
                                            static_cast<uint32_t>(t)),
                          0);
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(map_.leaf_count, kLeaves);
    for (size_t leaf = 1; leaf <= kLeaves; leaf++)
        for (size_t i = 0; i < 8 * kThreads; i++)
            ASSERT_EQ(cairn_pagemap_owner(&map_, GranuleAt(leaf * kLeaf + i)), i / 8);
    cairn_pagemap_fini(&map_);
}

} // namespace
