/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * gate.c - what happens at a gate that is closed.
 *
 *     closed   0          open
 *              1, 2 ...   closed by `closer`, so many times
 *              + 2^31     shut for good
 *
 * The closer sleeps on the counter of a thread that is still inside, and each thread that leaves a closed gate wakes it. A thread
 * that waits for the gate sleeps on `closed`, and the closer wakes all of them when it opens. Both sleep for a bounded time, so
 * that a wake which goes wrong (a kernel without futex, a filter) costs time only.
 *
 * A second thread that wants to close the gate waits for the first: it is inside nothing, and holds nothing.
 */

#include <cairn/base/gate.h>

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

enum {
    SPIN_LIMIT = 200,
    NAP_US = 1000,  /* of the closer, for a thread that leaves without waking it */
    NAPS_MAX = 1000 /* a second in all */
};

static void sleep_on(uint32_t *word, uint32_t value, unsigned timeout_us)
{
    const struct timespec timeout = {timeout_us / 1000000u, (long)(timeout_us % 1000000u) * 1000};

    cairn_syscall4(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &timeout);
}

static void wake_all(uint32_t *word)
{
    cairn_syscall3(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

static uint32_t closed_of(const struct cairn_gate *gate)
{
    return __atomic_load_n(&gate->closed, __ATOMIC_SEQ_CST);
}

static bool is_closer(const struct cairn_gate *gate)
{
    return cairn_load_relaxed(&gate->closer) == CAIRN_THREAD_POINTER();
}

/* Only the closer itself reads its own thread pointer there. */
bool cairn_gate_is_closed(const struct cairn_gate *gate)
{
    uint32_t closed = closed_of(gate);

    return closed >= CAIRN_GATE_FOR_GOOD || (closed != 0 && !is_closer(gate));
}

CAIRN_COLD int cairn_gate_enter_closed(struct cairn_gate *gate, int ticket)
{
    bool is_closed = cairn_gate_is_closed(gate);

    if (ticket >= 0)
        cairn_gate_leave(gate, ticket);
    return is_closed ? CAIRN_GATE_CLOSED : CAIRN_GATE_UNCOUNTED;
}

CAIRN_COLD void cairn_gate_leave_closed(struct cairn_gate *gate, int ticket)
{
    wake_all(&gate->counters[ticket].inside);
}

bool cairn_gate_wait(struct cairn_gate *gate, unsigned timeout_us)
{
    uint32_t closed = closed_of(gate);

    if (closed != 0 && closed < CAIRN_GATE_FOR_GOOD)
        sleep_on(&gate->closed, closed, timeout_us);
    return closed_of(gate) == 0;
}

/* True when the counter is 0 at last. */
static bool wait_for(struct cairn_gate_counter *counter)
{
    for (unsigned round = 0; round < SPIN_LIMIT; round++) {
        if (__atomic_load_n(&counter->inside, __ATOMIC_SEQ_CST) == 0)
            return true;
        CAIRN_CPU_RELAX();
    }
    for (unsigned naps = 0; naps < NAPS_MAX; naps++) {
        uint32_t inside = __atomic_load_n(&counter->inside, __ATOMIC_SEQ_CST);

        if (inside == 0)
            return true;
        sleep_on(&counter->inside, inside, NAP_US);
    }
    return false;
}

/* Makes this thread the closer, when no other is. False when the gate is shut for good. */
static bool claim(struct cairn_gate *gate)
{
    uint32_t open = 0;

    while (!__atomic_compare_exchange_n(&gate->closed, &open, 1u, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST) &&
           open < CAIRN_GATE_FOR_GOOD) {
        sleep_on(&gate->closed, open, NAP_US);
        open = 0;
    }
    if (open >= CAIRN_GATE_FOR_GOOD)
        return false;
    cairn_store_relaxed(&gate->closer, (const void *)CAIRN_THREAD_POINTER());
    return true;
}

bool cairn_gate_close(struct cairn_gate *gate)
{
    bool is_empty = true;

    if (closed_of(gate) != 0 && is_closer(gate)) {
        __atomic_fetch_add(&gate->closed, 1u, __ATOMIC_SEQ_CST);
        return false;
    }
    if (!claim(gate))
        return false;
    for (unsigned idx = 0; idx < CAIRN_GATE_COUNTERS && is_empty; idx++)
        is_empty = wait_for(&gate->counters[idx]);
    gate->is_torn = !is_empty;
    return true;
}

unsigned cairn_gate_depth(const struct cairn_gate *gate)
{
    uint32_t closed = closed_of(gate);

    return closed < CAIRN_GATE_FOR_GOOD && is_closer(gate) ? closed : 0;
}

/* The last level forgets the closer first: nothing is to be taken for the closer's doing once the gate is open. */
void cairn_gate_open(struct cairn_gate *gate)
{
    unsigned depth = cairn_gate_depth(gate);

    if (depth == 0)
        return;
    if (depth == 1)
        cairn_store_relaxed(&gate->closer, (const void *)NULL);
    __atomic_fetch_sub(&gate->closed, 1u, __ATOMIC_SEQ_CST);
    if (depth == 1)
        wake_all(&gate->closed);
}

/* Also threads that tried to enter while the memory was copied are counted, for a moment. */
void cairn_gate_forget_others(struct cairn_gate *gate)
{
    if (gate->is_torn)
        cairn_gate_shut(gate);
    for (unsigned idx = 0; idx < CAIRN_GATE_COUNTERS; idx++)
        gate->counters[idx].inside = 0;
}

void cairn_gate_shut(struct cairn_gate *gate)
{
    __atomic_fetch_or(&gate->closed, CAIRN_GATE_FOR_GOOD, __ATOMIC_SEQ_CST);
}
