// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The recorder on programs whose calls are known (recordable.c).
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace {

using cairn_test::Command;
using cairn_test::Lines;
using cairn_test::Outcome;
using cairn_test::RunCommand;

using Events = std::vector<std::string>;

constexpr uint64_t kBegin = 123457;
constexpr uint64_t kEnd = 123459;

std::string Absolute(const std::string &name)
{
    return std::filesystem::absolute("bench/trace/" + name).string();
}

std::string Info(const Events &arguments)
{
    Command command;
    command.argv = arguments;
    command.argv.insert(command.argv.begin(), "bench/trace/info");
    Outcome outcome = RunCommand(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
    return outcome.out;
}

class RecordTest : public testing::Test {
  protected:
    Outcome Run(const std::string &way, const std::string &behind = "")
    {
        command_.argv = {Absolute("recordable"), way};
        command_.environment = {"LD_PRELOAD=" + Absolute("librecord.so") + behind,
                                "CAIRN_RECORD=" + scratch_.File("trace")};
        return RunCommand(command_);
    }

    // Of each thread what lies between the marks, "malloc 11", ... : of frees the size of what was freed.
    std::map<uint32_t, Events> Read(const std::string &path)
    {
        std::map<uint32_t, Events> threads;
        std::map<uint32_t, bool> inside;
        summary_ = Info({path});
        for (const std::string &line : Lines(Info({"--events", path}))) {
            std::istringstream words(line);
            std::string seconds, function, object, rest;
            uint32_t thread = 0;
            uint64_t size = 0;
            words >> seconds >> thread >> function >> object >> size;
            std::getline(words, rest);
            if (size == kBegin || size == kEnd)
                inside[thread] = size == kBegin;
            else if (inside[thread])
                threads[thread].push_back(function + " " + std::to_string(size) + rest);
        }
        return threads;
    }

    std::map<uint32_t, Events> Recorded(const std::string &way, const std::string &behind = "")
    {
        Outcome outcome = Run(way, behind);
        EXPECT_TRUE(outcome.ok()) << outcome;
        return Read(scratch_.File("trace"));
    }

    // The only file beside ours.
    std::map<uint32_t, Events> ReadOther()
    {
        for (const auto &entry : std::filesystem::directory_iterator(scratch_.path()))
            if (entry.path() != scratch_.File("trace"))
                return Read(entry.path().string());
        ADD_FAILURE() << "there is no other file";
        return {};
    }

    uint64_t Counted(const std::string &name)
    {
        return std::stoull(summary_.substr(summary_.find("\"" + name + "\": ") + name.size() + 4));
    }

    void ExpectNothingMissing()
    {
        for (const char *name : {"lost_events", "inferred_frees", "unknown_frees",
                                 "unknown_resizes", "bad_blocks", "damaged_blocks"})
            EXPECT_EQ(Counted(name), 0u) << name;
    }

    cairn_test::ScratchDirectory scratch_;
    Command command_;
    std::string summary_; // of the trace that was read last
};

TEST_F(RecordTest, EveryFunctionIsWrittenDownAsItWasCalled)
{
    Events expected = {"malloc 11",
                       "free 11",
                       "calloc 21",
                       "free 21",
                       "realloc 31",
                       "realloc 3100",
                       "reallocarray 4000",
                       "free 4000",
                       "posix_memalign 41 64",
                       "free 41",
                       "aligned_alloc 256 128",
                       "free 256",
                       "memalign 43 256",
                       "free 43",
                       "valloc 44",
                       "free 44",
                       "pvalloc 45",
                       "free 45"};
    EXPECT_EQ(Recorded("functions")[1], expected);
    ExpectNothingMissing();
    EXPECT_EQ(summary_.find("{\"command\": [\"" + Absolute("recordable") + "\", \"functions\"]"),
              0u);
}

// A free is stamped before the address can be another thread's, what allocates after it is this one's. Each free and
// each realloc allocates a block of 4242 bytes while it runs, in the library behind the recorder.
TEST_F(RecordTest, AFreeIsWrittenDownBeforeItIsDoneAndAReallocAfterIt)
{
    EXPECT_EQ(
        Recorded("frees", ":" + Absolute("libbehind.so"))[1],
        (Events{"malloc 60", "free 60", "malloc 4242", "malloc 61", "malloc 4242", "realloc 62"}));
}

TEST_F(RecordTest, CallsThatFailAreMarkedAndAReallocToZeroIsAFree)
{
    constexpr char kHuge[] = " 9223372036854775808";
    EXPECT_EQ(
        Recorded("failures")[1],
        (Events{std::string("malloc") + kHuge + " failed", "calloc 18446744073709551615 failed",
                std::string("realloc") + kHuge + " failed",
                std::string("posix_memalign") + kHuge + " 64 failed", "realloc 10"}));
}

TEST_F(RecordTest, EachThreadHasItsOwnCallsInItsOwnOrder)
{
    std::map<uint32_t, Events> threads = Recorded("threads");
    std::map<size_t, int> seen;
    for (const auto &[thread, events] : threads) {
        ASSERT_EQ(events.size(), 4000u) << "thread " << thread;
        size_t number = std::stoul(events[0].substr(7)) / 1000;
        seen[number]++;
        for (size_t i = 0; i < 2000; i++) {
            std::string size = std::to_string(1000 * number + i % 10);
            ASSERT_EQ(events[i], "malloc " + size);
            ASSERT_EQ(events[2000 + i], "free " + size);
        }
    }
    EXPECT_EQ(seen.size(), 8u);
    ExpectNothingMissing();
}

TEST_F(RecordTest, AFreeInAnotherThreadComesAfterItsMalloc)
{
    Recorded("handoff");
    EXPECT_GE(Counted("cross_frees"), 2000u);
    ExpectNothingMissing();
}

TEST_F(RecordTest, WhatTheDestructorsOfAThreadDoIsNotMissed)
{
    Events own = {"free 66", "malloc 77", "free 77", "malloc 77", "free 77", "malloc 77"};
    EXPECT_EQ(Recorded("late"),
              (std::map<uint32_t, Events>{{0, {"free 77", "malloc 77"}}, {2, own}}));
}

TEST_F(RecordTest, AProcessThatExitsAtOnceOrIsKilledLeavesTheCallsOfAllItsThreads)
{
    EXPECT_EQ(Run("exit").exit_code, 3);
    EXPECT_EQ(
        Read(scratch_.File("trace")),
        (std::map<uint32_t, Events>{{1, {"malloc 99", "free 99"}}, {2, {"malloc 88", "free 88"}}}));
    EXPECT_EQ(Run("crash").signal, SIGKILL);
    EXPECT_EQ(ReadOther()[1], (Events{"malloc 55", "free 55"}));
}

TEST_F(RecordTest, TheChildOfAForkHasAFileOfItsOwn)
{
    EXPECT_EQ(Recorded("fork")[1], (Events{"malloc 23", "free 23"}));
    EXPECT_EQ(ReadOther()[1], (Events{"malloc 22", "free 22", "free 0"}));
    EXPECT_EQ(Counted("unknown_frees"), 1u);
}

TEST_F(RecordTest, BeforeAnExecNothingIsLostAndTheNewProgramHasAFileOfItsOwn)
{
    EXPECT_EQ(Recorded("exec")[1], (Events{"malloc 24", "free 24"}));
    EXPECT_EQ(ReadOther()[1].size(), 18u);
}

TEST_F(RecordTest, ACallFromASignalHandlerIsRecordedOrCountedAsLostAndDisturbsNoOther)
{
    Outcome outcome = Run("signals");
    ASSERT_TRUE(outcome.ok()) << outcome;
    std::map<std::string, uint64_t> seen;
    Events events = Read(scratch_.File("trace"))[1];
    for (const std::string &event : events)
        seen[event]++;
    EXPECT_EQ(seen["malloc 500"], 200000u);
    EXPECT_EQ(seen["free 500"], 200000u);
    EXPECT_EQ(seen["posix_memalign 8 4 failed"] + Counted("lost_events"), std::stoul(outcome.out));
    EXPECT_EQ(Counted("bad_blocks") + Counted("inferred_frees") + Counted("unknown_frees"), 0u);
}

TEST_F(RecordTest, WithoutAFileToWriteTheProgramRunsAllTheSame)
{
    std::filesystem::remove_all(scratch_.path());
    EXPECT_TRUE(Run("threads").ok());
}

TEST_F(RecordTest, AFullDiskEndsTheRecordingAndNotTheProgram)
{
    command_.before_exec = [] {
        signal(SIGXFSZ, SIG_IGN);
        rlimit limit{40960, 40960};
        setrlimit(RLIMIT_FSIZE, &limit);
    };
    Recorded("threads");
    EXPECT_GT(Counted("lost_events"), 1000u);
    EXPECT_GT(Counted("events"), 1000u);
    EXPECT_LE(std::filesystem::file_size(scratch_.File("trace")), 40960u);
}

} // namespace
