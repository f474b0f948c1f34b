// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The conformance suite once more, this time built on the system's malloc with the allocator
// preloaded.
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

TEST(Conformance, HoldsWhenTheLibraryIsPreloaded)
{
    Command command;
    command.argv = {DataFile("tests/conformance/conformance"), "--gtest_brief=1"};
    if (!LibraryUnderTest().empty())
        command.environment = {"CAIRN_EXPECTED_OBJECT=" + LibraryUnderTest()};
    command.seconds = 280;
    Outcome outcome = RunOnStack(command);
    EXPECT_TRUE(outcome.ok()) << StackName() << ": " << outcome;
    EXPECT_NE(outcome.out.find("[  PASSED  ]"), std::string::npos)
        << "the suite did not reach its end";
}

} // namespace
} // namespace cairn_test
