// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A map over the whole address space: how it is made, and where its leaves come from and go to.

#include "components/source/source_testing.h"
#include "pagemap_testing.h"
#include "table_source.h"

#include <cairn/base/config.h>
#include <cairn/failing.h>
#include <cairn/pagemap.h>
#include <cairn/source_laws.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>
#include <vector>

#include <sys/mman.h>

#include <gtest/gtest.h>

namespace {

constexpr size_t kGranule = 16384;
constexpr size_t kLeaf = size_t{1} << CAIRN_PAGEMAP_LEAF_SHIFT;
constexpr uintptr_t kEnd = uintptr_t{1} << CAIRN_PAGEMAP_ADDRESS_BITS;

void *At(uintptr_t address)
{
    return reinterpret_cast<void *>(address);
}

void *GranuleAt(size_t number)
{
    return At(number * kGranule);
}

class Tree : public ::testing::Test {
  protected:
    void SetUp() override
    {
        source_testing::Init(&failing_, leaves_.source());
        ASSERT_EQ(
            pagemap_testing::InitTree(&map_, kGranule, tables_.root(), tables_.empty(), source()),
            0);
    }

    void TearDown() override
    {
        cairn_pagemap_check(&map_, nullptr, 0);
        cairn_pagemap_fini(&map_);
        ExpectNothing(map_);
        EXPECT_EQ(leaves_.outstanding_bytes(), 0u) << "law L6";
        auto *root = static_cast<ptrdiff_t *>(tables_.root());
        EXPECT_EQ(std::count(root, root + kEnd / kGranule / kLeaf, 0),
                  static_cast<ptrdiff_t>(kEnd / kGranule / kLeaf));
        cairn_failing_fini(&failing_);
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
        EXPECT_EQ(map.spare, nullptr);
        for (uintptr_t value : {uintptr_t{0}, uintptr_t{1} << 30, UINTPTR_MAX}) {
            EXPECT_EQ(cairn_pagemap_tag(&map, At(value)), 0);
            EXPECT_EQ(cairn_pagemap_mark(&map, At(value)).tag, 0);
        }
    }

    // What a thread does that needs the same leaf while this one is in the source.
    void SetDuringTheNextTake(size_t number)
    {
        leaves_.on_take = [this, number] {
            ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(number), 1, 9, 99), 0);
        };
    }

    Tables tables_;
    LeafSource leaves_;
    cairn_failing failing_;
    cairn_pagemap map_;
};

using TreeDeathTest = Tree;

TEST_F(Tree, TheSourceOfTheseTestsKeepsTheLaws)
{
    const cairn_law_shape shape = {3 * 4096, 4096, 100, 1};

    EXPECT_STREQ(cairn_laws_hold(leaves_.source(), &shape), nullptr);
}

TEST_F(Tree, AMapOfZeroBytesSaysNotOurs)
{
    const cairn_pagemap zero = {};

    ExpectNothing(zero);
    cairn_pagemap_check(&zero, nullptr, SIZE_MAX);
}

TEST_F(Tree, AddressesOfThisProcessLieWithinTheMap)
{
    int on_stack;

    EXPECT_LT(reinterpret_cast<uintptr_t>(&on_stack), kEnd);
    EXPECT_LT(reinterpret_cast<uintptr_t>(&failing_), kEnd);
}

TEST_F(Tree, TakesNothingUntilSomethingIsMarked)
{
    EXPECT_EQ(map_.shape, CAIRN_PAGEMAP_TREE);
    EXPECT_EQ(cairn_failing_seen(&failing_), 0u);
    EXPECT_FALSE(cairn_pagemap_claim(&map_, GranuleAt(5), 1));
    EXPECT_EQ(cairn_failing_seen(&failing_), 0u);
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(5), 1, 1, 1), 0);
    EXPECT_EQ(leaves_.outstanding_leaves(), 1u);
    cairn_pagemap_clear(&map_, GranuleAt(5), 1);
    EXPECT_EQ(leaves_.outstanding_leaves(), 1u) << "stays until fini";
}

