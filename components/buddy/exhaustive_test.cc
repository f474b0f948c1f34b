// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every small case: all states that few granules can reach, by all operations; all lengths and
// places of a range.

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "buddy_walk.h"

namespace {

using buddy_fixture::ChunkFixture;
using buddy_fixture::Hard;
using buddy_fixture::Oracle;
using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Pair;
using buddy_fixture::Placed;
using buddy_fixture::Region;
using buddy_fixture::Require;
using buddy_fixture::StateWalk;

constexpr std::size_t kGranule = 64;

// Over a range that was dirty from the start a state depends on the runs alone.
class Walk : public StateWalk {
  public:
    struct Options {
        bool with_alignments;
        bool with_resize;
        bool with_misuse;
    };

    Walk(const cairn_buddy_config &config, std::size_t granules, const Options &options)
        : StateWalk(config), granules_(granules), options_(options)
    {
    }

  private:
    std::string Key() const override
    {
        return {duel_.oracle().granules.begin(), duel_.oracle().granules.end()};
    }

    void Visit(const Pair::Saved &from) override
    {
        std::size_t align_last = options_.with_alignments ? kGranule * 2 * granules_ : kGranule;

        for (std::size_t count = 0; count <= granules_ + 1; count++) {
            for (std::size_t align = kGranule; align <= align_last; align *= 2)
                Try(from, [&] { duel_.Alloc(count * kGranule, align); });
        }
        for (std::size_t run = 0; run < from.runs.size(); run++)
            Try(from, [&] { duel_.Free(run); });
        if (options_.with_resize)
            VisitResizes(from);
        duel_.Restore(from);
        if (options_.with_misuse)
            VisitMisuses();
    }

    void VisitResizes(const Pair::Saved &from)
    {
        for (std::size_t run = 0; run < from.runs.size(); run++) {
            for (std::size_t count = 0; count <= granules_ + 1; count++)
                Try(from, [&] { duel_.Resize(run, count * kGranule); });
        }
    }

    // Every place and length that is not a run.
    void VisitMisuses()
    {
        const char *base = static_cast<const char *>(duel_.AddressOf(0));

        for (std::size_t half = 0; half < 2 * granules_; half++) {
            for (std::size_t count = 0; count <= granules_ + 1; count++) {
                const char *pointer = base + half * kGranule / 2;

                if (!duel_.IsLive(pointer, count * kGranule))
                    duel_.Misuse(pointer, count * kGranule);
            }
        }
    }

    std::size_t granules_;
    Options options_;
};

TEST(BuddyExhaustive, EveryStateOfSixGranulesByEveryOperationAndMisuse)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 6 * kGranule, kGranule, 8 * kGranule), 6, {true, true, true});

    EXPECT_EQ(walk.Run(99), 233u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyExhaustive, EveryStateOfEightGranulesByEveryOperation)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 8 * kGranule, kGranule, 8 * kGranule), 8,
              {true, true, false});

    EXPECT_EQ(walk.Run(99), 1597u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyExhaustive, EverySequenceOfAllocAndFreeOverSixteenGranules)
{
    Region region(1 << 20, 1 << 16);
    const char *depth =
        std::getenv("CAIRN_TEST_DEPTH"); // 99 ends after all 643726 states, in a minute
    Walk walk(OverRange(region.At(0), 16 * kGranule, kGranule), 16, {false, false, false});

    EXPECT_GT(walk.Run(depth != nullptr ? static_cast<unsigned>(std::atoi(depth)) : 8u), 20000u);
    RecordProperty("operations", static_cast<int>(walk.operation_count()));
}

TEST(BuddyExhaustive, EverySequenceOfAllOperationsOverSixteenGranulesToDepthThree)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 16 * kGranule, kGranule, 32 * kGranule), 16,
              {true, true, false});

    EXPECT_EQ(walk.Run(3), 861u);
}

// Takes granule by granule until nothing is left, and gives back in another order: all granules
// were there, once.
void ExhaustAndRefill(const cairn_buddy_config &config, std::size_t granule_count, Hard hard)
{
    Placed buddy(config, hard);
    std::vector<char> before = buddy.state().Bytes();
    std::vector<void *> runs;
    std::vector<bool> is_taken(granule_count);
    std::uintptr_t first =
        (reinterpret_cast<std::uintptr_t>(config.base) + config.granule_bytes - 1) &
        ~(config.granule_bytes - 1);

    ASSERT_EQ(buddy.stats().free_bytes, granule_count * config.granule_bytes);
    cairn_buddy_check(buddy.get());
    while (void *run = cairn_buddy_alloc(buddy.get(), 1, 1, nullptr)) {
        std::size_t granule =
            (reinterpret_cast<std::uintptr_t>(run) - first) / config.granule_bytes;

        ASSERT_LT(granule, granule_count);
        ASSERT_FALSE(is_taken[granule]);
        is_taken[granule] = true;
        runs.push_back(run);
    }
    ASSERT_EQ(runs.size(), granule_count);
    ASSERT_EQ(buddy.stats().free_bytes, 0u);
    cairn_buddy_check(buddy.get());
    for (std::size_t i = 0; i < granule_count;
         i++) // an odd stride reaches all when the count is a power of two
        cairn_buddy_free(buddy.get(), runs[granule_count - 1 - i], 1);
    cairn_buddy_check(buddy.get());
    std::size_t differing = 0;
    std::vector<char> after = buddy.state().Bytes();
    for (std::size_t i = 0; i < before.size(); i++)
        differing += before[i] != after[i];
    ASSERT_LE(differing, sizeof(std::uint64_t)) << "merging restores all but the record of steps";
    ASSERT_TRUE(buddy.state().IsIntact());
}

