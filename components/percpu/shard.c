/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * shard.c - what happens to an array when it is empty or full, and its limit.
 *
 *     oldest [ p p p p p p p p . . . . . . . . ] newest     limit: from one batch up to capacity, doubled each time
 *            flush <- half     ^ count ^ limit
 *
 * The limit. A refill followed by a flush, or the other way round, means that blocks left which
 * came back: a longer array would have kept them. Then the limit doubles. Refills alone (a
 * program that builds) or flushes alone (one that tears down, or frees what another CPU allocates)
 * say nothing of the kind, and a longer array would only hold memory. So the limit follows the
 * amplitude of the allocations and not their number. What all arrays of a shard may hold together,
 * and how limits come down again, is in limits.c.
 *
 * Cost. O(limit) pointers moved, for a refill and for a flush.
 */

#include "shard.h"

#include <cairn/base/align.h>

#include <string.h>

enum { STOP_ROUNDS = 100, FAST_PATH_SLEEP_US = 50000, FAST_PATH_SLEEPS = 20 };

const struct cairn_lock cairn_shard_rank = {0, CAIRN_RANK_SHARD};

static struct cairn_percpu_shard stopped;
struct cairn_percpu_shard *const cairn_shard_stopped = &stopped;

static bool by_sequences(const struct cairn_percpu *percpu)
{
    return percpu->mode == CAIRN_PERCPU_RSEQ;
}

/* Release: a sequence that sees the shard in its entry sees what was done to it. */
static void resume_entry(struct cairn_percpu *percpu, unsigned shard_idx)
{
    if (by_sequences(percpu))
        cairn_store_release(&percpu->view.entries[shard_idx].shard, shard_at(percpu, shard_idx));
}

/* Only for sequences that begin now; a fence aborts those that began before. */
static void stop_entry(struct cairn_percpu *percpu, unsigned shard_idx)
{
    cairn_store_relaxed(&percpu->view.entries[shard_idx].shard, cairn_shard_stopped);
}

/* Without the fence, on the shard's own CPU. */
static bool stop_here(struct cairn_percpu *percpu, unsigned shard_idx)
{
    return cairn_rseq_stop(&percpu->view, shard_idx, cairn_shard_stopped);
}

/* The lock is held. A fence is for the sequences of other threads. */
static bool stop_from_anywhere(struct cairn_percpu *percpu, unsigned shard_idx)
{
    if (percpu->common->is_closed)
        return false;
    if (stop_here(percpu, shard_idx))
        return true;
    stop_entry(percpu, shard_idx);
    if (cairn_is_alone() || cairn_rseq_fence(percpu))
        return true;
    resume_entry(percpu, shard_idx);
    return false;
}

bool cairn_shard_may_stop_others(const struct cairn_percpu *percpu)
{
    return !by_sequences(percpu) || cairn_is_alone() || percpu->fence == CAIRN_PERCPU_FENCE_FREELY;
}

bool cairn_shard_stop(struct cairn_percpu *percpu, unsigned shard_idx)
{
    shard_lock(percpu, shard_idx);
    if (!by_sequences(percpu) || stop_from_anywhere(percpu, shard_idx))
        return true;
    shard_unlock(percpu, shard_idx);
    return false;
}

/* The lock is held. Notes which thread stopped it, for cairn_shard_is_stopped_by_caller(): another
   thread may do the same, and more shards come into use meanwhile. */
static void stop_for_many(struct cairn_percpu *percpu, unsigned shard_idx)
{
    cairn_store_relaxed(&percpu->headers[shard_idx].stopped_by,
                        (const void *)CAIRN_THREAD_POINTER());
    stop_entry(percpu, shard_idx);
}

