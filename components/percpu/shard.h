/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * shard.h - one CPU's arrays: where they lie, who may touch them, and pop and push under a
 * lock.
 *
 *     state  | common | header 0 | header 1 | ... | entries |  pad to 4096  | shard 0 | shard 1 | ... | slots of the depot |
 *              128 bytes each                                             shard_bytes each, a multiple of 4096
 *
 *     shard  | seen[128] | histories[128] | headers[128], none[4] | slots of class 0 | N N N N slots of class 1 | N N N N ...
 *              4 bytes each                   struct cairn_percpu_shard                N: a slot that stays NULL
 *
 * Zeroed memory is an empty shard, as rseq.h says: a pop finds it empty and a push finds it full,
 * and the slow path behind either sets the first limit. No shard is touched before its CPU comes
 * along.
 *
 * An array's limit is its count and its free slots together. The four NULL slots let a push compare
 * with the four newest blocks without asking whether there are four.
 *
 * Who may touch a shard. Between stop and resume the caller alone, in both modes:
 *
 *     lock mode    stop: lock the shard (the lock of its header). resume: unlock it.
 *     rseq mode    stop: lock the shard; put the stopped shard into the entry, so that sequences
 *                  that begin now find nothing and no free slot; make sure that none which began
 *                  earlier commits. On the shard's own CPU the last two are one sequence, for any
 *                  other thread inside has been pre-empted, and the kernel aborts its sequence;
 *                  from elsewhere they are a store and membarrier(2), which aborts the sequences of
 *                  all CPUs. resume: put the shard into the entry again, and unlock it.
 *
 * For a fork all shards in use are closed at once, by a thread that knows all others to be outside
 * of every slow path (percpu.h):
 *
 *     lock mode    is_closed is set, and each lock was free once since. A fast path that takes the
 *                  lock then reads is_closed, and gives up. The child frees the locks.
 *     rseq mode    every entry is stopped, by plain stores. A sequence that began before may
 *                  still commit, in theory: the child compares the headers with those noted some
 *                  microseconds later (undo_late_pushes).
 *
 * Array headers are also read without that, by statistics and flushes: hence the relaxed accesses.
 */

#ifndef CAIRN_PERCPU_SHARD_H
#define CAIRN_PERCPU_SHARD_H

#include <cairn/percpu.h>

#include "percpu_state.h"

#include <cairn/base/atomic.h>
#include <cairn/base/check.h>
#include <cairn/base/lock.h>

CAIRN_BEGIN_DECLS

enum {
    SHARD_NEWEST = CAIRN_RSEQ_NEWEST,
    /* The smallest page: larger ones cost idle neighbours some memory, nothing else. */
    SHARD_ALIGN_BYTES = 4096,
    SHARD_HISTORIES_BYTES = CAIRN_PERCPU_CLASSES_MAX * sizeof(struct cairn_percpu_history),
    SHARD_SEEN_BYTES = CAIRN_PERCPU_CLASSES_MAX * sizeof(uint32_t),
    SHARD_BEFORE_BYTES = SHARD_SEEN_BYTES + SHARD_HISTORIES_BYTES,
    SHARD_HEAD_BYTES = SHARD_BEFORE_BYTES + sizeof(struct cairn_percpu_shard),
    /* With its NULL slots half a page; and 128 of them have 16-bit tops. */
    SHARD_CAPACITY_MAX = 252,
    SHARD_FLUSH_MAX = SHARD_CAPACITY_MAX / 2
};

CAIRN_STATIC_ASSERT(sizeof(struct cairn_percpu_common) == 128 &&
                        sizeof(struct cairn_percpu_header) == 128,
                    "two cache lines");
CAIRN_STATIC_ASSERT(CAIRN_PERCPU_CLASSES_MAX *(SHARD_CAPACITY_MAX + SHARD_NEWEST) <= UINT16_MAX,
                    "every top fits in half a word");

/* What stands for every header's lock in the order check of debug builds: zeroed memory cannot hold
   a rank. */
extern const struct cairn_lock cairn_shard_rank;