// The root ends where memory ends, so that a wrong index of the last address shows.
TEST_F(Tree, CoversEveryAddressWithEveryGranule)
{
    for (unsigned shift = 12; shift <= 16; shift++) {
        const size_t granule = size_t{1} << shift;
        Tables tables(shift);
        cairn_pagemap map;

        ASSERT_EQ(pagemap_testing::InitTree(&map, granule, tables.root(), tables.empty(), source()),
                  0);
        ASSERT_EQ(map.granule_count, kEnd / granule);
        EXPECT_EQ(cairn_pagemap_tag(&map, At(kEnd - 1)), 0);
        ASSERT_EQ(cairn_pagemap_set(&map, At(kEnd - granule), 1, 5, 6), 0);
        EXPECT_EQ(cairn_pagemap_tag(&map, At(kEnd - 1)), 5);
        EXPECT_EQ(cairn_pagemap_tag(&map, At(kEnd)), 0);
        auto *root = static_cast<ptrdiff_t *>(tables.root());
        EXPECT_NE(root[CAIRN_PAGEMAP_ROOT_BYTES(shift) / sizeof(*root) - 1], 0);
        ASSERT_EQ(cairn_pagemap_set(&map, nullptr, 1, 7, 8), 0);
        EXPECT_EQ(cairn_pagemap_tag(&map, At(granule - 1)), 7);
        EXPECT_NE(root[0], 0);
        EXPECT_EQ(map.leaf_count, 2u);
        cairn_pagemap_check(&map, At(kEnd - 8 * granule), 8 * granule);
        cairn_pagemap_fini(&map);
    }
}

TEST_F(Tree, RefusesABadGranule)
{
    cairn_pagemap map;

    for (size_t granule : {size_t{0}, size_t{1}, size_t{2048}, size_t{4095}, size_t{4097},
                           size_t{12288}, size_t{131072}, size_t{1} << 63, SIZE_MAX}) {
        EXPECT_EQ(
            pagemap_testing::InitTree(&map, granule, tables_.root(), tables_.empty(), source()),
            -EINVAL)
            << granule;
        ExpectNothing(map);
    }
}

TEST_F(Tree, RefusesBadTables)
{
    cairn_pagemap map;
    char *root = static_cast<char *>(tables_.root());
    char *empty = static_cast<char *>(tables_.empty());
    auto init = [&](void *a_root, void *an_empty) {
        int result = pagemap_testing::InitTree(&map, kGranule, a_root, an_empty, source());

        ExpectNothing(map);
        return result;
    };

    EXPECT_EQ(init(nullptr, empty), -EINVAL);
    EXPECT_EQ(init(root, nullptr), -EINVAL);
    for (size_t skew = 1; skew < 64; skew++) {
        EXPECT_EQ(init(root + skew, empty), -EINVAL);
        EXPECT_EQ(init(root, empty + skew), -EINVAL);
    }
}

TEST_F(Tree, RefusesASourceWithoutTheTraits)
{
    cairn_pagemap map;

    for (unsigned traits :
         {0u, unsigned{CAIRN_SOURCE_ZEROED}, unsigned{CAIRN_SOURCE_THREAD_SAFE}}) {
        LeafSource poor;

        poor.ops.traits = traits;
        EXPECT_EQ(pagemap_testing::InitTree(&map, kGranule, tables_.root(), tables_.empty(),
                                            poor.source()),
                  -EINVAL);
        ExpectNothing(map);
    }
}

TEST_F(Tree, ReachesLeavesOnBothSidesOfTheEmptyTags)
{
    constexpr size_t kLeafBytes = sizeof(cairn_pagemap_leaf);
    Zeros low_to_high(2 * kLeafBytes + CAIRN_PAGEMAP_EMPTY_BYTES);
    char *base = static_cast<char *>(low_to_high.base());
    Tables tables;
    cairn_pagemap map;

    ASSERT_EQ(pagemap_testing::InitTree(&map, kGranule, tables.root(), base + kLeafBytes,
                                        leaves_.source()),
              0);
    leaves_.stock = {base + kLeafBytes + CAIRN_PAGEMAP_EMPTY_BYTES, base};
    ASSERT_EQ(cairn_pagemap_set(&map, GranuleAt(3 * kLeaf), 2, 1, 10), 0);
    ASSERT_EQ(cairn_pagemap_set(&map, GranuleAt(9 * kLeaf + 1), 2, 2, 20), 0);
    EXPECT_EQ(map.root[3], -static_cast<ptrdiff_t>(kLeafBytes));
    EXPECT_EQ(map.root[9], static_cast<ptrdiff_t>(CAIRN_PAGEMAP_EMPTY_BYTES));
    EXPECT_EQ(cairn_pagemap_mark(&map, GranuleAt(3 * kLeaf + 1)).tag, 1 << 8 | 1);
    EXPECT_EQ(cairn_pagemap_mark(&map, GranuleAt(3 * kLeaf + 1)).owner, 10u);
    EXPECT_EQ(cairn_pagemap_mark(&map, GranuleAt(9 * kLeaf + 2)).tag, 1 << 8 | 2);
    EXPECT_EQ(cairn_pagemap_mark(&map, GranuleAt(9 * kLeaf + 2)).owner, 20u);
    cairn_pagemap_check(&map, nullptr, 1);
    cairn_pagemap_fini(&map);
}

