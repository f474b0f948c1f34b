/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * gate.h - a gate that many threads pass in and out of, and that one thread may close: for fork().
 *
 *     threads   enter ... leave        enter ... leave       enter: "closed"
 *     forker              close (waits until all have left) ------ fork ------ open
 *
 * Idea. The child of a fork gets the memory of its parent as it is, and one thread. Data that
 * another thread was changing stays half changed in the child for ever. So code that changes shared
 * data runs between enter and leave, and the thread that forks closes the gate first: then no data
 * is half changed, and no lock inside is held. It holds no lock across the fork, either: a thread
 * that finds the gate closed is told so at once, and does what it can do without the data. That is
 * why a fork cannot deadlock with the locks of the C library, whose holders may want memory.
 *
 * The thread that closed the gate passes it meanwhile (fork handlers of others may allocate), and
 * may close it again (they may fork). If the threads inside do not leave within a second, because
 * one of them is the forker itself, interrupted by a signal, the gate closes all the same, and in
 * the child it stays shut: see cairn_gate_forget_others().
 *
 * A gate can be shut for good: then every thread is told "closed", the caller too. A program that
 * is being stopped for a misuse runs its own handlers in that state, with locks held that are never
 * released.
 *
 * Counting. The threads inside are counted in CAIRN_GATE_COUNTERS places, chosen by the thread
 * pointer, so that threads rarely share a cache line. While the process has one thread that thread
 * only notes that it is inside, for a handler that forks.
 *
 * Cost: two atomic operations for enter and leave, none in a process of one thread. Threads: safe.
 */

#ifndef CAIRN_BASE_GATE_H
#define CAIRN_BASE_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <cairn/base/atomic.h>
#include <cairn/base/compiler.h>
#include <cairn/base/lock.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_GATE_COUNTERS = 16 };

/* Tickets that are not the index of a counter. */
enum {
    CAIRN_GATE_CLOSED = -1,    /* the thread is not inside */
    CAIRN_GATE_UNCOUNTED = -2, /* it is, being the closer */
    CAIRN_GATE_ALONE = -3      /* it is, and is the only thread */
};

struct cairn_gate_counter {
    uint32_t inside;
    char apart[124]; /* two cache lines, because processors fetch lines in pairs */
} CAIRN_CACHE_ALIGNED;

/* All zero: open. */
struct cairn_gate {
    uint64_t closed;  /* who closed it, and how many times: see gate.c */
    uint32_t is_torn; /* a thread was still inside when the last close gave up waiting */
    /* Entries of the only thread: more than one where a handler interrupted it. */
    uint32_t alone_inside;
    uint32_t has_waiters; /* a thread slept, or is about to, until it is open */
    struct cairn_gate_counter counters[CAIRN_GATE_COUNTERS];
};

/* Private. */
int cairn_gate_enter_closed(struct cairn_gate *gate, int ticket);
void cairn_gate_leave_closed(struct cairn_gate *gate, int ticket);

/* Private: the counter of this thread. Thread pointers differ by a stack each: both halves
   count. */
CAIRN_HOT_INLINE int cairn_gate_counter_of_thread(void)
{
    uint64_t hash = (uint64_t)(uintptr_t)CAIRN_THREAD_POINTER();

    hash = (hash ^ hash >> 21) * UINT64_C(0x9e3779b97f4a7c15);
    return (int)(hash >> 60);
}

/*
 * Enters.
 *
 * Requires: the thread is not inside.
 * Returns:  a ticket for cairn_gate_leave(), or CAIRN_GATE_CLOSED: the thread is not inside then,
 *           and leaves nothing.
 * Cost:     O(1): an atomic operation, none in a process of one thread. Never waits.
 * Threads:  safe, and signal-safe.
 */
