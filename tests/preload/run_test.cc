// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The runner: `run [--stack=...] [--stats] [--prove] [--conf=...] [--] program arguments`.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

// The runner finds its libraries beside itself, so it is run from where it was built.
Outcome RunRunner(const std::vector<std::string> &arguments,
                  const std::vector<std::string> &environment = {})
{
    Command command;
    command.argv = {DataFile("tools/run/run")};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment = environment;
    return RunCommand(command);
}

TEST(Runner, RunsAProgramOnTheStackItNames)
{
    const std::pair<std::string, std::string> stacks[] = {
        {"--stack=cairn", "libcairn.so"}, {"--stack=reference", "libcairn_reference.so"}};
    for (const auto &[option, library] : stacks) {
        Outcome outcome = RunRunner({option, "--", "/bin/cat", "/proc/self/maps"});
        EXPECT_TRUE(outcome.ok()) << outcome;
        EXPECT_NE(outcome.out.find(library), std::string::npos) << outcome;
        EXPECT_EQ(outcome.err, "");
    }
}

TEST(Runner, RunsOnCairnUnlessToldOtherwise)
{
    Outcome outcome = RunRunner({"/bin/cat", "/proc/self/maps"});
    EXPECT_NE(outcome.out.find("libcairn.so"), std::string::npos) << outcome;
    outcome = RunRunner({"--stack=system", "/bin/cat", "/proc/self/maps"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out.find("libcairn"), std::string::npos) << outcome;
}

TEST(Runner, ReturnsWhatTheProgramReturns)
{
    EXPECT_EQ(RunRunner({"--", "/bin/sh", "-c", "exit 42"}).exit_code, 42);
    EXPECT_EQ(RunRunner({"--prove", "--", "/bin/sh", "-c", "exit 42"}).exit_code, 42);
    EXPECT_EQ(RunRunner({"--", "/bin/sh", "-c", "kill -TERM $$"}).signal, SIGTERM);
    EXPECT_EQ(RunRunner({"--", "no-such-program-anywhere"}).exit_code, 127);
    EXPECT_EQ(RunRunner({"--", "/"}).exit_code, 126);
}

TEST(Runner, ProvesThatTheLibraryWasInEffect)
{
    Outcome outcome = RunRunner({"--prove", "--", "/bin/echo", "hello"});
    if (outcome.err.find("ptrace") != std::string::npos)
        GTEST_SKIP() << "ptrace is not permitted here";
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "hello\n");
    EXPECT_NE(outcome.err.find("libcairn.so"), std::string::npos) << outcome;
}

TEST(Runner, RefusesToProveWhatIsNotSo)
{
    Outcome outcome = RunRunner({"--prove", "--", DataFile("tests/preload/static_program")});
    if (outcome.err.find("ptrace") != std::string::npos)
        GTEST_SKIP() << "ptrace is not permitted here";
    EXPECT_EQ(outcome.exit_code, 125) << outcome;
    EXPECT_NE(outcome.err.find("NOT"), std::string::npos) << outcome;
}

TEST(Runner, ProvesWhileSignalsAndChildrenComeAndGo)
{
    const char *script =
        "trap 'echo caught' USR1; kill -USR1 $$; (exit 3); echo $?; /bin/echo child; exit 4";
    Outcome expected = RunRunner({"--stack=system", "/bin/bash", "-c", script});
    Outcome outcome = RunRunner({"--prove", "/bin/bash", "-c", script});
    if (outcome.err.find("ptrace") != std::string::npos)
        GTEST_SKIP() << "ptrace is not permitted here";
    EXPECT_EQ(expected.exit_code, 4) << expected;
    EXPECT_EQ(outcome.exit_code, 4) << outcome;
    EXPECT_EQ(outcome.out, expected.out) << outcome;
}

TEST(Runner, PassesOptionsOn)
{
    Outcome outcome = RunRunner({"--stats", "--", "/bin/bash", "-c", "exit 0"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_NE(outcome.err.find("cairn"), std::string::npos) << outcome;
    outcome = RunRunner({"--conf=perpcu:lock", "--", "/bin/bash", "-c", "exit 0"});
    EXPECT_NE(outcome.err.find("'percpu'"), std::string::npos) << outcome;
}

TEST(Runner, ComplainsOfWhatItDoesNotUnderstand)
{
    for (const char *option : {"--stack=tower", "--nonsense", "--stack"}) {
        Outcome outcome = RunRunner({option, "--", "/bin/echo", "ran all the same"});
        EXPECT_EQ(outcome.exit_code, 125) << outcome;
        EXPECT_EQ(outcome.out, "") << option;
        EXPECT_NE(outcome.err, "") << option;
    }
    EXPECT_EQ(RunRunner({}).exit_code, 125);
    EXPECT_EQ(RunRunner({"--help"}).exit_code, 0);
}

TEST(Runner, KeepsWhatIsPreloadedAlready)
{
    std::string witness = DataFile("tests/support/witness.so");
    Outcome outcome = RunRunner({"--", "/bin/cat", "/proc/self/maps"}, {"LD_PRELOAD=" + witness});
    EXPECT_NE(outcome.out.find("witness.so"), std::string::npos) << outcome;
    EXPECT_NE(outcome.out.find("libcairn.so"), std::string::npos) << outcome;
}

} // namespace
} // namespace cairn_test
