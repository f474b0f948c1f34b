/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * gate.c - what happens at a gate that is closed.
 *
 *                 63         62 ... 48   47 ... 0
 *     closed      for good | depth     | thread pointer of the closer       0: open
 *                 |<------ futex ------------>|
 *
 * One word says who closed the gate and how often, so that each change is one atomic operation: a
 * signal handler that forks may interrupt any of them. The upper half of the word is what threads
 * sleep on; it is 0 only while the gate is open.
 *
 * The closer sleeps on the counter of a thread that is still inside, and each thread that leaves a
 * closed gate wakes it. A thread that waits for the gate sleeps on `closed`, and the closer wakes
 * all of them when it opens. Both sleep for a bounded time, so that a wake which goes wrong costs
 * time only.
 *
 * A nested close waits too: it costs a look at each counter, and a handler may have interrupted the
 * outer one in its wait.
 *
 * What a fork calls is marked as cold, so that it lies together: each page of code that a child
 * touches is mapped for it anew.
 *
 * A second thread that wants to close the gate waits for the first: it is inside nothing, and holds
 * nothing.
 */

#include <cairn/base/gate.h>

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <errno.h>
#include <limits.h>
#include <time.h>

#define FOR_GOOD   ((uint64_t)1 << 63)
#define ONE_DEEP   ((uint64_t)1 << 48)
#define THREAD_MAX (ONE_DEEP - 1)

enum {
    SPIN_LIMIT = 200,
    NAP_US = 1000,  /* of a closer whose wake-up was lost */
    NAPS_MAX = 1000 /* a second in all; a clock is no call of glibc's malloc */
};

/* False when a wake ended the sleep, or the word had another value. */
static bool sleep_on(uint32_t *word, uint32_t value, unsigned timeout_us)
{
    const struct timespec timeout = {timeout_us / 1000000u, (long)(timeout_us % 1000000u) * 1000};
    long result = cairn_futex_wait(word, value, &timeout);

    return result != 0 && result != -EAGAIN;
}

