// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// A program that is built for AddressSanitizer and linked with the malloc: the sanitizer has its
// way.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

Outcome RunVariant(const std::string &mode)
{
    const char *name = std::getenv("CAIRN_TEST_VARIANT");
    Command command;
    command.argv = {DataFile(std::string("tests/process/variant_") + (name ? name : "")), mode};
    command.environment = {"ASAN_OPTIONS=detect_leaks=0"};
    return RunCommand(command);
}

TEST(Sanitizer, HasAMallocOfItsOwn)
{
    Outcome outcome = RunVariant("threads");
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "another malloc\n");
}

TEST(Sanitizer, SeesWhatIsWrittenBehindABlock)
{
    Outcome outcome = RunVariant("beyond");
    EXPECT_FALSE(outcome.ok());
    EXPECT_NE(outcome.err.find("heap-buffer-overflow"), std::string::npos) << outcome;
}

} // namespace
} // namespace cairn_test
