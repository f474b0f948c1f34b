// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/buffer.h>
#include <cairn/locked.h>
#include <cairn/quota.h>
#include <cairn/source_laws.h>
#include <gtest/gtest.h>

#include "components/source/source_testing.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <random>
#include <thread>
#include <vector>

namespace {

class Quota : public ::testing::Test {
  protected:
    void SetUp() override
    {
        source_testing::Init(&buffer_, memory_, sizeof(memory_));
        source_testing::Init(&locked_, cairn_buffer_as_source(&buffer_), CAIRN_RANK_BUDDY);
        const cairn_quota_config config = {cairn_locked_as_source(&locked_), 0};
        ASSERT_EQ(cairn_quota_init(&quota_, &config), 0);
        source_ = cairn_quota_as_source(&quota_);
    }
    void TearDown() override
    {
        cairn_quota_fini(&quota_);
        cairn_locked_fini(&locked_);
    }

    alignas(64) char memory_[64 * 1024];
    cairn_buffer buffer_;
    cairn_locked locked_;
    cairn_quota quota_;
    cairn_source source_;
};

TEST_F(Quota, NeedsASource)
{
    const cairn_quota_config config = {{nullptr, nullptr}, 1};
    EXPECT_EQ(cairn_quota_init(&quota_, &config), -EINVAL);
}

TEST_F(Quota, KeepsTheLawsWhileThereIsNone)
{
    cairn_law_shape shape = {64, 16, 32, std::random_device{}()};
    const char *broken = cairn_laws_hold(source_, &shape);
    EXPECT_EQ(broken, nullptr) << broken << ", seed " << shape.seed;
}

TEST_F(Quota, GivesAsManyBlocksAsItHasRoomFor)
{
    void *blocks[16];
    cairn_quota_set(&quota_, 1000);
    EXPECT_EQ(cairn_source_take(source_, 96, 16, blocks, 16), 10u);
    EXPECT_EQ(cairn_quota_outstanding_bytes(&quota_), 960u);
    EXPECT_EQ(cairn_source_take(source_, 41, 1, blocks + 10, 1), 0u);
    EXPECT_EQ(cairn_source_take(source_, SIZE_MAX, 1, blocks + 10, 1), 0u);
    EXPECT_EQ(cairn_source_take(source_, 40, 1, blocks + 10, 2), 1u);
    cairn_source_give(source_, 40, blocks + 10, 1);
    cairn_source_give(source_, 96, blocks, 10);
    EXPECT_EQ(cairn_quota_outstanding_bytes(&quota_), 0u);
}

TEST_F(Quota, ChargesNothingForWhatTheLayerBelowDoesNotGive)
{
    void *block;
    EXPECT_EQ(cairn_source_take(source_, 128 * 1024, 16, &block, 1), 0u);
    EXPECT_EQ(cairn_quota_outstanding_bytes(&quota_), 0u);
}

TEST_F(Quota, MayBeLoweredBelowWhatIsOut)
{
    void *blocks[4];
    ASSERT_EQ(cairn_source_take(source_, 100, 4, blocks, 4), 4u);
    cairn_quota_set(&quota_, 150);
    EXPECT_EQ(cairn_source_take_one(source_, 10, 1), nullptr);
    cairn_source_give(source_, 100, blocks, 3);
    void *block = cairn_source_take_one(source_, 50, 1);
    EXPECT_NE(block, nullptr);
    cairn_source_give(source_, 50, &block, 1);
    cairn_source_give(source_, 100, blocks + 3, 1);
}

TEST_F(Quota, HoldsForAllThreadsTogether)
{
    std::atomic<size_t> out{0}, most{0};
    std::vector<std::thread> threads;
    cairn_quota_set(&quota_, 1024);
    for (int number = 0; number < 4; number++)
        threads.emplace_back([&] {
            for (int step = 0; step < 20000; step++) {
                void *blocks[6];
                size_t taken = cairn_source_take(source_, 64, 16, blocks, 6);
                size_t now = out.fetch_add(taken) + taken;
                for (size_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);)
                    continue;
                out.fetch_sub(taken);
                if (taken > 0)
                    cairn_source_give(source_, 64, blocks, taken);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_LE(most, 16u);
    EXPECT_EQ(cairn_quota_outstanding_bytes(&quota_), 0u);
}

TEST_F(Quota, EndingItWithMemoryOutPanics)
{
    void *block = cairn_source_take_one(source_, 16, 16);
    EXPECT_DEATH(cairn_quota_fini(&quota_), "quota ended with memory outstanding");
    cairn_source_give_one(source_, 16, block);
}

} // namespace
