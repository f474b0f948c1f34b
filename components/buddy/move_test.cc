// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// A buddy moves into a larger state and is what it was.

#include <algorithm>
#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

#include <cairn/buffer.h>

#include "components/source/source_testing.h"
#include "buddy_fixture.h"

namespace {

using buddy_fixture::ByHand;
using buddy_fixture::Guarded;
using buddy_fixture::Hard;
using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Placed;
using buddy_fixture::Region;
using buddy_fixture::Seed;

constexpr std::size_t kGranule = 64;
constexpr std::size_t kChunk = 16 * kGranule;

TEST(BuddyMove, ASmallBuddyFitsAPage)
{
    cairn_buddy_config config = ByHand(128 * kGranule, 16, kGranule);

    EXPECT_LT(cairn_buddy_state_bytes(&config), 4096u);
}

TEST(BuddyMove, WhatCannotBeIsRefusedAndChangesNothing)
{
    Region region(1 << 20, 1 << 16);
    Placed over_range(OverRange(region.At(0), kChunk, kGranule));
    Placed by_hand(ByHand(kChunk, 8, kGranule));
    Guarded to(1 << 16, Hard::kFront);
    std::vector<char> zero(to.size(), 0);
    std::vector<char> before = by_hand.state().Bytes();
    std::size_t enough = cairn_buddy_state_bytes_for(by_hand.get(), 9);

    EXPECT_EQ(cairn_buddy_state_bytes_for(over_range.get(), 9), 0u);
    EXPECT_EQ(cairn_buddy_move(to.buddy(), to.size(), over_range.get(), 9), -EINVAL);
    for (std::size_t count : {std::size_t{0}, std::size_t{7}, std::size_t{1} << 31, SIZE_MAX}) {
        EXPECT_EQ(cairn_buddy_state_bytes_for(by_hand.get(), count), 0u);
        EXPECT_EQ(cairn_buddy_move(to.buddy(), to.size(), by_hand.get(), count), -EINVAL);
    }
    EXPECT_EQ(cairn_buddy_move(to.buddy(), enough - 1, by_hand.get(), 9), -EINVAL);
    EXPECT_EQ(to.Bytes(), zero);
    EXPECT_EQ(cairn_buddy_move(to.buddy(), enough, by_hand.get(), 9), 0);
    EXPECT_EQ(by_hand.state().Bytes(), before);
}

TEST(BuddyMoveDeathTest, ABlockThatIsNotAlignedPanics)
{
    Region memory(1 << 16, 4096, PROT_READ | PROT_WRITE);
    cairn_buddy *from = static_cast<cairn_buddy *>(memory.At(8192));
    cairn_buddy_config config = ByHand(kChunk, 8, kGranule);
    std::size_t bytes = cairn_buddy_state_bytes(&config);
    auto move = [&](std::size_t offset) {
        return cairn_buddy_move(static_cast<cairn_buddy *>(memory.At(offset)), 1 << 14, from, 8);
    };

    ASSERT_EQ(buddy_fixture::Init(from, bytes, config), 0);
    EXPECT_DEATH((void)move(32), "cairn: the state of a buddy is not aligned to 64");
    EXPECT_EQ(move(0), 0);
}

TEST(BuddyMove, OverASourceItGoesOnTakingAndGiving)
{
    Region region(64 * kChunk, kChunk);
    cairn_buffer buffer;

    source_testing::Init(&buffer, region.At(0), 64 * kChunk);
    Placed from(OverSource(cairn_buffer_as_source(&buffer), kChunk, 1, kGranule));
    void *first = cairn_buddy_alloc(from.get(), kChunk, 1, nullptr);
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(cairn_buddy_alloc(from.get(), 1, 1, nullptr), nullptr);
    Guarded to(cairn_buddy_state_bytes_for(from.get(), 3), Hard::kBack);
    ASSERT_EQ(cairn_buddy_move(to.buddy(), to.size(), from.get(), 3), 0);
    void *second = cairn_buddy_alloc(to.buddy(), 1, 1, nullptr);
    EXPECT_NE(second, nullptr);
    cairn_buddy_free(to.buddy(), first, kChunk);
    cairn_buddy_free(to.buddy(), second, 1);
    EXPECT_EQ(cairn_buddy_stats(to.buddy()).chunk_count, 0u);
    cairn_buddy_fini(to.buddy());
    cairn_buffer_fini(&buffer);
}

// Two buddies of the same chunks: one had room for all from the start, the other moves whenever it
// is full. Whatever is asked, they answer the same.
class Twins {
  public:
    Twins(std::size_t chunk_bytes, std::size_t count_max, std::uint64_t seed)
        : chunk_bytes_(chunk_bytes), region_(count_max * chunk_bytes, chunk_bytes),
          stays_(ByHand(chunk_bytes, count_max, kGranule)), moves_(NewState(1, chunk_bytes)),
          random_(seed)
    {
        cairn_buddy_config config = ByHand(chunk_bytes, 1, kGranule);

        Init(buddy_fixture::Init(Moving(), moves_->size(), config));
        for (std::size_t place = 0; place < count_max; place++)
            outside_.push_back(region_.At(place * chunk_bytes));
        std::shuffle(outside_.begin(), outside_.end(), random_);
    }

