// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Whatever function of the C library the allocator calls, another library may stand before it and
// use the heap: so none is called while a lock of the heap is held.
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

void ExpectDone(const char *conf)
{
    Command command;
    std::string interposer = DataFile(std::getenv("CAIRN_TEST_INTERPOSER"));
    command.argv = {DataFile("tests/preload/busy")};
    command.environment = {"LD_PRELOAD=" + LibraryUnderTest() + ":" + interposer,
                           std::string("CAIRN_CONF=") + conf};
    command.seconds = 12;
    Outcome outcome = RunCommand(command);
    EXPECT_TRUE(outcome.ok()) << conf << ": " << outcome;
    EXPECT_EQ(outcome.out.rfind("done, ", 0), 0u) << conf << ": " << outcome;
    EXPECT_EQ(outcome.out.find("done, 0"), std::string::npos) << "nothing was interposed";
}

TEST(Interposed, FunctionsMayUseTheHeap)
{
    ExpectDone("");
}

TEST(Interposed, FunctionsMayUseTheHeapInLockMode)
{
    ExpectDone("percpu:lock,cpu:getcpu");
}

} // namespace
} // namespace cairn_test
