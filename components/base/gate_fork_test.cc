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

/* ---- many threads ---- */

// Each thread changes data of its own, without atomics; the closer reads and writes all of it.
TEST(GateStress, NoThreadIsInsideWhileItIsClosed)
{
    constexpr unsigned kThreads = 4, kCloses = 400;
    struct alignas(64) Data {
        uint64_t first, second; // the same but inside
    };
    cairn_gate gate = {};
    Data data[kThreads] = {};
    std::atomic<bool> stop{false};
    std::atomic<int> inside{0};
    std::atomic<uint64_t> entries{0}, refusals{0};
    std::vector<std::thread> threads;

    for (Data &mine : data)
        threads.emplace_back([&] {
            while (!stop) {
                int ticket = cairn_gate_enter(&gate);

                if (ticket == CAIRN_GATE_CLOSED) {
                    refusals++;
                    cairn_gate_wait(&gate, 100);
                    continue;
                }
                ASSERT_GE(ticket, 0);
                inside++;
                mine.first++;
                mine.second++;
                inside--;
                cairn_gate_leave(&gate, ticket);
                if (++entries % 64 == 0)
                    sched_yield(); // so that it is seldom stopped inside
            }
        });
    while (entries < 1000)
        sched_yield();
    for (unsigned i = 0; i < kCloses; i++) {
        ASSERT_TRUE(cairn_gate_close(&gate));
        ASSERT_EQ(inside, 0);
        ASSERT_FALSE(gate.is_torn);
        for (Data &each : data)
            ASSERT_EQ(each.first, each.second++);
        for (Data &each : data)
            ASSERT_EQ(++each.first, each.second);
        ASSERT_EQ(inside, 0);
        cairn_gate_open(&gate);
        if (i % 16 == 0)
            sched_yield();
    }
    stop = true;
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(Inside(gate), 0u);
}

// One enters at the moment when the other closes, again and again, a little earlier or later.
TEST(GateStress, EitherTheCloserSeesTheCountOrTheThreadThatItIsClosed)
{
    constexpr unsigned kRounds = 100000;
    cairn_gate gate = {};
    std::atomic<unsigned> round{0}, done{0};
    std::atomic<bool> is_inside{false};
    const auto end = Clock::now() + milliseconds(1500);
    auto pause = [](unsigned times) {
        while (times-- > 0)
            CAIRN_CPU_RELAX();
    };

    std::thread entering([&] {
        for (unsigned i = 1; i <= kRounds; i++) {
            for (unsigned spins = 0; round < i; spins++)
                if (spins > 1000)
                    sched_yield();
            pause(i % 8);
            int ticket = cairn_gate_enter(&gate);
            if (ticket != CAIRN_GATE_CLOSED) {
                is_inside = true;
                pause(2);
                is_inside = false;
                cairn_gate_leave(&gate, ticket);
            }
            done = i;
        }
    });
    unsigned seen_inside = 0;
    for (unsigned i = 1; i <= kRounds; i++) {
        round = Clock::now() < end ? i : kRounds;
        pause(i / 8 % 8);
        cairn_gate_close(&gate);
        for (int look = 0; look < 20; look++)
            seen_inside += is_inside;
        cairn_gate_open(&gate);
        for (unsigned spins = 0; done < round; spins++)
            if (spins > 1000)
                sched_yield();
        if (round == kRounds)
            break;
    }
    entering.join();
    EXPECT_EQ(seen_inside, 0u);
}

