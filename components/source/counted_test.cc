// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "source_testing.h"

#include <cairn/buffer.h>
#include <cairn/counted.h>
#include <cairn/locked.h>
#include <cairn/source_laws.h>

#include <cerrno>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

class Counted : public ::testing::Test {
  protected:
    void SetUp() override
    {
        source_testing::Init(&buffer_, memory_, sizeof(memory_));
        source_testing::Init(&counted_, cairn_buffer_as_source(&buffer_));
        source_ = cairn_counted_as_source(&counted_);
    }

    void TearDown() override
    {
        cairn_counted_check(&counted_);
        cairn_counted_fini(&counted_);
        cairn_buffer_fini(&buffer_);
    }

    cairn_counts Counts()
    {
        cairn_counted_check(&counted_);
        return cairn_counted_counts(&counted_);
    }

    alignas(64) char memory_[64 * 1024];
    cairn_buffer buffer_;
    cairn_counted counted_;
    cairn_source source_;
};

using CountedDeathTest = Counted;

TEST_F(Counted, RefusesNoSource)
{
    const cairn_counted_config config = {{nullptr, nullptr}};
    cairn_counted other;

    EXPECT_EQ(cairn_counted_init(&other, &config), -EINVAL);
}

TEST_F(Counted, SaysHowMuchIsOut)
{
    void *blocks[8];

    ASSERT_EQ(cairn_source_take(source_, 100, 4, blocks, 8), 8u);
    EXPECT_EQ(Counts().bytes_outstanding, 800u);
    cairn_source_give(source_, 100, blocks, 3);
    EXPECT_EQ(Counts().bytes_outstanding, 500u);
    EXPECT_EQ(Counts().bytes_outstanding_peak, 800u);
    cairn_source_give(source_, 100, blocks + 3, 5);
    EXPECT_EQ(Counts().bytes_outstanding, 0u);
    EXPECT_EQ(Counts().bytes_outstanding_peak, 800u);
}

TEST_F(Counted, CountsCallsAndBlocksApart)
{
    void *blocks[8];

    ASSERT_EQ(cairn_source_take(source_, 64, 1, blocks, 5), 5u);
    ASSERT_EQ(cairn_source_take(source_, 64, 1, blocks + 5, 3), 3u);
    cairn_source_give(source_, 64, blocks, 8);
    EXPECT_EQ(Counts().take_calls, 2u);
    EXPECT_EQ(Counts().give_calls, 1u);
    EXPECT_EQ(Counts().blocks_taken, 8u);
    EXPECT_EQ(Counts().blocks_given, 8u);
    EXPECT_EQ(Counts().short_takes, 0u);
}

TEST_F(Counted, CountsAShortTakeByWhatItGot)
{
    void *blocks[8];

    ASSERT_EQ(cairn_source_take(source_, 16 * 1024, 1, blocks, 8), 4u);
    EXPECT_EQ(Counts().short_takes, 1u);
    EXPECT_EQ(Counts().blocks_taken, 4u);
    EXPECT_EQ(Counts().bytes_outstanding, 64u * 1024);
    ASSERT_EQ(cairn_source_take(source_, 1, 1, blocks + 4, 1), 0u);
    EXPECT_EQ(Counts().short_takes, 2u);
    EXPECT_EQ(Counts().take_calls, 2u);
    cairn_source_give(source_, 16 * 1024, blocks, 4);
}

TEST_F(Counted, KeepsThePeakOfSeveralRises)
{
    for (size_t count : {3u, 7u, 5u}) {
        void *blocks[8];

        ASSERT_EQ(cairn_source_take(source_, 64, 1, blocks, count), count);
        cairn_source_give(source_, 64, blocks, count);
    }
    EXPECT_EQ(Counts().bytes_outstanding_peak, 7u * 64);
}

TEST_F(Counted, HasTheTraitsOfTheLayerBelow)
{
    cairn_source_ops ops = *cairn_buffer_as_source(&buffer_).ops;
    cairn_counted other;

    for (unsigned traits = 0; traits < 8; traits++) {
        ops.traits = traits;
        source_testing::Init(&other, {&ops, &buffer_});
        EXPECT_EQ(cairn_counted_as_source(&other).ops->traits, traits);
        cairn_counted_fini(&other);
    }
}

