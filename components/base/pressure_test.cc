// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/pressure.h>

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace {

constexpr size_t kKib = 1024;
constexpr size_t kMib = 1024 * kKib;

// How many signals a note gives: 0 or 1.
uint32_t Signals(cairn_pressure &pressure, size_t used_bytes, size_t spare_bytes)
{
    uint32_t before = pressure.signals;
    cairn_pressure_note(&pressure, used_bytes, spare_bytes);
    return pressure.signals - before;
}

TEST(Pressure, OfAHeapThatGrowsIsSignalledOnceAStep)
{
    cairn_pressure pressure = {};
    uint32_t signals = 0;
    for (size_t used = 16 * kKib; used <= kMib; used += 16 * kKib)
        signals += Signals(pressure, used, 0);
    EXPECT_EQ(signals, 1 + (kMib - 16 * kKib) / (128 * kKib + 16 * kKib));
    for (size_t used = kMib; used <= 1024 * kMib; used += 16 * kKib)
        signals += Signals(pressure, used, 0);
    EXPECT_LT(signals, 130u) << "steps grow with the heap";
    EXPECT_GT(signals, 90u);
}

TEST(Pressure, IsSignalledOnceWhenLittleIsLeftToSpare)
{
    cairn_pressure pressure = {};
    Signals(pressure, 10 * kMib, 0);
    EXPECT_EQ(Signals(pressure, 5 * kMib, 5 * kMib), 0u);
    EXPECT_EQ(Signals(pressure, 10 * kMib - 400 * kKib, 400 * kKib), 0u);
    EXPECT_EQ(Signals(pressure, 10 * kMib - 300 * kKib, 300 * kKib), 1u);
    EXPECT_EQ(Signals(pressure, 10 * kMib - 10 * kKib, 10 * kKib), 0u);
    EXPECT_EQ(Signals(pressure, 10 * kMib - 500 * kKib, 500 * kKib), 0u) << "not plenty yet";
    EXPECT_EQ(Signals(pressure, 10 * kMib - 300 * kKib, 300 * kKib), 0u);
    EXPECT_EQ(Signals(pressure, 10 * kMib - 700 * kKib, 700 * kKib), 0u);
    EXPECT_EQ(Signals(pressure, 10 * kMib - 300 * kKib, 300 * kKib), 1u) << "plenty in between";
}

TEST(Pressure, OfAHeapThatSwingsComesBeforeItTouchesMore)
{
    cairn_pressure pressure = {};
    const size_t touched = 10 * kMib;
    Signals(pressure, touched, 0);
    for (int swing = 0; swing < 10; swing++) {
        uint32_t signals = 0;
        for (size_t used = 0; used <= touched; used += 16 * kKib)
            signals += Signals(pressure, used, touched - used);
        EXPECT_EQ(signals, 1u);
    }
}

TEST(Pressure, FollowsAHeapThatGaveMemoryBack)
{
    cairn_pressure pressure = {};
    Signals(pressure, 100 * kMib, 0);
    EXPECT_EQ(Signals(pressure, 1 * kMib, 0), 0u) << "nothing to spare was said before";
    EXPECT_EQ(Signals(pressure, 1 * kMib + 100 * kKib, 0), 0u);
    EXPECT_EQ(Signals(pressure, 1 * kMib + 200 * kKib, 0), 1u) << "a step above the lowest";
}

// What a note comes to, in one piece.
struct Rule {
    uint32_t signals = 0;
    bool is_short = false;
    size_t bound = 0;

    void Note(size_t used, size_t spare)
    {
        size_t touched = used + spare;
        size_t low = std::max(64 * kKib, touched / 32);
        size_t above = touched + std::max(128 * kKib, touched / 16);
        if (spare >= 2 * low)
            is_short = false;
        if (touched <= bound && (spare >= low || is_short)) {
            bound = std::min(bound, above);
            return;
        }
        is_short = true;
        bound = above;
        signals++;
    }
};

TEST(Pressure, IsWhatTheRuleSays)
{
    std::mt19937_64 random(1);
    for (size_t scale : {100 * kKib, kMib, 30 * kMib}) {
        cairn_pressure pressure = {};
        Rule rule;
        size_t used = 0;
        size_t spare = 0;
        for (int step = 0; step < 20000; step++) {
            if (random() % 64 == 0)
                used = random() % scale;
            if (random() % 64 == 0)
                spare = random() % (scale / 4);
            used += random() % (scale / 50);
            spare -= std::min(spare, random() % (scale / 50));
            cairn_pressure_note(&pressure, used, spare);
            rule.Note(used, spare);
            ASSERT_EQ(pressure.signals, rule.signals);
            ASSERT_EQ(pressure.is_short, rule.is_short);
            ASSERT_EQ(pressure.bound_bytes, rule.bound);
        }
        EXPECT_GT(rule.signals, 50u);
    }
}

TEST(Pressure, CountsOnPastTheLargestNumber)
{
    cairn_pressure pressure = {UINT32_MAX, false, 0, 0};
    EXPECT_EQ(Signals(pressure, kMib, 0), 1u);
    EXPECT_EQ(pressure.signals, 0u);
}

} // namespace
