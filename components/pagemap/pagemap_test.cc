// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What both shapes promise, by one suite.

#include "pagemap_testing.h"
#include "table_source.h"

#include <cairn/base/config.h>
#include <cairn/pagemap.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/random.h"

using cairn_test::test_seed;

namespace {

constexpr size_t kGranule = 16384;
constexpr size_t kLeaf = size_t{1} << CAIRN_PAGEMAP_LEAF_SHIFT; // granules
// Where the tests mark. Nothing lies there: a pagemap never looks at the memory it speaks of.
// Close below the border of two leaves, so that runs cross it.
constexpr size_t kArea = 2048; // granules
constexpr uintptr_t kFirst = 0x123 * kLeaf - kArea / 2;

void *At(uintptr_t address)
{
    return reinterpret_cast<void *>(address);
}

void *GranuleAt(size_t idx)
{
    return At((kFirst + idx) * kGranule);
}

class Pagemap : public ::testing::TestWithParam<cairn_pagemap_shape> {
  protected:
    void SetUp() override
    {
        int result = -1;

        if (GetParam() == CAIRN_PAGEMAP_TREE) {
            result = pagemap_testing::InitTree(&map_, kGranule, tables_.root(), tables_.empty(),
                                               leaves_.source());
        } else {
            state_.resize(cairn_pagemap_window_state_bytes(kArea * kGranule, kGranule) / 8 + 1);
            result = pagemap_testing::InitWindow(&map_, GranuleAt(0), kArea * kGranule, kGranule,
                                                 state_.data(), state_.size() * 8);
        }
        ASSERT_EQ(result, 0);
        ASSERT_EQ(map_.shape, GetParam());
    }

    void TearDown() override
    {
        Check();
        cairn_pagemap_fini(&map_);
        EXPECT_EQ(leaves_.outstanding_bytes(), 0u) << "law L6";
        EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(0)), 0);
    }

    void Check()
    {
        cairn_pagemap_check(&map_, GranuleAt(0), kArea * kGranule);
    }

    int Set(size_t idx, size_t count, uint8_t kind, uint32_t owner)
    {
        int result = cairn_pagemap_set(&map_, GranuleAt(idx), count, kind, owner);

        Check();
        return result;
    }

    void Clear(size_t idx, size_t count)
    {
        cairn_pagemap_clear(&map_, GranuleAt(idx), count);
        Check();
    }

    uint8_t Kind(size_t idx)
    {
        return cairn_tag_kind(cairn_pagemap_tag(&map_, GranuleAt(idx)));
    }

    cairn_pagemap map_;
    Tables tables_;
    LeafSource leaves_;
    std::vector<uint64_t> state_;
};

using PagemapDeathTest = Pagemap;

TEST_P(Pagemap, TellsWhatLiesAtAnyAddressOfARun)
{
    ASSERT_EQ(Set(10, 3, 7, 0xfeedbeef), 0);
    for (size_t offset : {size_t{0}, size_t{1}, kGranule - 1}) {
        for (size_t i = 0; i < 3; i++) {
            void *pointer = At((kFirst + 10 + i) * kGranule + offset);
            uint16_t tag = cairn_pagemap_tag(&map_, pointer);

            EXPECT_EQ(cairn_tag_kind(tag), 7);
            EXPECT_EQ(cairn_tag_granule_idx(tag), i);
            EXPECT_EQ(cairn_pagemap_owner(&map_, pointer), 0xfeedbeefu);
        }
    }
    EXPECT_EQ(Kind(9), 0);
    EXPECT_EQ(Kind(13), 0);
    Clear(10, 3);
    for (size_t i = 9; i <= 13; i++)
        EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(i)), 0);
}

TEST_P(Pagemap, ASectionSaysOfEveryAddressWhatALookupSays)
{
    std::mt19937_64 random(test_seed());

    ASSERT_EQ(Set(0, 100, 1, 10), 0);
    ASSERT_EQ(Set(kArea / 2 - 3, 7, 2, 20), 0) << "across the border of two leaves";
    ASSERT_EQ(Set(kArea - 1, 1, 3, 30), 0);
    for (int i = 0; i < 10000; i++) {
        uintptr_t pointer = kFirst * kGranule + random() % (kArea * kGranule);

        if (i % 10 == 0)
            pointer = random();
        const auto section = cairn_pagemap_section(&map_, At(pointer));
        const auto mark = cairn_pagemap_mark(&map_, At(pointer));
        uintptr_t granule = (pointer >> section.granule_shift) - section.granule_first;

        if (section.granule_count == 0) {
            ASSERT_EQ(mark.tag, 0);
            ASSERT_GE((pointer / kGranule) - map_.granule_first, map_.granule_count);
            continue;
        }
        ASSERT_LT(granule, section.granule_count);
        ASSERT_EQ(section.tags[granule], mark.tag);
        if (mark.tag != 0) {
            ASSERT_EQ(section.owners[granule], mark.owner);
        }
    }
    Clear(0, 100);
    Clear(kArea / 2 - 3, 7);
    Clear(kArea - 1, 1);
}

