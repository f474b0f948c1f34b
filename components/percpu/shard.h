/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * shard.h - one CPU's arrays: where they lie, their lock, and the two moves of the fast path.
 *
 *     state  | front 0 | front 1 | ... |  pad to 4096  | shard 0 | shard 1 | ... | slots of the depot |
 *              128 bytes each                            shard_bytes each, a multiple of 4096
 *
 *     shard  | arrays[128]: count, limit, refills, flushes | N N N N slots of class 0 | N N N N slots of class 1 | ...
 *              8 bytes each                                  N: a slot that stays NULL
 *
 * Zeroed memory is an empty shard: count and limit are 0, so a pop finds it empty and a push finds it full, and the
 * slow path behind either sets the first limit. No shard is touched before its CPU comes along.
 *
 * The four NULL slots let a push compare with the four newest blocks without asking whether there are four.
 *
 * Threads. Everything named shard_... between shard_lock() and shard_unlock() of the front with the same index.
 * count is also read without the lock, by statistics and drains: hence the relaxed accesses.
 */

#ifndef CAIRN_PERCPU_SHARD_H
#define CAIRN_PERCPU_SHARD_H

#include <cairn/percpu.h>

#include <cairn/base/atomic.h>
#include <cairn/base/check.h>
#include <cairn/base/lock.h>

CAIRN_BEGIN_DECLS

enum {
    SHARD_NEWEST = 4, /* blocks that a push is compared with, and NULL slots below each array */
    SHARD_ALIGN_BYTES =
        4096, /* the smallest page: larger ones cost idle neighbours some memory, nothing else */
    SHARD_CAPACITY_MAX = 512,
    SHARD_FLUSH_MAX = SHARD_CAPACITY_MAX / 2
};

CAIRN_STATIC_ASSERT(sizeof(struct cairn_percpu_front) == 128, "two cache lines");
CAIRN_STATIC_ASSERT(sizeof(struct cairn_percpu_array) == 8, "eight arrays in a cache line");

/* What stands for every front's lock in the order check of debug builds: zeroed memory cannot hold a rank. */
extern const struct cairn_lock cairn_shard_rank;

CAIRN_HOT_INLINE struct cairn_percpu_shard *shard_at(const struct cairn_percpu *percpu,
                                                     unsigned shard_idx)
{
    CAIRN_ASSERT(shard_idx < percpu->shard_count);
    return (struct cairn_percpu_shard *)(void *)(percpu->shards + shard_idx * percpu->shard_bytes);
}

CAIRN_HOT_INLINE void **shard_slots(const struct cairn_percpu *percpu,
                                    struct cairn_percpu_shard *shard, unsigned class_idx)
{
    CAIRN_ASSERT(class_idx < percpu->class_count);
    return (void **)(void *)(shard + 1) + percpu->classes[class_idx].slots_offset;
}

CAIRN_HOT_INLINE bool shard_used(const struct cairn_percpu *percpu, unsigned shard_idx)
{
    return cairn_load_relaxed(&percpu->fronts[shard_idx].used) != 0;
}

CAIRN_HOT_INLINE bool shard_trylock(struct cairn_percpu *percpu, unsigned shard_idx)
{
    CAIRN_ASSERT(shard_idx < percpu->shard_count);
    if (CAIRN_UNLIKELY(!cairn_trylock(&percpu->fronts[shard_idx].lock)))
        return false;
    if (CAIRN_DEBUG)
        cairn_lock_rank_enter(&cairn_shard_rank);
    return true;
}

CAIRN_HOT_INLINE void shard_lock(struct cairn_percpu *percpu, unsigned shard_idx)
{
    CAIRN_ASSERT(shard_idx < percpu->shard_count);
    if (CAIRN_DEBUG)
        cairn_lock_rank_enter(&cairn_shard_rank); /* before waiting, as cairn_lock_take() does */
    cairn_lock_take(&percpu->fronts[shard_idx].lock);
}

CAIRN_HOT_INLINE void shard_unlock(struct cairn_percpu *percpu, unsigned shard_idx)
{
    CAIRN_ASSERT(cairn_lock_is_held(&percpu->fronts[shard_idx].lock));
    if (CAIRN_DEBUG)
        cairn_lock_rank_leave(&cairn_shard_rank);
    cairn_lock_release(&percpu->fronts[shard_idx].lock);
}

/* The newest block of a class, or NULL. */
CAIRN_HOT_INLINE void *shard_pop(struct cairn_percpu *percpu, unsigned shard_idx,
                                 unsigned class_idx)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    struct cairn_percpu_array *array = &shard->arrays[class_idx];
    unsigned count = array->count;

    CAIRN_ASSERT(count <= array->limit);
    if (CAIRN_UNLIKELY(count == 0))
        return NULL;
    cairn_store_relaxed(&array->count, (uint16_t)(count - 1));
    return shard_slots(percpu, shard, class_idx)[count - 1];
}

/* Panics when the block is among those just below `top`. One branch: the four compares are or-ed. */
CAIRN_HOT_INLINE void shard_refuse_repeat(void *const *top, const void *block, const char *where)
{
    bool repeated =
        (top[-1] == block) | (top[-2] == block) | (top[-3] == block) | (top[-4] == block);

    CAIRN_CHECK(!repeated, "double free", block, where);
}

/* Puts a block on the newest end of an array that is below its limit. */
CAIRN_HOT_INLINE void shard_put(struct cairn_percpu_array *array, void **slots, void *block)
{
    unsigned count = array->count;

    CAIRN_ASSERT(count < array->limit);
    slots[count] = block;
    cairn_store_relaxed(&array->count, (uint16_t)(count + 1));
}

/* The same for any array; false when it is at its limit. Panics, naming `where`, for a double free. */
CAIRN_HOT_INLINE bool shard_push(struct cairn_percpu *percpu, unsigned shard_idx,
                                 unsigned class_idx, void *block, const char *where)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    struct cairn_percpu_array *array = &shard->arrays[class_idx];
    void **slots = shard_slots(percpu, shard, class_idx);

    CAIRN_ASSERT(array->count <= array->limit);
    shard_refuse_repeat(slots + array->count, block, where);
    if (CAIRN_UNLIKELY(array->count >= array->limit))
        return false;
    shard_put(array, slots, block);
    return true;
}

/* Notes a refill, which may raise the limit, and puts in as many of the blocks as fit, so that they are popped in the
   order given. Returns how many of the first ones are in. Takes the lock. */
size_t cairn_shard_refill(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                          void *const *blocks, size_t count);

/* Under the lock, for an array at its limit: notes a flush, which may raise the limit, else moves the oldest half out
   (room for SHARD_FLUSH_MAX), and pushes the block. Returns how many were moved out. */
size_t cairn_shard_overflow(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                            void *block, void **oldest);

/* Moves up to `count` of the oldest blocks out. Takes the lock, unless there is nothing. */
size_t cairn_shard_take_oldest(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                               void **oldest, size_t count);

/* Walks one shard under its lock; panics on a broken invariant. */
void cairn_shard_check(struct cairn_percpu *percpu, unsigned shard_idx);

CAIRN_END_DECLS

#endif
