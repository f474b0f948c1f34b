// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// A program that the heap stops has the last word: its handler of SIGABRT may do what it likes, and
// the heap neither hangs nor complains again.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

const char *const kFaults[] = {
    "double_free_small", "double_free_large",  "double_free_huge",      "interior",
    "misaligned",        "middle_of_large",    "middle_of_huge",        "foreign",
    "realloc_freed",     "realloc_freed_huge", "usable_size_of_foreign"};

constexpr int kAsWanted = 77;
constexpr int kNotNoticed = 66;

bool WantsTheSignal(const std::string &handler)
{
    return handler == "raise_again" || handler == "go_back";
}

// The first line is the heap's; it is the only one of its kind.
void ExpectOneLine(const Outcome &outcome)
{
    std::vector<std::string> lines = Lines(outcome.err);
    ASSERT_EQ(lines.size(), 1u) << outcome;
    EXPECT_EQ(lines[0].rfind("cairn: ", 0), 0u) << outcome;
}

// Another thread may be given the block between its free and its misuse, which then is none that a
// heap can know: once more.
Outcome RunBesideThreads(const Command &command)
{
    Outcome outcome = RunOnStack(command);
    for (int attempt = 1; attempt < 10 && outcome.exit_code == kNotNoticed; attempt++)
        outcome = RunOnStack(command);
    return outcome;
}

void ExpectItsWay(const std::string &handler, const std::string &fault, const char *threads,
                  const char *conf)
{
    SCOPED_TRACE(fault + " with " + threads + " threads, " + conf);
    Command command;
    command.argv = {DataFile("tests/misuse/stops"), fault, handler, threads};
    command.environment = {std::string("CAIRN_CONF=") + conf};
    Outcome outcome = threads == std::string("0") ? RunOnStack(command) : RunBesideThreads(command);
    if (WantsTheSignal(handler))
        EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
    else
        EXPECT_EQ(outcome.exit_code, kAsWanted) << outcome;
    ExpectOneLine(outcome);
}

class Stop : public testing::TestWithParam<const char *> {
  protected:
    void SetUp() override
    {
        if (!StackIsOurs())
            GTEST_SKIP() << "no such promise of " << StackName();
    }
};

INSTANTIATE_TEST_SUITE_P(WithAHandlerTo, Stop,
                         testing::Values("fork_and_wait", "allocate", "print", "trace", "leave",
                                         "jump", "start_thread", "raise_again", "go_back"),
                         [](const auto &chosen) { return std::string(chosen.param); });

TEST_P(Stop, EndsAsTheHandlerWants)
{
    for (const char *fault : kFaults) {
        ExpectItsWay(GetParam(), fault, "0", "percpu:auto");
        ExpectItsWay(GetParam(), fault, "2", "percpu:auto");
    }
}

TEST_P(Stop, EndsAsTheHandlerWantsInLockMode)
{
    if (StackName() != "libcairn.so")
        GTEST_SKIP() << "one mode only";
    for (const char *fault : kFaults) {
        ExpectItsWay(GetParam(), fault, "0", "percpu:lock");
        ExpectItsWay(GetParam(), fault, "2", "percpu:lock");
    }
}

} // namespace
} // namespace cairn_test
