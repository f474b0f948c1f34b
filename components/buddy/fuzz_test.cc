// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Feeds the fuzz entry from fixed seeds, so that it is built and run by every test run.

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "buddy_fixture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

TEST(BuddyFuzz, TwoThousandHistoriesAgreeWithTheOracle)
{
    for (std::uint64_t seed = buddy_fixture::Seed(), end = seed + 2000; seed < end; seed++) {
        std::mt19937_64 random(seed);
        std::vector<std::uint8_t> bytes(random() % 400);

        for (std::uint8_t &byte : bytes)
            byte = static_cast<std::uint8_t>(random());
        SCOPED_TRACE(seed);
        ASSERT_EQ(LLVMFuzzerTestOneInput(bytes.data(), bytes.size()), 0);
    }
}

TEST(BuddyFuzz, TheEmptyInputIsAHistoryToo)
{
    EXPECT_EQ(LLVMFuzzerTestOneInput(nullptr, 0), 0);
}

} // namespace
