/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * lock.c - what a lock does when it is not free, and the order check of debug builds.
 *
 *     state    0 free       1 held       2 held, and somebody may sleep
 *
 *     take     0 -> 1, or spin for that, or exchange for 2 and sleep while it was not 0
 *     release  exchange for 0; wake one sleeper if it was 2
 *
 * Nobody sleeps unseen: a sleeper wrote 2 before it slept, and whoever it is that wakes writes 2 again, on behalf
 * of those who still sleep. A spinner may take the lock as 1 in between; then the woken one writes 2 over it.
 *
 * Cost. Free: one atomic operation each way. Otherwise one futex call to sleep and one to wake. Where the
 * kernel has no futex, the loop spins.
 *
 * Source: Drepper, "Futexes are tricky", 2011, mutex 3.
 */

#include <cairn/base/lock.h>

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>

/* One to five microseconds, as long as the core's pause takes: holders move at most a few batches of
   pointers. Longer only burns the time slice that a pre-empted holder is waiting for. */
enum { SPIN_LIMIT = 100 };

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

CAIRN_COLD void cairn_lock_slow(struct cairn_lock *lock)
{
    if (spin(lock))
        return;
    /* acquire: pairs with the release in cairn_lock_release(). Taking it as 2 may wake nobody later: harmless. */
    while (cairn_exchange_acquire(&lock->state, 2u) != 0)
        cairn_syscall4(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2u, NULL);
}

CAIRN_COLD void cairn_lock_wake(struct cairn_lock *lock)
{
    cairn_syscall3(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1);
}

/* How many locks of each rank this thread holds: with one shard per CPU and all of them taken around fork(),
   thousands. Only debug builds use it, so a release build has no thread-local variable. */
static __thread uint32_t held[CAIRN_RANK_COUNT] __attribute__((tls_model("initial-exec")));

void cairn_lock_rank_enter(const struct cairn_lock *lock)
{
    if (!CAIRN_DEBUG || lock->rank == CAIRN_RANK_NONE)
        return;
    CAIRN_CHECK(lock->rank < CAIRN_RANK_COUNT, "lock without a rank: not initialised", lock,
                __func__);
    for (unsigned rank = lock->rank + 1; rank < CAIRN_RANK_COUNT; rank++)
        CAIRN_CHECK(held[rank] == 0, "lock order broken", lock, __func__);
    held[lock->rank]++;
}

void cairn_lock_rank_leave(const struct cairn_lock *lock)
{
    if (!CAIRN_DEBUG || lock->rank == CAIRN_RANK_NONE)
        return;
    CAIRN_CHECK(lock->rank < CAIRN_RANK_COUNT && held[lock->rank] > 0,
                "unlock of a lock that this thread does not hold", lock, __func__);
    held[lock->rank]--;
}
