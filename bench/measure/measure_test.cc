// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// How measure is called, what the program is given, how it ends, and every number against a program whose cost is
// known; see subject.c for what its verbs do.
#include "tests/support/process.h"

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <ostream>

namespace {

using cairn_test::Command;
using cairn_test::Outcome;
using cairn_test::ReadFile;
using cairn_test::RunCommand;
using cairn_test::ScratchDirectory;
using Words = std::vector<std::string>;
using Fields =
    std::map<std::string, std::string>; // a number of MiB: what was touched and little more

const char *const kMeasure = "bench/measure/measure";
const char *const kSubject = "bench/measure/subject";
const char *const kStaticSubject = "bench/measure/static_subject";
const char *const kLibrary = "bench/measure/libpreloadable.so";
constexpr long kMiB = 1024;

struct Report {
    Outcome outcome;
    std::string json;

    std::string Field(const std::string &name) const
    {
        std::string key = "\"" + name + "\": ";
        size_t at = json.find(key);
        if (at == std::string::npos)
            return "(no field)";
        at += key.size();
        return json.substr(at, json.find_first_of(",}", at) - at);
    }

    double Number(const std::string &name) const
    {
        return std::strtod(Field(name).c_str(), nullptr);
    }
};

std::ostream &operator<<(std::ostream &stream, const Report &report)
{
    return stream << report.json << report.outcome;
}

Outcome CallMeasure(Words arguments, Command command = {})
{
    arguments.insert(arguments.begin(), kMeasure);
    command.argv = arguments;
    return RunCommand(command);
}

// measure --report FILE <options> -- <program>; measure itself must succeed.
Report MeasureProgram(Words options, const Words &program, const Command &command = {})
{
    ScratchDirectory scratch;
    options.insert(options.begin(), {"--report", scratch.File("report")});
    options.push_back("--");
    options.insert(options.end(), program.begin(), program.end());
    Report report{CallMeasure(options, command), ""};
    report.json = ReadFile(scratch.File("report"));
    EXPECT_EQ(report.outcome.exit_code, 0) << report;
    return report;
}

// The same with the subject for program.
Report Measure(Words verbs, const Words &options = {}, const Command &command = {})
{
    verbs.insert(verbs.begin(), kSubject);
    return MeasureProgram(options, verbs, command);
}

void Expect(const Report &report, const Fields &fields)
{
    constexpr long kLibcKib = 12 * kMiB; // more than any of our programs has beside what it touches
    for (const auto &field : fields) {
        if (field.first != "peak_kib" && field.first != "final_kib") {
            EXPECT_EQ(report.Field(field.first), field.second) << field.first << report;
            continue;
        }
        long kib = std::atol(field.second.c_str()) * kMiB;
        EXPECT_GE(report.Number(field.first), kib) << field.first << report;
        EXPECT_LE(report.Number(field.first), kib + kLibcKib) << field.first << report;
    }
}

// Waits for a process that was killed; false when it lives on.
bool IsGone(const std::string &pid)
{
    pid_t process = std::atoi(pid.c_str());
    EXPECT_GT(process, 0) << pid;
    for (int wait = 0; wait < 500 && kill(process, 0) == 0; wait++)
        usleep(10 * 1000);
    return kill(process, 0) != 0;
}

// --- what the report says ---

struct Case {
    const char *name;
    Words verbs;
    Fields fields;
    Words options = {};
    int repetitions = 1;
};

class Reported : public testing::TestWithParam<Case> {};

TEST_P(Reported, AsItWas)
{
    for (int repetition = 0; repetition < GetParam().repetitions; repetition++)
        Expect(Measure(GetParam().verbs, GetParam().options), GetParam().fields);
}

std::string NameOf(const testing::TestParamInfo<Case> &info)
{
    return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    Memory, Reported,
    testing::Values(
        Case{"PeakAndFinalAreOfTheLastMoment",
             {"touch", "64", "exit", "0"},
             {{"peak_kib", "64"}, {"final_kib", "64"}, {"memory_by", "\"status\""}}},
        Case{"WhatWasGivenBackIsInThePeakAlone",
             {"touch", "64", "release", "touch", "8"},
             {{"peak_kib", "64"}, {"final_kib", "8"}, {"memory_by", "\"status\""}}},
        Case{"OfSeveralProcessesTheLargestCounts", // a copy of the parent's 8 MiB is among its own
             {"touch", "8", "fork", "touch", "48", "exit", "0"},
             {{"peak_kib", "56"}, {"final_kib", "56"}, {"processes", "2"}}},
        Case{"ASpawnedChildCountsTooAndItsParentIsNotCopied",
             {"touch", "8", "spawn", "touch", "48", "spawn", "touch", "16"},
             {{"peak_kib", "48"}, {"final_kib", "48"}, {"processes", "3"}}},
        Case{"AnExecBeginsAnewButItsPastIsInThePeak",
             {"touch", "80", "exec", "touch", "8"},
             {{"peak_kib", "80"},
              {"final_kib", "8"},
              {"memory_by", "\"rusage\""},
              {"processes", "1"}}}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Threads, Reported,
    testing::Values(
        Case{"TheyAreNoProcesses",
             {"threads", "200", "touch", "16", "exit", "2"},
             {{"processes", "1"}, {"exit", "2"}, {"final_kib", "16"}}},
        Case{"AnyOfThemMayEndTheProgram",
             {"idle", "idle", "in-thread", "touch", "40", "exit", "4"},
             {{"exit", "4"}, {"peak_kib", "40"}, {"final_kib", "40"}, {"memory_by", "\"status\""}}},
        Case{"TheProgramOutlivesItsFirstThread", // whichever of the two is faster
             {"idle", "without-main", "touch", "48", "release", "touch", "24", "threads", "3",
              "exit", "5"},
             {{"exit", "5"}, {"peak_kib", "48"}, {"final_kib", "24"}, {"preloaded", "true"}},
             {"--preload", kLibrary}},
        Case{"TheProgramOutlivesItsFirstThreadLong",
             {"idle", "without-main", "sleep", "20", "touch", "48", "release", "touch", "24",
              "exit", "5"},
             {{"exit", "5"}, {"peak_kib", "48"}, {"final_kib", "24"}, {"preloaded", "true"}},
             {"--preload", kLibrary}},
        Case{"AnExecByAnotherThanTheFirstIsFollowed",
             {"idle", "idle", "idle", "touch", "8", "in-thread", "exec", "sleep", "50", "touch",
              "64", "exit", "6"},
             {{"exit", "6"},
              {"timed_out", "false"},
              {"peak_kib", "64"},
              {"final_kib", "64"},
              {"memory_by", "\"status\""}},
             {"--seconds", "20"},
             10},
        Case{"AnExecAfterTheFirstHasEndedIsFollowed",
             {"idle", "idle", "without-main", "sleep", "20", "exec", "touch", "32", "fork", "touch",
              "8", "exit", "7"},
             {{"exit", "7"}, {"final_kib", "40"}, {"processes", "2"}},
             {"--seconds", "20"},
             10},
        Case{"AChildOfAnotherThanTheFirstIsInThePeak",
             {"in-thread", "fork", "touch", "60", "exit", "0"},
             {{"peak_kib", "60"}}}),
    NameOf);

TEST(Memory, AFatParentOfMeasureDoesNotCountNorDoesMeasureItself)
{
    constexpr size_t kFatBytes = size_t{200} << 20;
    void *fat =
        mmap(nullptr, kFatBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(fat, MAP_FAILED);
    std::memset(fat, 1, kFatBytes);
    Report report = Measure({"touch", "4"});
    munmap(fat, kFatBytes);
    ASSERT_GT(report.outcome.peak_kib, 200 * kMiB) << "the parent is not fat: " << report;
    Expect(report, {{"peak_kib", "4"}, {"memory_by", "\"status\""}});
    report = MeasureProgram({}, {kStaticSubject});
    EXPECT_LT(report.Number("peak_kib"), 1 * kMiB) << report;
    EXPECT_GT(report.Number("peak_kib"), 0) << report;
}

TEST(Memory, WhatLivesOnAtTheEndCountsAndIsKilled)
{
    ScratchDirectory scratch;
    std::string left = std::string(kSubject) + " touch 40 sleep 60000 & ";
    Report report =
        MeasureProgram({}, {"sh", "-c", left + "sleep 1; echo $! > " + scratch.File("pid")});
    Expect(report, {{"peak_kib", "40"}, {"final_kib", "40"}});
    EXPECT_TRUE(IsGone(ReadFile(scratch.File("pid"))));
}

TEST(Cost, FaultsAndTimesAreItsOwnAndItsChildrens)
{
    Report little = Measure({"touch", "1"});
    Report much = Measure({"touch", "65", "fork", "touch", "64"});
    long page_kib = sysconf(_SC_PAGESIZE) / 1024;
    EXPECT_GE(much.Number("minor_faults"), 128 * kMiB / page_kib) << much;
    EXPECT_LT(little.Number("minor_faults"), 8 * kMiB / page_kib) << little;
    EXPECT_GT(much.Number("user_s") + much.Number("system_s"), 0) << much;
    Report sleepy = Measure({"sleep", "300"});
    EXPECT_GE(sleepy.Number("wall_s"), 0.3) << sleepy;
    EXPECT_LT(sleepy.Number("user_s") + sleepy.Number("system_s"), 0.2) << sleepy;
    EXPECT_GE(sleepy.Number("voluntary_switches"), 1) << sleepy;
}

// --- the end of the program, and of measure ---

TEST(End, TheStatusIsExactAndAfterASignalTheMemoryIsStillRead)
{
    for (const char *status : {"0", "1", "125", "127", "255"})
        Expect(Measure({"exit", status}),
               {{"exit", status}, {"signal", "0"}, {"timed_out", "false"}});
    for (int signal : {SIGSEGV, SIGABRT, SIGKILL, SIGTERM, SIGTRAP})
        Expect(Measure({"touch", "32", "raise", std::to_string(signal)}),
               {{"signal", std::to_string(signal)},
                {"exit", std::to_string(128 + signal)},
                {"peak_kib", "32"},
                {"final_kib", "32"}});
}

TEST(End, ATimeoutKillsTheWholeGroupAndWhatLeftIt)
{
    ScratchDirectory scratch;
    for (const Words &program :
         {Words{"sh", "-c", "sleep 60 & echo $! > " + scratch.File("pid") + "; exec sleep 60"},
          Words{"setsid", "--wait", "sleep", "60"}}) {
        Report report = MeasureProgram({"--seconds", "0.5"}, program);
        Expect(report, {{"timed_out", "true"}, {"signal", "9"}});
        EXPECT_GE(report.Number("wall_s"), 0.4) << report;
        EXPECT_LT(report.Number("wall_s"), 30) << report;
    }
    EXPECT_TRUE(IsGone(ReadFile(scratch.File("pid"))));
}

TEST(End, AStoppedOrKilledMeasureTakesTheProgramWithIt)
{
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGKILL}) {
        ScratchDirectory scratch;
        Command command; // timeout(1) signals measure alone: it is put into a group of its own
        command.argv = {"timeout",
                        "-s",
                        std::to_string(signal),
                        "--preserve-status",
                        "0.5",
                        "setsid",
                        kMeasure,
                        "--report",
                        scratch.File("report"),
                        "sh",
                        "-c",
                        "echo $$; exec sleep 60"};
        Outcome outcome = RunCommand(command);
        EXPECT_TRUE(outcome.exit_code == 128 + signal || signal == SIGKILL) << outcome;
        EXPECT_TRUE(IsGone(outcome.out));
        EXPECT_EQ(ReadFile(scratch.File("report")), "");
    }
}

TEST(Signals, TheProgramHandlesItsOwnAndStaysStoppedUntilItIsContinued)
{
    Report report = Measure({"handle", "10", "raise", "10", "handle", "5", "raise", "5"});
    EXPECT_EQ(report.outcome.out, "got 10\ngot 5\n") << report;
    report = Measure({"stop", "exit", "3"}, {"--seconds", "20"});
    Expect(report, {{"exit", "3"}});
    EXPECT_EQ(report.outcome.out, "stopped for long enough\n") << report;
}

TEST(Signals, ACallerThatIgnoresItsChildrenIsNoHindrance)
{
    Command command;
    command.before_exec = [] { signal(SIGCHLD, SIG_IGN); };
    Expect(Measure({"fork", "exit", "4"}, {}, command), {{"exit", "4"}});
}

// --- what the program is given ---

TEST(Program, ItHasTheStreamsOfTheCallerAndItsEnvironmentWithWhatWasSet)
{
    ScratchDirectory scratch;
    cairn_test::WriteFile(scratch.File("in"), "hello\n");
    Command command;
    command.input = scratch.File("in");
    Report report = MeasureProgram({}, {"sh", "-c", "cat; echo oops >&2"}, command);
    EXPECT_EQ(report.outcome.out, "hello\n");
    EXPECT_EQ(report.outcome.err, "oops\n");
    command.environment = {"KEPT=1", "CHANGED=1"};
    report = Measure({"show", "KEPT", "show", "CHANGED", "show", "ADDED"},
                     {"--set", "CHANGED=2", "--set", "ADDED=a=b"}, command);
    EXPECT_EQ(report.outcome.out, "KEPT=1\nCHANGED=2\nADDED=a=b\n") << report;
}

TEST(Program, ItRunsOnTheGivenCpusAlone)
{
    cpu_set_t cpus;
    ASSERT_EQ(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    Words options, expected;
    for (size_t cpu = 0; cpu < CPU_SETSIZE && expected.size() < 2; cpu++) {
        if (!CPU_ISSET(cpu, &cpus))
            continue;
        options.insert(options.end(), {"--cpu", std::to_string(cpu)});
        expected.push_back("cpu " + std::to_string(cpu));
        Report report = Measure({"cpus"}, options);
        EXPECT_EQ(cairn_test::Lines(report.outcome.out), expected) << report;
    }
}

TEST(Program, APreloadedLibraryIsConfirmedAndThatOfMeasureIsNotHandedOn)
{
    char *path = realpath(kLibrary, nullptr);
    std::string preload = "LD_PRELOAD=" + std::string(path);
    free(path);
    Report report = Measure({"show", "LD_PRELOAD"}, {"--preload", kLibrary});
    Expect(report, {{"preloaded", "true"}});
    EXPECT_EQ(report.outcome.out, preload + "\n");
    Expect(MeasureProgram({"--preload", kLibrary}, {kStaticSubject}), {{"preloaded", "false"}});
    Command command;
    command.environment = {preload};
    report = Measure({"show", "LD_PRELOAD"}, {}, command);
    Expect(report, {{"preloaded", "null"}});
    EXPECT_EQ(report.outcome.out, "LD_PRELOAD=(unset)\n") << report;
}

// --- without ptrace ---

void ForbidPtrace()
{
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program = {4, filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(126);
}

TEST(WithoutPtrace, ThePeakIsStillTheProgramsTheRestIsNotKnownAndATimeoutKillsTheGroup)
{
    Command command;
    command.before_exec = ForbidPtrace;
    Report report =
        Measure({"touch", "64", "release", "exit", "3"}, {"--preload", kLibrary}, command);
    Expect(report, {{"peak_kib", "64"},
                    {"memory_by", "\"rusage\""},
                    {"exit", "3"},
                    {"processes", "null"},
                    {"preloaded", "null"}});
    EXPECT_EQ(report.Field("final_kib"), "null") << report;
    EXPECT_GT(report.Number("wall_s"), 0) << report;
    report = Measure({"fork", "sleep", "60000"}, {"--seconds", "0.3"}, command);
    Expect(report, {{"timed_out", "true"}});
    EXPECT_LT(report.Number("wall_s"), 30) << report;
}

// --- the call ---

TEST(Call, AWrongOneIsOneClearLine)
{
    ScratchDirectory scratch;
    std::string split = scratch.File("a b.so");
    cairn_test::WriteFile(split, "");
    const struct {
        Words arguments;
        std::string line;
        int exit_code = 125;
    } calls[] = {
        {{"--preload", "no.so", "true"}, "--preload: no.so: No such file or directory"},
        {{"--preload", split, "true"},
         "--preload: " + split + ": a path with a space or a colon cannot be preloaded"},
        {{"--set", "novalue", "true"}, "--set: not NAME=VALUE: novalue"},
        {{"--set", "=x", "true"}, "--set: not NAME=VALUE: =x"},
        {{"--cpu", "1x", "true"}, "--cpu: not the number of a CPU: 1x"},
        {{"--cpu", "-1", "true"}, "--cpu: not the number of a CPU: -1"},
        {{"--cpu", "1023", "true"}, "--cpu: this machine has none of the CPUs that were named"},
        {{"--seconds", "0", "true"}, "--seconds: not a positive number: 0"},
        {{"--seconds", "nan", "true"}, "--seconds: not a positive number: nan"},
        {{"--report", "no/such/folder", "true"},
         "--report: no/such/folder: No such file or directory"},
        {{"--fast", "true"}, "unrecognized option '--fast'"},
        {{"--cpu"}, "option '--cpu' requires an argument"},
        {{"no-such-program"}, "no-such-program: No such file or directory", 127},
        {{"./no/such"}, "./no/such: No such file or directory", 127},
        {{"/dev/null"}, "/dev/null: Permission denied", 126},
    };
    for (const auto &call : calls) {
        Outcome outcome = CallMeasure(call.arguments);
        EXPECT_EQ(outcome.exit_code, call.exit_code) << outcome;
        EXPECT_EQ(outcome.err, "measure: " + call.line + "\n");
        EXPECT_EQ(outcome.out, "");
    }
}

TEST(Call, WithoutAProgramItSaysHowItIsCalledAndOptionsEndWithTheProgram)
{
    for (const Words &arguments : {Words{}, Words{"--"}, Words{"--cpu", "0"}}) {
        Outcome outcome = CallMeasure(arguments);
        EXPECT_EQ(outcome.exit_code, 125) << outcome;
        EXPECT_EQ(outcome.err.rfind("usage: measure ", 0), 0U) << outcome;
    }
    EXPECT_EQ(CallMeasure({"--help"}).exit_code, 0);
    Report report = MeasureProgram({}, {"sh", "-c", "echo \"$@\"", "sh", "--cpu", "x"});
    EXPECT_EQ(report.outcome.out, "--cpu x\n") << report;
}

TEST(Call, WithoutAFileTheReportIsTheLastLineOnStderr)
{
    Outcome outcome = CallMeasure({"sh", "-c", "echo first >&2"});
    Words lines = cairn_test::Lines(outcome.err);
    ASSERT_EQ(lines.size(), 2U) << outcome;
    EXPECT_EQ(lines[0], "first");
    EXPECT_EQ(lines[1].rfind("{\"wall_s\": ", 0), 0U) << outcome;
    EXPECT_EQ(outcome.out, "");
}

} // namespace
