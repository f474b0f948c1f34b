// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "gate_testing.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <set>
#include <vector>

#include <pthread.h>
#include <sys/mman.h>

namespace {

using namespace gate_testing;

// First, for other tests make threads.
TEST(Gate, CountsNothingWhileTheProcessHasOneThread)
{
    cairn_gate gate = {};

    if (!cairn_is_alone())
        GTEST_SKIP() << "libc does not say that this process has one thread";
    int ticket = cairn_gate_enter(&gate);
    EXPECT_EQ(ticket, CAIRN_GATE_ALONE);
    EXPECT_EQ(Inside(gate), 0u);
    EXPECT_TRUE(cairn_gate_close(&gate)) << "as a handler does that interrupted it";
    EXPECT_TRUE(gate.is_torn);
    EXPECT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_CLOSED) << "what it interrupted may be half done";
    cairn_gate_open(&gate);
    cairn_gate_leave(&gate, ticket);
    EXPECT_EQ(Inside(gate), 0u);
    EXPECT_TRUE(cairn_gate_close(&gate));
    EXPECT_FALSE(gate.is_torn);
    EXPECT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_UNCOUNTED);
    cairn_gate_open(&gate);
}

TEST(Gate, OfZeroBytesIsOpen)
{
    cairn_gate gate = {};

    EXPECT_FALSE(cairn_gate_is_closed(&gate));
    EXPECT_EQ(cairn_gate_depth(&gate), 0u);
    EXPECT_TRUE(cairn_gate_wait(&gate, 1000000));
    cairn_gate_open(&gate);
    EXPECT_EQ(gate.closed, 0u);
    EXPECT_GE(EnterElsewhere(&gate), 0);
}

TEST(Gate, CountsEachThreadOnceWhileItIsInside)
{
    cairn_gate gate = {};

    std::thread([&] {
        int ticket = cairn_gate_enter(&gate);

        ASSERT_GE(ticket, 0);
        ASSERT_LT(ticket, CAIRN_GATE_COUNTERS);
        EXPECT_EQ(gate.counters[ticket].inside, 1u);
        EXPECT_EQ(Inside(gate), 1u);
        cairn_gate_leave(&gate, ticket);
        EXPECT_EQ(Inside(gate), 0u);
    }).join();
}

TEST(Gate, SpreadsThreadsOverItsCounters)
{
    std::set<int> seen;
    std::vector<std::thread> threads;
    std::atomic<int> tickets[64];

    for (auto &ticket : tickets)
        threads.emplace_back([&ticket] { ticket = cairn_gate_counter_of_thread(); });
    for (std::thread &thread : threads)
        thread.join();
    seen.insert(std::begin(tickets), std::end(tickets));
    EXPECT_GE(*seen.begin(), 0);
    EXPECT_LT(*seen.rbegin(), CAIRN_GATE_COUNTERS);
    EXPECT_GT(seen.size(), 1u) << "stacks may be used again, but not all the time";
}

TEST(Gate, IsClosedToOthersAndNotToTheCloser)
{
    cairn_gate gate = {};

    EXPECT_TRUE(cairn_gate_close(&gate));
    EXPECT_EQ(cairn_gate_depth(&gate), 1u);
    EXPECT_FALSE(cairn_gate_is_closed(&gate));
    EXPECT_EQ(EnterElsewhere(&gate), CAIRN_GATE_CLOSED);
    std::thread([&] {
        EXPECT_TRUE(cairn_gate_is_closed(&gate));
        EXPECT_EQ(cairn_gate_depth(&gate), 0u);
        cairn_gate_open(&gate); // not this thread's to open
    }).join();
    EXPECT_EQ(cairn_gate_depth(&gate), 1u);
    EXPECT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_UNCOUNTED);
    cairn_gate_leave(&gate, CAIRN_GATE_UNCOUNTED);
    EXPECT_EQ(Inside(gate), 0u);
    cairn_gate_open(&gate);
    EXPECT_GE(EnterElsewhere(&gate), 0);
}

TEST(Gate, OpensAfterAsManyTimesAsItWasClosed)
{
    constexpr unsigned kDepth = 100;
    cairn_gate gate = {};

    EnterElsewhere(&gate);
    for (unsigned depth = 1; depth <= kDepth; depth++) {
        EXPECT_EQ(cairn_gate_close(&gate), depth == 1);
        EXPECT_EQ(cairn_gate_depth(&gate), depth);
    }
    for (unsigned depth = kDepth; depth > 0; depth--) {
        EXPECT_EQ(cairn_gate_depth(&gate), depth);
        EXPECT_EQ(EnterElsewhere(&gate), CAIRN_GATE_CLOSED);
        EXPECT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_UNCOUNTED);
        cairn_gate_open(&gate);
    }
    EXPECT_EQ(gate.closed, 0u);
    EXPECT_GE(EnterElsewhere(&gate), 0);
}

TEST(Gate, IsClosedByOneThreadAtATime)
{
    cairn_gate gate = {};
    std::atomic<bool> is_closing{false}, is_closed{false};

    ASSERT_TRUE(cairn_gate_close(&gate));
    std::thread second([&] {
        is_closing = true;
        EXPECT_TRUE(cairn_gate_close(&gate));
        is_closed = true;
        EXPECT_EQ(cairn_gate_depth(&gate), 1u);
        cairn_gate_open(&gate);
    });
    while (!is_closing)
        sched_yield();
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_FALSE(is_closed);
    cairn_gate_open(&gate);
    second.join();
    EXPECT_EQ(gate.closed, 0u);
}

