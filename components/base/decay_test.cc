// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/decay.h>

#include <gtest/gtest.h>

namespace {

constexpr uint64_t kEpochMs = 100;

struct cairn_decay Decay(uint64_t epoch_ms, size_t idle, uint64_t noted_ms, size_t quiet)
{
    struct cairn_decay decay = {};
    decay.epoch_ms = decay.round_ms = epoch_ms;
    decay.idle_bytes = decay.low_bytes = idle;
    decay.noted_ms = noted_ms;
    decay.quiet_bytes = quiet;
    return decay;
}

TEST(Decay, TellsNothingBeforeAnEpochIsOver)
{
    struct cairn_decay decay = Decay(1000, 500, 1000, 500);
    EXPECT_EQ(cairn_decay_note(&decay, 1099, kEpochMs, 700), 0u);
    EXPECT_EQ(decay.idle_bytes, 500u);
}

TEST(Decay, TellsWhatWasThereThroughoutTheEpoch)
{
    struct cairn_decay decay = Decay(1000, 500, 1050, 900);
    EXPECT_EQ(cairn_decay_note(&decay, 1100, kEpochMs, 700), 500u);
    EXPECT_EQ(decay.epoch_ms, 1100u);
    EXPECT_EQ(decay.idle_bytes, 700u) << "the next epoch begins at the present level";
}

TEST(Decay, AStockThatSwingsLosesOnlyWhatItNeverUses)
{
    struct cairn_decay decay = {};
    for (uint64_t now = 0; now < 10 * kEpochMs; now += 10) {
        EXPECT_LE(cairn_decay_note(&decay, now, kEpochMs, 1000), 30u);
        cairn_decay_shrunk(&decay, 30);
        EXPECT_LE(cairn_decay_note(&decay, now + 5, kEpochMs, 400), 30u);
    }
}

TEST(Decay, AnIdleStockIsToldAsAWholeOneEpochLater)
{
    struct cairn_decay decay = {};
    EXPECT_EQ(cairn_decay_note(&decay, 5000, kEpochMs, 1000), 0u);
    EXPECT_EQ(cairn_decay_note(&decay, 5099, kEpochMs, 1000), 0u);
    EXPECT_EQ(cairn_decay_note(&decay, 5100, kEpochMs, 1000), 1000u);
}

TEST(Decay, NeverTellsMoreThanThereIs)
{
    struct cairn_decay decay = Decay(0, 1000, 0, 1000);
    EXPECT_EQ(cairn_decay_note(&decay, kEpochMs, kEpochMs, 10), 10u);
}

TEST(Decay, ABurstBeforeALongSilenceIsToldByTheNextSingleNote)
{
    struct cairn_decay decay = {};
    for (size_t level = 0; level <= 1000; level += 100)
        EXPECT_EQ(cairn_decay_note(&decay, 5000, kEpochMs, level), 0u);
    EXPECT_EQ(decay.idle_bytes, 0u) << "the epoch began with nothing";
    EXPECT_EQ(cairn_decay_note(&decay, 5000 + kEpochMs, kEpochMs, 1000), 1000u);
}

TEST(Decay, OfASilenceTheLowestLevelIsTold)
{
    struct cairn_decay decay = {};
    cairn_decay_note(&decay, 5000, kEpochMs, 1000);
    cairn_decay_shrunk(&decay, 300);
    EXPECT_EQ(cairn_decay_note(&decay, 9000, kEpochMs, 800), 300u);
    EXPECT_EQ(cairn_decay_note(&decay, 9000 + kEpochMs, kEpochMs, 700), 700u);
}

TEST(Decay, ANoteWithinTheLengthOfAnEpochEndsTheSilence)
{
    struct cairn_decay decay = {};
    cairn_decay_note(&decay, 5000, kEpochMs, 10);
    cairn_decay_note(&decay, 5001, kEpochMs, 1000);
    EXPECT_EQ(cairn_decay_note(&decay, 5000 + kEpochMs, kEpochMs, 1000), 10u);
}

TEST(Decay, WhatAnOwnerKeepsIsOldAfterSomeEpochs)
{
    struct cairn_decay decay = {};
    uint64_t now = 5000;
    cairn_decay_note(&decay, now, kEpochMs, 1000);
    for (int epoch = 1; epoch <= CAIRN_DECAY_OLD_EPOCHS; epoch++) {
        EXPECT_EQ(decay.old_bytes, 0u) << epoch;
        now += kEpochMs;
        cairn_decay_note(&decay, now - kEpochMs / 2, kEpochMs, 1000);
        cairn_decay_note(&decay, now, kEpochMs, 1000);
    }
    EXPECT_EQ(decay.old_bytes, 1000u);
    cairn_decay_note(&decay, now + 1, kEpochMs, 1000);
    EXPECT_EQ(decay.old_bytes, 0u) << "told once";
}

TEST(Decay, WhatIsUsedOnceInSomeEpochsIsNotOld)
{
    struct cairn_decay decay = {};
    for (uint64_t now = 5000; now < 5000 + 40 * kEpochMs; now += kEpochMs / 2) {
        if (now % (3 * kEpochMs) == 0)
            cairn_decay_shrunk(&decay, 10);
        cairn_decay_note(&decay, now, kEpochMs, 1000);
        EXPECT_LE(decay.old_bytes, 10u) << now;
    }
}

TEST(Decay, OfALongSilenceTheLowestLevelIsOld)
{
    struct cairn_decay decay = {};
    cairn_decay_note(&decay, 5000, kEpochMs, 10);
    cairn_decay_note(&decay, 5001, kEpochMs, 1000);
    cairn_decay_shrunk(&decay, 700);
    cairn_decay_note(&decay, 5001 + CAIRN_DECAY_OLD_EPOCHS * kEpochMs, kEpochMs, 900);
    EXPECT_EQ(decay.old_bytes, 700u);
}

} // namespace