/* What an entry points to while its shard is stopped: an empty and full shard. Never written. */
extern struct cairn_percpu_shard *const cairn_shard_stopped;

CAIRN_HOT_INLINE struct cairn_percpu_shard *shard_at(const struct cairn_percpu *percpu,
                                                     unsigned shard_idx)
{
    CAIRN_ASSERT(shard_idx < percpu->shard_count);
    return (struct cairn_percpu_shard *)(void *)(percpu->shards + shard_idx * percpu->shard_bytes +
                                                 SHARD_BEFORE_BYTES);
}

CAIRN_HOT_INLINE struct cairn_percpu_history *shard_history(struct cairn_percpu_shard *shard,
                                                            unsigned class_idx)
{
    return (struct cairn_percpu_history *)(void *)((char *)shard - SHARD_HISTORIES_BYTES) +
           class_idx;
}

/* The array headers as the thread that closed the shard for a fork saw them. */
CAIRN_HOT_INLINE uint32_t *shard_seen(struct cairn_percpu_shard *shard)
{
    return (uint32_t *)(void *)((char *)shard - SHARD_BEFORE_BYTES);
}

CAIRN_HOT_INLINE void **shard_all_slots(struct cairn_percpu_shard *shard)
{
    return (void **)(void *)(shard + 1);
}

CAIRN_HOT_INLINE void **shard_slots(const struct cairn_percpu *percpu,
                                    struct cairn_percpu_shard *shard, unsigned class_idx)
{
    CAIRN_ASSERT(class_idx < percpu->class_count);
    return shard_all_slots(shard) + percpu->classes[class_idx].slots_offset;
}

/* The halves of an array header. */
CAIRN_HOT_INLINE unsigned header_top(uint32_t header)
{
    return header & 0xffffu;
}

CAIRN_HOT_INLINE unsigned header_free_slots(uint32_t header)
{
    return header >> CAIRN_RSEQ_FREE_SLOTS_SHIFT;
}

CAIRN_HOT_INLINE uint32_t header_of(unsigned top, unsigned free_slots)
{
    CAIRN_ASSERT(top <= UINT16_MAX && free_slots <= UINT16_MAX);
    return top | free_slots << CAIRN_RSEQ_FREE_SLOTS_SHIFT;
}

/* Blocks in the array of a class, and how many it may hold: 0 when it was not used yet. */
CAIRN_HOT_INLINE unsigned header_count(uint32_t header, const struct cairn_percpu_class *class)
{
    return header == 0 ? 0 : header_top(header) - class->slots_offset;
}

CAIRN_HOT_INLINE unsigned header_limit(uint32_t header, const struct cairn_percpu_class *class)
{
    return header_count(header, class) + header_free_slots(header);
}

/* What a limit counts against the budget of its shard: the first batch is free. */
CAIRN_HOT_INLINE size_t shard_extra_bytes(const struct cairn_percpu_class *class, unsigned limit)
{
    return limit <= class->batch ? 0 : (size_t)(limit - class->batch) * class->block_bytes;
}

CAIRN_HOT_INLINE uint32_t shard_array_header(const struct cairn_percpu_shard *shard,
                                             unsigned class_idx)
{
    return cairn_load_relaxed(&shard->array_headers[class_idx]);
}

CAIRN_HOT_INLINE bool shard_used(const struct cairn_percpu *percpu, unsigned shard_idx)
{
    return cairn_load_relaxed(&percpu->headers[shard_idx].used) != 0;
}

/* The shards in use one after the other, the newest first; at the end a number that is no shard's.
   What is not in use stays untouched. Several that are stopped together are locked in this order,
   which never changes. */
CAIRN_HOT_INLINE unsigned shard_newest(const struct cairn_percpu *percpu)
{
    return cairn_load_acquire(&percpu->common->newest_used) - 1;
}

CAIRN_HOT_INLINE unsigned shard_older(const struct cairn_percpu *percpu, unsigned shard_idx)
{
    return percpu->headers[shard_idx].older_used - 1;
}

