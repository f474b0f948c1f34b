// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Memory and processes: every number against a program whose cost is known; see subject.c for what its verbs do.
#include "bench/measure/report.h"

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

using namespace measure_test;

namespace {

// --- memory ---

TEST(Memory, PeakAndFinalAreOfTheLastMoment)
{
    Report report = Measure({"touch", "64", "exit", "0"});
    ExpectAbout(report, "peak_kib", 64);
    ExpectAbout(report, "final_kib", 64);
    EXPECT_EQ(report.Field("memory_by"), "\"status\"") << report;
}

TEST(Memory, WhatWasGivenBackIsInThePeakAlone)
{
    Report report = Measure({"touch", "64", "release", "touch", "8"});
    ExpectAbout(report, "peak_kib", 64);
    ExpectAbout(report, "final_kib", 8);
    EXPECT_EQ(report.Field("memory_by"), "\"status\"") << report;
}

TEST(Memory, AFatParentOfMeasureDoesNotCount)
{
    constexpr size_t kFatBytes = size_t{200} << 20;
    void *fat =
        mmap(nullptr, kFatBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(fat, MAP_FAILED);
    std::memset(fat, 1, kFatBytes);
    Report report = Measure({"touch", "4"});
    munmap(fat, kFatBytes);
    ASSERT_GT(report.outcome.peak_kib, 200 * kMiB) << "the parent is not fat: " << report;
    ExpectAbout(report, "peak_kib", 4);
    EXPECT_EQ(report.Field("memory_by"), "\"status\"") << report;
}

TEST(Memory, MeasureItselfDoesNotCount)
{
    Report report = MeasureProgram({}, {kStaticSubject});
    EXPECT_LT(report.Number("peak_kib"), 1 * kMiB) << report;
    EXPECT_GT(report.Number("peak_kib"), 0) << report;
    EXPECT_EQ(report.Field("memory_by"), "\"status\"") << report;
}

TEST(Memory, OfSeveralProcessesTheLargestCounts)
{
    Report report = Measure({"touch", "8", "fork", "touch", "48", "exit", "0"});
    ExpectAbout(report, "peak_kib", 56); // a copy of the parent's 8 MiB is among its own
    ExpectAbout(report, "final_kib", 56);
    EXPECT_EQ(report.Field("processes"), "2") << report;
}

TEST(Memory, ASpawnedChildCountsTooAndItsParentIsNotCopied)
{
    Report report = Measure({"touch", "8", "spawn", "touch", "48", "spawn", "touch", "16"});
    ExpectAbout(report, "peak_kib", 48);
    ExpectAbout(report, "final_kib", 48);
    EXPECT_EQ(report.Field("processes"), "3") << report;
}

TEST(Memory, WhatLivesOnAtTheEndCountsAndIsKilled)
{
    ScratchDirectory scratch;
    Report report = MeasureProgram({}, {"sh", "-c",
                                        std::string(kSubject) +
                                            " touch 40 sleep 60000 & "
                                            "sleep 1; echo $! > " +
                                            scratch.File("pid")});
    ExpectAbout(report, "peak_kib", 40);
    ExpectAbout(report, "final_kib", 40);
    EXPECT_TRUE(IsGone(ReadFile(scratch.File("pid"))));
}

TEST(Memory, AnExecBeginsAnewButItsPastIsInThePeak)
{
    Report report = Measure({"touch", "80", "exec", "touch", "8"});
    ExpectAbout(report, "peak_kib", 80);
    ExpectAbout(report, "final_kib", 8);
    EXPECT_EQ(report.Field("memory_by"), "\"rusage\"") << report;
    EXPECT_EQ(report.Field("processes"), "1") << report;
}

// --- threads ---

TEST(Threads, TheyAreNoProcesses)
{
    Report report = Measure({"threads", "200", "touch", "16", "exit", "2"});
    EXPECT_EQ(report.Field("processes"), "1") << report;
    EXPECT_EQ(report.Field("exit"), "2") << report;
    ExpectAbout(report, "final_kib", 16);
}

TEST(Threads, AnyOfThemMayEndTheProgram)
{
    Report report = Measure({"idle", "idle", "in-thread", "touch", "40", "exit", "4"});
    EXPECT_EQ(report.Field("exit"), "4") << report;
    ExpectAbout(report, "peak_kib", 40);
    ExpectAbout(report, "final_kib", 40);
    EXPECT_EQ(report.Field("memory_by"), "\"status\"") << report;
}

TEST(Threads, TheProgramOutlivesItsFirstThread)
{
    for (const char *first : {"0", "20"}) { // whichever of the two is faster
        Report report = Measure({"idle", "without-main", "sleep", first, "touch", "48", "release",
                                 "touch", "24", "threads", "3", "exit", "5"},
                                {"--preload", kLibrary});
        EXPECT_EQ(report.Field("exit"), "5") << report;
        ExpectAbout(report, "peak_kib", 48);
        ExpectAbout(report, "final_kib", 24);
        EXPECT_EQ(report.Field("memory_by"), "\"status\"") << report;
        EXPECT_EQ(report.Field("preloaded"), "true") << report;
    }
}

TEST(Threads, AnExecByAnotherThanTheFirstIsFollowed)
{
    for (int round = 0; round < 10; round++) {
        Report report = Measure({"idle", "idle", "idle", "touch", "8", "in-thread", "exec", "sleep",
                                 "50", "touch", "64", "exit", "6"},
                                {"--seconds", "20"});
        EXPECT_EQ(report.Field("timed_out"), "false") << report;
        EXPECT_EQ(report.Field("exit"), "6") << report;
        ExpectAbout(report, "peak_kib", 64);
        ExpectAbout(report, "final_kib", 64);
        EXPECT_EQ(report.Field("memory_by"), "\"status\"") << report;
    }
}

TEST(Threads, AnExecAfterTheFirstHasEndedIsFollowed)
{
    for (int round = 0; round < 10; round++) {
        Report report = Measure({"idle", "idle", "without-main", "sleep", "20", "exec", "touch",
                                 "32", "fork", "touch", "8", "exit", "7"},
                                {"--seconds", "20"});
        EXPECT_EQ(report.Field("exit"), "7") << report;
        ExpectAbout(report, "final_kib", 40);
        EXPECT_EQ(report.Field("processes"), "2") << report;
    }
}

TEST(Threads, AChildOfAnotherThanTheFirstIsInThePeak)
{
    Report report = Measure({"in-thread", "fork", "touch", "60", "exit", "0"});
    ExpectAbout(report, "peak_kib", 60);
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

TEST(WithoutPtrace, ThePeakIsStillTheProgramsAndTheRestIsNotKnown)
{
    Command command;
    command.before_exec = ForbidPtrace;
    Report report = MeasureProgram({"--preload", kLibrary},
                                   {kSubject, "touch", "64", "release", "exit", "3"}, command);
    ExpectAbout(report, "peak_kib", 64);
    EXPECT_EQ(report.Field("memory_by"), "\"rusage\"") << report;
    EXPECT_EQ(report.Field("exit"), "3") << report;
    EXPECT_GT(report.Number("wall_s"), 0) << report;
    for (const char *unknown : {"final_kib", "processes", "preloaded"})
        EXPECT_EQ(report.Field(unknown), "null") << report;
}

TEST(WithoutPtrace, ATimeoutStillKillsTheGroup)
{
    Command command;
    command.before_exec = ForbidPtrace;
    Report report =
        MeasureProgram({"--seconds", "0.3"}, {kSubject, "fork", "sleep", "60000"}, command);
    EXPECT_EQ(report.Field("timed_out"), "true") << report;
    EXPECT_LT(report.Number("wall_s"), 30) << report;
}

} // namespace
