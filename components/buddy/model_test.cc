// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Long random histories, against the oracle. CAIRN_TEST_SEED repeats one.

#include <iostream>

#include <gtest/gtest.h>

#include "buddy_duel.h"

namespace {

using buddy_rig::ChunkYard;
using buddy_rig::Duel;
using buddy_rig::Hard;
using buddy_rig::OverRange;
using buddy_rig::OverSource;
using buddy_rig::Region;
using buddy_rig::Seed;

class History {
  public:
    History(Duel *duel, ChunkYard *yard, std::size_t grain_bytes, std::size_t span_grains,
            std::uint64_t seed)
        : duel_(duel), yard_(yard), grain_(grain_bytes), span_(span_grains), random_(seed)
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
        std::size_t grains = Below(4) == 0 ? Below(span_ + 2) : 1 + Below(6);

        return grains * grain_ + (grains > 0 ? 0 : Below(2)) - (grains > 0 ? Below(grain_) : 0);
    }

    void Step()
    {
        std::size_t choice = Below(100);

        if (yard_ != nullptr) {
            yard_->is_dry = Below(8) == 0;
            yard_->is_zeroed = Below(2) == 0;
        }
        if (choice < 8 && !duel_->runs.empty())
            duel_->Resize(Below(duel_->runs.size()), Bytes());
        else if (choice < 10)
            duel_->Purge(Below(8) * grain_, static_cast<unsigned>(Below(4)));
        else if (choice < 14)
            Misuse();
        else if (choice < 18)
            duel_->PurgeBegin(Below(4) * grain_, Below(2) == 0 ? Below(20) * grain_ : SIZE_MAX,
                              Below(5));
        else if (choice < 24 && !duel_->stretches.empty())
            duel_->PurgeEnd(Below(duel_->stretches.size()), Below(3) != 0);
        else if (choice < 28 && duel_->IsByHand())
            Below(2) == 0 ? duel_->Feed() : duel_->Shed(Below(4));
        else if (choice < 30 && yard_ != nullptr)
            Move();
        else if (Below(100) < fill_percent_ || duel_->runs.empty())
            Alloc();
        else
            duel_->Free(Below(duel_->runs.size()));
    }

    void Alloc()
    {
        bool is_had = duel_->Alloc(Bytes(), grain_ << (Below(3) == 0 ? Below(8) : 0));

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
            segment.address + Below((segment.end - segment.first) * 2 + 8) * grain_ / 2;
        const void *pointer = reinterpret_cast<const void *>(address);
        std::size_t bytes = Bytes();

        if (!duel_->IsLive(pointer, bytes))
            duel_->Misuse(pointer, bytes);
    }

    Duel *duel_;
    ChunkYard *yard_;
    std::size_t grain_;
    std::size_t span_;
    std::mt19937_64 random_;
    std::size_t fill_percent_ = 50;
};

struct RangeCase {
    std::size_t grain_bytes, grains, offset_bytes, align_bytes;
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
        Region region((c.grains + 1) * c.grain_bytes + c.offset_bytes, 1 << 21);
        Duel duel(OverRange(region.At(c.offset_bytes), c.grains * c.grain_bytes + c.grain_bytes - 1,
                            c.grain_bytes, c.align_bytes),
                  nullptr, seed % 2 == 0 ? Hard::kBack : Hard::kFront);
        History history(&duel, nullptr, c.grain_bytes, c.grains, seed++);

        SCOPED_TRACE(::testing::Message() << c.grains << " grains, seed " << seed - 1);
        history.Play(20000);
        duel.End();
    }
}

struct SourceCase {
    std::size_t grain_bytes, chunk_bytes, chunk_count_max, keep_count, places;
};

TEST(BuddyModel, ASourceOfChunksBehavesAsTheOracleDoes)
{
    static const SourceCase cases[] = {
        {16, 16, 1, 0, 1},           {16, 16, 9, 3, 12},        {16, 64, 3, 0, 2},
        {64, 64 * 64, 3, 1, 9},      {64, 64 * 16, 12, 0, 30},  {4096, 4096 * 32, 7, 2, 100},
        {4096, 4096 * 2, 70, 5, 90}, {65536, 1 << 22, 4, 4, 5},
    };
    std::uint64_t seed = Seed() + 1000;

    std::cout << "seed " << seed << "\n";
    for (const SourceCase &c : cases) {
        ChunkYard yard(c.chunk_bytes, c.places, seed);
        cairn_buddy_config config =
            OverSource(yard.AsSource(), c.chunk_bytes, c.chunk_count_max, c.grain_bytes);
        config.chunk_keep_count = c.keep_count;
        config.chunk_is_zeroed = ChunkYard::IsZeroed;
        config.chunk_is_zeroed_self = &yard;
        Duel duel(config, &yard, seed % 2 == 0 ? Hard::kBack : Hard::kFront);
        History history(&duel, &yard, c.grain_bytes, c.chunk_bytes / c.grain_bytes, seed++);

        SCOPED_TRACE(::testing::Message() << c.chunk_count_max << " chunks, seed " << seed - 1);
        history.Play(20000);
        duel.End();
    }
}

struct HandCase {
    std::size_t grain_bytes, chunk_bytes, chunk_count, places;
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
        ChunkYard yard(c.chunk_bytes, c.places, seed);
        Duel duel(OverSource({nullptr, nullptr}, c.chunk_bytes, c.chunk_count, c.grain_bytes),
                  &yard, seed % 2 == 0 ? Hard::kBack : Hard::kFront);
        History history(&duel, &yard, c.grain_bytes, c.chunk_bytes / c.grain_bytes, seed++);

        SCOPED_TRACE(::testing::Message() << c.chunk_bytes << " bytes, seed " << seed - 1);
        history.Play(20000);
        EXPECT_GT(duel.chunk_count_max(), 10u);
        duel.End();
    }
}

} // namespace
