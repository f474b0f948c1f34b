// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// How measure is called, what the program is given, how it ends; see subject.c for what its verbs do.
#include "bench/measure/report.h"

#include <gtest/gtest.h>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

using namespace measure_test;

namespace {

// --- the end of the program ---

TEST(End, ExitStatusIsExact)
{
    for (const char *status : {"0", "1", "125", "127", "255"}) {
        Report report = Measure({"exit", status});
        EXPECT_EQ(report.Field("exit"), status) << report;
        EXPECT_EQ(report.Field("signal"), "0") << report;
        EXPECT_EQ(report.Field("timed_out"), "false") << report;
    }
}

TEST(End, ASignalIsNamedAndTheMemoryStillRead)
{
    for (int signal : {SIGSEGV, SIGABRT, SIGKILL, SIGTERM, SIGTRAP}) {
        Report report = Measure({"touch", "32", "raise", std::to_string(signal)});
        EXPECT_EQ(report.Field("signal"), std::to_string(signal)) << report;
        EXPECT_EQ(report.Field("exit"), std::to_string(128 + signal)) << report;
        ExpectAbout(report, "peak_kib", 32);
        ExpectAbout(report, "final_kib", 32);
    }
}

TEST(End, ATimeoutKillsTheWholeGroup)
{
    ScratchDirectory scratch;
    Report report = MeasureProgram(
        {"--seconds", "0.5"},
        {"sh", "-c", "sleep 60 & echo $! > " + scratch.File("pid") + "; exec sleep 60"});
    EXPECT_EQ(report.outcome.exit_code, 0) << report;
    EXPECT_EQ(report.Field("timed_out"), "true") << report;
    EXPECT_EQ(report.Field("signal"), "9") << report;
    EXPECT_GE(report.Number("wall_s"), 0.4) << report;
    EXPECT_LT(report.Number("wall_s"), 30) << report;
    EXPECT_TRUE(IsGone(ReadFile(scratch.File("pid"))));
}

TEST(End, ATimeoutAlsoReachesWhoLeftTheGroup)
{
    Report report = MeasureProgram({"--seconds", "0.3"}, {"setsid", "--wait", "sleep", "60"});
    EXPECT_EQ(report.Field("timed_out"), "true") << report;
    EXPECT_LT(report.Number("wall_s"), 30) << report;
}

class StoppedMeasure : public testing::TestWithParam<int> {};

TEST_P(StoppedMeasure, EndsWithItsProgram)
{
    ScratchDirectory scratch;
    Command command;
    // timeout(1) signals measure alone: it is put into a group of its own.
    command.argv = {"timeout",
                    "-s",
                    std::to_string(GetParam()),
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
    EXPECT_EQ(outcome.exit_code, 128 + GetParam()) << outcome;
    EXPECT_TRUE(IsGone(outcome.out));
    EXPECT_EQ(ReadFile(scratch.File("report")), "");
}

INSTANTIATE_TEST_SUITE_P(Signals, StoppedMeasure, testing::Values(SIGINT, SIGTERM, SIGHUP));

TEST(End, AKilledMeasureTakesTheProgramWithIt)
{
    Command command;
    command.argv = {"timeout",
                    "-s",
                    "KILL",
                    "0.5",
                    "setsid",
                    kMeasure,
                    "--report",
                    "/dev/null",
                    "sh",
                    "-c",
                    "echo $$; exec sleep 60"};
    Outcome outcome = RunCommand(command);
    EXPECT_TRUE(IsGone(outcome.out));
}

// --- signals of the program ---

TEST(Signals, TheProgramHandlesItsOwn)
{
    Report report = Measure({"handle", "10", "raise", "10", "handle", "5", "raise", "5"});
    EXPECT_EQ(report.outcome.out, "got 10\ngot 5\n") << report;
}

TEST(Signals, AStoppedProgramStaysStoppedUntilItIsContinued)
{
    Report report = Measure({"stop", "exit", "3"}, {"--seconds", "20"});
    EXPECT_EQ(report.Field("exit"), "3") << report;
    EXPECT_EQ(report.outcome.out, "stopped for long enough\n") << report;
}

TEST(Signals, ACallerThatIgnoresItsChildrenIsNoHindrance)
{
    Command command;
    command.before_exec = [] { signal(SIGCHLD, SIG_IGN); };
    Report report = MeasureProgram({}, {kSubject, "fork", "exit", "4"}, command);
    EXPECT_EQ(report.Field("exit"), "4") << report;
}

// --- what the program is given ---

TEST(Program, ItHasTheStandardStreamsOfTheCaller)
{
    ScratchDirectory scratch;
    cairn_test::WriteFile(scratch.File("in"), "hello\n");
    Command command;
    command.input = scratch.File("in");
    Report report = MeasureProgram({}, {"sh", "-c", "cat; echo oops >&2"}, command);
    EXPECT_EQ(report.outcome.out, "hello\n");
    EXPECT_EQ(report.outcome.err, "oops\n");
}

TEST(Program, ItsEnvironmentIsTheCallersWithWhatWasSet)
{
    Command command;
    command.environment = {"KEPT=1", "CHANGED=1"};
    Report report =
        MeasureProgram({"--set", "CHANGED=2", "--set", "ADDED=a=b"},
                       {kSubject, "show", "KEPT", "show", "CHANGED", "show", "ADDED"}, command);
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

TEST(Program, FaultsAndTimesAreItsOwnAndItsChildrens)
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

// --- preloading ---

TEST(Preload, ALibraryThatTookEffectIsConfirmed)
{
    Report report = Measure({"show", "LD_PRELOAD"}, {"--preload", kLibrary});
    EXPECT_EQ(report.Field("preloaded"), "true") << report;
    char *path = realpath(kLibrary, nullptr);
    EXPECT_EQ(report.outcome.out, "LD_PRELOAD=" + std::string(path) + "\n");
    free(path);
}

TEST(Preload, AStaticProgramIsFoundOut)
{
    Report report = MeasureProgram({"--preload", kLibrary}, {kStaticSubject});
    EXPECT_EQ(report.Field("preloaded"), "false") << report;
}

TEST(Preload, WithoutALibraryThereIsNothingToSayAndNothingPreloaded)
{
    Command command;
    char *path = realpath(kLibrary, nullptr);
    command.environment = {"LD_PRELOAD=" + std::string(path)};
    free(path);
    Report report = MeasureProgram({}, {kSubject, "show", "LD_PRELOAD"}, command);
    EXPECT_EQ(report.outcome.out, "LD_PRELOAD=(unset)\n") << report;
    EXPECT_EQ(report.Field("preloaded"), "null") << report;
}

// --- wrong calls ---

void ExpectRefusal(const Words &arguments, int exit_code, const std::string &line)
{
    Outcome outcome = CallMeasure(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome;
    EXPECT_EQ(outcome.err, "measure: " + line + "\n");
    EXPECT_EQ(outcome.out, "");
}

TEST(WrongCall, EachIsOneClearLine)
{
    ExpectRefusal({"--preload", "no.so", "true"}, 125,
                  "--preload: no.so: No such file or directory");
    ExpectRefusal({"--set", "novalue", "true"}, 125, "--set: not NAME=VALUE: novalue");
    ExpectRefusal({"--set", "=x", "true"}, 125, "--set: not NAME=VALUE: =x");
    ExpectRefusal({"--cpu", "1x", "true"}, 125, "--cpu: not the number of a CPU: 1x");
    ExpectRefusal({"--cpu", "-1", "true"}, 125, "--cpu: not the number of a CPU: -1");
    ExpectRefusal({"--cpu", "1023", "true"}, 125,
                  "--cpu: this machine has none of the CPUs that were named");
    ExpectRefusal({"--seconds", "0", "true"}, 125, "--seconds: not a positive number: 0");
    ExpectRefusal({"--seconds", "nan", "true"}, 125, "--seconds: not a positive number: nan");
    ExpectRefusal({"--report", "no/such/folder", "true"}, 125,
                  "--report: no/such/folder: No such file or directory");
    ExpectRefusal({"--fast", "true"}, 125, "unrecognized option '--fast'");
    ExpectRefusal({"--cpu"}, 125, "option '--cpu' requires an argument");
}

TEST(WrongCall, ALibraryThatTheLoaderWouldSplitIsRefused)
{
    ScratchDirectory scratch;
    std::string path = scratch.File("a b.so");
    cairn_test::WriteFile(path, "");
    ExpectRefusal({"--preload", path, "true"}, 125,
                  "--preload: " + path + ": a path with a space or a colon cannot be preloaded");
}

TEST(WrongCall, WithoutAProgramItSaysHowItIsCalled)
{
    for (const Words &arguments : {Words{}, Words{"--"}, Words{"--cpu", "0"}}) {
        Outcome outcome = CallMeasure(arguments);
        EXPECT_EQ(outcome.exit_code, 125) << outcome;
        EXPECT_EQ(outcome.err.rfind("usage: measure ", 0), 0U) << outcome;
    }
    EXPECT_EQ(CallMeasure({"--help"}).exit_code, 0);
}

TEST(WrongCall, AProgramThatIsNotThereIsNotMeasured)
{
    ExpectRefusal({"no-such-program"}, 127, "no-such-program: No such file or directory");
    ExpectRefusal({"./no/such"}, 127, "./no/such: No such file or directory");
    ExpectRefusal({"/dev/null"}, 126, "/dev/null: Permission denied");
}

TEST(WrongCall, OptionsEndWithTheProgram)
{
    Report report = MeasureProgram({}, {"sh", "-c", "echo \"$@\"", "sh", "--cpu", "x"});
    EXPECT_EQ(report.outcome.out, "--cpu x\n") << report;
}

TEST(Output, WithoutAFileTheReportIsTheLastLineOnStderr)
{
    Outcome outcome = CallMeasure({"sh", "-c", "echo first >&2"});
    std::vector<std::string> lines = cairn_test::Lines(outcome.err);
    ASSERT_EQ(lines.size(), 2U) << outcome;
    EXPECT_EQ(lines[0], "first");
    EXPECT_EQ(lines[1].rfind("{\"wall_s\": ", 0), 0U) << outcome;
    EXPECT_EQ(outcome.out, "");
}

} // namespace
