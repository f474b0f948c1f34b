// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The recorder on programs whose calls are known: this one, told the way in which to use the heap.
// What counts lies between malloc(kBegin) and malloc(kEnd) of a thread. Built with -fno-builtin:
// every call is made.
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
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
using Threads = std::map<uint32_t, Events>;

constexpr uint64_t kBegin = 123457;
constexpr uint64_t kEnd = 123459;
constexpr int kThreads = 8;
constexpr size_t kCalls = 2000;

// ---- what a way is made of ----

void Begin()
{
    free(malloc(kBegin));
}

void End()
{
    free(malloc(kEnd));
}

int MarkOne(size_t bytes)
{
    Begin();
    free(malloc(bytes));
    End();
    return 0;
}

void Must(bool is_right)
{
    if (!is_right)
        abort();
}

pthread_t Started(void *(*body)(void *), void *argument = nullptr)
{
    pthread_t handle;
    Must(pthread_create(&handle, nullptr, body, argument) == 0);
    return handle;
}

std::map<std::string, int (*)()> &Ways()
{
    static std::map<std::string, int (*)()> ways;
    return ways;
}

struct Way {
    Way(const char *name, int (*run)())
    {
        Ways()[name] = run;
    }
};

// ---- what was recorded ----

std::string Absolute(const std::string &name)
{
    return std::filesystem::absolute("bench/trace/" + name).string();
}

class RecordTest : public testing::Test {
  protected:
    Outcome RunWay(const std::string &way, const std::string &behind = "")
    {
        command_.argv = {Absolute("record_test"), "way", way};
        command_.environment = {"LD_PRELOAD=" + Absolute("librecord.so") + behind,
                                "CAIRN_RECORD=" + path_};
        return RunCommand(command_);
    }

    std::string Info(const std::string &path, const Events &options)
    {
        Command command;
        command.argv = {"bench/trace/info"};
        command.argv.insert(command.argv.end(), options.begin(), options.end());
        command.argv.push_back(path);
        Outcome outcome = RunCommand(command);
        EXPECT_TRUE(outcome.ok()) << outcome;
        return outcome.out;
    }