CAIRN_HOT_INLINE bool shard_trylock(struct cairn_percpu *percpu, unsigned shard_idx)
{
    CAIRN_ASSERT(shard_idx < percpu->shard_count);
    if (CAIRN_UNLIKELY(!cairn_trylock(&percpu->headers[shard_idx].lock)))
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
    cairn_lock_take(&percpu->headers[shard_idx].lock);
}

CAIRN_HOT_INLINE void shard_unlock(struct cairn_percpu *percpu, unsigned shard_idx)
{
    CAIRN_ASSERT(cairn_lock_is_held(&percpu->headers[shard_idx].lock));
    if (CAIRN_DEBUG)
        cairn_lock_rank_leave(&cairn_shard_rank);
    cairn_lock_release(&percpu->headers[shard_idx].lock);
}

/* The newest block of a class, or NULL. */
CAIRN_HOT_INLINE void *shard_pop(struct cairn_percpu *percpu, unsigned shard_idx,
                                 unsigned class_idx)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    uint32_t header = shard->array_headers[class_idx];
    void *block = *(shard_all_slots(shard) + header_top(header) - 1);

    if (CAIRN_UNLIKELY(block == NULL))
        return NULL;
    cairn_store_relaxed(&shard->array_headers[class_idx],
                        header - 1 + (1u << CAIRN_RSEQ_FREE_SLOTS_SHIFT));
    return block;
}

/* Panics when the block is among those just below `top`. One branch: the four compares are
   or-ed. */
CAIRN_HOT_INLINE void shard_refuse_repeat(void *const *top, const void *block, const char *where)
{
    bool repeated =
        (top[-1] == block) | (top[-2] == block) | (top[-3] == block) | (top[-4] == block);

    CAIRN_CHECK(!repeated, "double free", block, where);
}

/* Puts a block on the newest end; false when the array is at its limit. Panics, naming `where`, for
   a double free. */
CAIRN_HOT_INLINE bool shard_push(struct cairn_percpu *percpu, unsigned shard_idx,
                                 unsigned class_idx, void *block, const char *where)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    uint32_t header = shard->array_headers[class_idx];
    void **top = shard_all_slots(shard) + header_top(header);

    shard_refuse_repeat(top, block, where);
    if (CAIRN_UNLIKELY(header_free_slots(header) == 0))
        return false;
    *top = block;
    cairn_store_relaxed(&shard->array_headers[class_idx],
                        header + 1 - (1u << CAIRN_RSEQ_FREE_SLOTS_SHIFT));
    return true;
}

/* Rseq mode: true when sequences may use the shard of `id`. Any id has an entry. */
CAIRN_HOT_INLINE bool shard_is_running(const struct cairn_percpu *percpu, unsigned id)
{
    CAIRN_ASSERT(id < percpu->entry_count);
    return cairn_load_relaxed(&percpu->view.entries[id].shard) != cairn_shard_stopped;
}

/* Stops a shard, waiting for the thread that stopped it before. False when other CPUs' sequences
   cannot be kept out. */
CAIRN_NODISCARD bool cairn_shard_stop(struct cairn_percpu *percpu, unsigned shard_idx);

/* Stops the shard of this thread's CPU without waiting (lock mode: waits). False when another
   thread has stopped it, or this thread has moved to another CPU. */
CAIRN_NODISCARD bool cairn_shard_stop_own(struct cairn_percpu *percpu, unsigned shard_idx);

void cairn_shard_resume(struct cairn_percpu *percpu, unsigned shard_idx);

/* Rseq mode: stops all shards that are in use at the price of one fence. False, and none is
   stopped, when that is not possible. Which ones they are cairn_shard_is_stopped_by_caller() says;
   each is to be resumed by cairn_shard_resume_used(). */
CAIRN_NODISCARD bool cairn_shard_stop_used(struct cairn_percpu *percpu);
bool cairn_shard_is_stopped_by_caller(const struct cairn_percpu *percpu, unsigned shard_idx);
void cairn_shard_resume_used(struct cairn_percpu *percpu, unsigned shard_idx);

/* The state of all shards for a fork, and what a child does first. False: a fast path did not
   end. */
