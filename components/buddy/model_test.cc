// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Long random histories, against the oracle. CAIRN_TEST_SEED repeats one.

#include <iostream>

#include <gtest/gtest.h>

#include "buddy_pair.h"

namespace {

using buddy_fixture::ChunkFixture;
using buddy_fixture::Hard;
using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Pair;
using buddy_fixture::Region;
using buddy_fixture::Seed;

class History {
  public:
    History(Pair *pair, ChunkFixture *chunks, std::size_t granule_bytes, std::size_t span_granules,
            std::uint64_t seed, std::size_t one_percent = 0)
        : duel_(pair), chunks_(chunks), granule_(granule_bytes), span_(span_granules),
          random_(seed), one_percent_(one_percent)
    {
    }

    void Play(unsigned operation_count)
    {
        for (unsigned i = 0; i < operation_count; i++) {
            if (i % 500 == 0)
                fill_percent_ = 20 + Below(75);
            Step();
            duel_->CompareBriefly();
            if (i % 64 == 0)
                duel_->Compare();
        }
    }

  private:
    std::size_t Below(std::size_t bound)
    {
        return random_() % bound;
    }

    // Mostly short, sometimes anything.
    std::size_t Bytes()
    {
        if (Below(100) < one_percent_)
            return 1 + Below(granule_);

        std::size_t granules = Below(4) == 0 ? Below(span_ + 2) : 1 + Below(6);

        return granules * granule_ + (granules > 0 ? 0 : Below(2)) -
               (granules > 0 ? Below(granule_) : 0);
    }

    void Step()
    {
        std::size_t choice = Below(100);

        if (chunks_ != nullptr) {
            chunks_->is_dry = Below(8) == 0;
            chunks_->is_zeroed = Below(2) == 0;
        }
        if (choice < 8 && !duel_->runs.empty())
            duel_->Resize(Below(duel_->runs.size()), Bytes());
        else if (choice < 10)
            duel_->Purge(Below(8) * granule_, static_cast<unsigned>(Below(4)));
        else if (choice < 14)
            Misuse();
        else if (choice < 18)
            duel_->PurgeBegin(Below(4) * granule_, Below(2) == 0 ? Below(20) * granule_ : SIZE_MAX,
                              Below(5));
        else if (choice < 24 && !duel_->stretches.empty())
            duel_->PurgeEnd(Below(duel_->stretches.size()), Below(3) != 0);
        else if (choice < 28 && duel_->IsByHand())
            Below(2) == 0 ? duel_->Feed() : duel_->Shed(Below(4));
        else if (choice < 30 && chunks_ != nullptr)
            Move();
        else if (Below(100) < fill_percent_ || duel_->runs.empty())
            Alloc();
        else
            duel_->Free(Below(duel_->runs.size()));
    }

    void Alloc()
    {
        bool is_had = duel_->Alloc(Bytes(), granule_ << (Below(3) == 0 ? Below(8) : 0));

        if (!is_had && duel_->IsByHand() && Below(3) == 0)
            duel_->Feed();
    }

    // Seldom far, so that a history sees many sizes; sometimes to fewer, which fails.
    void Move()
    {
        std::size_t count = duel_->chunk_count_max();

        if (Below(4) == 0 && count > 1)
            duel_->Move(Below(count - 1) + 1);
        else if (count < 40 || Below(8) == 0)
            duel_->Move(count + (count < 40 && Below(4) == 0 ? Below(6) : 0));
    }

    void Misuse()
    {
        if (duel_->oracle().segments.empty())
            return;
        const auto &segments = duel_->oracle().segments;
        const auto &segment = segments[Below(segments.size())];
        std::uintptr_t address =
            segment.address + Below((segment.end - segment.first) * 2 + 8) * granule_ / 2;
        const void *pointer = reinterpret_cast<const void *>(address);
        std::size_t bytes = Bytes();

        if (!duel_->IsLive(pointer, bytes))
            duel_->Misuse(pointer, bytes);
    }

