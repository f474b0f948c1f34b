// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every small case: all states that few grains can reach, by all operations; all lengths and
// places of a range.

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "buddy_walk.h"

namespace {

using buddy_rig::ChunkYard;
using buddy_rig::Duel;
using buddy_rig::Hard;
using buddy_rig::Oracle;
using buddy_rig::OverRange;
using buddy_rig::OverSource;
using buddy_rig::Placed;
using buddy_rig::Region;
using buddy_rig::Require;
using buddy_rig::StateWalk;

constexpr std::size_t kGrain = 64;

// Over a range that was dirty from the start a state depends on the runs alone.
class Walk : public StateWalk {
  public:
    struct Options {
        bool with_alignments;
        bool with_resize;
        bool with_misuse;
    };

    Walk(const cairn_buddy_config &config, std::size_t grains, const Options &options)
        : StateWalk(config), grains_(grains), options_(options)
    {
    }

  private:
    std::string Key() const override
    {
        return {duel_.oracle().grains.begin(), duel_.oracle().grains.end()};
    }

    void Visit(const Duel::Saved &from) override
    {
        std::size_t align_last = options_.with_alignments ? kGrain * 2 * grains_ : kGrain;

        for (std::size_t count = 0; count <= grains_ + 1; count++) {
            for (std::size_t align = kGrain; align <= align_last; align *= 2)
                Try(from, [&] { duel_.Alloc(count * kGrain, align); });
        }
        for (std::size_t run = 0; run < from.runs.size(); run++)
            Try(from, [&] { duel_.Free(run); });
        if (options_.with_resize)
            VisitResizes(from);
        duel_.Restore(from);
        if (options_.with_misuse)
            VisitMisuses();
    }

    void VisitResizes(const Duel::Saved &from)
    {
        for (std::size_t run = 0; run < from.runs.size(); run++) {
            for (std::size_t count = 0; count <= grains_ + 1; count++)
                Try(from, [&] { duel_.Resize(run, count * kGrain); });
        }
    }

    // Every place and length that is not a run.
    void VisitMisuses()
    {
        const char *base = static_cast<const char *>(duel_.AddressOf(0));

        for (std::size_t half = 0; half < 2 * grains_; half++) {
            for (std::size_t count = 0; count <= grains_ + 1; count++) {
                const char *pointer = base + half * kGrain / 2;

                if (!duel_.IsLive(pointer, count * kGrain))
                    duel_.Misuse(pointer, count * kGrain);
            }
        }
    }

    std::size_t grains_;
    Options options_;
};

TEST(BuddyExhaustive, EveryStateOfSixGrainsByEveryOperationAndMisuse)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 6 * kGrain, kGrain, 8 * kGrain), 6, {true, true, true});

    EXPECT_EQ(walk.Run(99), 233u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyExhaustive, EveryStateOfEightGrainsByEveryOperation)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 8 * kGrain, kGrain, 8 * kGrain), 8, {true, true, false});

    EXPECT_EQ(walk.Run(99), 1597u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyExhaustive, EverySequenceOfAllocAndFreeOverSixteenGrains)
{
    Region region(1 << 20, 1 << 16);
    const char *depth =
        std::getenv("CAIRN_TEST_DEPTH"); // 99 ends after all 643726 states, in a minute
    Walk walk(OverRange(region.At(0), 16 * kGrain, kGrain), 16, {false, false, false});

    EXPECT_GT(walk.Run(depth != nullptr ? static_cast<unsigned>(std::atoi(depth)) : 8u), 20000u);
    RecordProperty("operations", static_cast<int>(walk.operation_count()));
}

TEST(BuddyExhaustive, EverySequenceOfAllOperationsOverSixteenGrainsToDepthThree)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 16 * kGrain, kGrain, 32 * kGrain), 16, {true, true, false});

    EXPECT_EQ(walk.Run(3), 861u);
}