TEST_F(Tree, CommitsOnlyWhatIsMarked)
{
    constexpr size_t kPages = sizeof(cairn_pagemap_leaf) / 4096;
    cairn_pagemap_leaf *leaf = cairn_pagemap_leaf_take(&map_);
    unsigned char is_resident[kPages];

    cairn_pagemap_leaf_give(&map_, leaf); // the one that is used next
    for (size_t i = 0; i < 10000; i++) {
        ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf + 4 * i), 4, 1, 1), 0);
        ASSERT_EQ(cairn_pagemap_tag(&map_, GranuleAt(100000 * i)), 0);
    }
    ASSERT_EQ(mincore(leaf, sizeof(*leaf), is_resident), 0);
    // 40000 granules at 6 bytes: 20 pages of tags, 40 of owners; looking up reads some others.
    EXPECT_LT(std::count_if(is_resident, is_resident + kPages, [](int page) { return page & 1; }),
              80);
}

/* ---- leaves ---- */

// A run over three leaves, the first of which is there; the n-th of the others cannot be had.
TEST_F(Tree, MarksNothingWhenALeafCannotBeHad)
{
    const size_t first = 7 * kLeaf - 5, count = kLeaf + 10;
    uint64_t n = 0;

    for (;; n++) {
        cairn_failing_plan(&failing_, UINT64_MAX, 0);
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
        TearDown();
        SetUp();
    }
    EXPECT_EQ(n, 2u) << "the first leaf was there";
    EXPECT_EQ(map_.leaf_count, 3u);
    for (size_t i = 0; i < count; i++)
        ASSERT_EQ(cairn_pagemap_tag(&map_, GranuleAt(first + 2 + i)),
                  std::min<size_t>(i, 255) << 8 | 1);
}

TEST_F(Tree, KeepsAsASpareTheLeafOfTheThreadThatComesSecond)
{
    SetDuringTheNextTake(kLeaf);
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf + 1), 1, 2, 22), 0);
    EXPECT_EQ(map_.leaf_count, 1u);
    EXPECT_EQ(leaves_.outstanding_leaves(), 2u);
    ASSERT_NE(map_.spare, nullptr);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(kLeaf)), 99u) << "the first one's marks stay";
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(kLeaf + 1)), 22u);
    // The next leaf is the spare one.
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(5 * kLeaf), 1, 3, 33), 0);
    EXPECT_EQ(map_.spare, nullptr);
    EXPECT_EQ(map_.leaf_count, 2u);
    EXPECT_EQ(leaves_.outstanding_leaves(), 2u);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(5 * kLeaf + 1)), 0);
}

TEST_F(Tree, GivesTheLeafOfTheSecondThreadBackWhenThereIsASpareOne)
{
    cairn_pagemap_leaf *spare = cairn_pagemap_leaf_take(&map_);

    leaves_.on_take = [&] {
        cairn_pagemap_set_sure(&map_, GranuleAt(kLeaf), 1, 1, cairn_pagemap_leaf_take(&map_));
        cairn_pagemap_leaf_give(&map_, spare);
    };
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf + 1), 1, 2, 2), 0);
    EXPECT_EQ(map_.leaf_count, 1u);
    EXPECT_EQ(map_.spare, spare);
    EXPECT_EQ(leaves_.outstanding_leaves(), 2u);
}