    // Of each thread what lies between the marks, "malloc 11", ... : of frees the size of what was
    // freed.
    Threads Read(const std::string &path)
    {
        Threads threads;
        std::map<uint32_t, bool> inside;
        summary_ = Info(path, {});
        for (const std::string &line : Lines(Info(path, {"--events"}))) {
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

    Threads Recorded(const std::string &way, const std::string &behind = "")
    {
        Outcome outcome = RunWay(way, behind);
        EXPECT_TRUE(outcome.ok()) << outcome;
        return Read(path_);
    }

    // The only file beside ours.
    Threads ReadOther()
    {
        for (const auto &entry : std::filesystem::directory_iterator(scratch_.path()))
            if (entry.path() != path_)
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
    std::string path_ = scratch_.File("trace");
    Command command_;
    std::string summary_; // of the trace that was read last
};

const Way functions("functions", [] {
    volatile size_t huge = SIZE_MAX / 2 + 1;
    void *block = nullptr, *small = malloc(10), *unchanged = &block;
    Must(dlerror() == nullptr); // the recorder's look-ups of what is not there leave no trace
    Begin();
    free(malloc(11));
    free(calloc(3, 7));
    block = realloc(nullptr, 31);
    block = realloc(block, 3100);
    free(reallocarray(block, 4, 1000));
    Must(posix_memalign(&block, 64, 41) == 0);
    free(block);
    free(aligned_alloc(128, 256));
    free(memalign(256, 43));
    free(valloc(44));
    free(pvalloc(45));
    free(nullptr);
    Must(malloc_usable_size(nullptr) == 0);
    Must(malloc(huge) == nullptr);
    Must(calloc(huge, 4) == nullptr);
    Must(realloc(small, huge) == nullptr);
    Must(posix_memalign(&unchanged, 64, huge) != 0 && unchanged == &block);
    Must(realloc(small, 0) == nullptr);
    End();
    return 0;
});

TEST_F(RecordTest, EveryFunctionIsWrittenDownAsItWasCalledAndMarkedWhenItFailed)
{
    const std::string huge = " 9223372036854775808";
    std::string expected =
        "malloc 11, free 11, calloc 21, free 21, realloc 31, realloc 3100, reallocarray 4000, "
        "free 4000, posix_memalign 41 64, free 41, aligned_alloc 256 128, free 256, memalign 43 "
        "256, free 43, valloc 44, free 44, pvalloc 45, free 45, malloc" +
        huge + " failed, calloc 18446744073709551615 failed, realloc" + huge +
        " failed, posix_memalign" + huge + " 64 failed, realloc 10, ";
    std::string told;
    Threads recorded = Recorded("functions");
    for (const std::string &event : recorded[1])
        told += event + ", ";
    EXPECT_EQ(told, expected);
    EXPECT_EQ(summary_.find("{\"command\": [\"" + Absolute("record_test") + "\", \"way\", "), 0u);
}

// One free and one realloc. The marks are leaked, for the library behind the recorder answers each
// free.
const Way frees("frees", [] {
    void *volatile block = malloc(kBegin);
    free(malloc(60));
    block = malloc(61);
    block = realloc(block, 62);
    block = malloc(kEnd);
    _exit(block == nullptr);
    return 0;
});

// A free is stamped before the address can be another thread's, what allocates after it is this
// one's. Each free and each realloc allocates a block of 4242 bytes while it runs, in the library
// behind the recorder.
TEST_F(RecordTest, AFreeIsWrittenDownBeforeItIsDoneAndAReallocAfterIt)
{
    setenv("FAKE", "inner=1", 1);
    Events expected = {"malloc 60", "free 60",     "malloc 4242",
                       "malloc 61", "malloc 4242", "realloc 62"};
    EXPECT_EQ(Recorded("frees", ":" + Absolute("../bump/libfake.so"))[1], expected);
}

const Way threads("threads", [] {
    pthread_t handles[kThreads];
    for (uintptr_t idx = 0; idx < kThreads; idx++)
        handles[idx] = Started(
            [](void *number) {
                size_t thousands = 1 + reinterpret_cast<uintptr_t>(number);
                void *blocks[kCalls];
                Begin();
                for (size_t i = 0; i < kCalls; i++)
                    blocks[i] = malloc(1000 * thousands + i % 10);
                for (void *block : blocks)
                    free(block);
                End();
                return static_cast<void *>(nullptr);
            },
            reinterpret_cast<void *>(idx));
    for (pthread_t handle : handles)
        pthread_join(handle, nullptr);
    return 0;
});

TEST_F(RecordTest, EachThreadHasItsOwnCallsInItsOwnOrder)
{
    std::map<size_t, int> seen;
    for (const auto &[thread, events] : Recorded("threads")) {
        ASSERT_EQ(events.size(), 2 * kCalls) << "thread " << thread;
        size_t number = std::stoul(events[0].substr(7)) / 1000;
        seen[number]++;
        for (size_t i = 0; i < kCalls; i++) {
            std::string size = std::to_string(1000 * number + i % 10);
            ASSERT_EQ(events[i], "malloc " + size);
            ASSERT_EQ(events[kCalls + i], "free " + size);
        }
    }
    EXPECT_EQ(seen.size(), size_t{kThreads});
    ExpectNothingMissing();
}

pthread_key_t g_key;
int g_is_over;

// The destructor runs as often as there are rounds of them; in the last one, after the recorder's
// own.
const Way late("late", [] {
    auto free_late = [](void *block) {
        Begin();
        free(block);
        pthread_setspecific(g_key, malloc(77));
        End();
    };
    Must(pthread_key_create(&g_key, free_late) == 0);
    pthread_t thread = Started([](void *unused) {
        pthread_setspecific(g_key, malloc(66));
        return unused;
    });
    return pthread_join(thread, nullptr);
});

TEST_F(RecordTest, WhatTheDestructorsOfAThreadDoIsNotMissed)
{
    Events own = {"free 66", "malloc 77", "free 77", "malloc 77",
                  "free 77", "malloc 77", "free 77", "malloc 77"};
    EXPECT_EQ(Recorded("late"), (Threads{{2, own}}));
}

// The process ends without a word, while another thread lives.
const Way quick_exit_with_thread("exit", [] {
    Started([](void *unused) {
        MarkOne(88);
        __atomic_store_n(&g_is_over, 1, __ATOMIC_RELEASE);
        for (;;)
            pause();
        return unused;
    });
    while (!__atomic_load_n(&g_is_over, __ATOMIC_ACQUIRE))
        continue;
    MarkOne(99);
    _exit(3);
    return 0;
});

const Way crash("crash", [] { return MarkOne(55) + raise(SIGKILL); });

TEST_F(RecordTest, AProcessThatExitsAtOnceOrIsKilledLeavesTheCallsOfAllItsThreads)
{
    EXPECT_EQ(RunWay("exit").exit_code, 3);
    EXPECT_EQ(Read(path_), (Threads{{1, {"malloc 99", "free 99"}}, {2, {"malloc 88", "free 88"}}}));
    EXPECT_EQ(RunWay("crash").signal, SIGKILL);
    EXPECT_EQ(ReadOther()[1], (Events{"malloc 55", "free 55"}));
}

const Way fork_child("fork", [] {
    void *block = malloc(21);
    Begin();
    clearenv(); // where the trace goes is known by now
    pid_t child = fork();
    if (child == 0) {
        Begin();
        free(malloc(22));
        free(block);
        End();
        _exit(0);
    }
    waitpid(child, nullptr, 0);
    free(malloc(23));
    End();
    free(block);
    return 0;
});

TEST_F(RecordTest, TheChildOfAForkHasAFileOfItsOwn)
{
    EXPECT_EQ(Recorded("fork")[1], (Events{"malloc 23", "free 23"}));
    EXPECT_EQ(ReadOther()[1], (Events{"malloc 22", "free 22", "free 0"}));
    EXPECT_EQ(Counted("unknown_frees"), 1u);
}

volatile sig_atomic_t g_signals;

// Signals at any moment, also while the recorder writes. The handler makes a call that no malloc
// gets to the bottom of: allocating in it would be wrong. Prints how many came.
const Way signalled("signals", [] {
    struct sigaction action = {};
    action.sa_handler = [](int) {
        void *unchanged = nullptr;
        Must(posix_memalign(&unchanged, 3, 8) != 0);
        g_signals = g_signals + 1;
    };
    sigaction(SIGUSR1, &action, nullptr);
    pthread_t self = pthread_self();
    Begin();
    pthread_t disturber = Started(
        [](void *disturbed) {
            while (!__atomic_load_n(&g_is_over, __ATOMIC_RELAXED)) {
                pthread_kill(*static_cast<pthread_t *>(disturbed), SIGUSR1);
                sched_yield();
            }
            return static_cast<void *>(nullptr);
        },
        &self);
    for (size_t call = 0; call < 100 * kCalls; call++)
        free(malloc(500));
    __atomic_store_n(&g_is_over, 1, __ATOMIC_RELAXED);
    pthread_join(disturber, nullptr);
    End();
    printf("%d\n", static_cast<int>(g_signals));
    return 0;
});

TEST_F(RecordTest, ACallFromASignalHandlerIsRecordedOrCountedAsLostAndDisturbsNoOther)
{
    Outcome outcome = RunWay("signals");
    ASSERT_TRUE(outcome.ok()) << outcome;
    std::map<std::string, uint64_t> seen;
    Events events = Read(path_)[1];
    for (const std::string &event : events)
        seen[event]++;
    EXPECT_EQ(seen["malloc 500"], 100 * kCalls);
    EXPECT_EQ(seen["free 500"], 100 * kCalls);
    EXPECT_EQ(seen["posix_memalign 8 4 failed"] + Counted("lost_events"), std::stoul(outcome.out));
    EXPECT_EQ(Counted("bad_blocks") + Counted("inferred_frees") + Counted("unknown_frees"), 0u);
}

TEST_F(RecordTest, AFullDiskOrNoFileAtAllEndsTheRecordingAndNotTheProgram)
{
    command_.before_exec = [] {
        signal(SIGXFSZ, SIG_IGN);
        rlimit limit{40960, 40960};
        setrlimit(RLIMIT_FSIZE, &limit);
    };
    Recorded("threads");
    EXPECT_GT(Counted("lost_events"), 1000u);
    EXPECT_GT(Counted("events"), 1000u);
    EXPECT_LE(std::filesystem::file_size(path_), 40960u);
    std::filesystem::remove_all(scratch_.path());
    EXPECT_TRUE(RunWay("threads").ok());
}

} // namespace

int main(int argument_count, char **arguments)
{
    if (argument_count == 3 && std::string(arguments[1]) == "way")
        return Ways().at(arguments[2])();
    testing::InitGoogleTest(&argument_count, arguments);
    return RUN_ALL_TESTS();
}