TEST_P(Pagemap, SaturatesTheIndexAt255)
{
    ASSERT_EQ(Set(0, 600, 255, 1), 0);
    for (size_t i = 0; i < 600; i++)
        ASSERT_EQ(cairn_tag_granule_idx(cairn_pagemap_tag(&map_, GranuleAt(i))),
                  std::min<size_t>(i, 255));
    Clear(0, 600);
}

TEST_P(Pagemap, KeepsNeighboursApart)
{
    ASSERT_EQ(Set(5, 2, 1, 11), 0);
    ASSERT_EQ(Set(7, 2, 1, 12), 0);
    ASSERT_EQ(Set(3, 2, 2, 13), 0);
    EXPECT_EQ(cairn_tag_granule_idx(cairn_pagemap_tag(&map_, GranuleAt(7))), 0u);
    Clear(5, 2);
    EXPECT_EQ(Kind(4), 2);
    EXPECT_EQ(Kind(7), 1);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(4)), 13u);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(8)), 12u);
    Clear(7, 2);
    Clear(3, 2);
}

TEST_P(Pagemap, MayClearTheEndOfARun)
{
    ASSERT_EQ(Set(5, 6, 1, 11), 0);
    Clear(8, 3);
    EXPECT_EQ(Kind(7), 1);
    EXPECT_EQ(Kind(8), 0);
    Clear(5, 3);
}

TEST_P(Pagemap, MarksNothingForAnEmptyRun)
{
    EXPECT_EQ(Set(5, 0, 1, 11), 0);
    Clear(5, 0);
    EXPECT_EQ(Kind(5), 0);
    EXPECT_EQ(map_.leaf_count, 0u);
}

TEST_P(Pagemap, CrossesFromLeafToLeaf)
{
    constexpr size_t kBorder = kArea / 2;

    ASSERT_EQ(Set(kBorder - 3, 6, 9, 77), 0);
    for (size_t i = 0; i < 6; i++) {
        EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(kBorder - 3 + i)), i << 8 | 9);
        EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(kBorder - 3 + i)), 77u);
    }
    EXPECT_EQ(map_.leaf_count, GetParam() == CAIRN_PAGEMAP_TREE ? 2u : 0u);
    Clear(kBorder - 3, 6);
}

// free() gets any value that a program can make up.
TEST_P(Pagemap, AnswersNotOursForAnyPointerValue)
{
    const uintptr_t own = kFirst * kGranule;
    std::mt19937_64 random(test_seed());
    int here;

    ASSERT_EQ(Set(0, kArea, 3, 1), 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uintptr_t value : {uintptr_t{1} << bit, ~(uintptr_t{1} << bit),
                                (uintptr_t{1} << bit) - 1, uintptr_t{0} - (uintptr_t{1} << bit)})
            if (value - own >= kArea * kGranule) {
                EXPECT_EQ(cairn_pagemap_tag(&map_, At(value)), 0) << std::hex << value;
            }
        // The same low bits, elsewhere: a table must not wrap around.
        if (bit >= 25) {
            EXPECT_EQ(cairn_pagemap_tag(&map_, At(own ^ uintptr_t{1} << bit)), 0) << bit;
        }
    }
    // Every pattern of the bits that no address has.
    for (uintptr_t high = 1; high < uintptr_t{1} << (64 - CAIRN_PAGEMAP_ADDRESS_BITS); high++) {
        void *pointer = At(high << CAIRN_PAGEMAP_ADDRESS_BITS | own);

        ASSERT_EQ(cairn_pagemap_tag(&map_, pointer), 0) << high;
        ASSERT_EQ(cairn_pagemap_mark(&map_, pointer).tag, 0) << high;
    }
    EXPECT_EQ(cairn_pagemap_tag(&map_, nullptr), 0);
    EXPECT_EQ(cairn_pagemap_mark(&map_, nullptr).tag, 0);
    EXPECT_EQ(cairn_pagemap_mark(&map_, At(UINTPTR_MAX)).tag, 0);
    EXPECT_EQ(cairn_pagemap_tag(&map_, At(UINTPTR_MAX)), 0);
    EXPECT_EQ(cairn_pagemap_tag(&map_, At(own - 1)), 0);
    EXPECT_EQ(cairn_pagemap_tag(&map_, At(own + kArea * kGranule)), 0);
    EXPECT_EQ(cairn_pagemap_tag(&map_, &here), 0);
    EXPECT_EQ(cairn_pagemap_tag(&map_, &map_), 0);
    for (int i = 0; i < 100000; i++) {
        uintptr_t value = random();

        if (value - own >= kArea * kGranule) {
            ASSERT_EQ(cairn_pagemap_tag(&map_, At(value)), 0) << std::hex << value;
        }
    }
    Clear(0, kArea);
}

