// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Python: a script of ours, and modules of python's own test suite, for every interpreter that is
// found.
#include <algorithm>
#include <filesystem>
#include <set>

#include "tests/programs/program.h"

namespace cairn_test {
namespace {

// The path of the interpreter itself: what is on PATH may be a script that starts another one.
std::string RealInterpreter(const std::string &name)
{
    if (FindProgram(name).empty())
        return "";
    const char *code = "import os, sys; print(os.path.realpath(sys.executable))";
    Outcome outcome = RunCommand({{name, "-c", code}, {}, "", "", 30, {}});
    return outcome.ok() ? outcome.out.substr(0, outcome.out.find('\n')) : "";
}

std::vector<std::string> Interpreters()
{
    std::vector<std::string> found;
    for (const char *name : {"/usr/bin/python3", "python3"}) {
        std::string path = RealInterpreter(name);
        bool is_new = std::find(found.begin(), found.end(), path) == found.end();
        if (!path.empty() && is_new)
            found.push_back(path);
    }
    return found;
}

TEST(Python, GivesTheSameAnswers)
{
    std::vector<std::string> interpreters = Interpreters();
    if (interpreters.empty())
        GTEST_SKIP() << "not installed on this machine: python3";
    for (const std::string &python : interpreters) {
        SCOPED_TRACE(python);
        ExpectSameOnBoth({{python, Workload("workload.py")}, {"PYTHONHASHSEED=0"}, 120, "", 0});
    }
}

// Objects straight from malloc, without python's own pools in between.
TEST(Python, GivesTheSameAnswersWithoutItsOwnPools)
{
    std::vector<std::string> interpreters = Interpreters();
    if (interpreters.empty())
        GTEST_SKIP() << "not installed on this machine: python3";
    ExpectSameOnBoth({{interpreters[0], Workload("workload.py")},
                      {"PYTHONHASHSEED=0", "PYTHONMALLOC=malloc"},
                      180,
                      "",
                      0});
}

class PythonsOwnTests : public testing::TestWithParam<const char *> {};

INSTANTIATE_TEST_SUITE_P(Of, PythonsOwnTests,
                         testing::Values("test_list", "test_dict", "test_json", "test_threading",
                                         "test_multiprocessing_fork", "test_subprocess"),
                         [](const auto &chosen) { return std::string(chosen.param); });

// Cases that measure the machine rather than the program, or need what a test's sandbox does not
// give.
const char *const kLeftOut[] = {
    "*test_wait_timeout*",         // bounds on the time that a wait takes: fails on a busy machine
    "*test_timeout*",              // likewise
    "*test_lock_acquire_timeout*", // likewise
    // hundreds of threads at exit; races in the interpreter itself, bpo-1856
    "*test_4_daemon_threads*",
    "*test_recursion_limit*", // depends on the stack limit of the caller
    "*TestResourceTracker*",  // kills helpers of other processes, slow
    "*WithManagersTest*",     // minutes, mostly of waiting
    "*WithThreadsTest*",      // the same cases again, without processes
};

Program OwnTest(const std::string &python, const std::string &module)
{
    Program program;
    program.argv = {python, "-m", "test", "--timeout=100", "--verbose3", module};
    for (const char *pattern : kLeftOut) {
        program.argv.push_back("--ignore");
        program.argv.push_back(pattern);
    }
    program.seconds = 150;
    program.strangers = 1000; // some cases start programs with an empty environment
    return program;
}

bool HasModule(const std::string &python, const std::string &module)
{
    std::string code = "import importlib.util, sys; sys.exit(importlib.util.find_spec('test." +
                       module + "') is None)";
    return RunCommand({{python, "-c", code}, {}, "", "", 30, {}}).ok();
}

// The cases that the output names as failed: "ERROR: test_x (...)", "FAIL: test_y (...)".
std::set<std::string> FailedCases(const Outcome &outcome)
{
    std::set<std::string> cases;
    for (const std::string &line : Lines(outcome.out + outcome.err)) {
        bool named = line.rfind("ERROR: ", 0) == 0 || line.rfind("FAIL: ", 0) == 0;
        if (named)
            cases.insert(line.substr(line.find(' ') + 1));
    }
    return cases;
}

// Some cases cannot pass in a sandbox (changing the user, say): they are excused if they fail
// without us too.
void ExpectNoMoreFailuresThanOnTheSystemsMalloc(const Program &program, const Outcome &outcome)
{
    Outcome system = RunOnTheSystem(program);
    std::set<std::string> excused = FailedCases(system);
    std::set<std::string> failed = FailedCases(outcome);
    EXPECT_FALSE(failed.empty()) << "it failed, but not in a case: " << outcome;
    EXPECT_FALSE(outcome.timed_out || outcome.signal != 0) << outcome;
    for (const std::string &name : failed) {
        EXPECT_EQ(excused.count(name), 1u)
            << name << " fails on " << StackName() << " only: " << outcome;
        std::cout << "excused, fails on the system's malloc too: " << name << std::endl;
    }
}

TEST_P(PythonsOwnTests, Pass)
{
    for (const std::string &python : Interpreters()) {
        if (!HasModule(python, GetParam()))
            continue;
        SCOPED_TRACE(python);
        Program program = OwnTest(python, GetParam());
        Outcome outcome = RunOnTheStack(program);
        if (!outcome.ok())
            ExpectNoMoreFailuresThanOnTheSystemsMalloc(program, outcome);
        return;
    }
    GTEST_SKIP() << "no python3 here comes with test." << GetParam();
}

} // namespace
} // namespace cairn_test
