// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The limit is a malloc, and the fakes are as bad as they say.
#include "tests/support/process.h"

#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

using cairn_test::Command;
using cairn_test::Outcome;
using cairn_test::RunCommand;

namespace {

using Words = std::vector<std::string>;

Outcome RunOn(const std::string &library, const Words &argv, const Words &environment = {})
{
    Command command;
    command.argv = argv;
    command.environment = environment;
    command.seconds = 250;
    std::string path = std::filesystem::canonical("bench/bump/" + library).string();
    command.environment.push_back("LD_PRELOAD=" + path);
    command.environment.push_back("CAIRN_EXPECTED_OBJECT=" + path);
    return RunCommand(command);
}

// Runs so many pairs of malloc and free.
Outcome Pairs(const std::string &library, const char *count, const Words &environment = {})
{
    return RunOn(library, {"bench/instructions/pairs", "32", "0", count}, environment);
}

// All that the suite asks of a malloc, but for freeing, statistics, and names that only libc has.
// In parts, for each of which there is memory.
TEST(Bump, KeepsThePromisesOfAMalloc)
{
    for (int part = 0; part < 10; part++) {
        Outcome outcome =
            RunOn("libcairn_bump.so",
                  {"tests/conformance/conformance", "--gtest_brief=1",
                   "--gtest_filter=-*UsesFreedMemoryAgain:Mallinfo*:AddressSpaceLimit.*:"
                   "Realloc.FreesTheBlock*:Surface.*:*DoesNotLeak*"},
                  {"GTEST_TOTAL_SHARDS=10", "GTEST_SHARD_INDEX=" + std::to_string(part)});
        EXPECT_TRUE(outcome.ok()) << outcome;
        EXPECT_NE(outcome.out.find("[  PASSED  ]"), std::string::npos) << outcome;
    }
}

TEST(Bump, UsesNothingTwice)
{
    long few_kib = Pairs("libcairn_bump.so", "10").peak_kib;
    long many_kib = Pairs("libcairn_bump.so", "1000000").peak_kib;
    constexpr long kBlockBytes = 32 + 16; // its size is in the padding before it
    EXPECT_NEAR(many_kib - few_kib, 1000000L * kBlockBytes / 1024, 4096);
}

// A shell that forks, and threads.
TEST(Bump, RunsPrograms)
{
    Outcome shell =
        RunOn("libcairn_bump.so", {"sh", "-c", "for i in 3 1 2; do echo $i | cat; done | sort"});
    EXPECT_TRUE(shell.ok() && shell.out == "1\n2\n3\n") << shell;
    if (access("/usr/bin/python3", X_OK) != 0)
        GTEST_SKIP() << "python3 is not installed";
    Outcome python =
        RunOn("libcairn_bump.so",
              {"/usr/bin/python3", "-c",
               "import json, threading\n"
               "threads = [threading.Thread(target=json.dumps, args=(list(range(20000)),)) for _ "
               "in '12345678']\n"
               "for thread in threads: thread.start()\n"
               "for thread in threads: thread.join()\n"
               "print(len(json.loads(json.dumps({str(n): n for n in range(300)}))))\n"});
    EXPECT_TRUE(python.ok() && python.out == "300\n") << python;
}

TEST(FakeSlow, TakesTheTimeAndTheMemoryThatItIsToldTo)
{
    auto begun = std::chrono::steady_clock::now();
    Outcome lean = Pairs("libfake_slow.so", "2000", {"FAKE_COST_NS=100000"});
    std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
    EXPECT_TRUE(lean.ok()) << lean;
    EXPECT_GE(taken.count(), 0.2); // it cannot be faster: that is what it is for
    Outcome fat = Pairs("libfake_slow.so", "10", {"FAKE_WASTE_KIB=50000"});
    EXPECT_NEAR(static_cast<double>(fat.peak_kib - lean.peak_kib), 50000, 2000);
}

TEST(FakeCrash, CrashesAtTheNamedCall)
{
    EXPECT_TRUE(Pairs("libfake_crash.so", "4000", {"FAKE_CRASH_AT=5000"}).ok());
    EXPECT_EQ(Pairs("libfake_crash.so", "5000", {"FAKE_CRASH_AT=5000"}).signal, SIGSEGV);
    EXPECT_EQ(Pairs("libfake_crash.so", "1000").signal, SIGSEGV);
}

TEST(FakeFail, HasNoMemoryAfterTheNamedCall)
{
    EXPECT_TRUE(Pairs("libfake_fail.so", "4000", {"FAKE_FAIL_AFTER=5000"}).ok());
    EXPECT_EQ(Pairs("libfake_fail.so", "5001", {"FAKE_FAIL_AFTER=5000"}).exit_code, 1);
    EXPECT_EQ(Pairs("libfake_fail.so", "1001").exit_code, 1);
}

} // namespace