TEST(GateStress, ManyClosersTakeTurns)
{
    constexpr unsigned kThreads = 4, kRounds = 500;
    cairn_gate gate = {};
    uint64_t turns = 0; // of the closer
    std::vector<std::thread> threads;

    for (unsigned t = 0; t < kThreads; t++)
        threads.emplace_back([&, t] {
            for (unsigned i = 0; i < kRounds; i++) {
                int ticket = cairn_gate_enter(&gate);

                if (ticket != CAIRN_GATE_CLOSED)
                    cairn_gate_leave(&gate, ticket);
                ASSERT_TRUE(cairn_gate_close(&gate));
                ASSERT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_UNCOUNTED);
                turns++;
                if ((t + i) % 7 == 0) {
                    ASSERT_FALSE(cairn_gate_close(&gate));
                    sched_yield();
                    cairn_gate_open(&gate);
                }
                cairn_gate_open(&gate);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_EQ(turns, kThreads * kRounds);
    EXPECT_EQ(gate.closed, 0u);
    EXPECT_EQ(Inside(gate), 0u);
}

// They ask all the time, and share the counter of the thread that the closer waits for.
TEST(GateStress, RefusedThreadsDoNotMakeTheCloserGiveUp)
{
    cairn_gate gate = {};
    std::atomic<int> ticket{-1};
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> refusals{0};

    std::thread asking([&] {
        int own = cairn_gate_counter_of_thread();

        __atomic_fetch_add(&gate.counters[own].inside, 1u, __ATOMIC_SEQ_CST);
        ticket = own;
        while (!stop) {
            int entry = cairn_gate_enter(&gate);

            if (entry == CAIRN_GATE_CLOSED)
                refusals++;
            else
                cairn_gate_leave(&gate, entry);
        }
    });
    while (ticket < 0)
        sched_yield();
    std::thread leaving([&] {
        while (refusals == 0)
            sched_yield();
        std::this_thread::sleep_for(milliseconds(300));
        cairn_gate_leave(&gate, ticket);
    });
    auto start = Clock::now();
    EXPECT_TRUE(cairn_gate_close(&gate));
    EXPECT_GE(Since(start), milliseconds(290));
    EXPECT_FALSE(gate.is_torn);
    leaving.join();
    stop = true;
    cairn_gate_open(&gate);
    asking.join();
    EXPECT_EQ(Inside(gate), 0u);
}

/* ---- fork ---- */

TEST(GateFork, TheChildForgetsThreadsThatAreNotThere)
{
    cairn_gate gate = {};

    EnterElsewhere(&gate);
    ASSERT_TRUE(cairn_gate_close(&gate));
    for (cairn_gate_counter &counter : gate.counters)
        counter.inside = 1; // threads that will find the gate closed
    EXPECT_EQ(InChild([&] {
                  auto start = Clock::now();

                  cairn_gate_forget_others(&gate);
                  if (Inside(gate) != 0 || cairn_gate_depth(&gate) != 1)
                      return 1;
                  cairn_gate_open(&gate);
                  if (cairn_gate_is_closed(&gate) || !cairn_gate_close(&gate) || gate.is_torn)
                      return 2;
                  cairn_gate_open(&gate);
                  return Since(start) < milliseconds(900) ? 0 : 3;
              }),
              0);
    for (cairn_gate_counter &counter : gate.counters)
        counter.inside = 0;
    cairn_gate_open(&gate);
}

TEST(GateFork, ManyForksAmongThreadsLeaveNothingHalfChanged)
{
    constexpr unsigned kThreads = 3;
    struct alignas(64) Data {
        uint64_t first, second;
    };
    cairn_gate gate = {};
    Data data[kThreads] = {};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;

    for (Data &mine : data)
        threads.emplace_back([&] {
            while (!stop) {
                int ticket = cairn_gate_enter(&gate);

                if (ticket == CAIRN_GATE_CLOSED)
                    continue;
                __atomic_fetch_add(&mine.first, 1, __ATOMIC_RELAXED);
                __atomic_fetch_add(&mine.second, 1, __ATOMIC_RELAXED);
                cairn_gate_leave(&gate, ticket);
            }
        });
    for (int i = 0; i < 50; i++) {
        ASSERT_TRUE(cairn_gate_close(&gate));
        ASSERT_EQ(InChild([&] {
                      cairn_gate_forget_others(&gate);
                      cairn_gate_open(&gate);
                      for (Data &each : data)
                          if (each.first != each.second)
                              return 1;
                      return cairn_gate_enter(&gate) == CAIRN_GATE_CLOSED ? 2 : 0;
                  }),
                  0);
        cairn_gate_open(&gate);
    }
    stop = true;
    for (std::thread &thread : threads)
        thread.join();
}

int ChildOfATornGate(cairn_gate *gate)
{
    cairn_gate_forget_others(gate);
    if (cairn_gate_enter(gate) != CAIRN_GATE_CLOSED || cairn_gate_depth(gate) != 0)
        return 1;
    cairn_gate_open(gate);
    return cairn_gate_close(gate) || !cairn_gate_is_closed(gate) ? 2 : 0;
}

TEST(GateFork, AThreadThatNeverLeavesShutsTheGateOfTheChild)
{
    cairn_gate gate = {};
    {
        Insider insider(&gate);
        auto start = Clock::now();

        EXPECT_TRUE(cairn_gate_close(&gate));
        EXPECT_GE(Since(start), milliseconds(900));
        EXPECT_LT(Since(start), milliseconds(10000));
        EXPECT_TRUE(gate.is_torn);
        EXPECT_EQ(cairn_gate_enter(&gate), CAIRN_GATE_CLOSED) << "also to its closer";
        EXPECT_EQ(InChild([&] { return ChildOfATornGate(&gate); }), 0);
        cairn_gate_open(&gate);
        EXPECT_FALSE(cairn_gate_is_closed(&gate)) << "the parent goes on";
        EXPECT_GE(EnterElsewhere(&gate), 0);
    }
    EXPECT_EQ(Inside(gate), 0u);
    EXPECT_TRUE(cairn_gate_close(&gate));
    EXPECT_FALSE(gate.is_torn);
    EXPECT_EQ(InChild([&] {
                  cairn_gate_forget_others(&gate);
                  return cairn_gate_depth(&gate) == 1 ? 0 : 1;
              }),
              0);
    cairn_gate_open(&gate);
}

TEST(GateFork, TheSecondIsForAllCountersTogether)
{
    cairn_gate gate = {};

    gate.counters[2].inside = gate.counters[7].inside = 1;
    std::thread leaving([&] {
        std::this_thread::sleep_for(milliseconds(900));
        cairn_gate_leave(&gate, 2);
    });
    auto start = Clock::now();
    EXPECT_TRUE(cairn_gate_close(&gate));
    EXPECT_GE(Since(start), milliseconds(900));
    EXPECT_LT(Since(start), milliseconds(1800));
    EXPECT_TRUE(gate.is_torn);
    leaving.join();
    cairn_gate_open(&gate);
}

/* ---- signals ---- */

cairn_gate signal_gate;
std::function<void()> on_signal;

class GateSignal : public ::testing::Test {
  protected:
    void SetUp() override
    {
        struct sigaction action = {};

        signal_gate = {};
        action.sa_handler = [](int) { on_signal(); };
        ASSERT_EQ(sigaction(SIGUSR1, &action, &before_), 0);
        EnterElsewhere(&signal_gate);
    }
    void TearDown() override
    {
        sigaction(SIGUSR1, &before_, nullptr);
        EXPECT_EQ(signal_gate.closed, 0u);
        EXPECT_EQ(Inside(signal_gate), 0u);
    }
    struct sigaction before_ = {};
};

TEST_F(GateSignal, AHandlerMayForkThatInterruptedAThreadInside)
{
    static int child_status;

    child_status = -1;
    on_signal = [] {
        EXPECT_TRUE(cairn_gate_close(&signal_gate));
        EXPECT_TRUE(signal_gate.is_torn);
        child_status = InChild([] { return ChildOfATornGate(&signal_gate); });
        cairn_gate_open(&signal_gate);
    };
    int ticket = CAIRN_GATE_CLOSED;
    std::thread([&] {
        ticket = cairn_gate_enter(&signal_gate);
        raise(SIGUSR1);
        cairn_gate_leave(&signal_gate, ticket);
    }).join();
    EXPECT_EQ(child_status, 0);
}

TEST_F(GateSignal, AHandlerThatInterruptsAClosingThreadWaitsItself)
{
    static std::atomic<int> handled;
    static Insider *inside;

    handled = 0;
    Insider insider(&signal_gate);
    inside = &insider;
    on_signal = [] {
        EXPECT_FALSE(cairn_gate_close(&signal_gate));
        EXPECT_EQ(cairn_gate_depth(&signal_gate), 2u);
        EXPECT_FALSE(inside->is_inside);
        EXPECT_FALSE(signal_gate.is_torn);
        cairn_gate_open(&signal_gate);
        handled++;
    };
    pthread_t closer = pthread_self();
    std::thread signalling([&] {
        while (__atomic_load_n(&signal_gate.closed, __ATOMIC_SEQ_CST) == 0)
            sched_yield();
        pthread_kill(closer, SIGUSR1);
        std::this_thread::sleep_for(milliseconds(100));
        insider.may_leave = true;
    });
    EXPECT_TRUE(cairn_gate_close(&signal_gate));
    EXPECT_FALSE(insider.is_inside);
    EXPECT_FALSE(signal_gate.is_torn);
    cairn_gate_open(&signal_gate);
    signalling.join();
    while (handled == 0) // a sanitizer may deliver late
        sched_yield();
}

// Signals at every place: a close or an open that is interrupted must not hold up the handler's.
TEST_F(GateSignal, AHandlerMayCloseTheGateAnywhere)
{
    constexpr int kSignals = 400;
    static std::atomic<int> handled;
    std::atomic<bool> stop{false};
    pthread_t closer = pthread_self();

    handled = 0;
    on_signal = [] {
        unsigned depth = cairn_gate_depth(&signal_gate);

        EXPECT_EQ(cairn_gate_close(&signal_gate), depth == 0);
        EXPECT_EQ(cairn_gate_depth(&signal_gate), depth + 1);
        cairn_gate_open(&signal_gate);
        EXPECT_EQ(cairn_gate_depth(&signal_gate), depth);
        handled++;
    };
    std::thread signalling([&] {
        for (int i = 0; i < kSignals; i++) {
            pthread_kill(closer, SIGUSR1);
            while (handled <= i)
                sched_yield();
        }
        stop = true;
    });
    std::thread crossing([&] {
        while (!stop) {
            int ticket = cairn_gate_enter(&signal_gate);

            if (ticket != CAIRN_GATE_CLOSED)
                cairn_gate_leave(&signal_gate, ticket);
            sched_yield();
        }
    });
    while (!stop) {
        cairn_gate_close(&signal_gate);
        EXPECT_EQ(cairn_gate_depth(&signal_gate), 1u);
        cairn_gate_open(&signal_gate);
        getppid(); // where a sanitizer delivers signals
    }
    signalling.join();
    crossing.join();
}

} // namespace
