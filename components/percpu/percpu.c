/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu.c - take one, give one: the fast paths, and what stands behind each of their four branches.
 *
 *     alloc   id -> shard --- lock it ------ pop ------- unlock
 *              |               | held         | empty
 *              v fold          v              v
 *            hash or mod     a neighbour    refill: batch from the depot, keep one
 *                            or wait           | dry
 *                                              v
 *     free    ... the same ... push          drain every shard and the depot, ask once more
 *                               | full
 *                               v
 *                             overflow: oldest half to the depot
 *
 * The CPU may change between reading the id and taking the lock. Then the shard of another CPU is used, which is
 * right, and slow for as long as it takes to notice nothing.
 *
 * Cost. Uncontended: one load for the id, one compare-and-exchange, one exchange, and the block's slot. Once in a
 * batch a move of pointers from or to the depot; no lock of a shard is held then.
 */

#include <cairn/percpu.h>

#include "cpu_internal.h"
#include "shard.h"

/* How far a thread looks before it waits for its own shard: beyond, the misses cost more than the wait. */
enum { NEIGHBOURS = 8 };

/* The shard for a thread whose id is unknown so far, or beyond the shards. */
static unsigned fold(const struct cairn_percpu *percpu)
{
    int id = cairn_cpu_current(&percpu->cpu);

    if (id < 0)
        return cpu_spread(cpu_thread_pointer(), percpu->shard_count);
    return (unsigned)id % percpu->shard_count;
}

/* Locks some shard and says which, when the first one is held: a neighbour that is in use anyway (an idle one would
   cost memory), else the first after all. */
static unsigned lock_another(struct cairn_percpu *percpu, unsigned first)
{
    unsigned shard_idx = first;

    cairn_add_relaxed(&percpu->fronts[first].contended, 1u);
    for (unsigned round = 0; round < NEIGHBOURS; round++) {
        shard_idx = shard_idx + 1 < percpu->shard_count ? shard_idx + 1 : 0;
        if (shard_idx == first)
            break;
        if (shard_used(percpu, shard_idx) && shard_trylock(percpu, shard_idx))
            return shard_idx;
    }
    shard_lock(percpu, first);
    return first;
}

/* Everything below is exhausted: what other shards cache comes down, and one block is asked for, not a batch, for
   others are asking too. */
static CAIRN_COLD void *alloc_dry(struct cairn_percpu *percpu, unsigned class_idx)
{
    void *block;

    cairn_percpu_drain(percpu);
    return cairn_depot_take(&percpu->depot, class_idx, &block, 1) == 1 ? block : NULL;
}

static CAIRN_COLD void *alloc_refill(struct cairn_percpu *percpu, unsigned class_idx,
                                     unsigned shard_idx)
{
    void *batch[CAIRN_PERCPU_BATCH_MAX];
    size_t taken =
        cairn_depot_take(&percpu->depot, class_idx, batch, percpu->classes[class_idx].batch);
    size_t put;

    if (taken == 0)
        return alloc_dry(percpu, class_idx);
    put = cairn_shard_refill(percpu, shard_idx, class_idx, batch + 1, taken - 1);
    if (put < taken - 1) /* somebody filled the array meanwhile */
        cairn_depot_give(&percpu->depot, class_idx, batch + 1 + put, taken - 1 - put);
    return batch[0];
}

static CAIRN_COLD void *alloc_contended(struct cairn_percpu *percpu, unsigned class_idx,
                                        unsigned shard_idx)
{
    void *block;

    shard_idx = lock_another(percpu, shard_idx);
    block = shard_pop(percpu, shard_idx, class_idx);
    shard_unlock(percpu, shard_idx);
    return block != NULL ? block : alloc_refill(percpu, class_idx, shard_idx);
}

CAIRN_HOT_INLINE void *alloc_from(struct cairn_percpu *percpu, unsigned class_idx,
                                  unsigned shard_idx)
{
    void *block;

    if (CAIRN_UNLIKELY(!shard_trylock(percpu, shard_idx)))
        return alloc_contended(percpu, class_idx, shard_idx);
    block = shard_pop(percpu, shard_idx, class_idx);
    shard_unlock(percpu, shard_idx);
    if (CAIRN_UNLIKELY(block == NULL))
        return alloc_refill(percpu, class_idx, shard_idx);
    return block;
}

static CAIRN_COLD void *alloc_folded(struct cairn_percpu *percpu, unsigned class_idx)
{
    return alloc_from(percpu, class_idx, fold(percpu));
}

void *cairn_percpu_alloc(struct cairn_percpu *percpu, unsigned class_idx)
{
    unsigned shard_idx = (unsigned)cpu_current_fast(&percpu->cpu);

    CAIRN_ASSERT(class_idx < percpu->class_count);
    if (CAIRN_UNLIKELY(shard_idx >= percpu->shard_count))
        return alloc_folded(percpu, class_idx);
    return alloc_from(percpu, class_idx, shard_idx);
}

/* With the shard's lock, which it releases. */
static CAIRN_COLD void free_overflow(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                                     unsigned shard_idx)
{
    void *oldest[SHARD_FLUSH_MAX];
    size_t moved = cairn_shard_overflow(percpu, shard_idx, class_idx, block, oldest);

    shard_unlock(percpu, shard_idx);
    if (moved > 0)
        cairn_depot_give(&percpu->depot, class_idx, oldest, moved);
}

static CAIRN_COLD void free_contended(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                                      unsigned shard_idx, const char *where)
{
    shard_idx = lock_another(percpu, shard_idx);
    if (shard_push(percpu, shard_idx, class_idx, block, where))
        shard_unlock(percpu, shard_idx);
    else
        free_overflow(percpu, class_idx, block, shard_idx);
}

CAIRN_HOT_INLINE void free_to(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                              unsigned shard_idx, const char *where)
{
    if (CAIRN_UNLIKELY(!shard_trylock(percpu, shard_idx)))
        free_contended(percpu, class_idx, block, shard_idx, where);
    else if (CAIRN_UNLIKELY(!shard_push(percpu, shard_idx, class_idx, block, where)))
        free_overflow(percpu, class_idx, block, shard_idx);
    else
        shard_unlock(percpu, shard_idx);
}

static CAIRN_COLD void free_folded(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                                   const char *where)
{
    free_to(percpu, class_idx, block, fold(percpu), where);
}

void cairn_percpu_free_from(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                            const char *where)
{
    unsigned shard_idx = (unsigned)cpu_current_fast(&percpu->cpu);

    CAIRN_ASSERT(class_idx < percpu->class_count);
    CAIRN_ASSERT(block != NULL);
    if (CAIRN_UNLIKELY(shard_idx >= percpu->shard_count))
        free_folded(percpu, class_idx, block, where);
    else
        free_to(percpu, class_idx, block, shard_idx, where);
}
