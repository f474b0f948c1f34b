// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Chunks that come and go by hand.

#include <gtest/gtest.h>

#include <cairn/buffer.h>

#include "components/source/source_testing.h"
#include "buddy_fixture.h"

namespace {

using buddy_fixture::ByHand;
using buddy_fixture::OverRange;
using buddy_fixture::OverSource;
using buddy_fixture::Placed;
using buddy_fixture::Region;

constexpr std::size_t kGranule = 64;
constexpr std::size_t kChunk = 16 * kGranule;

class Hand : public ::testing::Test {
  protected:
    ~Hand() override
    {
        cairn_buddy_check(buddy_.get());
    }
    void Feed(std::size_t place, bool is_zeroed = false)
    {
        cairn_buddy_feed(buddy_.get(), region_.At(place * kChunk), is_zeroed);
        cairn_buddy_check(buddy_.get());
    }
    void *Alloc(std::size_t granules, bool *is_zeroed = nullptr)
    {
        return cairn_buddy_alloc(buddy_.get(), granules * kGranule, 1, is_zeroed);
    }
    void Free(void *run, std::size_t granules)
    {
        cairn_buddy_free(buddy_.get(), run, granules * kGranule);
    }
    void *Shed(std::size_t keep_count)
    {
        return cairn_buddy_shed(buddy_.get(), keep_count);
    }
    void *Chunk(std::size_t place) const
    {
        return region_.At(place * kChunk);
    }

    Region region_{64 * kChunk, kChunk};
    Placed buddy_{ByHand(kChunk, 3, kGranule)};
};

using HandDeathTest = Hand;

TEST_F(Hand, NothingComesButWhatIsFed)
{
    std::vector<char> before = buddy_.state().Bytes();

    EXPECT_EQ(Alloc(1), nullptr);
    EXPECT_EQ(before, buddy_.state().Bytes());
    Feed(5);
    EXPECT_EQ(Alloc(16), Chunk(5));
    EXPECT_EQ(Alloc(1), nullptr);
    EXPECT_EQ(buddy_.stats().held_bytes, kChunk);
}

TEST_F(Hand, AChunkIsZeroedExactlyWhenItIsSaidToBe)
{
    bool is_zeroed = false;

    Feed(1, true);
    EXPECT_EQ(buddy_.stats().free_dirty_bytes, 0u);
    Alloc(16, &is_zeroed);
    EXPECT_TRUE(is_zeroed);
    Feed(2, false);
    EXPECT_EQ(buddy_.stats().free_dirty_bytes, kChunk);
    Alloc(16, &is_zeroed);
    EXPECT_FALSE(is_zeroed);
}

TEST_F(Hand, EmptyChunksStayUntilTheyAreShed)
{
    for (std::size_t place : {4, 9, 2})
        Feed(place);
    void *runs[3] = {Alloc(16), Alloc(16), Alloc(16)};
    EXPECT_EQ(Shed(0), nullptr);
    for (void *run : runs)
        Free(run, 16);
    EXPECT_EQ(buddy_.stats().empty_chunk_count, 3u);
    EXPECT_EQ(cairn_buddy_purge(
                  buddy_.get(), 0, [](void *, void *, std::size_t) { return 0; }, nullptr),
              3 * kChunk)
        << "they are purged, not given away";
    EXPECT_EQ(Shed(3), nullptr);
    EXPECT_EQ(Shed(2), Chunk(4)) << "the first slot first";
    EXPECT_EQ(Shed(2), nullptr);
    EXPECT_FALSE(cairn_buddy_owns(buddy_.get(), Chunk(4)));
    EXPECT_EQ(Shed(0), Chunk(9));
    EXPECT_EQ(Shed(0), Chunk(2));
    EXPECT_EQ(Shed(0), nullptr);
    EXPECT_EQ(buddy_.stats().held_bytes, 0u);
    cairn_buddy_fini(buddy_.get());
}

TEST_F(Hand, AChunkWithARunOrAStretchBeingPurgedIsNotShed)
{
    cairn_buddy_stretch stretch = {};

    Feed(0);
    Feed(1, true);
    void *run = Alloc(1);
    EXPECT_EQ(Shed(0), Chunk(1));
    Feed(1, true);
    ASSERT_EQ(cairn_buddy_purge_begin(buddy_.get(), 0, 1, &stretch, 1), 1u);
    Free(run, 1);
    EXPECT_EQ(buddy_.stats().empty_chunk_count, 1u);
    EXPECT_EQ(Shed(0), Chunk(1));
    EXPECT_EQ(Shed(0), nullptr);
    stretch.is_emptied = true;
    cairn_buddy_purge_end(buddy_.get(), &stretch, 1);
    EXPECT_EQ(Shed(0), Chunk(0));
}

TEST_F(Hand, IsFullWhenEverySlotIsTaken)
{
    for (std::size_t place = 0; place < 3; place++) {
        EXPECT_FALSE(cairn_buddy_is_full(buddy_.get()));
        Feed(place);
    }
    EXPECT_TRUE(cairn_buddy_is_full(buddy_.get()));
    Shed(0);
    EXPECT_FALSE(cairn_buddy_is_full(buddy_.get()));
    EXPECT_TRUE(cairn_buddy_is_full(Placed(OverRange(region_.At(0), kChunk, kGranule)).get()));
}

TEST_F(Hand, OverASourceChunksMayComeAndGoByHandToo)
{
    cairn_buffer buffer;

    source_testing::Init(&buffer, region_.At(0), 8 * kChunk);
    Placed buddy(OverSource(cairn_buffer_as_source(&buffer), kChunk, 4, kGranule));
    void *chunk = cairn_source_take_one(cairn_buffer_as_source(&buffer), kChunk, kChunk);
    cairn_buddy_feed(buddy.get(), chunk, true);
    EXPECT_EQ(cairn_buddy_alloc(buddy.get(), kGranule, 1, nullptr), chunk);
    cairn_buddy_free(buddy.get(), chunk, kGranule);
    EXPECT_EQ(buddy.stats().chunk_count, 0u) << "it went to the source";
    cairn_buddy_fini(buddy.get());
    cairn_buffer_fini(&buffer);
}

TEST_F(HandDeathTest, EndingWithAChunkPanics)
{
    Feed(0);
    EXPECT_DEATH(cairn_buddy_fini(buddy_.get()),
                 "cairn: a buddy ended with chunks that it was fed");
}

} // namespace
