// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// A large block costs as much among twenty thousand others as among two hundred, nearly: nothing is
// looked for one by one.
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

Outcome Steps(const char *count)
{
    Command command;
    command.argv = {DataFile("tests/memory/steps"), count};
    command.environment = {"CAIRN_CONF=decay_ms:-1"}; // single steps take long: caches would decay
    return RunOnStack(command);
}

TEST(Steps, OfLargeBlocksDoNotGrowWithTheirNumber)
{
    Outcome few = Steps("200"), many = Steps("20000");
    if (few.exit_code == 77)
        GTEST_SKIP() << "ptrace is not permitted here";
    ASSERT_TRUE(few.ok() && many.ok()) << few << many;
    std::cout << few.out << many.out;
    EXPECT_LE(std::stol(many.out), 3 * std::stol(few.out)) << "instructions per pair";
}

} // namespace
} // namespace cairn_test