TEST_P(Pagemap, RefusesARunOutsideTheMapAndMarksNothing)
{
    const size_t end = map_.granule_first + map_.granule_count;

    for (size_t inside = 0; inside <= 3; inside++)
        EXPECT_EQ(cairn_pagemap_set(&map_, At((end - inside) * kGranule), inside + 1, 1, 1),
                  -EINVAL);
    for (size_t i = 1; i <= 3; i++)
        EXPECT_EQ(cairn_pagemap_tag(&map_, At((end - i) * kGranule)), 0);
    EXPECT_EQ(Set(0, SIZE_MAX, 1, 1), -EINVAL);
    EXPECT_EQ(Set(0, SIZE_MAX / 2 + 1, 1, 1), -EINVAL);
    EXPECT_EQ(cairn_pagemap_set(&map_, At(0 - kGranule), 1, 1, 1), -EINVAL);
    EXPECT_EQ(cairn_pagemap_set(&map_, At(0 - kGranule), 2, 1, 1), -EINVAL) << "does not wrap";
    EXPECT_EQ(Kind(0), 0);
    EXPECT_EQ(map_.leaf_count, 0u);
}

TEST_P(Pagemap, MarksTheVeryFirstAndTheVeryLastGranule)
{
    void *first = At(map_.granule_first * kGranule);
    void *last = At((map_.granule_first + map_.granule_count - 1) * kGranule);

    ASSERT_EQ(cairn_pagemap_set(&map_, first, 1, 1, 10), 0);
    ASSERT_EQ(cairn_pagemap_set(&map_, last, 1, 2, 20), 0);
    EXPECT_EQ(cairn_pagemap_tag(&map_, first), 1);
    EXPECT_EQ(cairn_pagemap_tag(&map_, static_cast<char *>(last) + kGranule - 1), 2);
    EXPECT_EQ(cairn_pagemap_owner(&map_, first), 10u);
    EXPECT_EQ(cairn_pagemap_owner(&map_, last), 20u);
    cairn_pagemap_check(&map_, first, 1);
    cairn_pagemap_check(&map_, last, SIZE_MAX);
    cairn_pagemap_clear(&map_, first, 1);
    cairn_pagemap_clear(&map_, last, 1);
}

struct Mark {
    uint16_t tag;
    uint32_t owner;
};