// The gate was open when the thread looked again: it must be counted, or be told "closed".
TEST(Gate, LetsAThreadInThatSawItClosedAMomentTooLate)
{
    cairn_gate gate = {};

    std::thread([&] {
        gate.counters[5].inside = 1;
        EXPECT_EQ(cairn_gate_enter_closed(&gate, 5), 5);
        EXPECT_EQ(gate.counters[5].inside, 1u);
        gate.counters[5].inside = 0;
        int ticket = cairn_gate_enter_closed(&gate, CAIRN_GATE_UNCOUNTED);
        ASSERT_GE(ticket, 0);
        EXPECT_EQ(gate.counters[ticket].inside, 1u);
        cairn_gate_leave(&gate, ticket);
    }).join();
}

// The counters lie on a page that cannot be written.
TEST(Gate, RefusesThreadsWithoutCountingThem)
{
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t head = offsetof(cairn_gate, counters);
    void *pages =
        mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ASSERT_NE(pages, MAP_FAILED);
    ASSERT_LE(sizeof(cairn_gate::counters), page);
    auto *gate = reinterpret_cast<cairn_gate *>(static_cast<char *>(pages) + page - head);
    ASSERT_TRUE(cairn_gate_close(gate));
    ASSERT_EQ(mprotect(gate->counters, page, PROT_READ), 0);
    EXPECT_EQ(EnterElsewhere(gate), CAIRN_GATE_CLOSED);
    EXPECT_EQ(cairn_gate_enter(gate), CAIRN_GATE_UNCOUNTED);
    cairn_gate_open(gate);
    munmap(pages, 2 * page);
}

TEST(Gate, TakesBackTheCountOfAThreadThatFindsItClosed)
{
    cairn_gate gate = {};

    ASSERT_TRUE(cairn_gate_close(&gate));
    gate.counters[5].inside = 1;
    std::thread([&] { EXPECT_EQ(cairn_gate_enter_closed(&gate, 5), CAIRN_GATE_CLOSED); }).join();
    EXPECT_EQ(Inside(gate), 0u);
    gate.counters[5].inside = 1;
    EXPECT_EQ(cairn_gate_enter_closed(&gate, 5), CAIRN_GATE_UNCOUNTED);
    EXPECT_EQ(Inside(gate), 0u);
    cairn_gate_open(&gate);
}

/* ---- waiting ---- */

TEST(GateWait, EndsAfterItsTime)
{
    cairn_gate gate = {};

    ASSERT_TRUE(cairn_gate_close(&gate));
    std::thread([&] {
        auto start = Clock::now();

        EXPECT_FALSE(cairn_gate_wait(&gate, 30000));
        EXPECT_GE(Since(start), milliseconds(25));
        EXPECT_FALSE(cairn_gate_wait(&gate, 0));
    }).join();
    cairn_gate_open(&gate);
}

TEST(GateWait, IsEndedByTheOpening)
{
    cairn_gate gate = {};
    std::vector<std::thread> waiters;
    std::atomic<int> waiting{0};

    ASSERT_TRUE(cairn_gate_close(&gate));
    for (int i = 0; i < 4; i++)
        waiters.emplace_back([&] {
            auto start = Clock::now();

            waiting++;
            EXPECT_TRUE(cairn_gate_wait(&gate, 60000000));
            EXPECT_LT(Since(start), milliseconds(30000));
        });
    while (waiting < 4)
        sched_yield();
    std::this_thread::sleep_for(milliseconds(20));
    cairn_gate_open(&gate);
    for (std::thread &waiter : waiters)
        waiter.join();
}

/* ---- shut for good ---- */

TEST(GateShut, IsClosedToAllForEver)
{
    cairn_gate gate = {};
    auto start = Clock::now();

    cairn_gate_shut(&gate);
    for (int round = 0; round < 2; round++) {
        EXPECT_TRUE(cairn_gate_is_closed(&gate));
        EXPECT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_CLOSED);
        EXPECT_EQ(EnterElsewhere(&gate), CAIRN_GATE_CLOSED);
        EXPECT_FALSE(cairn_gate_wait(&gate, 60000000));
        EXPECT_FALSE(cairn_gate_close(&gate));
        EXPECT_EQ(cairn_gate_depth(&gate), 0u);
        cairn_gate_open(&gate);
        cairn_gate_forget_others(&gate);
        cairn_gate_shut(&gate);
    }
    EXPECT_LT(Since(start), milliseconds(30000));
    EXPECT_EQ(Inside(gate), 0u);
}

TEST(GateShut, KeepsOutTheCloserToo)
{
    for (unsigned depth = 1; depth <= 3; depth++) {
        cairn_gate gate = {};

        for (unsigned i = 0; i < depth; i++)
            cairn_gate_close(&gate);
        std::thread([&] { cairn_gate_shut(&gate); }).join();
        EXPECT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_CLOSED);
        EXPECT_EQ(cairn_gate_depth(&gate), 0u);
        for (unsigned i = 0; i < depth; i++)
            cairn_gate_open(&gate);
        EXPECT_TRUE(cairn_gate_is_closed(&gate));
        EXPECT_EQ(EnterElsewhere(&gate), CAIRN_GATE_CLOSED);
    }
}

TEST(GateShut, SendsAwayACloserThatWaits)
{
    cairn_gate gate = {};

    ASSERT_TRUE(cairn_gate_close(&gate));
    std::thread second([&] { EXPECT_FALSE(cairn_gate_close(&gate)); });
    std::this_thread::sleep_for(milliseconds(5));
    cairn_gate_shut(&gate);
    second.join();
}

// A thread may leave a gate that was shut while it was inside.
TEST(GateShut, LetsThreadsOut)
{
    cairn_gate gate = {};

    {
        Insider insider(&gate);
        cairn_gate_shut(&gate);
    }
    EXPECT_EQ(Inside(gate), 0u);
}

} // namespace