bool cairn_shard_stop_used(struct cairn_percpu *percpu)
{
    /* With other threads, two that share a thread pointer could take each other's stops for their
       own. */
    if (!by_sequences(percpu) || percpu->common->is_closed ||
        cairn_load_relaxed(&cairn_lock_has_threads))
        return false;
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx)) {
        shard_lock(percpu, shard_idx);
        stop_for_many(percpu, shard_idx);
    }
    if (cairn_is_alone() || cairn_rseq_fence(percpu))
        return true;
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        if (cairn_shard_is_stopped_by_caller(percpu, shard_idx))
            cairn_shard_resume_used(percpu, shard_idx);
    return false;
}

bool cairn_shard_is_stopped_by_caller(const struct cairn_percpu *percpu, unsigned shard_idx)
{
    return cairn_load_relaxed(&percpu->headers[shard_idx].stopped_by) == CAIRN_THREAD_POINTER();
}

void cairn_shard_resume_used(struct cairn_percpu *percpu, unsigned shard_idx)
{
    CAIRN_ASSERT(cairn_shard_is_stopped_by_caller(percpu, shard_idx));
    cairn_store_relaxed(&percpu->headers[shard_idx].stopped_by, (const void *)NULL);
    cairn_shard_resume(percpu, shard_idx);
}

bool cairn_shard_stop_own(struct cairn_percpu *percpu, unsigned shard_idx)
{
    if (!by_sequences(percpu)) {
        shard_lock(percpu, shard_idx);
        return true;
    }
    if (percpu->common->is_closed)
        return false;
    if (!shard_trylock(percpu, shard_idx)) {
        cairn_add_relaxed(&percpu->headers[shard_idx].contended, 1u);
        return false;
    }
    if (stop_here(percpu, shard_idx))
        return true;
    shard_unlock(percpu, shard_idx);
    return false;
}

void cairn_shard_resume(struct cairn_percpu *percpu, unsigned shard_idx)
{
    resume_entry(percpu, shard_idx);
    shard_unlock(percpu, shard_idx);
}

/* Lock mode: a fast path that took the lock before the shards were closed is done when the lock was
   free once. One that does not end is this thread's own, interrupted by a handler that forks: it
   goes on in both processes. */
static bool wait_for_fast_path(struct cairn_percpu *percpu, unsigned shard_idx)
{
    struct cairn_lock *lock = &percpu->headers[shard_idx].lock;

    for (unsigned sleeps = 0; sleeps < FAST_PATH_SLEEPS; sleeps++) {
        if (cairn_trylock(lock)) { /* whatever its rank: an interrupted thread may hold any */
            cairn_lock_release(lock);
            return true;
        }
        cairn_lock_wait(lock, FAST_PATH_SLEEP_US);
    }
    return false;
}

static bool wait_for_fast_paths(struct cairn_percpu *percpu)
{
    bool have_ended = true;

    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        have_ended &= wait_for_fast_path(percpu, shard_idx);
    return have_ended;
}

/* Time for sequences of other CPUs that found their entry running to end, and for their stores to
   be seen: each takes some nanoseconds, this some microseconds. */
static void wait_for_sequences(void)
{
    __sync_synchronize();
    for (unsigned round = 0; round < STOP_ROUNDS; round++)
        CAIRN_CPU_RELAX();
    __sync_synchronize();
}

static void stop_entries(struct cairn_percpu *percpu)
{
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        stop_entry(percpu, shard_idx);
    percpu->common->has_seen = !cairn_is_alone();
    if (!percpu->common->has_seen)
        return;
    wait_for_sequences();
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        memcpy(shard_seen(shard_at(percpu, shard_idx)), shard_at(percpu, shard_idx)->array_headers,
               SHARD_SEEN_BYTES);
}

CAIRN_COLD bool cairn_shard_close_all(struct cairn_percpu *percpu)
{
    CAIRN_ASSERT(!percpu->common->is_closed);
    cairn_store_relaxed(&percpu->common->is_closed, true);
    if (!by_sequences(percpu))
        return wait_for_fast_paths(percpu);
    stop_entries(percpu);
    return true;
}

CAIRN_COLD void cairn_shard_open_all(struct cairn_percpu *percpu)
{
    cairn_store_relaxed(&percpu->common->is_closed, false);
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        resume_entry(percpu, shard_idx);
}

