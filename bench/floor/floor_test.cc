// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The limit is a malloc, and the fakes are as bad as they say.
#include "tests/support/process.h"

#include <gtest/gtest.h>

#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

using cairn_test::Command;
using cairn_test::FindProgram;
using cairn_test::Outcome;
using cairn_test::RunCommand;

namespace {

using Words = std::vector<std::string>;

const char *const kCaller = "bench/floor/caller";

Outcome RunOn(const std::string &library, const Words &argv, const Words &environment = {})
{
    Command command;
    command.argv = argv;
    command.environment = environment;
    if (!library.empty()) {
        char *path = realpath(("bench/floor/" + library).c_str(), nullptr);
        EXPECT_NE(path, nullptr) << library;
        command.environment.push_back("LD_PRELOAD=" + std::string(path));
        free(path);
    }
    return RunCommand(command);
}

Outcome RunOnFloor(const Words &argv)
{
    return RunOn("libcairn_floor.so", argv);
}

class Floor : public testing::TestWithParam<const char *> {};

TEST_P(Floor, KeepsThePromisesOfAMalloc)
{
    Outcome outcome = RunOnFloor({kCaller, GetParam()});
    EXPECT_TRUE(outcome.ok()) << outcome;
}

INSTANTIATE_TEST_SUITE_P(Parts, Floor,
                         testing::Values("basics", "grow", "aligned", "errors", "threads", "fork",
                                         "full"),
                         [](const auto &info) { return std::string(info.param); });

TEST(FloorMemory, NothingIsUsedTwice)
{
    long few_kib = RunOnFloor({kCaller, "count", "10"}).peak_kib;
    long many_kib = RunOnFloor({kCaller, "count", "1000000"}).peak_kib;
    constexpr long kBlockBytes = 32 + 16; // its size is in the padding before it
    EXPECT_NEAR(many_kib - few_kib, 1000000L * kBlockBytes / 1024, 4096);
}

void ExpectSameOutput(const Words &argv)
{
    if (FindProgram(argv[0]).empty())
        GTEST_SKIP() << argv[0] << " is not installed";
    Outcome expected = RunOn("", argv);
    Outcome outcome = RunOnFloor(argv);
    ASSERT_TRUE(expected.ok()) << expected;
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, expected.out);
    EXPECT_NE(outcome.out, "");
}

TEST(FloorPrograms, PythonRunsOnIt)
{
    ExpectSameOutput({"/usr/bin/python3", "-c",
                      "import json, threading\n"
                      "text = json.dumps({str(n): list(range(n)) for n in range(300)})\n"
                      "print(len(text), sum(map(len, json.loads(text).values())))\n"
                      "threads = [threading.Thread(target=sorted, args=(range(20000),))\n"
                      "           for _ in range(8)]\n"
                      "for thread in threads: thread.start()\n"
                      "for thread in threads: thread.join()\n"});
}

TEST(FloorPrograms, SqliteRunsOnIt)
{
    ExpectSameOutput({"sqlite3", ":memory:",
                      "create table t(a, b);"
                      "with recursive n(i) as (select 1 union all select i + 1 from n limit 20000)"
                      " insert into t select i, hex(i * 7919) from n;"
                      "create index t_b on t(b);"
                      "select count(*), min(b), max(b) from t;"});
}

TEST(FloorPrograms, AShellAndItsChildrenRunOnIt)
{
    ExpectSameOutput({"sh", "-c", "for i in 3 1 2; do echo $i | cat; done | sort"});
}

// --- the fakes ---

TEST(FakeSlow, ACallTakesTheTimeThatItIsToldTo)
{
    auto begun = std::chrono::steady_clock::now();
    Outcome outcome = RunOn("libfake_slow.so", {kCaller, "count", "2000"}, {"FAKE_COST_NS=100000"});
    std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
    EXPECT_EQ(outcome.out, "done 2000\n") << outcome;
    EXPECT_GE(taken.count(), 0.2); // it cannot be faster: that is what it is for
}

TEST(FakeSlow, TheWasteIsInItsMemory)
{
    Outcome lean = RunOn("libfake_slow.so", {kCaller, "count", "10"});
    Outcome fat = RunOn("libfake_slow.so", {kCaller, "count", "10"}, {"FAKE_WASTE_KIB=50000"});
    EXPECT_NEAR(static_cast<double>(fat.peak_kib - lean.peak_kib), 50000, 2000);
}

TEST(FakeCrash, TheNamedCallIsTheLast)
{
    Words environment = {"FAKE_CRASH_AT=5000"};
    Outcome before = RunOn("libfake_crash.so", {kCaller, "count", "4000"}, environment);
    EXPECT_EQ(before.out, "done 4000\n") << before;
    Outcome outcome = RunOn("libfake_crash.so", {kCaller, "count", "5000"}, environment);
    EXPECT_EQ(outcome.signal, SIGSEGV) << outcome;
}

TEST(FakeFail, AfterTheNamedCallThereIsNoMemory)
{
    Words environment = {"FAKE_FAIL_AFTER=5000"};
    Outcome before = RunOn("libfake_fail.so", {kCaller, "count", "4000"}, environment);
    EXPECT_EQ(before.out, "done 4000\n") << before;
    Outcome outcome = RunOn("libfake_fail.so", {kCaller, "count", "5001"}, environment);
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.err, "caller: out of memory\n");
}

} // namespace
