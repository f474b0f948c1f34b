// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The recorder on programs whose calls are known (recordable.c).
extern "C" {
#include "bench/trace/reader.h"
}

#include <gtest/gtest.h>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace {

using cairn_test::Command;
using cairn_test::Outcome;
using cairn_test::RunCommand;
using cairn_test::ScratchDirectory;

constexpr uint64_t kBegin = 123457;
constexpr uint64_t kEnd = 123459;

const char *const kRecorder = "bench/trace/librecord.so";
const char *const kBehind = "bench/trace/libbehind.so";
const char *const kProgram = "bench/trace/recordable";

struct Trace {
    std::map<uint32_t, std::vector<std::string>> threads; // "malloc 11", ... between the marks
    std::string everything;                               // of all threads, in order
    size_t events = 0;
    uint64_t unknown_frees = 0;
    uint64_t unknown_resizes = 0;
    uint64_t inferred_frees = 0;
    uint64_t lost_events = 0;
    uint64_t bad_blocks = 0;
    uint64_t cross_frees = 0;
    uint32_t page_bytes = 0;
    std::string command;
};

std::string Words(const trace_event &event)
{
    bool is_free = event.kind == TRACE_EVENT_FREE || event.kind == TRACE_EVENT_UNKNOWN_FREE;
    std::string words = trace_function_name(event.function);
    if (event.kind == TRACE_EVENT_UNKNOWN_FREE)
        return words + " unknown";
    if (event.kind == TRACE_EVENT_RESIZE || is_free)
        words += " of " + std::to_string(event.old_size_bytes);
    if (!is_free && event.kind != TRACE_EVENT_FAILED)
        words += " " + std::to_string(event.size_bytes);
    if (trace_has_align(event.function))
        words += " at " + std::to_string(uint64_t{1} << event.align_log2);
    return event.kind == TRACE_EVENT_FAILED ? words + " failed" : words;
}

// Keeps what lies between the marks of each thread.
class Marks {
  public:
    bool Passes(uint32_t thread, const trace_event &event)
    {
        bool is_free = event.kind == TRACE_EVENT_FREE;
        uint64_t size = is_free ? event.old_size_bytes : event.size_bytes;
        if (size == kBegin || size == kEnd) {
            inside_[thread] = size == kBegin;
            return false;
        }
        return inside_[thread];
    }

  private:
    std::map<uint32_t, bool> inside_;
};

Trace ReadTrace(const std::string &path)
{
    Trace trace;
    trace_file file;
    trace_reader reader;
    trace_event event;
    Marks marks;
    EXPECT_TRUE(trace_open(&file, path.c_str())) << file.message;
    if (file.bytes == nullptr)
        return trace;
    trace_read(&reader, &file);
    while (trace_next(&reader, &event)) {
        uint32_t thread = trace_thread_at(&file, event.thread)->number;
        trace.events++;
        trace.everything += Words(event) + "\n";
        trace.cross_frees += event.kind == TRACE_EVENT_FREE && event.born_thread != event.thread;
        if (marks.Passes(thread, event))
            trace.threads[thread].push_back(Words(event));
    }
    trace.unknown_frees = reader.unknown_frees;
    trace.unknown_resizes = reader.unknown_resizes;
    trace.inferred_frees = reader.inferred_frees;
    trace.bad_blocks = reader.bad_blocks;
    trace.lost_events = file.header.lost_events;
    trace.page_bytes = file.header.page_bytes;
    trace.command.assign(file.header.command, file.header.command_bytes);
    trace_end(&reader);
    trace_close(&file);
    return trace;
}

class RecordTest : public testing::Test {
  protected:
    Outcome Run(const std::string &way, const std::string &behind = "")
    {
        std::string recorder = std::filesystem::absolute(kRecorder).string();
        if (!behind.empty())
            recorder += ":" + std::filesystem::absolute(behind).string();
        Command command;
        command.argv = {std::filesystem::absolute(kProgram).string(), way};
        command.environment = {"LD_PRELOAD=" + recorder, "CAIRN_RECORD=" + scratch_.File("trace")};
        return RunCommand(command);
    }