/*
 * At most one sequence per CPU can have been stopped by the hardware, not by the kernel, between
 * finding its entry running and its commit. If it commits while the memory is copied, the child may
 * have its header without its slot. A push shows by a top that is higher than what was seen: it is
 * undone, and its block is lost to the child. A pop only takes a block out.
 */
static void undo_late_pushes(struct cairn_percpu *percpu, struct cairn_percpu_shard *shard)
{
    const uint32_t *seen = shard_seen(shard);

    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++)
        if (header_top(shard->array_headers[class_idx]) > header_top(seen[class_idx]))
            shard->array_headers[class_idx] = seen[class_idx];
}

/* Lock mode: a lock that another thread held for a moment, to find the shards closed, has no holder
   here. */
CAIRN_COLD void cairn_shard_repair_all(struct cairn_percpu *percpu)
{
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx)) {
        if (!by_sequences(percpu))
            cairn_lock_init(&percpu->headers[shard_idx].lock, CAIRN_RANK_NONE);
        else if (percpu->common->has_seen)
            undo_late_pushes(percpu, shard_at(percpu, shard_idx));
    }
}

/* Stopped. Other shards may come into use at the same time. */
static void put_in_use(struct cairn_percpu *percpu, unsigned shard_idx)
{
    uint32_t newest = cairn_load_relaxed(&percpu->common->newest_used);

    do
        percpu->headers[shard_idx].older_used = newest;
    while (!cairn_cas_release(&percpu->common->newest_used, &newest, shard_idx + 1));
    cairn_store_relaxed(&percpu->headers[shard_idx].used, 1u);
}

/* One batch first, then twice as much each time: a program that swings widely does so at once. */
static unsigned grown_limit(const struct cairn_percpu_class *class, unsigned limit)
{
    return (unsigned)cairn_min((size_t)limit + cairn_max(limit, class->batch), class->capacity);
}

static void raise_limit(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                        struct cairn_percpu_shard *shard)
{
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];
    uint32_t header = shard_array_header(shard, class_idx);
    unsigned count = header_count(header, class);
    unsigned limit = grown_limit(class, header_limit(header, class));

    if (!shard_used(percpu, shard_idx))
        put_in_use(percpu, shard_idx);
    cairn_store_relaxed(&shard->array_headers[class_idx],
                        header_of(class->slots_offset + count, limit - count));
    percpu->headers[shard_idx].extra_bytes +=
        shard_extra_bytes(class, limit) - shard_extra_bytes(class, header_limit(header, class));
    shard_history(shard, class_idx)->has_refilled = false;
    shard_history(shard, class_idx)->has_flushed = false;
}

static void adapt_limit(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx)
{
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    const struct cairn_percpu_history *history = shard_history(shard, class_idx);
    unsigned limit = header_limit(shard_array_header(shard, class_idx), class);
    bool swings = history->has_refilled && history->has_flushed;

    CAIRN_ASSERT(limit <= class->capacity);
    cairn_shard_missed(percpu, shard_idx, class_idx);
    if (limit == 0 ||
        (swings && limit < class->capacity &&
         cairn_shard_afford(percpu, shard_idx,
                            (size_t)(grown_limit(class, limit) - limit) * class->block_bytes)))
        raise_limit(percpu, shard_idx, class_idx, shard);
}

/* Four at a time: the compiler does not see that the two arrays are apart. */
static void copy_reversed(void **to, void *const *blocks, size_t count)
{
    for (; count >= 4; count -= 4, to += 4) {
        to[0] = blocks[count - 1];
        to[1] = blocks[count - 2];
        to[2] = blocks[count - 3];
        to[3] = blocks[count - 4];
    }
    while (count > 0)
        *to++ = blocks[--count];
}

