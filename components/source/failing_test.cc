// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "source_testing.h"

#include <cairn/buffer.h>
#include <cairn/failing.h>
#include <cairn/source_laws.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

namespace {

class Failing : public ::testing::Test {
  protected:
    void SetUp() override
    {
        source_testing::Init(&buffer_, memory_, sizeof(memory_));
        source_testing::Init(&failing_, cairn_buffer_as_source(&buffer_));
        source_ = cairn_failing_as_source(&failing_);
    }

    void TearDown() override
    {
        cairn_failing_fini(&failing_);
        cairn_buffer_check(&buffer_);
        cairn_buffer_fini(&buffer_); // panics when a failed take kept something
    }

    // Takes and gives back at once, `count` blocks at a time; how many came.
    size_t Take(size_t count)
    {
        void *blocks[16];
        size_t taken = cairn_source_take(source_, 64, 16, blocks, count);

        cairn_source_give(source_, 64, blocks, taken);
        return taken;
    }

    // '.' for each take that succeeds, 'x' for each that gets nothing, a digit for what a short one
    // gets.
    std::string Takes(int takes, size_t count = 1)
    {
        std::string seen;

        for (int i = 0; i < takes; i++) {
            size_t taken = Take(count);

            seen += taken == count ? '.' : taken == 0 ? 'x' : static_cast<char>('0' + taken);
        }
        return seen;
    }

    alignas(64) char memory_[64 * 1024];
    cairn_buffer buffer_;
    cairn_failing failing_;
    cairn_source source_;
};

TEST_F(Failing, RefusesNoSource)
{
    const cairn_failing_config config = {{nullptr, nullptr}};
    cairn_failing other;

    EXPECT_EQ(cairn_failing_init(&other, &config), -EINVAL);
}

TEST_F(Failing, PassesEverythingOnUntilAPlanIsSet)
{
    EXPECT_EQ(Takes(20, 16), "....................");
    EXPECT_EQ(cairn_failing_seen(&failing_), 20u);
}

TEST_F(Failing, FailsTheTakesThatThePlanNames)
{
    cairn_failing_plan(&failing_, 2, 3);
    EXPECT_EQ(Takes(8), "..xxx...");
    EXPECT_EQ(cairn_failing_seen(&failing_), 8u);
}

TEST_F(Failing, CountsFromTheMomentOfThePlan)
{
    EXPECT_EQ(Takes(5), ".....");
    cairn_failing_plan(&failing_, 0, 1);
    EXPECT_EQ(cairn_failing_seen(&failing_), 0u);
    EXPECT_EQ(Takes(3), "x..");
    cairn_failing_plan(&failing_, 1, 1);
    EXPECT_EQ(Takes(3), ".x.");
}

TEST_F(Failing, FailsForEverWhenTold)
{
    cairn_failing_plan(&failing_, 3, UINT64_MAX);
    EXPECT_EQ(Takes(10), "...xxxxxxx");
}

TEST_F(Failing, NeverFailsFarAheadOrZeroTimes)
{
    cairn_failing_plan(&failing_, UINT64_MAX, UINT64_MAX);
    EXPECT_EQ(Takes(4), "....");
    cairn_failing_plan(&failing_, 1, 0);
    EXPECT_EQ(Takes(4), "....");
}

TEST_F(Failing, GrantsHalfWhenThePlanIsShort)
{
    cairn_failing_plan_short(&failing_, 1, 2);
    EXPECT_EQ(Takes(4, 8), ".44.");
    cairn_failing_plan_short(&failing_, 0, 1);
    EXPECT_EQ(Takes(2, 7), "3.");
    cairn_failing_plan_short(&failing_, 0, 1);
    EXPECT_EQ(Takes(2, 1), "x.") << "half of one is none";
    cairn_failing_plan(&failing_, 0, 1);
    EXPECT_EQ(Takes(2, 8), "x.") << "a plain plan after a short one";
}

TEST_F(Failing, DoesNotReachTheLayerBelowWhenItFails)
{
    cairn_failing_plan(&failing_, 0, 1);
    EXPECT_EQ(Take(16), 0u);
    EXPECT_EQ(buffer_.top_bytes, 0u);
    EXPECT_EQ(buffer_.outstanding_bytes, 0u);
}

TEST_F(Failing, GivesBackEvenWhileTakesFail)
{
    void *block = cairn_source_take_one(source_, 64, 16);

    ASSERT_NE(block, nullptr);
    cairn_failing_plan(&failing_, 0, UINT64_MAX);
    cairn_source_give_one(source_, 64, block);
    EXPECT_EQ(buffer_.outstanding_bytes, 0u);
    EXPECT_EQ(cairn_source_take_one(source_, 64, 16), nullptr);
}

TEST_F(Failing, HasTheTraitsOfTheLayerBelow)
{
    cairn_source_ops ops = *cairn_buffer_as_source(&buffer_).ops;
    cairn_failing other;

    for (unsigned traits = 0; traits < 8; traits++) {
        ops.traits = traits;
        source_testing::Init(&other, {&ops, &buffer_});
        EXPECT_EQ(cairn_failing_as_source(&other).ops->traits, traits);
        cairn_failing_fini(&other);
    }
}

TEST_F(Failing, KeepsTheLawsWithoutAPlan)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        const cairn_law_shape shape = {48, 16, 128, seed};

        EXPECT_STREQ(cairn_laws_hold(source_, &shape), nullptr) << "seed " << seed;
    }
}

TEST_F(Failing, BreaksThePromiseOfTheShapeWithOne)
{
    const cairn_law_shape shape = {48, 16, 128, 1};

    cairn_failing_plan(&failing_, 0, 1);
    EXPECT_STREQ(cairn_law_aligned(source_, &shape), "gave fewer blocks than the shape promises");
}

} // namespace
