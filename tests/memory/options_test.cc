// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Options that take effect while a program runs, and the thread that one of them asks for.
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

Outcome RunOptions(const char *mode, const char *conf)
{
    Command command = DataCommand(std::string("tests/memory/options ") + mode);
    command.environment = {std::string("CAIRN_CONF=") + conf};
    return RunOnStack(command);
}

void ExpectAllRight(const char *mode, const char *conf)
{
    Outcome outcome = RunOptions(mode, conf);
    EXPECT_TRUE(outcome.ok()) << outcome;
}

class Options : public testing::Test {
  protected:
    void SetUp() override
    {
        if (!StackIsOurs())
            GTEST_SKIP() << "the system's malloc has no options";
    }
};

TEST_F(Options, AskForAThreadThatIsThereWhenItIsNeeded)
{
    ExpectAllRight("thread", "background:1,decay_ms:20");
}

TEST_F(Options, AskForAThreadThatIsNotMadeWhereLibcHoldsALock)
{
    ExpectAllRight("joins", "background:1");
}

TEST_F(Options, AskForAThreadThatAChildWithoutForkHandlersDoesNotWaitFor)
{
    ExpectAllRight("raw", "background:1");
}

TEST_F(Options, ChangeWhereTheyMayAndOnlyAsAWhole)
{
    Outcome outcome = RunOptions("set", "");
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.err, "") << "nothing is said";
}

TEST_F(Options, LimitWhatThereMayBe)
{
    ExpectAllRight("limits", "");
}

TEST_F(Options, SayWhenMemoryGoesBack)
{
    ExpectAllRight("decay", "");
}

} // namespace
} // namespace cairn_test