size_t cairn_shard_refill(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                          void *const *blocks, size_t count)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    uint32_t header;
    void **top;
    size_t put;

    if (!cairn_shard_stop_own(percpu, shard_idx))
        return 0;
    shard_history(shard, class_idx)->has_refilled = true;
    adapt_limit(percpu, shard_idx, class_idx);
    header = shard_array_header(shard, class_idx);
    put = cairn_min(count, header_free_slots(header));
    top = shard_all_slots(shard) + header_top(header);
    copy_reversed(top, blocks, put);
    cairn_store_relaxed(
        &shard->array_headers[class_idx],
        header_of(header_top(header) + (unsigned)put, header_free_slots(header) - (unsigned)put));
    cairn_shard_resume(percpu, shard_idx);
    return put;
}

size_t cairn_shard_take_oldest(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                               void **oldest, size_t count)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    uint32_t header = shard_array_header(shard, class_idx);
    unsigned held = header_count(header, &percpu->classes[class_idx]);
    unsigned moved = (unsigned)cairn_min(count, held);
    void **slots = shard_slots(percpu, shard, class_idx);

    CAIRN_ASSERT(cairn_lock_is_held(&percpu->headers[shard_idx].lock));
    if (moved == 0)
        return 0;
    memcpy(oldest, slots, moved * sizeof(void *));
    memmove(slots, slots + moved, (held - moved) * sizeof(void *));
    cairn_store_relaxed(&shard->array_headers[class_idx],
                        header_of(header_top(header) - moved, header_free_slots(header) + moved));
    return moved;
}

size_t cairn_shard_overflow(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                            void *block, void **oldest)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    size_t moved = 0;
    bool is_in;

    CAIRN_ASSERT(header_free_slots(shard_array_header(shard, class_idx)) == 0);
    shard_history(shard, class_idx)->has_flushed = true;
    adapt_limit(percpu, shard_idx, class_idx);
    if (header_free_slots(shard_array_header(shard, class_idx)) == 0) {
        moved =
            header_count(shard_array_header(shard, class_idx), &percpu->classes[class_idx]) / 2u;
        CAIRN_ASSERT(moved > 0 && moved <= SHARD_FLUSH_MAX);
        cairn_shard_take_oldest(percpu, shard_idx, class_idx, oldest, moved);
    }
    is_in = shard_push(percpu, shard_idx, class_idx, block, "percpu");
    CAIRN_ASSERT(is_in);
    (void)is_in;
    return moved;
}

static void check_array(const struct cairn_percpu_class *class, uint32_t header, void *const *slots)
{
    unsigned count = header_count(header, class);
    unsigned limit = header_limit(header, class);

    CAIRN_INVARIANT(header_top(header) >= class->slots_offset);
    CAIRN_INVARIANT(limit <= class->capacity);
    CAIRN_INVARIANT(limit >= class->batch);
    for (size_t below = 1; below <= SHARD_NEWEST; below++)
        CAIRN_INVARIANT(*(slots - below) == NULL);
    for (size_t at = 0; at < count; at++) {
        CAIRN_INVARIANT(slots[at] != NULL);
        for (size_t before = 0; before < at; before++)
            CAIRN_INVARIANT(slots[before] != slots[at]);
    }
}

void cairn_shard_check(struct cairn_percpu *percpu, unsigned shard_idx)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    size_t extra_bytes = 0;
    bool used;

    if (!cairn_shard_stop(percpu, shard_idx))
        return;
    used = shard_used(percpu, shard_idx);
    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++) {
        uint32_t header = shard_array_header(shard, class_idx);

        /* Reading the array headers of an idle shard maps the zero page; reading its slots would do
           so for many pages. */
        CAIRN_INVARIANT(used || header == 0);
        if (header != 0)
            check_array(&percpu->classes[class_idx], header, shard_slots(percpu, shard, class_idx));
        extra_bytes += shard_extra_bytes(&percpu->classes[class_idx],
                                         header_limit(header, &percpu->classes[class_idx]));
    }
    CAIRN_INVARIANT(extra_bytes == percpu->headers[shard_idx].extra_bytes);
    cairn_shard_resume(percpu, shard_idx);
}
