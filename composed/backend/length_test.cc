// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

extern "C" {
#include "composed/backend/length.h"
}

#include <gtest/gtest.h>

namespace {

void ExpectLength(size_t pages, size_t page_bytes)
{
    for (size_t page_idx = 0; page_idx < 4; page_idx++) {
        uint32_t code = cairn_length_code(pages * page_bytes, page_bytes, page_idx);
        ASSERT_EQ(cairn_length_bytes(code, page_bytes), pages * page_bytes) << page_bytes;
        ASSERT_EQ(cairn_length_page_idx(code), page_idx) << pages;
    }
}

TEST(Length, SurvivesItsCodeWhereverItCanBeWritten)
{
    constexpr size_t kFine = size_t{1} << CAIRN_LENGTH_BITS;
    constexpr size_t kCoarse = size_t{1} << CAIRN_LENGTH_COARSE_SHIFT;
    for (size_t page_bytes : {4096ul, 16384ul, 65536ul}) {
        for (size_t pages = 1; pages < 70000; pages++)
            ExpectLength(pages, page_bytes);
        for (size_t pages = kFine - 5000; pages < kFine; pages++)
            ExpectLength(pages, page_bytes);
        for (size_t idx = 0; idx < 3000; idx++) {
            ExpectLength(kFine + idx * kCoarse, page_bytes);
            ExpectLength((kFine - 1 - idx) * kCoarse, page_bytes);
        }
    }
}

TEST(Length, IsRoundedUpToTheNextThatCanBeWritten)
{
    for (size_t page_bytes : {4096ul, 16384ul, 65536ul}) {
        size_t border = page_bytes << CAIRN_LENGTH_BITS;
        size_t unit = page_bytes << CAIRN_LENGTH_COARSE_SHIFT;
        auto rounded = [page_bytes](size_t bytes) {
            size_t result = 0;
            EXPECT_TRUE(cairn_length_round(bytes, page_bytes, &result)) << bytes;
            ExpectLength(result / page_bytes, page_bytes);
            return result;
        };
        EXPECT_EQ(rounded(1), page_bytes);
        EXPECT_EQ(rounded(page_bytes), page_bytes);
        EXPECT_EQ(rounded(page_bytes + 1), 2 * page_bytes);
        EXPECT_EQ(rounded(border - page_bytes), border - page_bytes);
        for (size_t less = 0; less < page_bytes; less++)
            ASSERT_EQ(rounded(border - less), border) << "the border itself is a coarse length";
        EXPECT_EQ(rounded(border + 1), border + unit);
        EXPECT_EQ(rounded(border + unit), border + unit);
        EXPECT_EQ(rounded(border + unit + 1), border + 2 * unit);
        size_t none = 77;
        EXPECT_FALSE(cairn_length_round(SIZE_MAX, page_bytes, &none));
        EXPECT_FALSE(cairn_length_round(SIZE_MAX - page_bytes / 2, page_bytes, &none));
    }
}

} // namespace