TEST_P(Pagemap, AgreesWithANaiveModel)
{
    std::mt19937_64 random(test_seed());
    std::map<size_t, Mark> model;
    std::map<size_t, size_t> runs; // first granule -> count

    SCOPED_TRACE("CAIRN_TEST_SEED=" + std::to_string(test_seed()));
    for (int step = 0; step < 2000; step++) {
        size_t idx = random() % kArea;
        size_t count = 1 + random() % (random() % 8 ? 20 : 400);
        auto next = model.lower_bound(idx);

        if (!runs.empty() && random() % 2) {
            auto run = std::next(runs.begin(), static_cast<long>(random() % runs.size()));

            if (random() % 2) {
                cairn_pagemap_clear(&map_, GranuleAt(run->first), run->second);
            } else {
                for (size_t i = 0; i < run->second; i++)
                    ASSERT_TRUE(cairn_pagemap_claim(&map_, GranuleAt(run->first + i),
                                                    model[run->first + i].tag));
            }
            for (size_t i = 0; i < run->second; i++)
                model.erase(run->first + i);
            runs.erase(run);
        } else if (idx + count <= kArea && (next == model.end() || next->first >= idx + count)) {
            auto kind = static_cast<uint8_t>(1 + random() % 255);
            auto owner = static_cast<uint32_t>(random());

            ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(idx), count, kind, owner), 0);
            for (size_t i = 0; i < count; i++)
                model[idx + i] = {static_cast<uint16_t>(std::min<size_t>(i, 255) << 8 | kind),
                                  owner};
            runs[idx] = count;
        }
        if (step % 50 == 0)
            Check();
        for (int probe = 0; probe < 100; probe++) {
            size_t where = random() % (kArea + 2) - 1;
            void *pointer = At((kFirst + where) * kGranule + random() % kGranule);
            auto mark = model.find(where);
            auto both = cairn_pagemap_mark(&map_, pointer);

            ASSERT_EQ(cairn_pagemap_tag(&map_, pointer),
                      mark == model.end() ? 0 : mark->second.tag);
            ASSERT_EQ(both.tag, mark == model.end() ? 0 : mark->second.tag);
            if (mark != model.end()) {
                ASSERT_EQ(both.owner, mark->second.owner);
                ASSERT_EQ(cairn_pagemap_owner(&map_, pointer), mark->second.owner);
            }
        }
    }
    for (auto [idx, count] : runs)
        cairn_pagemap_clear(&map_, GranuleAt(idx), count);
}

// Writers mark and unmark runs of their own; readers look everywhere. A granule's tag is one of two
// values.
TEST_P(Pagemap, LooksUpWhileOthersMark)
{
    constexpr size_t kRun = 5, kRuns = kArea / kRun;
    std::atomic<bool> stop{false};
    std::atomic<size_t> wrong{0}, seen{0};
    std::vector<std::thread> readers, writers;

    for (size_t w = 0; w < 3; w++)
        writers.emplace_back([this, w] {
            for (int round = 0; round < 40; round++) {
                for (size_t run = w; run < kRuns; run += 3)
                    ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(run * kRun), kRun, 6,
                                                static_cast<uint32_t>(run)),
                              0);
                for (size_t run = w; run < kRuns; run += 3) {
                    for (size_t i = 0; i < kRun; i++)
                        ASSERT_EQ(cairn_pagemap_owner(&map_, GranuleAt(run * kRun + i)), run);
                    cairn_pagemap_clear(&map_, GranuleAt(run * kRun), kRun);
                }
            }
        });
    for (unsigned r = 0; r < 2; r++)
        readers.emplace_back([&, r] {
            std::mt19937_64 random(test_seed() + r);

            while (!stop) {
                size_t idx = random() % (kRuns * kRun);
                uint16_t tag = cairn_pagemap_tag(&map_, GranuleAt(idx));

                wrong += tag != 0 && tag != ((idx % kRun) << 8 | 6);
                seen += tag != 0;
            }
        });
    for (std::thread &writer : writers)
        writer.join();
    stop = true;
    for (std::thread &reader : readers)
        reader.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(map_.leaf_count, GetParam() == CAIRN_PAGEMAP_TREE ? 2u : 0u);
}

// A pointer is marked, published, and freed by a thread that sees the marking through the pointer
// alone.
TEST_P(Pagemap, KnowsTheOwnerOfAPointerThatCameFromAnotherThread)
{
    constexpr size_t kRounds = kArea; // each granule once: an old tag cannot be taken for a new one
    std::atomic<void *> mailbox{nullptr};

    std::thread receiver([&] {
        for (size_t i = 0; i < kRounds; i++) {
            void *pointer;

            while ((pointer = mailbox.load(std::memory_order_relaxed)) == nullptr)
                std::this_thread::yield();
            // Relaxed on purpose: the tag is then what orders the owner.
            if (cairn_pagemap_tag(&map_, pointer) != 0) {
                ASSERT_EQ(cairn_pagemap_owner(&map_, pointer), i);
            }
            mailbox.store(nullptr, std::memory_order_release);
        }
    });

    for (size_t i = 0; i < kRounds; i++) {
        ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(i), 1, 1, static_cast<uint32_t>(i)), 0);
        mailbox.store(GranuleAt(i), std::memory_order_relaxed);
        while (mailbox.load(std::memory_order_acquire) != nullptr)
            std::this_thread::yield();
        cairn_pagemap_clear(&map_, GranuleAt(i), 1);
    }
    receiver.join();
}

