// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// A debugger stops a program at every instruction, and the kernel sends it out of every restartable
// sequence: it gets on nonetheless.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

TEST(Debugger, StepsThroughMallocAndFreeToTheEnd)
{
    Command command;
    command.argv = {DataFile("tests/process/stepped"), "50"};
    Outcome outcome = RunOnStack(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
}

// In gdb a watchpoint in software is a step at a time, and a comparison.
TEST(Debugger, WatchesAVariableInSoftwareAcrossMallocAndFree)
{
    if (FindProgram("gdb").empty())
        GTEST_SKIP() << "gdb is not installed";
    Command command;
    command.argv = {"gdb", "-nx", "-batch"};
    for (const std::string &order :
         {std::string("set startup-with-shell off"),
          "set environment LD_PRELOAD " + LibraryUnderTest(),
          std::string("set can-use-hw-watchpoints 0"), std::string("break begin"),
          std::string("run"), std::string("watch *(int *)&watched"), std::string("continue"),
          std::string("print *(int *)&watched"), std::string("kill")})
        command.argv.insert(command.argv.end(), {"-ex", order});
    command.argv.insert(command.argv.end(),
                        {"--args", DataFile("tests/process/stepped"), "10", "alone"});
    command.seconds = 100;
    Outcome outcome = RunCommand(command);
    if (outcome.out.find("Breakpoint 1, ") == std::string::npos)
        GTEST_SKIP() << "gdb cannot run a program here: " << outcome;
    EXPECT_FALSE(outcome.timed_out) << outcome;
    EXPECT_NE(outcome.out.find("New value = 1"), std::string::npos) << outcome;
}

} // namespace
} // namespace cairn_test