TEST_F(Tree, MarksWhereNoLeafCanBeHadButAnotherThreadHasMadeIt)
{
    SetDuringTheNextTake(kLeaf);
    leaves_.on_take = [this, set = leaves_.on_take] {
        set();
        leaves_.is_dry = true;
    };
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf + 1), 1, 2, 22), 0);
    EXPECT_EQ(map_.leaf_count, 1u);
    EXPECT_EQ(leaves_.outstanding_leaves(), 1u);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(kLeaf + 1)), 22u);
    leaves_.is_dry = false;
}

TEST_F(Tree, HandsOutLeavesAndKeepsOneSpare)
{
    cairn_pagemap_leaf *first = cairn_pagemap_leaf_take(&map_);
    cairn_pagemap_leaf *second = cairn_pagemap_leaf_take(&map_);

    ASSERT_NE(first, nullptr);
    ASSERT_NE(second, nullptr);
    ASSERT_NE(first, second);
    EXPECT_EQ(map_.leaf_count, 0u) << "in hand";
    cairn_pagemap_leaf_give(&map_, nullptr);
    EXPECT_EQ(map_.spare, nullptr);
    cairn_pagemap_leaf_give(&map_, first);
    EXPECT_EQ(map_.spare, first);
    cairn_pagemap_leaf_give(&map_, second);
    EXPECT_EQ(map_.spare, first);
    EXPECT_EQ(leaves_.outstanding_leaves(), 1u);
    leaves_.is_dry = true;
    EXPECT_EQ(cairn_pagemap_leaf_take(&map_), first) << "also when the source is dry";
    EXPECT_EQ(cairn_pagemap_leaf_take(&map_), nullptr);
    leaves_.is_dry = false;
    cairn_pagemap_leaf_give(&map_, first); // for fini
}

TEST_F(Tree, MarksForSureWithTheLeafInHand)
{
    cairn_pagemap_leaf *leaf = cairn_pagemap_leaf_take(&map_);

    leaves_.is_dry = true;
    cairn_pagemap_set_sure(&map_, GranuleAt(3 * kLeaf + 7), 4, 44, leaf);
    EXPECT_EQ(map_.leaf_count, 1u);
    EXPECT_EQ(map_.spare, nullptr);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(3 * kLeaf + 7)), 4);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(3 * kLeaf + 7)), 44u);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(3 * kLeaf + 8)), 0);
    leaves_.is_dry = false;
}

TEST_F(Tree, TakesTheLeafInHandBackWhenThePlaceHasOne)
{
    cairn_pagemap_leaf *leaf = cairn_pagemap_leaf_take(&map_);

    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(3 * kLeaf), 1, 1, 11), 0);
    cairn_pagemap_set_sure(&map_, GranuleAt(3 * kLeaf + 1), 2, 22, leaf);
    EXPECT_EQ(map_.leaf_count, 1u);
    EXPECT_EQ(map_.spare, leaf);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(3 * kLeaf)), 11u);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(3 * kLeaf + 1)), 22u);
}

TEST_F(Tree, MarksForSureWithoutALeafWhileOneCanBeHad)
{
    cairn_pagemap_set_sure(&map_, GranuleAt(3 * kLeaf), 1, 11, nullptr);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(3 * kLeaf)), 11u);
}

TEST_F(Tree, GivesEveryLeafBackAndLeavesARootForAnotherMap)
{
    for (int round = 0; round < 3; round++) {
        for (size_t leaf : {size_t{0}, size_t{1}, size_t{77}, kEnd / kGranule / kLeaf - 1})
            ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(leaf * kLeaf + 3), 1, 1, 1), 0);
        cairn_pagemap_leaf_give(&map_, cairn_pagemap_leaf_take(&map_));
        EXPECT_EQ(map_.leaf_count, 4u);
        EXPECT_EQ(leaves_.outstanding_leaves(), 5u);
        TearDown();
        SetUp();
        EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(77 * kLeaf + 3)), 0);
    }
}

TEST_F(Tree, ThreadsThatNeedTheSameLeafHangUpOne)
{
    constexpr size_t kThreads = 8, kLeaves = 40;
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
    EXPECT_EQ(leaves_.outstanding_leaves(), kLeaves + (map_.spare != nullptr));
    for (size_t leaf = 1; leaf <= kLeaves; leaf++)
        for (size_t i = 0; i < 8 * kThreads; i++)
            ASSERT_EQ(cairn_pagemap_owner(&map_, GranuleAt(leaf * kLeaf + i)), i / 8);
}

