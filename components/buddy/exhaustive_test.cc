// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every small case: all states that few grains can reach, by all operations; all lengths and
// places of a range.

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "buddy_duel.h"

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

constexpr std::size_t kGrain = 64;

// Walks the states that operations reach, breadth first. Over a range that was dirty from the
// start a state depends on the runs alone, not on how they came about: this is required of every
// bit of it, and it is what keeps the walk finite.
class Walk {
  public:
    struct Options {
        bool with_alignments;
        bool with_resize;
        bool with_misuse;
        unsigned depth_max;
    };

    Walk(const cairn_buddy_config &config, std::size_t grains, const Options &options)
        : duel_(config, nullptr), grains_(grains), options_(options)
    {
    }

    // Returns how many different states there are.
    std::size_t Run()
    {
        Note();
        for (unsigned depth = 0; depth < options_.depth_max && !next_.empty(); depth++) {
            std::vector<Duel::Saved> frontier;

            frontier.swap(next_);
            for (const Duel::Saved &from : frontier)
                Visit(from);
        }
        return seen_.size();
    }

    bool IsComplete() const
    {
        return next_.empty();
    }
    std::size_t operation_count() const
    {
        return operation_count_;
    }

  private:
    // All state but the record of steps.
    std::string Bytes() const
    {
        std::string bytes(duel_.state().data(), duel_.state().size());
        bytes.replace(kStepsAt, sizeof(std::uint64_t), sizeof(std::uint64_t), '\0');
        return bytes;
    }

    void Note()
    {
        std::string runs(duel_.oracle().grains.begin(), duel_.oracle().grains.end());
        std::string bytes = Bytes();
        auto known = seen_.find(runs);

        operation_count_++;
        duel_.CompareBriefly();
        if (known != seen_.end()) {
            Require(known->second == std::hash<std::string>()(bytes), "one state for equal runs");
            return;
        }
        duel_.Compare();
        seen_[runs] = std::hash<std::string>()(bytes);
        next_.push_back(duel_.Save());
    }

    void Visit(const Duel::Saved &from)
    {
        std::size_t align_last = options_.with_alignments ? kGrain * 2 * grains_ : kGrain;

        for (std::size_t count = 0; count <= grains_ + 1; count++) {
            for (std::size_t align = kGrain; align <= align_last; align *= 2) {
                duel_.Restore(from);
                duel_.Alloc(count * kGrain, align);
                Note();
            }
        }
        for (std::size_t run = 0; run < from.runs.size(); run++) {
            duel_.Restore(from);
            duel_.Free(run);
            Note();
        }
        if (options_.with_resize)
            VisitResizes(from);
        duel_.Restore(from);
        if (options_.with_misuse)
            VisitMisuses();
    }

    void VisitResizes(const Duel::Saved &from)
    {
        for (std::size_t run = 0; run < from.runs.size(); run++) {
            for (std::size_t count = 0; count <= grains_ + 1; count++) {
                duel_.Restore(from);
                duel_.Resize(run, count * kGrain);
                Note();
            }
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

    static std::size_t StepsAt();

    static const std::size_t kStepsAt;

    Duel duel_;
    std::size_t grains_;
    Options options_;
    std::map<std::string, std::size_t> seen_;
    std::vector<Duel::Saved> next_;
    std::size_t operation_count_ = 0;
};

// Where the record of steps lies: two fresh buddies of which one has had a run differ there alone.
std::size_t Walk::StepsAt()
{
    Region region(1 << 20, 4096);
    Placed fresh(OverRange(region.At(0), 8 * kGrain, kGrain));
    std::vector<char> before = fresh.state().Bytes();
    void *run = cairn_buddy_alloc(fresh.get(), 1, 1, nullptr);
    std::size_t at = 0;

    cairn_buddy_free(fresh.get(), run, 1);
    for (std::vector<char> after = fresh.state().Bytes(); before[at] == after[at];)
        at++;
    return at;
}

const std::size_t Walk::kStepsAt = Walk::StepsAt();

TEST(BuddyExhaustive, EveryStateOfSixGrainsByEveryOperationAndMisuse)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 6 * kGrain, kGrain, 8 * kGrain), 6, {true, true, true, 99});

    EXPECT_EQ(walk.Run(), 233u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyExhaustive, EveryStateOfEightGrainsByEveryOperation)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 8 * kGrain, kGrain, 8 * kGrain), 8, {true, true, false, 99});

    EXPECT_EQ(walk.Run(), 1597u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyExhaustive, EverySequenceOfAllocAndFreeOverSixteenGrains)
{
    Region region(1 << 20, 1 << 16);
    const char *depth =
        std::getenv("CAIRN_TEST_DEPTH"); // 99 ends after all 643726 states, in a minute
    Walk walk(
        OverRange(region.At(0), 16 * kGrain, kGrain), 16,
        {false, false, false, depth != nullptr ? static_cast<unsigned>(std::atoi(depth)) : 8u});

    EXPECT_GT(walk.Run(), 20000u);
    RecordProperty("operations", static_cast<int>(walk.operation_count()));
}

TEST(BuddyExhaustive, EverySequenceOfAllOperationsOverSixteenGrainsToDepthThree)
{
    Region region(1 << 20, 1 << 16);
    Walk walk(OverRange(region.At(0), 16 * kGrain, kGrain, 32 * kGrain), 16,
              {true, true, false, 3});

    EXPECT_EQ(walk.Run(), 861u);
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
