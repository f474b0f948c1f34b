// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Forks beside threads that are inside the C library, forks in unusual places, and what a fork
// costs.
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

void ExpectForks(const std::vector<std::string> &argv, const std::string &forks,
                 const char *conf = "")
{
    Command command;
    command.argv = argv;
    command.environment = {std::string("CAIRN_CONF=") + conf};
    command.seconds = 50;
    Outcome outcome = RunOnStack(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, forks + " forks\n") << outcome;
}

class Beside : public testing::TestWithParam<const char *> {};

INSTANTIATE_TEST_SUITE_P(ThreadsThat, Beside,
                         testing::Values("lines", "print", "scan", "load", "locale", "resolve",
                                         "exit", "command", "list", "convert", "log", "mutex"),
                         [](const auto &chosen) { return std::string(chosen.param); });

TEST_P(Beside, ForkWaitsForNoLockThatIsHeldWhileMemoryIsWanted)
{
    ExpectForks(
        {DataFile("tests/process/beside"), GetParam(), "200", DataFile("tests/process/plugin.so")},
        "200");
}

void ExpectReforks(const char *mode, int forks, int threads, const char *conf = "")
{
    ExpectForks(
        {DataFile("tests/process/refork"), mode, std::to_string(forks), std::to_string(threads)},
        std::to_string(forks), conf);
}

TEST(Refork, KeepsContentsOfSixtyFourBusyThreads)
{
    ExpectReforks("crowd", 40, 64);
}

TEST(Refork, WorksInAHandlerThatIsOlderThanOurs)
{
    ExpectReforks("older", 60, 3);
    ExpectReforks("older", 30, 3, "percpu:lock");
}

TEST(Refork, WorksInAHandlerThatIsYoungerThanOurs)
{
    ExpectReforks("younger", 60, 3);
}

TEST(Refork, WorksInHandlersOfParentAndChild)
{
    ExpectReforks("parent", 40, 3);
    ExpectReforks("child", 40, 3);
}

TEST(Refork, LetsTheChildOfAHandlerGoOnWithTheOuterFork)
{
    ExpectReforks("continued", 40, 3);
    ExpectReforks("continued", 20, 3, "percpu:lock");
}

TEST(Refork, WorksInChainsOfChildrenWithThreads)
{
    ExpectReforks("chain", 10, 2);
}

TEST(Refork, WorksWithoutHandlersWhileThreadsSleep)
{
    ExpectReforks("idle", 100, 4);
}

// A fork may take up to a second when it interrupts its own thread in malloc, but it must not hang.
TEST(Refork, WorksInASignalHandlerThatInterruptsMalloc)
{
    ExpectReforks("signal", 15, 0);
    ExpectReforks("signal", 5, 3);
}

TEST(Refork, WorksInASignalHandlerThatInterruptsMallocInLockMode)
{
    ExpectReforks("signal", 15, 0, "percpu:lock");
    ExpectReforks("signal", 5, 3, "percpu:lock");
}

bool Contains(const std::string &text, const char *part)
{
    return text.find(part) != std::string::npos;
}

// The system calls of one fork, in parent and child, as lines of strace.
std::vector<std::string> CallsOfAFork(int threads)
{
    ScratchDirectory scratch;
    Command command;
    command.argv = {
        "strace", "-f", "-o", scratch.File("log"), "-e", "trace=futex,membarrier,write"};
    for (const std::string &assignment : StackEnvironment()) {
        command.argv.push_back("-E");
        command.argv.push_back(assignment);
    }
    for (const std::string &argument : {DataFile("tests/process/refork"), std::string("marked"),
                                        std::string("1"), std::to_string(threads)})
        command.argv.push_back(argument);
    Outcome outcome = RunCommand(command);
    std::vector<std::string> calls;
    bool is_between = false;
    if (!outcome.ok())
        return {"strace: " + outcome.err};
    for (const std::string &line : Lines(ReadFile(scratch.File("log")))) {
        if (is_between && (Contains(line, " futex(") || Contains(line, " membarrier(")))
            calls.push_back(line);
        is_between = (is_between || Contains(line, "fork begins")) && !Contains(line, "fork ends");
    }
    return calls;
}

TEST(Cost, OfAForkIsAFewCallsOfTheKernelAtTheMost)
{
    if (FindProgram("strace").empty())
        GTEST_SKIP() << "strace is not installed";
    for (int threads : {0, 4}) {
        std::vector<std::string> calls = CallsOfAFork(threads);
        std::string all;
        for (const std::string &call : calls)
            all += call + "\n";
        if (Contains(all, "ptrace"))
            GTEST_SKIP() << "ptrace is not permitted here";
        EXPECT_LE(calls.size(), 4u) << threads << " threads:\n" << all;
        EXPECT_FALSE(Contains(all, "membarrier")) << threads << " threads:\n" << all;
    }
}

} // namespace
} // namespace cairn_test