TEST_F(Tree, ThreadsWithLeavesInHandMarkTheSamePlaceForSure)
{
    constexpr size_t kThreads = 4, kLeaves = 40;
    std::vector<std::thread> threads;
    std::atomic<size_t> arrived{0};

    for (size_t t = 0; t < kThreads; t++)
        threads.emplace_back([&, t] {
            for (size_t leaf = 1; leaf <= kLeaves; leaf++) {
                cairn_pagemap_leaf *in_hand = cairn_pagemap_leaf_take(&map_);

                arrived++;
                while (arrived < leaf * kThreads)
                    std::this_thread::yield();
                cairn_pagemap_set_sure(&map_, GranuleAt(leaf * kLeaf + t), 2,
                                       static_cast<uint32_t>(t), in_hand);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(map_.leaf_count, kLeaves);
    EXPECT_EQ(leaves_.outstanding_leaves(), kLeaves + (map_.spare != nullptr));
    for (size_t leaf = 1; leaf <= kLeaves; leaf++)
        for (size_t t = 0; t < kThreads; t++)
            ASSERT_EQ(cairn_pagemap_owner(&map_, GranuleAt(leaf * kLeaf + t)), t);
}

// Readers see a leaf come: each tag is 0 or what the writer stored, and a tag has its owner.
TEST_F(Tree, IsLookedUpWhileLeavesAreHungUp)
{
    constexpr size_t kLeaves = 200;
    std::atomic<size_t> made{0};
    std::vector<std::thread> readers;

    for (int r = 0; r < 2; r++)
        readers.emplace_back([&] {
            for (size_t leaf = 1; leaf <= kLeaves;) {
                auto mark = cairn_pagemap_mark(&map_, GranuleAt(leaf * kLeaf + 1));
                uint16_t other = cairn_pagemap_tag(&map_, GranuleAt(leaf * kLeaf + 9));

                ASSERT_EQ(other, 0);
                if (mark.tag != 0) {
                    ASSERT_EQ(mark.tag, 1 << 8 | 5);
                    ASSERT_EQ(mark.owner, leaf);
                    leaf++;
                }
            }
        });
    for (size_t leaf = 1; leaf <= kLeaves; leaf++)
        ASSERT_EQ(
            cairn_pagemap_set(&map_, GranuleAt(leaf * kLeaf), 2, 5, static_cast<uint32_t>(leaf)),
            0);
    for (std::thread &reader : readers)
        reader.join();
}

TEST_F(TreeDeathTest, MarkingForSureWithNeitherPlaceNorLeafEndsTheProgram)
{
    leaves_.is_dry = true;
    EXPECT_DEATH(cairn_pagemap_set_sure(&map_, GranuleAt(kLeaf), 1, 1, nullptr),
                 "refused a granule that has a place");
    if (CAIRN_DEBUG) {
        EXPECT_DEATH(cairn_pagemap_set_sure(&map_, At(kEnd), 1, 1, nullptr), "is_within");
    }
    leaves_.is_dry = false;
}

TEST_F(TreeDeathTest, EmptyTagsThatWereWrittenShow)
{
    Zeros empty(CAIRN_PAGEMAP_EMPTY_BYTES);
    Tables tables;
    cairn_pagemap map;

    for (size_t i : {size_t{0}, kLeaf / 2, kLeaf - 1}) {
        auto *tag = static_cast<uint16_t *>(empty.base()) + i;

        ASSERT_EQ(pagemap_testing::InitTree(&map, kGranule, tables.root(), empty.base(), source()),
                  0);
        *tag = 1;
        EXPECT_DEATH(cairn_pagemap_check(&map, nullptr, 0), "invariant broken: empty == 0");
        *tag = 0;
        cairn_pagemap_check(&map, nullptr, 0);
        cairn_pagemap_fini(&map);
    }
}

TEST_F(TreeDeathTest, ALeafThatWasLostShows)
{
    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(kLeaf), 1, 1, 1), 0);
    EXPECT_DEATH((map_.root[1] = 0, cairn_pagemap_check(&map_, nullptr, 0)), "invariant broken");
    if (CAIRN_DEBUG) {
        EXPECT_DEATH((map_.root[1] = 0, cairn_pagemap_fini(&map_)), "leaf_count == 0");
    }
}

} // namespace
