// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The life of a process, from the first call to the last destructor, on the allocator under test.
#include <gtest/gtest.h>

#include <sstream>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

Outcome RunHelper(const std::string &helper, const std::vector<std::string> &arguments,
                  int seconds = 60)
{
    Command command;
    command.argv = {DataFile("tests/process/" + helper)};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.seconds = seconds;
    return RunOnStack(command);
}

class FirstCall : public testing::TestWithParam<const char *> {};

INSTANTIATE_TEST_SUITE_P(To, FirstCall,
                         testing::Values("malloc", "calloc", "realloc", "reallocarray",
                                         "aligned_alloc", "posix_memalign", "memalign", "valloc",
                                         "pvalloc", "large", "huge", "free", "malloc_usable_size",
                                         "refusal", "malloc_trim", "mallinfo2", "mallopt",
                                         "malloc_stats", "malloc_info"),
                         [](const auto &chosen) { return std::string(chosen.param); });

TEST_P(FirstCall, MayBeAnyFunction)
{
    Outcome outcome = RunHelper("first_call", {GetParam()});
    EXPECT_TRUE(outcome.ok()) << outcome;
}

TEST(Witness, SeesTheAllocatorUnderTest)
{
    Command command;
    command.argv = {DataFile("tests/process/first_call"), "malloc"};
    WitnessedOutcome run = RunWitnessed(command);
    EXPECT_TRUE(run.outcome.ok()) << run.outcome;
    EXPECT_EQ(run.processes_on_stack, 1);
    EXPECT_EQ(run.processes_elsewhere, 0);
}

TEST(Process, MayAllocateBeforeMainAndAfterIt)
{
    Outcome outcome = RunHelper("life", {"atexit"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "40 handlers\n");
}

TEST(Process, MayEndWhileItsThreadsAllocate)
{
    for (int i = 0; i < 20; i++) {
        Outcome outcome = RunHelper("life", {"exit"});
        ASSERT_TRUE(outcome.ok()) << "run " << i << ": " << outcome;
    }
}

TEST(Thread, MayAllocateInAllRoundsOfItsDestructors)
{
    Outcome outcome = RunHelper("life", {"tsd"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "2000 destructor calls\n");
}

TEST(Threads, ComeAndGoByTheThousandAndLeaveNoMemoryBehind)
{
    Outcome outcome = RunHelper("life", {"churn"}, 200);
    ASSERT_TRUE(outcome.ok()) << outcome;
    long first_half = 0, second_half = 0;
    std::istringstream(outcome.out) >> first_half >> second_half;
    ASSERT_GT(first_half, 0) << outcome;
    EXPECT_LT(second_half, first_half + first_half / 4 + 4096) << "KiB, after 3000 threads more";
    EXPECT_LT(second_half, 64 * 1024) << "KiB, for a program that holds 200 KiB";
}

TEST(Library, ThatAllocatesMayBeLoadedAndUnloaded)
{
    Outcome outcome = RunHelper("loader", {"plugin", DataFile("tests/process/plugin.so")});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "300 loads\n");
}

// Not preloaded here: the program runs on the system's malloc and loads ours like any library.
TEST(Library, WithTheAllocatorMayBeLoadedAtRunTime)
{
    if (LibraryUnderTest().empty())
        GTEST_SKIP() << "the system's malloc is no library of its own";
    Command command;
    command.argv = {DataFile("tests/process/loader"), "allocator", LibraryUnderTest()};
    Outcome outcome = RunCommand(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "both work\n");
}

void ExpectThreadsToOutliveIt(const std::string &library, const char *take, const char *give)
{
    Command command;
    command.argv = {DataFile("tests/process/loader"), "unload", library, take, give};
    Outcome outcome = RunCommand(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "30 unloads\n");
}

// The kernel still looks at what restartable sequences leave behind, in threads that go on.
TEST(Library, WithTheAllocatorMayBeClosedWhileThreadsThatUsedItLive)
{
    if (LibraryUnderTest().empty())
        GTEST_SKIP() << "the system's malloc is no library of its own";
    ExpectThreadsToOutliveIt(LibraryUnderTest(), "malloc", "free");
}

TEST(Library, WithCachesPerCpuMayBeClosedWhileThreadsThatUsedItLive)
{
    ExpectThreadsToOutliveIt(DataFile("tests/process/percpu_plugin.so"), "plugin_make",
                             "plugin_drop");
}

TEST(Break, MayBeMovedBySomebodyElse)
{
    Outcome expected =
        RunCommand({{DataFile("tests/process/worker"), "other_sbrk"}, {}, "", "", 60, {}});
    Outcome outcome = RunHelper("worker", {"other_sbrk"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, expected.out);
}

TEST(Break, MayBeBlockedByAMapping)
{
    Outcome expected = RunCommand({{DataFile("tests/process/worker"), "work"}, {}, "", "", 60, {}});
    Outcome outcome = RunHelper("worker", {"blocked_brk"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, expected.out);
}

// Kernels and tunables can take restartable sequences away.
TEST(Rseq, MayBeMissing)
{
    for (const char *helper : {"life churn", "life tsd", "forker fork 8 50"}) {
        Command command;
        std::istringstream words(helper);
        for (std::string word; words >> word;)
            command.argv.push_back(word);
        command.argv[0] = DataFile("tests/process/" + command.argv[0]);
        command.environment = {"GLIBC_TUNABLES=glibc.pthread.rseq=0"};
        command.seconds = 120;
        Outcome outcome = RunOnStack(command);
        EXPECT_TRUE(outcome.ok()) << helper << ": " << outcome;
    }
}

} // namespace
} // namespace cairn_test
