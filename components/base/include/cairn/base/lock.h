/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * lock.h - a four-byte mutex that needs no initialisation, no libc and no owner.
 *
 * Idea. 0 free, 1 held, 2 held and a thread sleeps (Drepper, "Futexes are tricky", 2011). Taking a
 * free lock is one compare-and-exchange; a contender spins for a bounded while, because holders
 * stay for under a microsecond, and then sleeps in the kernel, because with more threads than CPUs
 * the holder may not be running at all.
 *
 * It is for the threads of one process: in memory shared by several it excludes no thread. No lock
 * is held across fork(): gate.h keeps all threads out of the code that takes locks.
 *
 * Alone. While the process has one thread (libc says so: glibc 2.32) a load and a store do for each
 * atomic operation, which costs some twenty cycles and waits for every store before it. A thread
 * cannot come into being while another holds a lock. Libc does not know of children that clone()
 * made to share the memory: a program that makes one says so first (cairn_lock_expect_threads()).
 *
 * Order. Locks nest in stack order, top layer first. Each lock of a stack carries a rank (enum
 * below); debug builds assert that a thread takes them in rising rank.
 */

#ifndef CAIRN_BASE_LOCK_H
#define CAIRN_BASE_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/atomic.h>
#include <cairn/base/compiler.h>
#include <cairn/base/config.h>

CAIRN_BEGIN_DECLS

/* Rising is the order in which one thread may take them. Several locks of one rank are held in
   order of index only. */
enum cairn_lock_rank {
    CAIRN_RANK_NONE = 0, /* not checked */
    CAIRN_RANK_STACK,    /* start-up and reconfiguration of a whole stack */
    CAIRN_RANK_SHARD,    /* percpu: one CPU's caches */
    CAIRN_RANK_DEPOT,    /* percpu: batches of one class */
    CAIRN_RANK_CLASS,    /* sizeclass: slabs of one class */
    CAIRN_RANK_SLABS,    /* sizeclass: slab descriptors */
    CAIRN_RANK_BUDDY,    /* buddy behind a locked adapter */
    CAIRN_RANK_PAGES,    /* pagesource: extents */
    CAIRN_RANK_COUNT
};

/* Zero bytes are a free lock of rank NONE. */
struct cairn_lock {
    uint32_t state;
    uint32_t rank;
};

#define CAIRN_LOCK_INIT(lock_rank)                                                                 \
    {                                                                                              \
        0, (lock_rank)                                                                             \
    }

void cairn_lock_take_slow(struct cairn_lock *lock);
void cairn_lock_release_slow(struct cairn_lock *lock);
void cairn_lock_rank_enter(const struct cairn_lock *lock);
void cairn_lock_rank_leave(const struct cairn_lock *lock);

static inline void cairn_lock_init(struct cairn_lock *lock, enum cairn_lock_rank rank)
{
    lock->state = 0;
    lock->rank = (uint32_t)rank;
}

/* As <sys/single_threaded.h> declares it, but weak: its address is NULL where libc has none. */
extern CAIRN_WEAK CAIRN_EXPORT char __libc_single_threaded;

/* Private: a child may be here that libc does not count. Hidden, to be read without a detour. */
extern __attribute__((visibility("hidden"))) bool cairn_lock_has_threads;

/*
 * To be called before clone(CLONE_VM), by the thread that makes a child beside itself. From then on
 * no lock of this process is taken as if it were alone, and the order check of debug builds rests,
 * for its counts belong to a thread pointer, and there may be two on one.
 *
 * Requires: the caller holds no lock.
 * Cost:     O(1).
 * Threads:  safe.
 */
void cairn_lock_expect_threads(void);

/* True when no other thread can be there. */
static inline bool cairn_is_alone(void)
{
    return &__libc_single_threaded != NULL && __libc_single_threaded != 0 &&
           !cairn_load_relaxed(&cairn_lock_has_threads);
}

/* Private: changes the state if it is `from`; true when it did. Requires: alone. */
CAIRN_HOT_INLINE bool cairn_lock_try_change(struct cairn_lock *lock, uint32_t from, uint32_t to)
{
    if (CAIRN_UNLIKELY(cairn_load_relaxed(&lock->state) != from))
        return false;
    cairn_store_relaxed(&lock->state, to);
    return true;
}

/* Private: free to held, and back. */
CAIRN_HOT_INLINE bool cairn_lock_take_fast(struct cairn_lock *lock)
{
    uint32_t expected = 0;

    return cairn_is_alone() ? cairn_lock_try_change(lock, 0, 1)
                            : cairn_cas_acquire(&lock->state, &expected, 1u);
}

CAIRN_HOT_INLINE bool cairn_lock_release_fast(struct cairn_lock *lock)
{
    uint32_t expected = 1;

    return cairn_is_alone() ? cairn_lock_try_change(lock, 1, 0)
                            : cairn_cas_release(&lock->state, &expected, 0u);
}

/*
 * Takes the lock if it is free.
 *
 * Returns: true when it did.
 * Cost:    O(1): one atomic operation, none in a process of one thread. Never waits.
 * Threads: safe.
 */
CAIRN_HOT_INLINE bool cairn_trylock(struct cairn_lock *lock)
{
    if (!cairn_lock_take_fast(lock))
        return false;
    if (CAIRN_DEBUG)
        cairn_lock_rank_enter(lock);
    return true;
}

/*
 * Takes the lock, spinning briefly and then sleeping while another thread holds it.
 *
 * Requires: this thread does not hold it, nor a lock of a higher rank.
 * Cost:     O(1) when it is free: one atomic operation, none in a process of one thread.
 * Threads:  safe.
 */
CAIRN_HOT_INLINE void cairn_lock_take(struct cairn_lock *lock)
{
    if (CAIRN_DEBUG)
        cairn_lock_rank_enter(lock); /* before waiting, which in the wrong order may be for ever */
    if (CAIRN_UNLIKELY(!cairn_lock_take_fast(lock)))
        cairn_lock_take_slow(lock);
}

/*
 * Releases the lock; wakes one sleeper if there are any.
 *
 * Requires: this thread holds it.
 * Cost:     O(1), and a system call when a thread sleeps.
 * Threads:  safe.
 */
CAIRN_HOT_INLINE void cairn_lock_release(struct cairn_lock *lock)
{
    if (CAIRN_DEBUG)
        cairn_lock_rank_leave(lock);
    if (CAIRN_UNLIKELY(!cairn_lock_release_fast(lock)))
        cairn_lock_release_slow(lock);
}

/* True while a thread holds it: for assertions, since another thread may change it at once. */
static inline bool cairn_lock_is_held(const struct cairn_lock *lock)
{
    return cairn_load_relaxed(&lock->state) != 0;
}

/*
 * After a thread was stopped that holds locks for ever (cairn_panic() inside a layer, and a handler
 * of SIGABRT that does not end the process): a thread that waits for a lock longer than a second
 * goes on without it. Layers check before they change, so what the lock guards is whole, if not
 * guarded any more.
 */
void cairn_lock_break_all(void);

/*
 * Sleeps until the lock may be free, at most `timeout_us` microseconds; takes nothing. For a thread
 * that has something else to do than to wait, once the holder has had a chance to run.
 *
 * Requires: timeout_us < 1,000,000.
 * Cost:     two system calls at most, and the wait.
 * Threads:  safe.
 */
void cairn_lock_wait(struct cairn_lock *lock, unsigned timeout_us);

CAIRN_END_DECLS

#endif
