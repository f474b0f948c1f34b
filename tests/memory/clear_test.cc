// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What is in a block: zeros up to its usable size, if calloc gave it, and what the program put
// there, whatever it says of its size when it gives the block back.
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

Outcome RunClear(const char *mode, const char *conf = "")
{
    Command command;
    command.argv = {DataFile("tests/memory/clear"), mode};
    command.environment = {std::string("CAIRN_CONF=") + conf};
    return RunOnStack(command);
}

TEST(Calloc, ClearsAllThatMayBeUsed)
{
    for (const char *conf : {"", "percpu:lock", "pages:mmap"}) {
        Outcome outcome = RunClear("calloc", conf);
        ASSERT_TRUE(outcome.ok()) << conf << ": " << outcome;
        EXPECT_GT(std::stoi(outcome.out), 100) << conf;
    }
}

TEST(Calloc, ClearsAllThatMayBeUsedWhileAnotherThreadForks)
{
    for (const char *conf : {"", "percpu:lock"}) {
        Outcome outcome = RunClear("fork", conf);
        ASSERT_TRUE(outcome.ok()) << conf << ": " << outcome;
        if (StackIsOurs()) {
            EXPECT_GT(std::stoi(outcome.out), 100) << conf << ": few calls fell into the fork";
        }
    }
}

TEST(FreeSized, MayBeToldAnySize)
{
    for (const char *conf : {"", "percpu:lock"}) {
        Outcome outcome = RunClear("sized", conf);
        if (outcome.exit_code == 77)
            GTEST_SKIP() << "not in this C library";
        EXPECT_TRUE(outcome.ok()) << conf << ": " << outcome;
        EXPECT_EQ(outcome.out, "sized\n");
    }
}

} // namespace
} // namespace cairn_test
