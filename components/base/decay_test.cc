// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/decay.h>

#include <gtest/gtest.h>

namespace {

constexpr uint64_t kEpochMs = 100;

TEST(Decay, TellsNothingBeforeAnEpochIsOver)
{
    struct cairn_decay decay = {1000, 500};
    EXPECT_EQ(cairn_decay_note(&decay, 1099, kEpochMs, 700), 0u);
    EXPECT_EQ(decay.idle_bytes, 500u);
}

TEST(Decay, TellsWhatWasThereThroughoutTheEpoch)
{
    struct cairn_decay decay = {1000, 500};
    EXPECT_EQ(cairn_decay_note(&decay, 1100, kEpochMs, 700), 500u);
    EXPECT_EQ(decay.epoch_ms, 1100u);
    EXPECT_EQ(decay.idle_bytes, 700u) << "the next epoch begins at the present level";
}

TEST(Decay, AStockThatSwingsLosesOnlyWhatItNeverUses)
{
    struct cairn_decay decay = {0, 0};
    for (uint64_t now = 0; now < 10 * kEpochMs; now += 10) {
        EXPECT_LE(cairn_decay_note(&decay, now, kEpochMs, 1000), 30u);
        cairn_decay_shrunk(&decay, 30);
        EXPECT_LE(cairn_decay_note(&decay, now + 5, kEpochMs, 400), 30u);
    }
}

TEST(Decay, AnIdleStockIsToldAsAWholeOneEpochLater)
{
    struct cairn_decay decay = {0, 0};
    EXPECT_EQ(cairn_decay_note(&decay, 5000, kEpochMs, 1000), 0u);
    EXPECT_EQ(cairn_decay_note(&decay, 5099, kEpochMs, 1000), 0u);
    EXPECT_EQ(cairn_decay_note(&decay, 5100, kEpochMs, 1000), 1000u);
}

TEST(Decay, NeverTellsMoreThanThereIs)
{
    struct cairn_decay decay = {0, 1000};
    EXPECT_EQ(cairn_decay_note(&decay, kEpochMs, kEpochMs, 10), 10u);
}

} // namespace
