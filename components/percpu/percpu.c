/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu.c - take one, give one: what stands behind the fast paths.
 *
 *     rseq mode                                        lock mode
 *
 *     alloc   pop ----------- block                    alloc   id -> shard --- lock it ------ pop ------- unlock
 *              | nothing                                        |               | held         | empty
 *              +- no id, or the shard is stopped even           v map           v              v
 *              |    after a turn for others: one              hash or mod     a neighbour    refill
 *              |    block from the depot                                      or wait
 *              +- empty: refill
 *
 *     refill: reclaim if the source asks (limits.c); a batch from the depot; one to the caller, the others into the
 *             shard. Nothing there either: flush every shard and the depot, ask once more.
 *
 *     free    push ---------- done                     free    ... the same ... push
 *              | not                                                             | full
 *              +- no id, or stopped: one block to the depot                       v
 *              +- full: overflow                                              overflow: oldest half to the depot
 *
 * The CPU may change between reading the id and stopping its shard. In lock mode the shard of
 * another CPU is used then, which is correct. In rseq mode the stop fails, and the depot serves.
 *
 * Cost. Rseq mode: two stores and about twenty instructions. Lock mode, uncontended: one load for
 * the id, one compare-and-exchange, one exchange, and the block's slot. Once in a batch a move of
 * pointers from or to the depot; no lock of a shard is held then.
 */

#include <cairn/percpu.h>

#include "cpu_internal.h"
#include "shard.h"

#include <cairn/base/align.h>

/* How many neighbours a thread tries before it waits for its own shard: beyond, the misses cost
   more than the wait. */
enum { NEIGHBOURS = 8 };

/* How long a thread waits for a shard that another stopped: about as long as a switch there and
   back. */
enum { HOLDER_TURN_US = 50 };

/* The shard for a thread whose id is unknown so far, or beyond the shards. */
static unsigned map_id(const struct cairn_percpu *percpu)
{
    int id = cairn_cpu_current(&percpu->cpu);

    if (id < 0)
        return cairn_cpu_hash(cpu_thread_pointer(), percpu->shard_count);
    return (unsigned)id % percpu->shard_count;
}

/* Locks some shard and says which, when the first one is held: a neighbour that is in use anyway
   (an idle one would cost memory), else the first after all. */
static unsigned lock_another(struct cairn_percpu *percpu, unsigned first)
{
    unsigned shard_idx = first;

    cairn_add_relaxed(&percpu->headers[first].contended, 1u);
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

/* Everything below is exhausted: what other shards cache comes down, and one block is asked for,
   not a batch, for others are asking too. */
static CAIRN_COLD void *alloc_dry(struct cairn_percpu *percpu, unsigned class_idx)
{
    void *block;

    cairn_percpu_flush(percpu);
    return cairn_depot_take(&percpu->depot, class_idx, &block, 1) == 1 ? block : NULL;
}

CAIRN_STATIC_ASSERT((int)CAIRN_PERCPU_BATCH_MAX <= (int)SHARD_FLUSH_MAX, "a refill takes either");

/* How many blocks a refill takes: half of what the array may hold, as a flush gives, once it was
   both emptied and filled up. A large block is taken alone. */
static size_t refill_count(const struct cairn_percpu *percpu, unsigned class_idx,
                           unsigned shard_idx)
{
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];
    uint32_t header = shard_array_header(shard_at(percpu, shard_idx), class_idx);

    return class->refill == 1 ? 1 : cairn_max(class->refill, header_limit(header, class) / 2);
}

/* At a miss: the end of an epoch is noticed in passing. */
static inline void notice_epoch(struct cairn_percpu *percpu, unsigned shard_idx)
{
    if (CAIRN_UNLIKELY(cairn_load_relaxed(&percpu->common->epoch) !=
                       cairn_load_relaxed(&percpu->headers[shard_idx].epoch_seen)))
        cairn_shard_age(percpu, shard_idx);
}

