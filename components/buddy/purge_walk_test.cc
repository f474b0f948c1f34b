// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Purges in two steps, in every small case: all states that few grains can reach, and all patterns
// of grains in use, clean and dirty.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "buddy_walk.h"

namespace {

using buddy_rig::Duel;
using buddy_rig::OverRange;
using buddy_rig::Region;
using buddy_rig::Require;
using buddy_rig::StateWalk;

constexpr std::size_t kGrain = 64;

// A state depends on the grains, on which are dirty and on the cursor.
class PurgeWalk : public StateWalk {
  public:
    PurgeWalk(const cairn_buddy_config &config, std::size_t grains)
        : StateWalk(config), grains_(grains)
    {
    }

  private:
    std::string Key() const override
    {
        const auto &oracle = duel_.oracle();
        std::string key(oracle.grains.begin(), oracle.grains.end());

        for (bool is_dirty : oracle.dirty)
            key += is_dirty ? '1' : '0';
        return key + std::to_string(duel_.purge_at());
    }

    void Visit(const Duel::Saved &from) override
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

    std::size_t grains_;
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
