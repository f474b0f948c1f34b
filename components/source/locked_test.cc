// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "source_testing.h"

#include <cairn/base/config.h>
#include <cairn/buffer.h>
#include <cairn/counted.h>
#include <cairn/locked.h>
#include <cairn/source_laws.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

class Locked : public ::testing::Test {
  protected:
    void SetUp() override
    {
        source_testing::Init(&buffer_, memory_, sizeof(memory_));
        source_testing::Init(&locked_, cairn_buffer_as_source(&buffer_), CAIRN_RANK_BUDDY);
        source_ = cairn_locked_as_source(&locked_);
    }

    void TearDown() override
    {
        cairn_locked_fini(&locked_);
        cairn_buffer_check(&buffer_);
        cairn_buffer_fini(&buffer_);
    }

    alignas(64) char memory_[64 * 1024];
    cairn_buffer buffer_;
    cairn_locked locked_;
    cairn_source source_;
};

using LockedDeathTest = Locked;

TEST_F(Locked, RefusesNoSourceAndUnknownRanks)
{
    cairn_locked_config config = {{nullptr, nullptr}, CAIRN_RANK_NONE};
    cairn_locked other;

    EXPECT_EQ(cairn_locked_init(&other, &config), -EINVAL);
    config = {cairn_buffer_as_source(&buffer_), CAIRN_RANK_COUNT};
    EXPECT_EQ(cairn_locked_init(&other, &config), -EINVAL);
}

TEST_F(Locked, PassesBlocksOn)
{
    void *block = cairn_source_take_one(source_, 64, 32);

    EXPECT_EQ(block, memory_);
    EXPECT_EQ(buffer_.outstanding_bytes, 64u);
    EXPECT_FALSE(cairn_lock_is_held(&locked_.lock));
    cairn_source_give_one(source_, 64, block);
    EXPECT_EQ(buffer_.outstanding_bytes, 0u);
    EXPECT_FALSE(cairn_lock_is_held(&locked_.lock));
}

TEST_F(Locked, AddsThreadSafetyToTheTraitsBelow)
{
    cairn_source_ops ops = *cairn_buffer_as_source(&buffer_).ops;
    cairn_locked other;

    EXPECT_FALSE(cairn_source_has(cairn_buffer_as_source(&buffer_), CAIRN_SOURCE_THREAD_SAFE));
    EXPECT_TRUE(cairn_source_has(source_, CAIRN_SOURCE_THREAD_SAFE));
    for (unsigned traits = 0; traits < 8; traits++) {
        ops.traits = traits;
        source_testing::Init(&other, {&ops, &buffer_}, CAIRN_RANK_NONE);
        EXPECT_EQ(cairn_locked_as_source(&other).ops->traits, traits | CAIRN_SOURCE_THREAD_SAFE);
        cairn_locked_fini(&other);
    }
}

TEST_F(Locked, KeepsTheLaws)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        const cairn_law_shape shape = {48, 16, 128, seed};

        EXPECT_STREQ(cairn_laws_hold(source_, &shape), nullptr) << "seed " << seed;
    }
}

TEST_F(Locked, HoldsTheLockWhileTheLayerBelowWorks)
{
    struct Probe {
        cairn_source below;
        cairn_lock *lock;
        int held_count;
    } probe = {cairn_buffer_as_source(&buffer_), nullptr, 0};
    const cairn_source_ops ops = {
        "probe", 0,
        [](void *self, size_t bytes, size_t align, void **blocks, size_t count) {
            auto *p = static_cast<Probe *>(self);

            p->held_count += cairn_lock_is_held(p->lock);
            return cairn_source_take(p->below, bytes, align, blocks, count);
        },
        [](void *self, size_t bytes, void *const *blocks, size_t count) {
            auto *p = static_cast<Probe *>(self);

            p->held_count += cairn_lock_is_held(p->lock);
            cairn_source_give(p->below, bytes, blocks, count);
        }};
    cairn_locked around;

    source_testing::Init(&around, {&ops, &probe}, CAIRN_RANK_NONE);
    probe.lock = &around.lock;
    void *block = cairn_source_take_one(cairn_locked_as_source(&around), 64, 16);
    EXPECT_EQ(probe.held_count, 1);
    cairn_source_give_one(cairn_locked_as_source(&around), 64, block);
    EXPECT_EQ(probe.held_count, 2);
    cairn_locked_fini(&around);
}

TEST_F(Locked, GivesDisjointBlocksToManyThreads)
{
    std::vector<std::thread> threads;

    for (int t = 1; t <= 8; t++)
        threads.emplace_back([this, t] {
            for (int i = 0; i < 1000; i++) {
                void *blocks[8];
                size_t taken = cairn_source_take(source_, 96, 32, blocks, 8);

                ASSERT_EQ(taken, 8u);
                for (void *block : blocks)
                    std::memset(block, t, 96);
                for (void *block : blocks)
                    for (int byte = 0; byte < 96; byte++)
                        ASSERT_EQ(static_cast<char *>(block)[byte], t);
                cairn_source_give(source_, 96, blocks, 8);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(buffer_.outstanding_bytes, 0u);
}

// Law L9: locks nest in stack order, top first.
TEST_F(Locked, NestsInStackOrder)
{
    const cairn_law_shape shape = {48, 16, 128, 1};
    cairn_locked above;

    source_testing::Init(&above, source_, CAIRN_RANK_CLASS);
    EXPECT_STREQ(cairn_laws_hold(cairn_locked_as_source(&above), &shape), nullptr);
    cairn_locked_fini(&above);
}

TEST_F(LockedDeathTest, DiesInDebugBuildsWhenItNestsAgainstStackOrder)
{
    cairn_locked above;

    if (!CAIRN_DEBUG)
        GTEST_SKIP() << "ranks are checked in debug builds";
    source_testing::Init(&above, source_, CAIRN_RANK_PAGES);
    EXPECT_DEATH(cairn_source_take_one(cairn_locked_as_source(&above), 64, 16),
                 "lock order broken");
    cairn_locked_fini(&above);
}

TEST_F(LockedDeathTest, EndingWhileInUseIsMisuse)
{
    cairn_lock_take(&locked_.lock);
    EXPECT_DEATH(cairn_locked_fini(&locked_), "locked source ended while in use");
    cairn_lock_release(&locked_.lock);
}

} // namespace