TEST_P(Pagemap, GivesAGranuleToTheThreadThatClaimsItsTag)
{
    void *end = At((map_.granule_first + map_.granule_count) * kGranule);

    ASSERT_EQ(Set(5, 3, 7, 11), 0);
    EXPECT_FALSE(cairn_pagemap_claim(&map_, GranuleAt(7), 7)) << "has the index 2";
    EXPECT_FALSE(cairn_pagemap_claim(&map_, GranuleAt(7), 2 << 8 | 8));
    EXPECT_FALSE(cairn_pagemap_claim(&map_, GranuleAt(8), 7)) << "not ours";
    EXPECT_FALSE(cairn_pagemap_claim(&map_, GranuleAt(kArea - 1), 7))
        << "in a place without a leaf";
    EXPECT_FALSE(cairn_pagemap_claim(&map_, end, 7));
    EXPECT_FALSE(cairn_pagemap_claim(&map_, At(0 - kGranule), 7));
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(7)), 2 << 8 | 7) << "as before";
    EXPECT_TRUE(cairn_pagemap_claim(&map_, GranuleAt(7), 2 << 8 | 7));
    EXPECT_FALSE(cairn_pagemap_claim(&map_, GranuleAt(7), 2 << 8 | 7));
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(7)), 0);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(6)), 1 << 8 | 7);
    Clear(5, 2);
}

// Both claim at the same moment, again and again.
TEST_P(Pagemap, IsClaimedByOneOfTwoThreadsAtOnce)
{
    constexpr unsigned kRounds = 50000;
    std::atomic<unsigned> round{0}, done{0};
    std::atomic<bool> is_claimed{false}; // by the other thread
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    auto await = [](std::atomic<unsigned> &number, unsigned least) {
        for (unsigned spins = 0; number < least; spins++)
            if (spins > 1000)
                std::this_thread::yield();
    };
    unsigned i = 0;

    std::thread other([&] {
        for (unsigned turn = 1;; turn++) {
            await(round, turn);
            if (round > kRounds)
                break;
            is_claimed = cairn_pagemap_claim(&map_, GranuleAt(5), 9);
            done = turn;
        }
    });
    while (++i < kRounds && std::chrono::steady_clock::now() < end) {
        EXPECT_EQ(cairn_pagemap_set(&map_, GranuleAt(5), 1, 9, 1), 0);
        round = i;
        for (unsigned pause = 0; pause < i % 32; pause++)
            CAIRN_CPU_RELAX();
        bool is_ours = cairn_pagemap_claim(&map_, GranuleAt(5), 9);
        await(done, i);
        EXPECT_NE(is_ours, is_claimed) << i;
    }
    round = kRounds + 1;
    other.join();
    EXPECT_EQ(Kind(5), 0);
}

TEST_P(Pagemap, MarksForSureWithoutALeafWhereThereIsAPlace)
{
    ASSERT_EQ(Set(5, 1, 1, 1), 0);
    leaves_.is_dry = true;
    cairn_pagemap_set_sure(&map_, GranuleAt(6), 2, 22, nullptr);
    cairn_pagemap_set_sure(&map_, GranuleAt(5), 3, 33, nullptr);
    leaves_.is_dry = false;
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(5)), 3);
    EXPECT_EQ(cairn_pagemap_tag(&map_, GranuleAt(6)), 2);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(5)), 33u);
    EXPECT_EQ(cairn_pagemap_owner(&map_, GranuleAt(6)), 22u);
    Clear(5, 2);
}

TEST_P(PagemapDeathTest, MisuseEndsTheProgram)
{
    ASSERT_EQ(Set(5, 2, 1, 1), 0);
    EXPECT_DEATH(Set(4, 1, 0, 1), "kind 0");
    EXPECT_DEATH(EXPECT_EQ(cairn_pagemap_set(&map_, At(kFirst * kGranule + 8), 1, 1, 1), 0),
                 "does not begin on a granule");
    EXPECT_DEATH(cairn_pagemap_clear(&map_, At(kFirst * kGranule + 8), 1),
                 "does not begin on a granule");
    EXPECT_DEATH(Clear(4, 1), "clearing a run that was not marked");
    EXPECT_DEATH(Clear(5, 3), "clearing a run that was not marked");
    EXPECT_DEATH(Clear(kArea - 1, 1), "clearing a run that was not marked");
    EXPECT_DEATH(Clear(5, SIZE_MAX), "clearing a run outside the map");
    EXPECT_DEATH(cairn_pagemap_clear(&map_, At(0 - kGranule), 1), "clearing a run outside the map");
    EXPECT_DEATH((void)cairn_pagemap_owner(&map_, GranuleAt(4)), "not ours");
    EXPECT_DEATH((void)cairn_pagemap_owner(&map_, GranuleAt(kArea - 1)), "not ours");
    EXPECT_DEATH((void)cairn_pagemap_owner(&map_, At(UINTPTR_MAX)), "outside the map");
    if (CAIRN_DEBUG) {
        EXPECT_DEATH(cairn_pagemap_claim(&map_, GranuleAt(4), 0), "tag != 0");
    }
    Clear(5, 2);
}