static CAIRN_NOINLINE void *alloc_refill(struct cairn_percpu *percpu, unsigned class_idx,
                                         unsigned shard_idx)
{
    void *batch[SHARD_FLUSH_MAX];
    size_t taken;
    size_t put;

    if (CAIRN_UNLIKELY(cairn_load_relaxed(percpu->pressure) !=
                       cairn_load_relaxed(&percpu->headers[shard_idx].pressure_seen)))
        cairn_percpu_reclaim(percpu, shard_idx);
    notice_epoch(percpu, shard_idx);
    taken = cairn_depot_take(&percpu->depot, class_idx, batch,
                             refill_count(percpu, class_idx, shard_idx));
    if (taken == 0)
        return alloc_dry(percpu, class_idx);
    put = cairn_shard_refill(percpu, shard_idx, class_idx, batch + 1, taken - 1);
    if (put < taken - 1) /* another thread filled the array meanwhile */
        cairn_depot_give(&percpu->depot, class_idx, batch + 1 + put, taken - 1 - put);
    return batch[0];
}

static CAIRN_NOINLINE void *alloc_contended(struct cairn_percpu *percpu, unsigned class_idx,
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

/* Lock mode: the shard of this thread's CPU. */
CAIRN_HOT_INLINE unsigned home(const struct cairn_percpu *percpu)
{
    unsigned shard_idx = (unsigned)cairn_cpu_current_fast(&percpu->cpu);

    return CAIRN_LIKELY(shard_idx < percpu->shard_count) ? shard_idx : map_id(percpu);
}

/* Lock mode: the shard of this thread's CPU, locked, if it is in use, free, and not closed;
   shard_count if not. What is not in use holds nothing, and the child of a fork need not repair
   locks there. */
CAIRN_HOT_INLINE unsigned trylock_home(struct cairn_percpu *percpu)
{
    unsigned shard_idx;

    if (percpu->mode != CAIRN_PERCPU_LOCK)
        return percpu->shard_count;
    shard_idx = home(percpu);
    if (CAIRN_UNLIKELY(!shard_used(percpu, shard_idx) || !shard_trylock(percpu, shard_idx)))
        return percpu->shard_count;
    if (CAIRN_LIKELY(!cairn_load_relaxed(&percpu->common->is_closed)))
        return shard_idx;
    shard_unlock(percpu, shard_idx);
    return percpu->shard_count;
}

void *cairn_percpu_try_alloc(struct cairn_percpu *percpu, unsigned class_idx)
{
    unsigned shard_idx = trylock_home(percpu);
    void *block;

    if (CAIRN_UNLIKELY(shard_idx == percpu->shard_count))
        return NULL;
    block = shard_pop(percpu, shard_idx, class_idx);
    shard_unlock(percpu, shard_idx);
    return block;
}

bool cairn_percpu_try_free(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                           const char *where)
{
    unsigned shard_idx = trylock_home(percpu);
    bool is_in;

    if (CAIRN_UNLIKELY(shard_idx == percpu->shard_count))
        return false;
    is_in = shard_push(percpu, shard_idx, class_idx, block, where);
    shard_unlock(percpu, shard_idx);
    return is_in;
}

static void *alloc_locked(struct cairn_percpu *percpu, unsigned class_idx)
{
    return alloc_from(percpu, class_idx, home(percpu));
}

/*
 * True when the shard of this thread was stopped, and the thread waited once for its holder: the
 * holder is likely to have been pre-empted on this very CPU, and would keep the shard stopped for a
 * time slice, while each operation here bypasses it. Indices beyond shard_count are permanently
 * stopped, and all are stopped during a fork.
 */
static bool let_holder_resume(const struct cairn_percpu *percpu, int id)
{
    if (id < 0 || (unsigned)id >= percpu->shard_count || percpu->common->is_closed ||
        shard_is_running(percpu, (unsigned)id))
        return false;
    cairn_lock_wait(&percpu->headers[id].lock, HOLDER_TURN_US);
    return true;
}

/* True when the pop was in vain for another reason than an empty array: the thread was interrupted
   within the sequence, or is on another CPU now. */
static bool has_blocks(const struct cairn_percpu *percpu, unsigned class_idx, int id)
{
    return id >= 0 && (unsigned)id < percpu->shard_count &&
           header_count(shard_array_header(shard_at(percpu, (unsigned)id), class_idx),
                        &percpu->classes[class_idx]) > 0;
}

/* Bypasses the shards, for a thread that may not use them now. */
static void *alloc_bypass(struct cairn_percpu *percpu, unsigned class_idx)
{
    void *block;

    if (cairn_depot_take(&percpu->depot, class_idx, &block, 1) == 1)
        return block;
    return alloc_dry(percpu, class_idx);
}

CAIRN_NOINLINE void *cairn_percpu_alloc_slow(struct cairn_percpu *percpu, unsigned class_idx)
{
    int id;

    CAIRN_ASSERT(class_idx < percpu->class_count);
    if (percpu->mode == CAIRN_PERCPU_LOCK)
        return alloc_locked(percpu, class_idx);
    id = cairn_rseq_id(percpu);
    if (let_holder_resume(percpu, id) || has_blocks(percpu, class_idx, id)) {
        void *block = cairn_percpu_pop(percpu, class_idx);

        if (block != NULL)
            return block;
        id = cairn_rseq_id(percpu);
    }
    if (id < 0 || percpu->common->is_closed || !shard_is_running(percpu, (unsigned)id))
        return alloc_bypass(percpu, class_idx);
    return alloc_refill(percpu, class_idx, (unsigned)id);
}

void *cairn_percpu_alloc(struct cairn_percpu *percpu, unsigned class_idx)
{
    void *block;

    CAIRN_ASSERT(class_idx < percpu->class_count);
    block = cairn_percpu_pop(percpu, class_idx);
    return CAIRN_LIKELY(block != NULL) ? block : cairn_percpu_alloc_slow(percpu, class_idx);
}

/* In the stopped shard, which it resumes. */
static CAIRN_NOINLINE void free_overflow(struct cairn_percpu *percpu, unsigned class_idx,
                                         void *block, unsigned shard_idx)
{
    void *oldest[SHARD_FLUSH_MAX];
    size_t moved = cairn_shard_overflow(percpu, shard_idx, class_idx, block, oldest);

    cairn_shard_resume(percpu, shard_idx);
    if (moved > 0)
        cairn_depot_give(&percpu->depot, class_idx, oldest, moved);
    notice_epoch(percpu, shard_idx);
}

static CAIRN_NOINLINE void free_contended(struct cairn_percpu *percpu, unsigned class_idx,
                                          void *block, unsigned shard_idx, const char *where)
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

static void free_locked(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                        const char *where)
{
    free_to(percpu, class_idx, block, home(percpu), where);
}

/* In the shard of this thread, which was full a moment ago, or had this very block as its
   newest. */
static void free_stopped(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                         unsigned shard_idx, const char *where)
{
    if (shard_push(percpu, shard_idx, class_idx, block, where))
        cairn_shard_resume(percpu, shard_idx);
    else
        free_overflow(percpu, class_idx, block, shard_idx);
}

CAIRN_NOINLINE void cairn_percpu_free_slow(struct cairn_percpu *percpu, unsigned class_idx,
                                           void *block, const char *where)
{
    int id;

    CAIRN_ASSERT(class_idx < percpu->class_count);
    CAIRN_ASSERT(block != NULL);
    if (percpu->mode == CAIRN_PERCPU_LOCK) {
        free_locked(percpu, class_idx, block, where);
        return;
    }
    id = cairn_rseq_id(percpu);
    if (let_holder_resume(percpu, id)) {
        if (cairn_percpu_push(percpu, class_idx, block))
            return;
        id = cairn_rseq_id(percpu);
    }
    if (id >= 0 && shard_is_running(percpu, (unsigned)id) &&
        cairn_shard_stop_own(percpu, (unsigned)id))
        free_stopped(percpu, class_idx, block, (unsigned)id, where);
    else
        cairn_depot_give(&percpu->depot, class_idx, &block, 1);
}

void cairn_percpu_free_from(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                            const char *where)
{
    CAIRN_ASSERT(class_idx < percpu->class_count);
    CAIRN_ASSERT(block != NULL);
    if (CAIRN_UNLIKELY(!cairn_percpu_push(percpu, class_idx, block)))
        cairn_percpu_free_slow(percpu, class_idx, block, where);
}