    Trace Recorded(const std::string &way)
    {
        Outcome outcome = Run(way);
        EXPECT_TRUE(outcome.ok()) << outcome;
        return ReadTrace(scratch_.File("trace"));
    }

    // The file of another process: the only one beside ours.
    std::string OtherFile()
    {
        std::string found;
        for (const auto &entry : std::filesystem::directory_iterator(scratch_.path()))
            if (entry.path() != scratch_.File("trace"))
                found = entry.path().string();
        return found;
    }

    ScratchDirectory scratch_;
};

using Events = std::vector<std::string>;

TEST_F(RecordTest, EveryFunctionIsWrittenDownAsItWasCalled)
{
    Trace trace = Recorded("functions");
    Events expected = {
        "malloc 11",
        "free of 11",
        "calloc 21",
        "free of 21",
        "realloc 31",
        "realloc of 31 3100",
        "reallocarray of 3100 4000",
        "free of 4000",
        "posix_memalign 41 at 64",
        "free of 41",
        "aligned_alloc 256 at 128",
        "free of 256",
        "memalign 43 at 256",
        "free of 43",
        "valloc 44",
        "free of 44",
        "pvalloc 45",
        "free of 45",
    };
    EXPECT_EQ(trace.threads[1], expected);
    EXPECT_EQ(trace.lost_events + trace.inferred_frees + trace.unknown_frees +
                  trace.unknown_resizes + trace.bad_blocks,
              0u);
    EXPECT_EQ(trace.page_bytes, static_cast<uint32_t>(sysconf(_SC_PAGESIZE)));
    EXPECT_EQ(trace.command,
              std::filesystem::absolute(kProgram).string() + std::string("\0functions\0", 11));
}

// A free is stamped before the address can be another thread's, what allocates after it is this one's.
TEST_F(RecordTest, AFreeIsWrittenDownBeforeItIsDoneAndAReallocAfterIt)
{
    Outcome outcome = Run("frees", kBehind);
    ASSERT_TRUE(outcome.ok()) << outcome;
    Trace trace = ReadTrace(scratch_.File("trace"));
    Events expected = {"malloc 60", "free of 60",  "malloc 4242",
                       "malloc 61", "malloc 4242", "realloc of 61 62"};
    EXPECT_EQ(trace.threads[1], expected);
}

TEST_F(RecordTest, CallsThatFailAreMarkedAndAReallocToZeroIsAFree)
{
    Trace trace = Recorded("failures");
    Events expected = {"malloc failed", "calloc failed", "realloc failed",
                       "posix_memalign at 64 failed", "realloc of 10"};
    EXPECT_EQ(trace.threads[1], expected);
}

TEST_F(RecordTest, EachThreadHasItsOwnCallsInItsOwnOrder)
{
    Trace trace = Recorded("threads");
    EXPECT_EQ(trace.threads.size(), 8u);
    std::map<size_t, int> seen;
    for (const auto &[thread, events] : trace.threads) {
        ASSERT_EQ(events.size(), 4000u) << "thread " << thread;
        size_t number = std::stoul(events[0].substr(7)) / 1000;
        seen[number]++;
        for (size_t i = 0; i < 2000; i++) {
            std::string size = std::to_string(1000 * number + i % 10);
            ASSERT_EQ(events[i], "malloc " + size);
            ASSERT_EQ(events[2000 + i], "free of " + size);
        }
    }
    EXPECT_EQ(seen.size(), 8u);
    EXPECT_EQ(trace.lost_events + trace.inferred_frees + trace.unknown_frees + trace.bad_blocks,
              0u);
}

TEST_F(RecordTest, AFreeInAnotherThreadComesAfterItsMalloc)
{
    Trace trace = Recorded("handoff");
    EXPECT_GE(trace.cross_frees, 2000u);
    EXPECT_EQ(trace.inferred_frees + trace.unknown_frees, 0u);
}

