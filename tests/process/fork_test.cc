// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Children made while other threads allocate. A child that hangs is ended by its own alarm and
// counted as bad; a parent that hangs is ended by the time limit.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

void ExpectGoodChildren(const std::string &mode, int threads, int children,
                        const std::vector<std::string> &environment = {})
{
    Command command;
    command.environment = environment;
    command.argv = {DataFile("tests/process/forker"), mode, std::to_string(threads),
                    std::to_string(children)};
    command.seconds = 120;
    Outcome outcome = RunOnStack(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, std::to_string(children) + " good children\n") << outcome;
}

TEST(Fork, WorksInAProcessWithOneThread)
{
    ExpectGoodChildren("fork", 0, 200);
}

TEST(Fork, WorksWhileEightThreadsAllocate)
{
    ExpectGoodChildren("fork", 8, 200);
}

TEST(Fork, WorksWhileSixtyFourThreadsAllocate)
{
    ExpectGoodChildren("fork", 64, 200);
}

TEST(Fork, WorksWithHandlersThatAllocateBeforeAndAfterOurs)
{
    ExpectGoodChildren("atfork", 8, 200);
}

TEST(Fork, WorksInAChildThatHasThreadsAndForksAgain)
{
    ExpectGoodChildren("nested", 4, 50);
}

TEST(Vfork, WorksWhileThreadsAllocate)
{
    ExpectGoodChildren("vfork", 8, 200);
}

TEST(Vfork, SurvivesAChildThatAllocatesAgainstTheRules)
{
    ExpectGoodChildren("careless", 8, 200);
    ExpectGoodChildren("careless", 8, 200, {"CAIRN_CONF=percpu:lock"});
}

// Without libc's area the library registers one of its own, which such a child must not do.
TEST(Vfork, SurvivesAChildThatAllocatesWhereTheAreaIsOurOwn)
{
    ExpectGoodChildren("careless", 8, 200, {"GLIBC_TUNABLES=glibc.pthread.rseq=0"});
}

TEST(Vfork, SurvivesAChildThatHasAChild)
{
    ExpectGoodChildren("nursery", 8, 100);
}

TEST(Vfork, SurvivesManyThreadsThatCallItWhileAnotherForks)
{
    ExpectGoodChildren("crowd", 4, 100);
}

TEST(Spawn, WorksWhileThreadsAllocate)
{
    ExpectGoodChildren("spawn", 8, 100);
}

} // namespace
} // namespace cairn_test