    void Step()
    {
        switch (random_() % 8) {
        case 0:
            Feed();
            break;
        case 1:
            Shed(random_() % 8);
            break;
        case 2:
            Begin();
            break;
        case 3:
            End();
            break;
        case 4:
        case 5:
            Free();
            break;
        default:
            Alloc(random_() % 4 == 0 ? random_() % chunk_bytes_ + 1 : random_() % 6 * kGranule + 1);
        }
        CompareStats();
    }
    void Feed()
    {
        bool is_zeroed = random_() % 2 == 0;

        if (outside_.empty())
            return;
        if (cairn_buddy_is_full(Moving()))
            Move();
        for (cairn_buddy *buddy : {stays_.get(), Moving()})
            cairn_buddy_feed(buddy, outside_.back(), is_zeroed);
        outside_.pop_back();
    }
    void FreeAll()
    {
        while (!runs_.empty())
            Free();
        while (!stretches_.empty())
            End();
        while (Shed(0))
            continue;
        CompareStats();
        cairn_buddy_fini(stays_.get());
        cairn_buddy_fini(Moving());
    }
    // Every granule of every place.
    void Compare() const
    {
        cairn_buddy_check(Moving());
        for (std::size_t offset = 0; offset < Span(); offset += kGranule) {
            void *pointer = region_.At(offset);

            ASSERT_EQ(cairn_buddy_run_bytes(stays_.get(), pointer),
                      cairn_buddy_run_bytes(Moving(), pointer));
            ASSERT_EQ(cairn_buddy_owns(stays_.get(), pointer), cairn_buddy_owns(Moving(), pointer));
        }
    }
    std::size_t moved_count() const
    {
        return moved_count_;
    }

  private:
    static Guarded *NewState(std::size_t count, std::size_t chunk_bytes)
    {
        cairn_buddy_config config = ByHand(chunk_bytes, count, kGranule);

        return new Guarded(cairn_buddy_state_bytes(&config), Hard::kBack);
    }
    static void Init(int error)
    {
        buddy_fixture::Require(error == 0, "init or move");
    }
    cairn_buddy *Moving() const
    {
        return moves_->buddy();
    }
    std::size_t Span() const
    {
        return cairn_buddy_stats(stays_.get()).chunk_count_max * chunk_bytes_;
    }

