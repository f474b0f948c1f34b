// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/align.h>

#include <cstdint>

#include <gtest/gtest.h>

namespace {

constexpr size_t kTop = size_t{1} << 63;

TEST(Align, KnowsThePowersOfTwo)
{
    EXPECT_FALSE(cairn_is_pow2(0));
    for (unsigned k = 0; k < 64; k++) {
        size_t power = size_t{1} << k;

        EXPECT_TRUE(cairn_is_pow2(power));
        EXPECT_EQ(cairn_is_pow2(power - 1), k == 1) << "only 1 lies just below a power and is one";
        EXPECT_EQ(cairn_is_pow2(power + 1), k == 0);
    }
    EXPECT_FALSE(cairn_is_pow2(SIZE_MAX));
}

TEST(Align, RoundsLikeDivisionForEverySmallSize)
{
    for (size_t align = 1; align <= 4096; align *= 2)
        for (size_t bytes = 0; bytes <= 3 * 4096; bytes++) {
            size_t up;

            ASSERT_EQ(cairn_align_down(bytes, align), bytes / align * align);
            ASSERT_EQ(cairn_align_up(bytes, align), (bytes + align - 1) / align * align);
            ASSERT_TRUE(cairn_try_align_up(bytes, align, &up));
            ASSERT_EQ(up, cairn_align_up(bytes, align));
            ASSERT_EQ(cairn_is_aligned(bytes, align), bytes % align == 0);
        }
}

TEST(Align, TriesToRoundUpToTheVeryEndAndNotBeyond)
{
    for (unsigned k = 0; k < 64; k++) {
        size_t align = size_t{1} << k;
        size_t last = SIZE_MAX - (align - 1); // the last multiple
        size_t up = 7;

        EXPECT_EQ(cairn_align_down(SIZE_MAX, align), last);
        EXPECT_TRUE(cairn_try_align_up(last, align, &up));
        EXPECT_EQ(up, last);
        EXPECT_TRUE(cairn_try_align_up(last - align + 1, align, &up));
        EXPECT_EQ(up, last);
        if (align == 1)
            continue;
        up = 7;
        EXPECT_FALSE(cairn_try_align_up(last + 1, align, &up));
        EXPECT_FALSE(cairn_try_align_up(SIZE_MAX, align, &up));
        EXPECT_EQ(up, 7u) << "a failure changes nothing";
    }
}

TEST(Align, TakesLogarithmsOfEverySmallValue)
{
    unsigned floor = 0;

    for (size_t value = 1; value <= 1u << 16; value++) {
        if (value == size_t{2} << floor)
            floor++;
        unsigned ceil = value == size_t{1} << floor ? floor : floor + 1;

        ASSERT_EQ(cairn_log2_floor(value), floor);
        ASSERT_EQ(cairn_log2_ceil(value), ceil);
        ASSERT_EQ(cairn_pow2_ceil(value), size_t{1} << ceil);
    }
}

TEST(Align, TakesLogarithmsAroundEveryPowerOfTwo)
{
    for (unsigned k = 2; k < 64; k++) {
        size_t power = size_t{1} << k;

        EXPECT_EQ(cairn_log2_floor(power - 1), k - 1);
        EXPECT_EQ(cairn_log2_floor(power), k);
        EXPECT_EQ(cairn_log2_floor(power + 1), k);
        EXPECT_EQ(cairn_log2_ceil(power - 1), k);
        EXPECT_EQ(cairn_log2_ceil(power), k);
        EXPECT_EQ(cairn_log2_ceil(power + 1), k + 1);
        EXPECT_EQ(cairn_pow2_ceil(power - 1), power);
        EXPECT_EQ(cairn_pow2_ceil(power), power);
    }
    EXPECT_EQ(cairn_log2_floor(SIZE_MAX), 63u);
    EXPECT_EQ(cairn_log2_ceil(SIZE_MAX), 64u);
    EXPECT_EQ(cairn_pow2_ceil(kTop - 1), kTop);
}

TEST(Align, FindsTheLargestPowerOfTwoThatDivides)
{
    for (size_t value = 1; value <= 1u << 14; value++) {
        size_t divisor = 1;

        while (value % (2 * divisor) == 0)
            divisor *= 2;
        ASSERT_EQ(cairn_pow2_divisor(value), divisor);
    }
    EXPECT_EQ(cairn_pow2_divisor(SIZE_MAX), 1u);
    EXPECT_EQ(cairn_pow2_divisor(kTop), kTop);
    EXPECT_EQ(cairn_pow2_divisor(kTop | 4096), 4096u);
}

TEST(Align, ComparesAsUnsigned)
{
    EXPECT_EQ(cairn_min(1, SIZE_MAX), 1u);
    EXPECT_EQ(cairn_min(SIZE_MAX, 1), 1u);
    EXPECT_EQ(cairn_max(1, SIZE_MAX), SIZE_MAX);
    EXPECT_EQ(cairn_max(SIZE_MAX, 1), SIZE_MAX);
    EXPECT_EQ(cairn_min(5, 5), 5u);
    EXPECT_EQ(cairn_max(5, 5), 5u);
}

} // namespace
