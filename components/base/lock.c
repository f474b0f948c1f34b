/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * lock.c - what a lock does when it is not free, and the order check of debug builds.
 *
 *     state    0 free       1 held       2 held, and a thread may sleep
 *
 *     take     0 -> 1, or spin for that; else 1 -> 2 and sleep, and at last 0 -> 2
 *     release  1 -> 0; 2 -> 0 and wake one sleeper
 *
 * A sleeper sleeps on 2, whose release wakes one, and the woken one takes the lock as 2, on behalf
 * of those that still sleep. A thread that only waits (cairn_lock_wait) sleeps on 2 as well, and
 * passes the wake-up on.
 *
 * Cost. Free: one atomic operation each way. Otherwise one futex call to sleep and one to wake.
 * Where the kernel has no futex, the loop spins.
 *
 * Source: Drepper, "Futexes are tricky", 2011, mutex 3.
 */

#include <cairn/base/lock.h>

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <errno.h>
#include <time.h>

/* One to five microseconds, as long as the core's pause takes: holders move at most a few batches
   of pointers. Longer only burns the time slice that a pre-empted holder is waiting for. */
enum { SPIN_LIMIT = 100 };

enum { HELD = 1, CONTENDED };

static bool spin(struct cairn_lock *lock)
{
    for (unsigned round = 0; round < SPIN_LIMIT; round++) {
        uint32_t expected = 0;

        if (cairn_load_relaxed(&lock->state) == 0 && cairn_cas_acquire(&lock->state, &expected, 1u))
            return true;
        CAIRN_CPU_RELAX();
    }
    return false;
}

static bool is_broken;

void cairn_lock_break_all(void)
{
    cairn_store_relaxed(&is_broken, true);
}

/* False when the sleep was long, and locks are broken: this one will never be released. */
static bool sleep_unless_broken(struct cairn_lock *lock)
{
    const struct timespec second = {1, 0};

    return cairn_futex_wait(&lock->state, CONTENDED, &second) != -ETIMEDOUT ||
           !cairn_load_relaxed(&is_broken);
}

CAIRN_COLD void cairn_lock_take_slow(struct cairn_lock *lock)
{
    if (spin(lock))
        return;
    while (cairn_exchange_acquire(&lock->state, (uint32_t)CONTENDED) != 0)
        if (!sleep_unless_broken(lock))
            return;
}

CAIRN_COLD void cairn_lock_release_slow(struct cairn_lock *lock)
{
    if (cairn_exchange_release(&lock->state, 0u) == CONTENDED)
        cairn_futex_wake(&lock->state, 1);
}

/* A release wakes one thread, and this one will not take the lock: it wakes the next. */
void cairn_lock_wait(struct cairn_lock *lock, unsigned timeout_us)
{
    const struct timespec timeout = {0, (long)timeout_us * 1000};
    uint32_t state = HELD;

    CAIRN_ASSERT(timeout_us < 1000000);
    if (!cairn_cas_acquire(&lock->state, &state, (uint32_t)CONTENDED) && state != CONTENDED)
        return;
    if (cairn_futex_wait(&lock->state, CONTENDED, &timeout) == 0)
        cairn_futex_wake(&lock->state, 1);
}

bool cairn_lock_has_threads;

void cairn_lock_expect_threads(void)
{
    cairn_store_relaxed(&cairn_lock_has_threads, true);
}

/* How many locks of each rank this thread holds: with one shard per CPU and all of them flushed at
   once, thousands. Only debug builds use it, so a release build has no thread-local variable. */
static __thread uint32_t held[CAIRN_RANK_COUNT] __attribute__((tls_model("initial-exec")));

static bool is_unranked(const struct cairn_lock *lock)
{
    return !CAIRN_DEBUG || lock->rank == CAIRN_RANK_NONE ||
           cairn_load_relaxed(&cairn_lock_has_threads);
}

void cairn_lock_rank_enter(const struct cairn_lock *lock)
{
    if (is_unranked(lock))
        return;
    CAIRN_CHECK(lock->rank < CAIRN_RANK_COUNT, "lock without a rank: not initialised", lock,
                __func__);
    for (unsigned rank = lock->rank + 1; rank < CAIRN_RANK_COUNT; rank++)
        CAIRN_CHECK(held[rank] == 0, "lock order broken", lock, __func__);
    held[lock->rank]++;
}

void cairn_lock_rank_leave(const struct cairn_lock *lock)
{
    if (is_unranked(lock))
        return;
    CAIRN_CHECK(lock->rank < CAIRN_RANK_COUNT && held[lock->rank] > 0,
                "unlock of a lock that this thread does not hold", lock, __func__);
    held[lock->rank]--;
}