    void Move()
    {
        std::size_t count = cairn_buddy_stats(Moving()).chunk_count_max;
        std::size_t more = count + 1 + random_() % (count + 1);
        std::unique_ptr<Guarded> to(
            new Guarded(cairn_buddy_state_bytes_for(Moving(), more), Hard::kBack));

        Init(cairn_buddy_move(to->buddy(), to->size(), Moving(), more));
        std::memset(moves_->data(), 0xee, moves_->size()); // it may be discarded
        moves_.swap(to);
        moved_count_++;
        Compare();
    }
    bool Shed(std::size_t keep_count)
    {
        void *chunk = cairn_buddy_shed(stays_.get(), keep_count);

        EXPECT_EQ(cairn_buddy_shed(Moving(), keep_count), chunk);
        if (chunk != nullptr)
            outside_.push_back(chunk);
        return chunk != nullptr;
    }
    void Alloc(std::size_t bytes)
    {
        bool is_zeroed[2] = {false, false};
        void *run = cairn_buddy_alloc(stays_.get(), bytes, 1, &is_zeroed[0]);

        EXPECT_EQ(cairn_buddy_alloc(Moving(), bytes, 1, &is_zeroed[1]), run);
        EXPECT_EQ(is_zeroed[0], is_zeroed[1]);
        if (run != nullptr)
            runs_.push_back({run, bytes});
    }
    void Free()
    {
        if (runs_.empty())
            return;
        std::swap(runs_[random_() % runs_.size()], runs_.back());
        for (cairn_buddy *buddy : {stays_.get(), Moving()})
            cairn_buddy_free(buddy, runs_.back().first, runs_.back().second);
        runs_.pop_back();
    }
    void Begin()
    {
        cairn_buddy_stretch found[2][3] = {};
        std::size_t count = cairn_buddy_purge_begin(stays_.get(), 0, 999 * kGranule, found[0], 3);

        EXPECT_EQ(cairn_buddy_purge_begin(Moving(), 0, 999 * kGranule, found[1], 3), count);
        for (std::size_t i = 0; i < count; i++) {
            EXPECT_EQ(found[0][i].base, found[1][i].base);
            EXPECT_EQ(found[0][i].length_bytes, found[1][i].length_bytes);
            EXPECT_EQ(found[0][i].dirty_bytes, found[1][i].dirty_bytes);
            stretches_.push_back(found[0][i]);
        }
    }
    void End()
    {
        if (stretches_.empty())
            return;
        std::swap(stretches_[random_() % stretches_.size()], stretches_.back());
        stretches_.back().is_emptied = random_() % 3 != 0;
        for (cairn_buddy *buddy : {stays_.get(), Moving()})
            cairn_buddy_purge_end(buddy, &stretches_.back(), 1);
        stretches_.pop_back();
    }
    void CompareStats() const
    {
        struct cairn_buddy_stats a = cairn_buddy_stats(stays_.get());
        struct cairn_buddy_stats b = cairn_buddy_stats(Moving());

        b.chunk_count_max = a.chunk_count_max;
        b.state_bytes = a.state_bytes;
        EXPECT_EQ(std::memcmp(&a, &b, sizeof(a)), 0);
    }

    std::size_t chunk_bytes_;
    Region region_;
    Placed stays_;
    std::unique_ptr<Guarded> moves_;
    std::mt19937_64 random_;
    std::vector<void *> outside_;
    std::vector<std::pair<void *, std::size_t>> runs_;
    std::vector<cairn_buddy_stretch> stretches_;
    std::size_t moved_count_ = 0;
};

TEST(BuddyMove, AMovedBuddyAnswersAsItsTwinThatNeverMoved)
{
    struct {
        std::size_t chunk_bytes, count_max;
    } cases[] = {{kGranule, 5000}, {2 * kGranule, 200}, {16 * kGranule, 300}, {128 * kGranule, 60}};
    std::uint64_t seed = Seed() + 3000;

    for (auto &c : cases) {
        SCOPED_TRACE(::testing::Message() << c.chunk_bytes << ", seed " << seed);
        Twins twins(c.chunk_bytes, c.count_max, seed++);

        for (std::size_t i = 0; i < c.count_max; i++) { // growing
            twins.Step();
            twins.Feed();
        }
        for (int i = 0; i < 5000; i++)
            twins.Step();
        twins.Compare();
        EXPECT_GT(twins.moved_count(), 4u);
        twins.FreeAll();
    }
}

} // namespace
