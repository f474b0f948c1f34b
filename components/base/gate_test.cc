// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/gate.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

milliseconds Since(Clock::time_point start)
{
    return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

// What another thread is told.
int EnterElsewhere(cairn_gate *gate)
{
    int ticket = 0;

    std::thread([&] {
        ticket = cairn_gate_enter(gate);
        if (ticket != CAIRN_GATE_CLOSED)
            cairn_gate_leave(gate, ticket);
    }).join();
    return ticket;
}

unsigned Inside(const cairn_gate &gate)
{
    unsigned inside = 0;

    for (const cairn_gate_counter &counter : gate.counters)
        inside += __atomic_load_n(&counter.inside, __ATOMIC_SEQ_CST);
    return inside;
}

// The exit status of a child that runs `body`, and not more.
int InChild(const std::function<int()> &body)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(body());
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A thread that is inside until it is told to leave.
class Insider {
  public:
    explicit Insider(cairn_gate *gate)
        : thread_([this, gate] {
              int ticket = cairn_gate_enter(gate);

              EXPECT_NE(ticket, CAIRN_GATE_CLOSED);
              is_inside = true;
              while (!may_leave)
                  std::this_thread::sleep_for(milliseconds(1));
              is_inside = false;
              cairn_gate_leave(gate, ticket);
          })
    {
        while (!is_inside)
            sched_yield();
    }
    ~Insider()
    {
        may_leave = true;
        thread_.join();
    }
    std::atomic<bool> may_leave{false};
    std::atomic<bool> is_inside{false};

  private:
    std::thread thread_;
};

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