/* The upper half of `closed`. */
static uint32_t *futex_of(struct cairn_gate *gate)
{
    return (uint32_t *)(void *)&gate->closed + (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
}

/* The flag comes first, or the gate may be opened without a wake. */
static void sleep_until_changed(struct cairn_gate *gate, uint64_t closed, unsigned timeout_us)
{
    __atomic_store_n(&gate->has_waiters, 1u, __ATOMIC_SEQ_CST);
    (void)sleep_on(futex_of(gate), (uint32_t)(closed >> 32), timeout_us);
}

static uint64_t closed_of(const struct cairn_gate *gate)
{
    return __atomic_load_n(&gate->closed, __ATOMIC_SEQ_CST);
}

static uint64_t self(void)
{
    return (uint64_t)(uintptr_t)CAIRN_THREAD_POINTER() & THREAD_MAX;
}

/* How many times the calling thread has closed a gate that says `closed`. */
static unsigned depth_of(uint64_t closed)
{
    return closed < FOR_GOOD && (closed & THREAD_MAX) == self() ? (unsigned)(closed >> 48) : 0;
}

bool cairn_gate_is_closed(const struct cairn_gate *gate)
{
    uint64_t closed = closed_of(gate);

    return closed != 0 && depth_of(closed) == 0;
}

/* A gate that was opened meanwhile: the count holds, if the thread is counted; else it tries
   again. */
CAIRN_COLD int cairn_gate_enter_closed(struct cairn_gate *gate, int ticket)
{
    uint64_t closed = closed_of(gate);

    if (closed == 0)
        return ticket >= 0 ? ticket : cairn_gate_enter(gate);
    if (ticket >= 0)
        cairn_gate_leave(gate, ticket);
    return depth_of(closed) > 0 && !gate->is_torn ? CAIRN_GATE_UNCOUNTED : CAIRN_GATE_CLOSED;
}

CAIRN_COLD void cairn_gate_leave_closed(struct cairn_gate *gate, int ticket)
{
    cairn_futex_wake(&gate->counters[ticket].inside, INT_MAX);
}

bool cairn_gate_wait(struct cairn_gate *gate, unsigned timeout_us)
{
    uint64_t closed = closed_of(gate);

    if (closed != 0 && closed < FOR_GOOD)
        sleep_until_changed(gate, closed, timeout_us);
    return closed_of(gate) == 0;
}

static bool spin_for(const uint32_t *inside)
{
    for (unsigned round = 0; round < SPIN_LIMIT; round++) {
        if (__atomic_load_n(inside, __ATOMIC_SEQ_CST) == 0)
            return true;
        CAIRN_CPU_RELAX();
    }
    return false;
}

/* True when the counter is 0 at last. `*naps` counts sleeps that were not ended by a wake. */
static bool wait_for(uint32_t *inside, unsigned *naps)
{
    while (!spin_for(inside)) {
        uint32_t count = __atomic_load_n(inside, __ATOMIC_SEQ_CST);

        if (count != 0 && sleep_on(inside, count, NAP_US) && ++*naps >= NAPS_MAX)
            return false;
    }
    return true;
}

/* The only thread cannot wait for itself: a handler has interrupted it inside. */
static bool wait_for_all(struct cairn_gate *gate)
{
    unsigned naps = 0;

    if (cairn_load_relaxed(&gate->alone_inside) != 0)
        return false;
    for (unsigned idx = 0; idx < CAIRN_GATE_COUNTERS; idx++)
        if (!wait_for(&gate->counters[idx].inside, &naps))
            return false;
    return true;
}

/* Makes this thread the closer, when no other is. False when the gate is shut for good. */
static bool claim(struct cairn_gate *gate)
{
    uint64_t found = 0;

    while (!__atomic_compare_exchange_n(&gate->closed, &found, ONE_DEEP | self(), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
           found < FOR_GOOD) {
        sleep_until_changed(gate, found, NAP_US);
        found = 0;
    }
    return found == 0;
}

CAIRN_COLD bool cairn_gate_close(struct cairn_gate *gate)
{
    unsigned depth = cairn_gate_depth(gate);

    if (depth > 0)
        __atomic_fetch_add(&gate->closed, ONE_DEEP, __ATOMIC_SEQ_CST);
    else if (!claim(gate))
        return false;
    if (!wait_for_all(gate))
        gate->is_torn = true;
    return depth == 0;
}

CAIRN_COLD void cairn_gate_tear(struct cairn_gate *gate)
{
    gate->is_torn = true;
}

CAIRN_COLD unsigned cairn_gate_depth(const struct cairn_gate *gate)
{
    return depth_of(closed_of(gate));
}

/* Subtracts, for the gate may be shut for good meanwhile. */
CAIRN_COLD void cairn_gate_open(struct cairn_gate *gate)
{
    unsigned depth = cairn_gate_depth(gate);

    if (depth == 0)
        return;
    if (depth == 1)
        gate->is_torn = false;
    __atomic_fetch_sub(&gate->closed, depth > 1 ? ONE_DEEP : ONE_DEEP | self(), __ATOMIC_SEQ_CST);
    if (depth == 1 && __atomic_load_n(&gate->has_waiters, __ATOMIC_SEQ_CST) != 0) {
        cairn_store_relaxed(&gate->has_waiters, 0u);
        cairn_futex_wake(futex_of(gate), INT_MAX);
    }
}

/* Also threads that tried to enter while the memory was copied are counted, for a moment. */
CAIRN_COLD void cairn_gate_forget_others(struct cairn_gate *gate)
{
    if (gate->is_torn)
        cairn_gate_shut(gate);
    gate->has_waiters = 0;
    for (unsigned idx = 0; idx < CAIRN_GATE_COUNTERS; idx++)
        if (gate->counters[idx].inside != 0) /* what is not written is not copied */
            gate->counters[idx].inside = 0;
}

CAIRN_COLD void cairn_gate_shut(struct cairn_gate *gate)
{
    __atomic_fetch_or(&gate->closed, FOR_GOOD, __ATOMIC_SEQ_CST);
}