    Pair *duel_;
    ChunkFixture *chunks_;
    std::size_t granule_;
    std::size_t span_;
    std::mt19937_64 random_;
    std::size_t fill_percent_ = 50;
    std::size_t one_percent_;
};

struct RangeCase {
    std::size_t granule_bytes, granules, offset_bytes, align_bytes;
};

TEST(BuddyModel, ARangeBehavesAsTheOracleDoes)
{
    static const RangeCase cases[] = {
        {16, 1, 0, 0},      {16, 2, 8, 0},           {16, 63, 16, 256},
        {16, 64, 0, 1024},  {16, 65, 48, 64},        {64, 127, 64 * 3, 4096},
        {64, 200, 1, 8192}, {4096, 256, 0, 1 << 20}, {65536, 300, 65536, 1 << 21},
    };
    std::uint64_t seed = Seed();

    std::cout << "seed " << seed << "\n";
    for (const RangeCase &c : cases) {
        Region region((c.granules + 1) * c.granule_bytes + c.offset_bytes, 1 << 21);
        Pair pair(OverRange(region.At(c.offset_bytes),
                            c.granules * c.granule_bytes + c.granule_bytes - 1, c.granule_bytes,
                            c.align_bytes),
                  nullptr, seed % 2 == 0 ? Hard::kBack : Hard::kFront);
        History history(&pair, nullptr, c.granule_bytes, c.granules, seed++);

        SCOPED_TRACE(::testing::Message() << c.granules << " granules, seed " << seed - 1);
        history.Play(20000);
        pair.End();
    }
}

struct SourceCase {
    std::size_t granule_bytes, chunk_bytes, chunk_count_max, keep_count, places;
};

void PlayOverSource(const SourceCase &c, std::uint64_t seed, unsigned operation_count,
                    std::size_t one_percent)
{
    ChunkFixture chunks(c.chunk_bytes, c.places, seed);
    cairn_buddy_config config =
        OverSource(chunks.AsSource(), c.chunk_bytes, c.chunk_count_max, c.granule_bytes);
    config.chunk_keep_count = c.keep_count;
    config.chunk_is_zeroed = ChunkFixture::IsZeroed;
    config.chunk_is_zeroed_self = &chunks;
    Pair pair(config, &chunks, seed % 2 == 0 ? Hard::kBack : Hard::kFront);
    History history(&pair, &chunks, c.granule_bytes, c.chunk_bytes / c.granule_bytes, seed,
                    one_percent);

    SCOPED_TRACE(::testing::Message()
                 << c.chunk_count_max << " chunks of " << c.chunk_bytes << ", seed " << seed);
    history.Play(operation_count);
    pair.End();
}

TEST(BuddyModel, ASourceOfChunksBehavesAsTheOracleDoes)
{
    static const SourceCase cases[] = {
        {16, 16, 1, 0, 1},           {16, 16, 9, 3, 12},        {16, 64, 3, 0, 2},
        {64, 64 * 64, 3, 1, 9},      {64, 64 * 16, 12, 0, 30},  {4096, 4096 * 32, 7, 2, 100},
        {4096, 4096 * 2, 70, 5, 90}, {65536, 1 << 22, 4, 4, 5},
    };
    std::uint64_t seed = Seed() + 1000;

    std::cout << "seed " << seed << "\n";
    for (const SourceCase &c : cases)
        PlayOverSource(c, seed++, 20000, 0);
}

// With bitmaps of one, two and three levels, and chunks of less than a word.
TEST(BuddyModel, RunsOfOneGranuleBehaveAsTheOracleDoes)
{
    static const SourceCase cases[] = {
        {16, 16 * 8, 5, 0, 12},
        {16, 16 * 64, 4, 1, 9},
        {16, 16 * 128, 9, 2, 20},
        {16, 16 * 1024, 5, 1, 9},
    };
    std::uint64_t seed = Seed() + 3000;

    std::cout << "seed " << seed << "\n";
    for (const SourceCase &c : cases)
        PlayOverSource(c, seed++, 6000, 90);
}

struct HandCase {
    std::size_t granule_bytes, chunk_bytes, chunk_count, places;
};

TEST(BuddyModel, ABuddyFedByHandBehavesAsTheOracleDoes)
{
    static const HandCase cases[] = {{16, 16, 1, 70},           {16, 64, 1, 50},
                                     {64, 64 * 16, 2, 30},      {64, 64 * 64, 1, 12},
                                     {4096, 4096 * 128, 1, 10}, {4096, 4096 * 2, 5, 90},
                                     {65536, 1 << 22, 1, 9}};
    std::uint64_t seed = Seed() + 2000;

    std::cout << "seed " << seed << "\n";
    for (const HandCase &c : cases) {
        ChunkFixture chunks(c.chunk_bytes, c.places, seed);
        Pair pair(OverSource({nullptr, nullptr}, c.chunk_bytes, c.chunk_count, c.granule_bytes),
                  &chunks, seed % 2 == 0 ? Hard::kBack : Hard::kFront);
        History history(&pair, &chunks, c.granule_bytes, c.chunk_bytes / c.granule_bytes, seed++);

        SCOPED_TRACE(::testing::Message() << c.chunk_bytes << " bytes, seed " << seed - 1);
        history.Play(20000);
        EXPECT_GT(pair.chunk_count_max(), 10u);
        pair.End();
    }
}

} // namespace
