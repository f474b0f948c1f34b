// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What the tests of the gate share.

#ifndef CAIRN_BASE_GATE_TESTING_H
#define CAIRN_BASE_GATE_TESTING_H

#include <cairn/base/gate.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace gate_testing {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline milliseconds Since(Clock::time_point start)
{
    return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

// What another thread is told.
inline int EnterElsewhere(cairn_gate *gate)
{
    int ticket = 0;

    std::thread([&] {
        ticket = cairn_gate_enter(gate);
        if (ticket != CAIRN_GATE_CLOSED)
            cairn_gate_leave(gate, ticket);
    }).join();
    return ticket;
}

inline unsigned Inside(const cairn_gate &gate)
{
    unsigned inside = 0;

    for (const cairn_gate_counter &counter : gate.counters)
        inside += __atomic_load_n(&counter.inside, __ATOMIC_SEQ_CST);
    return inside;
}

// The exit status of a child that runs `body`, and not more.
inline int InChild(const std::function<int()> &body)
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

} // namespace gate_testing

#endif