// Largest natural blocks, worked out by hand.
std::size_t LargestBlock(std::size_t first, std::size_t end)
{
    std::size_t best = 0;

    for (std::size_t size = 1; size <= end; size *= 2) {
        if ((first + size - 1) / size * size + size <= end)
            best = size;
    }
    return best;
}

void TryRange(const Region &region, std::size_t offset, std::size_t length, std::size_t align,
              Hard hard)
{
    constexpr std::size_t granule = 16;
    cairn_buddy_config config = OverRange(region.At(offset), length, granule, align);
    std::size_t first = (offset + granule - 1) / granule;
    std::size_t end = (offset + length) / granule;

    SCOPED_TRACE(::testing::Message()
                 << "offset " << offset << " length " << length << " align " << align);
    if (first >= end) {
        ASSERT_EQ(cairn_buddy_state_bytes(&config), 0u);
        return;
    }
    ExhaustAndRefill(config, end - first, hard);
    Placed buddy(config, hard);
    std::size_t space = align == 0 ? first : first / (align / granule) * (align / granule);
    ASSERT_EQ(buddy.stats().largest_free_bytes, LargestBlock(first - space, end - space) * granule);
}

TEST(BuddyExhaustive, EveryShortRangeAtEveryOffset)
{
    Region region(1 << 20, 1 << 16);

    for (std::size_t offset = 0; offset < 130; offset++) {
        for (std::size_t length = 0; length < 200; length += 1 + offset % 5)
            TryRange(region, offset, length, 0, Hard::kBack);
    }
}

TEST(BuddyExhaustive, EveryRangeOfUpTo4096GranulesAtSomeOffset)
{
    Region region(1 << 20, 1 << 16);

    for (std::size_t granules = 0; granules <= 4096; granules++) {
        std::size_t align = static_cast<std::size_t>(16) << (granules % 9);

        TryRange(region, granules * 7 % 4096, granules * 16 + granules % 16, align,
                 granules % 2 == 0 ? Hard::kFront : Hard::kBack);
    }
}

TEST(BuddyExhaustive, EveryAlignmentAndLengthInARangeIsServedExactlyWhenABlockCan)
{
    Region region(1 << 20, 1 << 16);

    for (std::size_t offset = 0; offset < 17; offset++) {
        cairn_buddy_config config = OverRange(region.At(offset * 16), 29 * 16, 16, 1024);

        for (std::size_t count = 1; count <= 30; count++) {
            for (std::size_t align = 1; align <= 4096; align *= 2) {
                Pair pair(config, nullptr);

                pair.Alloc(count * 16, align);
                pair.Compare();
                pair.End();
            }
        }
    }
}

// Two chunks of four granules, and every sequence of a few operations, with a source that may be
// dry at each.
class ChunkWalk {
  public:
    void Run(std::size_t keep_count, unsigned depth)
    {
        std::vector<unsigned> script(depth);

        keep_count_ = keep_count;
        for (;;) {
            Play(script);
            unsigned at = 0;
            while (at < depth && ++script[at] == kOperations)
                script[at++] = 0;
            if (at == depth)
                return;
        }
    }

  private:
    static constexpr unsigned kOperations = 9;

    void Play(const std::vector<unsigned> &script)
    {
        ChunkFixture chunks(4 * kGranule, 3, 1);
        cairn_buddy_config config = OverSource(chunks.AsSource(), 4 * kGranule, 2, kGranule);

        config.chunk_keep_count = keep_count_;
        config.chunk_is_zeroed = ChunkFixture::IsZeroed;
        config.chunk_is_zeroed_self = &chunks;
        Pair pair(config, &chunks);
        for (unsigned operation : script) {
            Do(operation, &chunks, &pair);
            pair.CompareBriefly();
        }
        pair.End();
    }

    static void Do(unsigned operation, ChunkFixture *chunks, Pair *pair)
    {
        if (operation < 4) {
            chunks->is_zeroed = operation == 3;
            pair->Alloc((operation + 1) * kGranule, kGranule);
        } else if (operation == 4) {
            chunks->is_dry = true;
            pair->Alloc(kGranule, kGranule);
            chunks->is_dry = false;
        } else if (operation == 5 && !pair->runs.empty()) {
            pair->Free(0);
        } else if (operation == 6 && !pair->runs.empty()) {
            pair->Free(pair->runs.size() - 1);
        } else if (operation == 7 && !pair->runs.empty()) {
            pair->Resize(0, pair->runs[0].bytes + kGranule);
        } else if (operation == 8) {
            pair->Purge(2 * kGranule, 0);
        }
    }

    std::size_t keep_count_ = 0;
};

TEST(BuddyExhaustive, EverySequenceOfFourOperationsOverTwoChunks)
{
    ChunkWalk().Run(0, 4);
    ChunkWalk().Run(1, 4);
}

} // namespace