TEST_F(RecordTest, WhatTheDestructorsOfAThreadDoIsNotMissed)
{
    Trace trace = Recorded("late");
    Events own = {"free of 66", "malloc 77", "free of 77", "malloc 77", "free of 77", "malloc 77"};
    Events late = {"free of 77", "malloc 77"};
    ASSERT_EQ(trace.threads.size(), 2u);
    EXPECT_EQ(trace.threads[2], own);
    EXPECT_EQ(trace.threads[TRACE_LATE_THREAD], late);
}

TEST_F(RecordTest, AProcessThatExitsAtOnceLeavesTheCallsOfAllItsThreads)
{
    Outcome outcome = Run("exit");
    EXPECT_EQ(outcome.exit_code, 3) << outcome;
    Trace trace = ReadTrace(scratch_.File("trace"));
    EXPECT_EQ(trace.threads[1], (Events{"malloc 99", "free of 99"}));
    EXPECT_EQ(trace.threads[2], (Events{"malloc 88", "free of 88"}));
}

TEST_F(RecordTest, AProcessThatIsKilledLeavesWhatItDidBefore)
{
    Outcome outcome = Run("crash");
    EXPECT_EQ(outcome.signal, SIGKILL) << outcome;
    Trace trace = ReadTrace(scratch_.File("trace"));
    EXPECT_EQ(trace.threads[1], (Events{"malloc 55", "free of 55"}));
}

TEST_F(RecordTest, TheChildOfAForkHasAFileOfItsOwn)
{
    Trace parent = Recorded("fork");
    EXPECT_EQ(parent.threads[1], (Events{"malloc 23", "free of 23"}));
    Trace child = ReadTrace(OtherFile());
    EXPECT_EQ(child.threads[1], (Events{"malloc 22", "free of 22", "free unknown"}));
    EXPECT_EQ(child.unknown_frees, 1u);
}

TEST_F(RecordTest, BeforeAnExecNothingIsLostAndTheNewProgramHasAFileOfItsOwn)
{
    Trace before = Recorded("exec");
    EXPECT_EQ(before.threads[1], (Events{"malloc 24", "free of 24"}));
    Trace after = ReadTrace(OtherFile());
    EXPECT_EQ(after.threads[1].size(), 18u);
}

TEST_F(RecordTest, ACallFromASignalHandlerIsRecordedOrCountedAsLostAndDisturbsNoOther)
{
    Outcome outcome = Run("signals");
    ASSERT_TRUE(outcome.ok()) << outcome;
    Trace trace = ReadTrace(scratch_.File("trace"));
    std::map<std::string, uint64_t> seen;
    for (const std::string &event : trace.threads[1])
        seen[event]++;
    EXPECT_EQ(seen["malloc 500"], 200000u);
    EXPECT_EQ(seen["free of 500"], 200000u);
    EXPECT_EQ(seen["posix_memalign at 4 failed"] + trace.lost_events, std::stoul(outcome.out));
    EXPECT_EQ(trace.bad_blocks + trace.inferred_frees + trace.unknown_frees, 0u);
}

TEST_F(RecordTest, WithoutAFileToWriteTheProgramRunsAllTheSame)
{
    std::filesystem::remove_all(scratch_.path());
    EXPECT_TRUE(Run("threads").ok());
}

TEST_F(RecordTest, AFullDiskEndsTheRecordingAndNotTheProgram)
{
    Command command;
    command.argv = {std::filesystem::absolute(kProgram).string(), "threads"};
    command.environment = {"LD_PRELOAD=" + std::filesystem::absolute(kRecorder).string(),
                           "CAIRN_RECORD=" + scratch_.File("trace")};
    command.before_exec = [] {
        signal(SIGXFSZ, SIG_IGN);
        rlimit limit{40960, 40960};
        setrlimit(RLIMIT_FSIZE, &limit);
    };
    Outcome outcome = RunCommand(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
    Trace trace = ReadTrace(scratch_.File("trace"));
    EXPECT_GT(trace.lost_events, 1000u);
    EXPECT_GT(trace.events, 1000u);
    EXPECT_LE(std::filesystem::file_size(scratch_.File("trace")), 40960u);
}

} // namespace