// Each way in which marking could go wrong, made by marking what no caller may.
TEST_P(PagemapDeathTest, CheckSeesBrokenRuns)
{
    auto set = [this](size_t idx, size_t count, uint8_t kind, uint32_t owner) {
        ASSERT_EQ(cairn_pagemap_set(&map_, GranuleAt(idx), count, kind, owner), 0);
    };
    auto one = [&](size_t idx, size_t count, uint8_t kind, uint32_t owner, size_t from) {
        set(idx, count, kind, owner);
        if (from > 0)
            cairn_pagemap_clear(&map_, GranuleAt(idx), from);
        Check();
    };

    EXPECT_DEATH(one(5, 4, 1, 1, 1), "kind") << "without its first granule";
    EXPECT_DEATH((set(5, 4, 1, 1), one(4, 3, 1, 1, 0)), "granule_idx") << "overwritten by another";
    EXPECT_DEATH((set(5, 4, 1, 1), one(5, 2, 2, 1, 0)), "kind");
    EXPECT_DEATH((set(5, 4, 1, 1), one(5, 2, 1, 2, 0)), "owner");
    EXPECT_DEATH((set(5, 400, 1, 1), one(100, 200, 1, 1, 0)), "granule_idx");
    EXPECT_DEATH((set(100, 300, 1, 1), one(100, 280, 1, 1, 270)), "kind");
    set(5, 4, 1, 1);
    for (size_t from = 5; from <= 9; from++) // inside a run
        cairn_pagemap_check(&map_, GranuleAt(from), kGranule);
    Clear(5, 4);
}

TEST_P(PagemapDeathTest, CheckSeesAShapeWithoutItsTables)
{
    const cairn_pagemap good = map_;
    alignas(64) static char other[64];
    auto broken = [&](void (*spoil)(cairn_pagemap *, void *)) {
        cairn_pagemap bad = good;

        spoil(&bad, other);
        cairn_pagemap_check(&bad, GranuleAt(0), 0);
    };

    EXPECT_DEATH(broken([](cairn_pagemap *m, void *p) {
                     m->root = m->root ? nullptr : static_cast<ptrdiff_t *>(p);
                 }),
                 "invariant broken");
    EXPECT_DEATH(broken([](cairn_pagemap *m, void *p) {
                     m->tags = m->tags ? nullptr : static_cast<uint16_t *>(p);
                 }),
                 "invariant broken");
    EXPECT_DEATH(broken([](cairn_pagemap *m, void *p) {
                     m->owners = m->owners ? nullptr : static_cast<uint32_t *>(p);
                 }),
                 "invariant broken");
    EXPECT_DEATH(broken([](cairn_pagemap *m, void *) {
                     m->leaf_count++; // more than hang on the root
                 }),
                 "invariant broken");
    if (GetParam() == CAIRN_PAGEMAP_WINDOW) {
        EXPECT_DEATH(broken([](cairn_pagemap *m, void *p) {
                         m->spare = static_cast<cairn_pagemap_leaf *>(p);
                     }),
                     "invariant broken");
    }
}

std::string ShapeName(const ::testing::TestParamInfo<cairn_pagemap_shape> &info)
{
    return info.param == CAIRN_PAGEMAP_TREE ? "Tree" : "Window";
}

const auto kEveryShape = ::testing::Values(CAIRN_PAGEMAP_TREE, CAIRN_PAGEMAP_WINDOW);

INSTANTIATE_TEST_SUITE_P(EveryShape, Pagemap, kEveryShape, ShapeName);
INSTANTIATE_TEST_SUITE_P(EveryShape, PagemapDeathTest, kEveryShape, ShapeName);

} // namespace