TEST_F(Counted, KeepsTheLaws)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        const cairn_law_shape shape = {48, 16, 128, seed};

        EXPECT_STREQ(cairn_laws_hold(source_, &shape), nullptr) << "seed " << seed;
        EXPECT_EQ(Counts().bytes_outstanding, 0u);
    }
}

TEST_F(Counted, IsExactWhenManyThreadsPassThrough)
{
    constexpr uint64_t kThreads = 8, kRounds = 2000;
    cairn_locked locked;
    cairn_counted shared;
    std::vector<std::thread> threads;

    source_testing::Init(&locked, cairn_buffer_as_source(&buffer_), CAIRN_RANK_PAGES);
    source_testing::Init(&shared, cairn_locked_as_source(&locked));
    for (uint64_t t = 0; t < kThreads; t++)
        threads.emplace_back([&] {
            cairn_source source = cairn_counted_as_source(&shared);
            void *blocks[4];

            for (uint64_t i = 0; i < kRounds; i++) {
                ASSERT_EQ(cairn_source_take(source, 64, 16, blocks, 4), 4u);
                cairn_source_give(source, 64, blocks, 2);
                cairn_source_give(source, 64, blocks + 2, 2);
            }
        });
    for (std::thread &thread : threads)
        thread.join();

    cairn_counts counts = cairn_counted_counts(&shared);

    cairn_counted_check(&shared);
    EXPECT_EQ(counts.take_calls, kThreads * kRounds);
    EXPECT_EQ(counts.give_calls, 2 * kThreads * kRounds);
    EXPECT_EQ(counts.blocks_taken, 4 * kThreads * kRounds);
    EXPECT_EQ(counts.blocks_given, 4 * kThreads * kRounds);
    EXPECT_EQ(counts.bytes_outstanding, 0u);
    EXPECT_GE(counts.bytes_outstanding_peak, 256u);
    EXPECT_LE(counts.bytes_outstanding_peak, kThreads * 256);
    cairn_counted_fini(&shared);
    cairn_locked_fini(&locked);
}

TEST_F(CountedDeathTest, EndingWithMemoryOutIsALeak)
{
    void *block = cairn_source_take_one(source_, 64, 16);

    EXPECT_DEATH(cairn_counted_fini(&counted_),
                 "counted source ended with memory outstanding .* in cairn_counted_fini");
    cairn_source_give_one(source_, 64, block);
}

TEST_F(CountedDeathTest, GivingMoreThanWasTakenIsMisuse)
{
    void *blocks[2];

    ASSERT_EQ(cairn_source_take(source_, 64, 16, blocks, 1), 1u);
    blocks[1] = blocks[0];
    EXPECT_DEATH(cairn_source_give(source_, 64, blocks, 2), "more given back than was taken");
    EXPECT_DEATH(cairn_source_give(source_, 65, blocks, 1), "more given back than was taken");
    cairn_source_give(source_, 64, blocks, 1);
}

TEST_F(CountedDeathTest, CheckSeesCountersThatDisagree)
{
    cairn_counted bad = counted_;

    bad.counts.blocks_given = 1;
    EXPECT_DEATH(cairn_counted_check(&bad), "blocks_given <= counts.blocks_taken");
    bad = counted_;
    bad.counts.bytes_outstanding = 1;
    EXPECT_DEATH(cairn_counted_check(&bad), "invariant broken");
    bad = counted_;
    bad.counts.blocks_taken = 1;
    EXPECT_DEATH(cairn_counted_check(&bad), "invariant broken");
    bad.counts.bytes_outstanding = 1;
    EXPECT_DEATH(cairn_counted_check(&bad), "bytes_outstanding_peak");
    bad = counted_;
    bad.counts.short_takes = 1;
    EXPECT_DEATH(cairn_counted_check(&bad), "short_takes <= counts.take_calls");
}

} // namespace
