// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Purges in two steps, in every small case: all states that few grains can reach, and all patterns
// of grains in use, clean and dirty.

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "buddy_duel.h"

namespace {

using buddy_rig::Duel;
using buddy_rig::OverRange;
using buddy_rig::Placed;
using buddy_rig::Region;
using buddy_rig::Require;

constexpr std::size_t kGrain = 64;

// Breadth first. A state depends on the grains, on which are dirty and on the cursor, not on how it
// came about: this is required of every bit of it.
class PurgeWalk {
  public:
    PurgeWalk(const cairn_buddy_config &config, std::size_t grains)
        : duel_(config, nullptr), grains_(grains), steps_at_(StepsAt(config))
    {
    }

    // Returns how many different states there are.
    std::size_t Run(unsigned depth_max)
    {
        Note();
        for (unsigned depth = 0; depth < depth_max && !next_.empty(); depth++) {
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

  private:
    // Where the record of steps lies: what a run that came and went has changed.
    static std::size_t StepsAt(const cairn_buddy_config &config)
    {
        Placed fresh(config);
        std::vector<char> before = fresh.state().Bytes();
        std::size_t at = 0;

        cairn_buddy_free(fresh.get(), cairn_buddy_alloc(fresh.get(), 1, 1, nullptr), 1);
        for (std::vector<char> after = fresh.state().Bytes(); before[at] == after[at];)
            at++;
        return at;
    }

    std::string Key() const
    {
        const auto &oracle = duel_.oracle();
        std::string key(oracle.grains.begin(), oracle.grains.end());

        for (bool is_dirty : oracle.dirty)
            key += is_dirty ? '1' : '0';
        return key + std::to_string(duel_.purge_at());
    }

    void Note()
    {
        std::string bytes(duel_.state().data(), duel_.state().size());
        std::string key = Key();

        bytes.replace(steps_at_, sizeof(std::uint64_t), sizeof(std::uint64_t), '\0');
        std::size_t hash = std::hash<std::string>()(bytes);
        duel_.CompareBriefly();
        auto known = seen_.insert({key, hash});
        Require(known.first->second == hash, "one state for equal grains and cursor");
        if (!known.second)
            return;
        duel_.Compare();
        next_.push_back(duel_.Save());
    }

    template <typename Operation> void Try(const Duel::Saved &from, Operation operation)
    {
        duel_.Restore(from);
        operation();
        Note();
    }

    void Visit(const Duel::Saved &from)
    {
        for (std::size_t count = 1; count <= grains_; count++)
            Try(from, [&] { duel_.Alloc(count * kGrain, kGrain); });
        for (std::size_t run = 0; run < from.runs.size(); run++)
            Try(from, [&] { duel_.Free(run); });
        for (std::size_t stretch = 0; stretch < from.stretches.size(); stretch++) {
            Try(from, [&] { duel_.PurgeEnd(stretch, true); });
            Try(from, [&] { duel_.PurgeEnd(stretch, false); });
        }
        for (std::size_t min_grains = 1; min_grains <= 3; min_grains++) {
            for (std::size_t quota = 1; quota <= 3; quota++)
                Try(from, [&] { duel_.PurgeBegin(min_grains * kGrain, quota * kGrain, 9); });
            Try(from, [&] { duel_.PurgeBegin(min_grains * kGrain, SIZE_MAX, 1); });
        }
        duel_.Restore(from);
        Misuse();
    }

    // Every place and length that is neither a run nor a stretch.
    void Misuse()
    {
        for (std::size_t grain = 0; grain < grains_; grain++) {
            for (std::size_t count = 1; count <= grains_ - grain; count++) {
                const void *pointer = duel_.AddressOf(duel_.oracle().segments[0].first + grain);

                if (!duel_.IsLive(pointer, count * kGrain))
                    duel_.Misuse(pointer, count * kGrain);
            }
        }
    }

    Duel duel_;
    std::size_t grains_;
    std::size_t steps_at_;
    std::map<std::string, std::size_t> seen_;
    std::vector<Duel::Saved> next_;
};

TEST(BuddyPurgeWalk, EveryStateOfFourGrains)
{
    Region region(1 << 20, 1 << 16);
    PurgeWalk walk(OverRange(region.At(0), 4 * kGrain, kGrain), 4);

    EXPECT_EQ(walk.Run(99), 1370u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyPurgeWalk, EverySequenceOfOperationsOverEightGrainsToDepthEight)
{
    Region region(1 << 20, 1 << 16);
    PurgeWalk walk(OverRange(region.At(3 * kGrain), 8 * kGrain, kGrain, 16 * kGrain), 8);

    EXPECT_EQ(walk.Run(8), 11497u);
}

// In use, clean or dirty.
enum class Kind { kUsed, kClean, kDirty };

void MakePattern(Duel *duel, const std::vector<Kind> &pattern)
{
    auto free_all = [&](Kind kind) {
        for (std::size_t run = duel->runs.size(); run-- > 0;) {
            if (pattern[duel->runs[run].first] == kind)
                duel->Free(run);
        }
    };

    while (duel->Alloc(kGrain, kGrain))
        continue;
    free_all(Kind::kClean);
    duel->Purge(0, 0);
    free_all(Kind::kDirty);
}

// Takes out all, ends them in both orders, emptied or not as the bits of `fates` say; with and
// without runs that take all the rest meanwhile.
void PlayPattern(const std::vector<Kind> &pattern, std::size_t min_grains, unsigned fates)
{
    Region region(1 << 12, 1 << 12);
    Duel duel(OverRange(region.At(0), pattern.size() * kGrain, kGrain), nullptr);

    MakePattern(&duel, pattern);
    duel.PurgeBegin(min_grains * kGrain, SIZE_MAX, pattern.size());
    duel.CompareBriefly();
    Require(duel.PurgeBegin(min_grains * kGrain, SIZE_MAX, pattern.size()) == 0, "nothing is left");
    while ((fates & 1) != 0 && duel.Alloc(kGrain, kGrain))
        continue;
    for (fates >>= 1; !duel.stretches.empty(); fates >>= 2) {
        duel.PurgeEnd((fates & 1) != 0 ? 0 : duel.stretches.size() - 1, (fates & 2) != 0);
        duel.CompareBriefly();
    }
    duel.End();
}

TEST(BuddyPurgeWalk, EveryPatternOfEightGrains)
{
    for (unsigned number = 0; number < 6561; number++) {
        std::vector<Kind> pattern;

        for (unsigned rest = number; pattern.size() < 8; rest /= 3)
            pattern.push_back(static_cast<Kind>(rest % 3));
        for (std::size_t min_grains = 1; min_grains <= 3; min_grains++)
            PlayPattern(pattern, min_grains, number * 2654435761u >> 16);
    }
}

TEST(BuddyPurgeWalk, EveryPatternOfUsedAndDirtyOfUpToTwelveGrains)
{
    for (std::size_t grains = 9; grains <= 12; grains++) {
        for (unsigned number = 0; number < 1u << grains; number++) {
            std::vector<Kind> pattern;

            for (std::size_t grain = 0; grain < grains; grain++)
                pattern.push_back((number >> grain & 1) != 0 ? Kind::kUsed : Kind::kDirty);
            PlayPattern(pattern, 1, number * 2654435761u >> 8);
        }
    }
}

// One stretch after another: each that is long enough is met once before any is met again.
TEST(BuddyPurgeWalk, OneByOneEveryStretchIsMetInTurnWhereverThePassBegan)
{
    for (std::size_t skip = 0; skip < 6; skip++) {
        Region region(1 << 12, 1 << 12);
        Duel duel(OverRange(region.At(0), 16 * kGrain, kGrain), nullptr);
        std::vector<Kind> pattern(16, Kind::kDirty);
        std::vector<std::size_t> met;

        for (std::size_t grain : {2, 5, 6, 9, 13})
            pattern[grain] = Kind::kUsed; // leaves 0-1, 3-4, 7-8, 10-12, 14-15
        MakePattern(&duel, pattern);
        for (std::size_t i = 0; i < skip + 10; i++) {
            ASSERT_EQ(duel.PurgeBegin(kGrain, SIZE_MAX, 1), 1u);
            if (i >= skip)
                met.push_back(duel.stretches[0].first);
            duel.PurgeEnd(0, false);
        }
        for (std::size_t i = 0; i < 10; i++)
            EXPECT_EQ(met[i], (std::vector<std::size_t>{0, 3, 7, 10, 14}[(i + skip) % 5]));
        duel.End();
    }
}

} // namespace