// Takes grain by grain until nothing is left, and gives back in another order: all grains were
// there, once.
void DrainAndRefill(const cairn_buddy_config &config, std::size_t grain_count, Hard hard)
{
    Placed buddy(config, hard);
    std::vector<char> before = buddy.state().Bytes();
    std::vector<void *> runs;
    std::vector<bool> is_taken(grain_count);
    std::uintptr_t first =
        (reinterpret_cast<std::uintptr_t>(config.base) + config.grain_bytes - 1) &
        ~(config.grain_bytes - 1);

    ASSERT_EQ(buddy.stats().free_bytes, grain_count * config.grain_bytes);
    cairn_buddy_check(buddy.get());
    while (void *run = cairn_buddy_alloc(buddy.get(), 1, 1, nullptr)) {
        std::size_t grain = (reinterpret_cast<std::uintptr_t>(run) - first) / config.grain_bytes;

        ASSERT_LT(grain, grain_count);
        ASSERT_FALSE(is_taken[grain]);
        is_taken[grain] = true;
        runs.push_back(run);
    }
    ASSERT_EQ(runs.size(), grain_count);
    ASSERT_EQ(buddy.stats().free_bytes, 0u);
    cairn_buddy_check(buddy.get());
    for (std::size_t i = 0; i < grain_count;
         i++) // an odd stride reaches all when the count is a power of two
        cairn_buddy_free(buddy.get(), runs[grain_count - 1 - i], 1);
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
    constexpr std::size_t grain = 16;
    cairn_buddy_config config = OverRange(region.At(offset), length, grain, align);
    std::size_t first = (offset + grain - 1) / grain;
    std::size_t end = (offset + length) / grain;

    SCOPED_TRACE(::testing::Message()
                 << "offset " << offset << " length " << length << " align " << align);
    if (first >= end) {
        ASSERT_EQ(cairn_buddy_state_bytes(&config), 0u);
        return;
    }
    DrainAndRefill(config, end - first, hard);
    Placed buddy(config, hard);
    std::size_t space = align == 0 ? first : first / (align / grain) * (align / grain);
    ASSERT_EQ(buddy.stats().largest_free_bytes, LargestBlock(first - space, end - space) * grain);
}

TEST(BuddyExhaustive, EveryShortRangeAtEveryOffset)
{
    Region region(1 << 20, 1 << 16);

    for (std::size_t offset = 0; offset < 130; offset++) {
        for (std::size_t length = 0; length < 200; length += 1 + offset % 5)
            TryRange(region, offset, length, 0, Hard::kBack);
    }
}

TEST(BuddyExhaustive, EveryRangeOfUpTo4096GrainsAtSomeOffset)
{
    Region region(1 << 20, 1 << 16);

    for (std::size_t grains = 0; grains <= 4096; grains++) {
        std::size_t align = static_cast<std::size_t>(16) << (grains % 9);

        TryRange(region, grains * 7 % 4096, grains * 16 + grains % 16, align,
                 grains % 2 == 0 ? Hard::kFront : Hard::kBack);
    }
}

TEST(BuddyExhaustive, EveryAlignmentAndLengthInARangeIsServedExactlyWhenABlockCan)
{
    Region region(1 << 20, 1 << 16);

    for (std::size_t offset = 0; offset < 17; offset++) {
        cairn_buddy_config config = OverRange(region.At(offset * 16), 29 * 16, 16, 1024);

        for (std::size_t count = 1; count <= 30; count++) {
            for (std::size_t align = 1; align <= 4096; align *= 2) {
                Duel duel(config, nullptr);

                duel.Alloc(count * 16, align);
                duel.Compare();
                duel.End();
            }
        }
    }
}

// Two chunks of four grains, and every sequence of a few operations, with a source that may be
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
        ChunkYard yard(4 * kGrain, 3, 1);
        cairn_buddy_config config = OverSource(yard.AsSource(), 4 * kGrain, 2, kGrain);

        config.chunk_keep_count = keep_count_;
        config.chunk_is_zeroed = ChunkYard::IsZeroed;
        config.chunk_is_zeroed_self = &yard;
        Duel duel(config, &yard);
        for (unsigned operation : script) {
            Do(operation, &yard, &duel);
            duel.CompareBriefly();
        }
        duel.End();
    }

    static void Do(unsigned operation, ChunkYard *yard, Duel *duel)
    {
        if (operation < 4) {
            yard->is_zeroed = operation == 3;
            duel->Alloc((operation + 1) * kGrain, kGrain);
        } else if (operation == 4) {
            yard->is_dry = true;
            duel->Alloc(kGrain, kGrain);
            yard->is_dry = false;
        } else if (operation == 5 && !duel->runs.empty()) {
            duel->Free(0);
        } else if (operation == 6 && !duel->runs.empty()) {
            duel->Free(duel->runs.size() - 1);
        } else if (operation == 7 && !duel->runs.empty()) {
            duel->Resize(0, duel->runs[0].bytes + kGrain);
        } else if (operation == 8) {
            duel->Purge(2 * kGrain, 0);
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
