// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What a program gives back, by freeing or by cutting a block, is given back to the machine after a
// while.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <tuple>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

constexpr long kMibInKib = 1024;

Outcome RunReturn(const std::string &arguments)
{
    Outcome outcome = RunOnStack(DataCommand("tests/memory/return " + arguments));
    EXPECT_TRUE(outcome.ok()) << arguments << ": " << outcome;
    return outcome;
}

class Idle : public testing::TestWithParam<std::tuple<const char *, const char *>> {};

INSTANTIATE_TEST_SUITE_P(Of, Idle,
                         testing::Combine(testing::Values("300", "3000", "30000", "100000",
                                                          "300000", "3000000"),
                                          testing::Values("calls", "pairs")),
                         [](const auto &chosen) {
                             return std::string(std::get<0>(chosen.param)) + "_" +
                                    std::get<1>(chosen.param);
                         });

TEST_P(Idle, MemoryGoesBackToTheMachine)
{
    if (!StackIsOurs())
        GTEST_SKIP() << "the system's malloc keeps it";
    auto [bytes, then] = GetParam();
    Outcome outcome = RunReturn(std::string("idle ") + bytes + " " + then);
    long kept = 0, resident = 0, trimmed = 0;
    std::istringstream(outcome.out) >> kept >> resident >> trimmed;
    EXPECT_LE(resident, kept + std::max(4 * kMibInKib, kept / 8) * 2 + 12 * kMibInKib) << outcome;
    EXPECT_LE(trimmed, kept + kept / 8 + 4 * kMibInKib) << "after malloc_trim: " << outcome;
    EXPECT_GE(resident, kept / 10 * 9) << "what is kept is resident: " << outcome;
}

// Tails that are not worth a system call each stay for other blocks to use.
const char kShortTails[] = "122880 71680 1000";

class Shrunk : public testing::TestWithParam<const char *> {};

INSTANTIATE_TEST_SUITE_P(Blocks, Shrunk,
                         testing::Values("8388608 4613734 30", "104857600 94371840 2",
                                         "921600 614400 200", kShortTails, "3000000 1600000 60",
                                         "40000000 21000000 6"));

TEST_P(Shrunk, GiveTheirTailsBack)
{
    Outcome outcome = RunReturn(std::string("shrink ") + GetParam());
    long needed = 0, resident = 0, usable = 0;
    std::istringstream(outcome.out) >> needed >> resident >> usable;
    EXPECT_LE(usable, needed + needed / 4) << outcome;
    if (std::string(GetParam()) != kShortTails) {
        EXPECT_LE(resident, needed + needed / 4 + 4 * kMibInKib) << outcome;
    }
}

struct Way {
    const char *name;
    const char *conf;
};

class Freed : public testing::TestWithParam<Way> {};

INSTANTIATE_TEST_SUITE_P(By, Freed,
                         testing::Values(Way{"calls", ""}, Way{"pairs", ""}, Way{"ticks", ""},
                                         Way{"asleep", "background:1"}),
                         [](const auto &way) { return std::string(way.param.name); });

TEST_P(Freed, EverythingIsBackAfterASecond)
{
    if (!StackIsOurs())
        GTEST_SKIP() << "the system's malloc keeps it";
    Command command = DataCommand(std::string("tests/memory/return freed ") + GetParam().name);
    command.environment = {std::string("CAIRN_CONF=") + GetParam().conf};
    Outcome outcome = RunOnStack(command);
    ASSERT_TRUE(outcome.ok()) << outcome;
    EXPECT_LE(std::stol(outcome.out), 2 * kMibInKib) << outcome;
}

TEST(Grown, BlockOfTwoGibibytesIsNotTouched)
{
    EXPECT_LE(std::stol(RunReturn("grow").out), 4 * kMibInKib);
}

TEST(Resized, BlocksKeepWhatIsInThem)
{
    EXPECT_EQ(RunReturn("steady").out, "steady\n");
}

} // namespace
} // namespace cairn_test