bool cairn_shard_close_all(struct cairn_percpu *percpu);
void cairn_shard_open_all(struct cairn_percpu *percpu);
void cairn_shard_repair_all(struct cairn_percpu *percpu);

/* Notes a refill, which may raise the limit, and puts in as many of the blocks as fit, so that they
   are popped in the order given. Returns how many of the first ones are in: none when the shard
   could not be stopped. */
size_t cairn_shard_refill(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                          void *const *blocks, size_t count);

/* Stopped, for an array at its limit: notes a flush, which may raise the limit, else moves the
   oldest half out (room for SHARD_FLUSH_MAX), and puts the block in. Returns how many were moved
   out. */
size_t cairn_shard_overflow(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                            void *block, void **oldest);

/* Stopped, at each miss of an array: notes it, and at every TICK_MISSES-th ages the arrays and the
   depot by a tick. */
void cairn_shard_missed(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx);

/* Stopped: true when the limits may grow by so much, idle arrays having given up theirs if need
   be. */
bool cairn_shard_afford(struct cairn_percpu *percpu, unsigned shard_idx, size_t wanted_bytes);

/* At the end of an epoch, in a thread of the shard: empties the arrays that missed nothing in it,
   and halves the others. */
void cairn_shard_age(struct cairn_percpu *percpu, unsigned shard_idx);

/* percpu_stats.c: true when a shard holds any block, as far as can be seen from here. */
bool cairn_shard_holds(const struct cairn_percpu *percpu, unsigned shard_idx);

/* The source is under pressure: empties arrays of this thread's shard, shards and classes of the
   depot that are idle. */
void cairn_percpu_reclaim(struct cairn_percpu *percpu, unsigned shard_idx);

/* Stopped: moves up to `count` of the oldest blocks out. */
size_t cairn_shard_take_oldest(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                               void **oldest, size_t count);

/* Stopped: gives the oldest blocks beyond `keep_count` to the source; returns how many those
   were. */
size_t cairn_shard_give_oldest(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                               size_t keep_count);

/* Stops one shard and walks it; panics on a broken invariant. */
void cairn_shard_check(struct cairn_percpu *percpu, unsigned shard_idx);

/* rseq.c: true when sequences can be used here, and the requested mode allows it. Sets view.area,
   view.id and reason; in a process that does without, they name an area that says "no id" for ever.
   */
bool cairn_rseq_choose(struct cairn_percpu *percpu, enum cairn_percpu_mode requested,
                       bool by_cpu_id);

/* rseq.c: no sequences, for this reason: view names the area that says "no id". */
void cairn_rseq_refuse(struct cairn_percpu *percpu, const char *reason);

/* rseq_selftest.c: tries the sequences in a state that is not shared yet, with the view and the
   entries set; false, and refused, when something is not as it should be. has_known_bug: of an
   architecture on which some kernels do not abort every sequence. */
CAIRN_NODISCARD bool cairn_rseq_selftest(struct cairn_percpu *percpu, bool has_known_bug);

/* Its parts, for tests: whether the kernel cleared an armed field during a sleep, and whether a
   release of Linux has the fix. */
enum cairn_rseq_observed { CAIRN_RSEQ_UNCLEAR, CAIRN_RSEQ_CLEARED, CAIRN_RSEQ_NOT_CLEARED };
enum cairn_rseq_observed cairn_rseq_probe(struct cairn_percpu *percpu);
bool cairn_rseq_is_fixed(const char *release);

/* rseq.c: the id of this thread, which has an entry but perhaps no shard, or -1. Registers an area
   of ours where that is the method. */
int cairn_rseq_id(const struct cairn_percpu *percpu);

/* rseq.c: no sequence that began before this call commits after it. False when the kernel refuses,
   or is not to be asked. */
CAIRN_NODISCARD bool cairn_rseq_fence(const struct cairn_percpu *percpu);

/* True when shards of other CPUs can be stopped without a fence, or fences are free. */
bool cairn_shard_may_stop_others(const struct cairn_percpu *percpu);

CAIRN_END_DECLS

#endif
