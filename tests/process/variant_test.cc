// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// One program, linked with the malloc in it in many ways.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

TEST(Variant, RunsThreadsAndChildrenOnCairnHoweverItIsLinked)
{
    const char *variants = std::getenv("CAIRN_TEST_VARIANTS");
    ASSERT_NE(variants, nullptr);
    std::istringstream names(variants);
    for (std::string name; names >> name;) {
        Command command;
        command.argv = {DataFile("tests/process/variant_" + name)};
        Outcome outcome = RunCommand(command);
        EXPECT_TRUE(outcome.ok()) << name << ": " << outcome;
        EXPECT_EQ(outcome.out, "cairn\n") << name;
    }
}

} // namespace
} // namespace cairn_test