CAIRN_HOT_INLINE int cairn_gate_enter(struct cairn_gate *gate)
{
    int ticket = CAIRN_GATE_UNCOUNTED;

    /* Before the count: threads that are told "closed" again and again do not keep the closer
       waiting. */
    if (CAIRN_UNLIKELY(cairn_load_relaxed(&gate->closed) != 0))
        return cairn_gate_enter_closed(gate, ticket);
    if (cairn_is_alone()) {
        cairn_store_relaxed(&gate->alone_inside, gate->alone_inside + 1);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        return CAIRN_GATE_ALONE;
    }
    ticket = cairn_gate_counter_of_thread();
    /* Sequentially consistent, as the load below: either the closer sees this count, or this thread
       that it is closed. */
    __atomic_fetch_add(&gate->counters[ticket].inside, 1u, __ATOMIC_SEQ_CST);
    if (CAIRN_LIKELY(__atomic_load_n(&gate->closed, __ATOMIC_SEQ_CST) == 0))
        return ticket;
    return cairn_gate_enter_closed(gate, ticket);
}

/*
 * Leaves, with the ticket of the entry.
 *
 * Requires: the thread is inside, by that ticket.
 * Cost:     as to enter; may wake a thread that closes the gate.
 * Threads:  safe, and signal-safe.
 */
CAIRN_HOT_INLINE void cairn_gate_leave(struct cairn_gate *gate, int ticket)
{
    if (ticket == CAIRN_GATE_UNCOUNTED)
        return;
    if (ticket == CAIRN_GATE_ALONE) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        cairn_store_relaxed(&gate->alone_inside, gate->alone_inside - 1);
        return;
    }
    __atomic_fetch_sub(&gate->counters[ticket].inside, 1u, __ATOMIC_SEQ_CST);
    if (CAIRN_UNLIKELY(__atomic_load_n(&gate->closed, __ATOMIC_SEQ_CST) != 0))
        cairn_gate_leave_closed(gate, ticket);
}

/* Returns: true while the gate is closed to the calling thread. Cost: O(1). Threads: safe. */
bool cairn_gate_is_closed(const struct cairn_gate *gate);

/*
 * Waits until the gate is open, at most `timeout_us` microseconds; a signal may end it early.
 *
 * Requires: the thread is not inside.
 * Returns:  true when it is open.
 * Cost:     one system call at the most; none when the gate is shut for good.
 * Threads:  safe.
 */
bool cairn_gate_wait(struct cairn_gate *gate, unsigned timeout_us);

/*
 * Closes the gate and waits until every thread has left, at most about a second. Another thread
 * that closes it waits for the first.
 *
 * Returns: true when it was open; false when this thread had closed it before, or it is shut for
 *          good.
 * Owns:    the calling thread, until it opened it as often.
 * Cost:    O(counters), and the wait.
 * Threads: safe; may be called by a signal handler, whatever it interrupted.
 */
bool cairn_gate_close(struct cairn_gate *gate);

/*
 * Says that data may be half changed although the gate is empty: as if a thread had been inside.
 *
 * Requires: this thread closed it.
 * Cost:     O(1).
 */
void cairn_gate_tear(struct cairn_gate *gate);

/*
 * Returns: how many times the calling thread has closed the gate; 0 when it did not, or the gate is
 *          shut for good.
 * Cost:    O(1).
 * Threads: safe.
 */
unsigned cairn_gate_depth(const struct cairn_gate *gate);

/*
 * Opens it, after each close, in parent and child. In a gate that is shut for good: nothing.
 *
 * Requires: this thread closed it.
 * Cost:     O(1), and a system call when threads wait.
 */
void cairn_gate_open(struct cairn_gate *gate);

/*
 * First in the child of a fork: the threads that were counted are not there. When one was inside
 * (cairn_gate_close() gave up waiting), the data may be half changed: the gate is shut for good.
 *
 * Requires: the thread that forked had closed it.
 * Cost:     O(counters).
 */
void cairn_gate_forget_others(struct cairn_gate *gate);

/* Shuts the gate for all threads, and for ever. Cost: O(1). Threads: safe, and signal-safe. */
void cairn_gate_shut(struct cairn_gate *gate);

CAIRN_END_DECLS

#endif
