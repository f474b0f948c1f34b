// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Purges in two steps, in every small case: all states that few granules can reach, and all
// patterns of granules in use, clean and dirty.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "buddy_walk.h"

namespace {

using buddy_fixture::OverRange;
using buddy_fixture::Pair;
using buddy_fixture::Region;
using buddy_fixture::Require;
using buddy_fixture::StateWalk;

constexpr std::size_t kGranule = 64;

// A state depends on the granules, on which are dirty and on the cursor.
class PurgeWalk : public StateWalk {
  public:
    PurgeWalk(const cairn_buddy_config &config, std::size_t granules)
        : StateWalk(config), granules_(granules)
    {
    }

  private:
    std::string Key() const override
    {
        const auto &oracle = duel_.oracle();
        std::string key(oracle.granules.begin(), oracle.granules.end());

        for (bool is_dirty : oracle.dirty)
            key += is_dirty ? '1' : '0';
        return key + std::to_string(duel_.purge_at());
    }

    void Visit(const Pair::Saved &from) override
    {
        for (std::size_t count = 1; count <= granules_; count++)
            Try(from, [&] { duel_.Alloc(count * kGranule, kGranule); });
        for (std::size_t run = 0; run < from.runs.size(); run++)
            Try(from, [&] { duel_.Free(run); });
        for (std::size_t stretch = 0; stretch < from.stretches.size(); stretch++) {
            Try(from, [&] { duel_.PurgeEnd(stretch, true); });
            Try(from, [&] { duel_.PurgeEnd(stretch, false); });
        }
        for (std::size_t min_granules = 1; min_granules <= 3; min_granules++) {
            for (std::size_t quota = 1; quota <= 3; quota++)
                Try(from, [&] { duel_.PurgeBegin(min_granules * kGranule, quota * kGranule, 9); });
            Try(from, [&] { duel_.PurgeBegin(min_granules * kGranule, SIZE_MAX, 1); });
        }
        duel_.Restore(from);
        Misuse();
    }

    // Every place and length that is neither a run nor a stretch.
    void Misuse()
    {
        for (std::size_t granule = 0; granule < granules_; granule++) {
            for (std::size_t count = 1; count <= granules_ - granule; count++) {
                const void *pointer = duel_.AddressOf(duel_.oracle().segments[0].first + granule);

                if (!duel_.IsLive(pointer, count * kGranule))
                    duel_.Misuse(pointer, count * kGranule);
            }
        }
    }

    std::size_t granules_;
};

TEST(BuddyPurgeWalk, EveryStateOfFourGranules)
{
    Region region(1 << 20, 1 << 16);
    PurgeWalk walk(OverRange(region.At(0), 4 * kGranule, kGranule), 4);

    EXPECT_EQ(walk.Run(99), 1370u);
    EXPECT_TRUE(walk.IsComplete());
}

TEST(BuddyPurgeWalk, EverySequenceOfOperationsOverEightGranulesToDepthEight)
{
    Region region(1 << 20, 1 << 16);
    PurgeWalk walk(OverRange(region.At(3 * kGranule), 8 * kGranule, kGranule, 16 * kGranule), 8);

    EXPECT_EQ(walk.Run(8), 11497u);
}

// In use, clean or dirty.
enum class Kind { kUsed, kClean, kDirty };

void MakePattern(Pair *pair, const std::vector<Kind> &pattern)
{
    auto free_all = [&](Kind kind) {
        for (std::size_t run = pair->runs.size(); run-- > 0;) {
            if (pattern[pair->runs[run].first] == kind)
                pair->Free(run);
        }
    };

    while (pair->Alloc(kGranule, kGranule))
        continue;
    free_all(Kind::kClean);
    pair->Purge(0, 0);
    free_all(Kind::kDirty);
}

// Takes out all, ends them in both orders, emptied or not as the bits of `fates` say; with and
// without runs that take all the rest meanwhile.
void PlayPattern(const std::vector<Kind> &pattern, std::size_t min_granules, unsigned fates)
{
    Region region(1 << 12, 1 << 12);
    Pair pair(OverRange(region.At(0), pattern.size() * kGranule, kGranule), nullptr);

    MakePattern(&pair, pattern);
    pair.PurgeBegin(min_granules * kGranule, SIZE_MAX, pattern.size());
    pair.CompareBriefly();
    Require(pair.PurgeBegin(min_granules * kGranule, SIZE_MAX, pattern.size()) == 0,
            "nothing is left");
    while ((fates & 1) != 0 && pair.Alloc(kGranule, kGranule))
        continue;
    for (fates >>= 1; !pair.stretches.empty(); fates >>= 2) {
        pair.PurgeEnd((fates & 1) != 0 ? 0 : pair.stretches.size() - 1, (fates & 2) != 0);
        pair.CompareBriefly();
    }
    pair.End();
}

TEST(BuddyPurgeWalk, EveryPatternOfEightGranules)
{
    for (unsigned number = 0; number < 6561; number++) {
        std::vector<Kind> pattern;

        for (unsigned rest = number; pattern.size() < 8; rest /= 3)
            pattern.push_back(static_cast<Kind>(rest % 3));
        for (std::size_t min_granules = 1; min_granules <= 3; min_granules++)
            PlayPattern(pattern, min_granules, number * 2654435761u >> 16);
    }
}

TEST(BuddyPurgeWalk, EveryPatternOfUsedAndDirtyOfUpToTwelveGranules)
{
    for (std::size_t granules = 9; granules <= 12; granules++) {
        for (unsigned number = 0; number < 1u << granules; number++) {
            std::vector<Kind> pattern;

            for (std::size_t granule = 0; granule < granules; granule++)
                pattern.push_back((number >> granule & 1) != 0 ? Kind::kUsed : Kind::kDirty);
            PlayPattern(pattern, 1, number * 2654435761u >> 8);
        }
    }
}

// One stretch after another: each that is long enough is met once before any is met again.
TEST(BuddyPurgeWalk, OneByOneEveryStretchIsMetInTurnWhereverThePassBegan)
{
    for (std::size_t skip = 0; skip < 6; skip++) {
        Region region(1 << 12, 1 << 12);
        Pair pair(OverRange(region.At(0), 16 * kGranule, kGranule), nullptr);
        std::vector<Kind> pattern(16, Kind::kDirty);
        std::vector<std::size_t> met;

        for (std::size_t granule : {2, 5, 6, 9, 13})
            pattern[granule] = Kind::kUsed; // leaves 0-1, 3-4, 7-8, 10-12, 14-15
        MakePattern(&pair, pattern);
        for (std::size_t i = 0; i < skip + 10; i++) {
            ASSERT_EQ(pair.PurgeBegin(kGranule, SIZE_MAX, 1), 1u);
            if (i >= skip)
                met.push_back(pair.stretches[0].first);
            pair.PurgeEnd(0, false);
        }
        for (std::size_t i = 0; i < 10; i++)
            EXPECT_EQ(met[i], (std::vector<std::size_t>{0, 3, 7, 10, 14}[(i + skip) % 5]));
        pair.End();
    }
}

} // namespace
