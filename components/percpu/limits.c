/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * limits.c - what the arrays of a shard may hold together, and when they give it back.
 *
 *     class        0     1     2     3     4            extra_bytes = sum of (limit - batch) * block_bytes
 *     limit      [64]  [128] [ 0 ] [32]  [64]                      <= shard_cache_bytes
 *     idle_after   2     0     -     1     0             ticks until the array counts as idle
 *                            ^steal_cursor
 *
 * A cached block keeps its whole slab from being used for anything else. That is worth it where
 * blocks come and go, so arrays that miss keep their limits. An array without a recent miss is
 * either well supplied or unused; in both cases shrinking it is cheap. It loses
 *   - one step of its limit, when another array needs budget and the shard has none left (found
 *     by a cursor that goes round the classes);
 *   - all its blocks, when the source signals that it would have to take more memory;
 *   - all its blocks at the end of an epoch in which it missed nothing, else the older half: shards
 *     notice that by themselves, at their next miss, for they cannot be stopped by others without a
 *     fence.
 * The same holds for the depot's classes, and for the whole shard of a CPU without a recent miss.
 *
 * Invariant: the header's extra_bytes is the sum over the arrays (cairn_shard_check).
 * Cost. A miss: O(1), and every 256th of a shard O(classes). Reclaim: O(classes), and what the
 * source does with each block. Threads. The shard is stopped by the caller.
 */

#include "shard.h"

#include <cairn/base/align.h>

enum {
    CHUNK = 64,             /* blocks that are moved at once, over the stack */
    TICK_MISSES = 256,      /* of a shard, between two ticks */
    IDLE_AFTER_TICKS = 2,   /* halved at each tick */
    SEARCH_STEPS = 8,       /* classes that one miss searches for limits to take over */
    SHARD_PASS_SIGNALS = 16 /* signals of pressure between two passes over the other shards */
};

void cairn_shard_missed(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    struct cairn_percpu_header *header = &percpu->headers[shard_idx];

    cairn_store_relaxed(&header->misses, header->misses + 1);
    if (header->misses % TICK_MISSES == 0) {
        for (unsigned idx = 0; idx < percpu->class_count; idx++)
            shard_history(shard, idx)->idle_after_ticks /= 2;
        cairn_depot_tick(&percpu->depot);
    }
    /* The first miss of a large block says nothing: a buffer that grows leaves one of each length
       behind. */
    if (shard_array_header(shard, class_idx) != 0 || percpu->classes[class_idx].refill > 1) {
        shard_history(shard, class_idx)->idle_after_ticks = IDLE_AFTER_TICKS;
        shard_history(shard, class_idx)->has_missed = true;
    }
}

size_t cairn_shard_give_oldest(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                               size_t keep_count)
{
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];
    size_t count = header_count(shard_array_header(shard_at(percpu, shard_idx), class_idx), class);
    size_t surplus = count - cairn_min(count, keep_count);
    void *chunk[CHUNK];

    for (size_t left = surplus; left > 0;) {
        size_t moved = cairn_shard_take_oldest(percpu, shard_idx, class_idx, chunk,
                                               cairn_min(left, (size_t)CHUNK));

        cairn_source_give(percpu->depot.source, class->block_bytes, chunk, moved);
        left -= moved;
    }
    return surplus;
}

/* Stopped. A limit of 0 ends the array. */
static void lower_limit(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                        unsigned limit)
{
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    unsigned before = header_limit(shard_array_header(shard, class_idx), class);
    unsigned count;

    CAIRN_ASSERT(limit <= before && (limit == 0 || limit >= class->batch));
    (void)cairn_shard_give_oldest(percpu, shard_idx, class_idx, limit);
    count = header_count(shard_array_header(shard, class_idx), class);
    cairn_store_relaxed(&shard->array_headers[class_idx],
                        limit == 0 ? 0 : header_of(class->slots_offset + count, limit - count));
    percpu->headers[shard_idx].extra_bytes -=
        shard_extra_bytes(class, before) - shard_extra_bytes(class, limit);
}

static bool is_idle(const struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);

    return shard_array_header(shard, class_idx) != 0 &&
           shard_history(shard, class_idx)->idle_after_ticks == 0;
}

/* Half, in the end nothing. */
static void step_down(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx)
{
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];
    unsigned limit =
        header_limit(shard_array_header(shard_at(percpu, shard_idx), class_idx), class);

    lower_limit(percpu, shard_idx, class_idx,
                limit <= class->batch ? 0 : (unsigned)cairn_max(limit / 2, class->batch));
}

bool cairn_shard_afford(struct cairn_percpu *percpu, unsigned shard_idx, size_t wanted_bytes)
{
    struct cairn_percpu_header *header = &percpu->headers[shard_idx];

    for (unsigned step = 0; step < SEARCH_STEPS; step++) {
        if (header->extra_bytes + wanted_bytes <= percpu->shard_cache_bytes)
            return true;
        header->steal_cursor =
            header->steal_cursor + 1 < percpu->class_count ? header->steal_cursor + 1 : 0;
        if (is_idle(percpu, shard_idx, header->steal_cursor))
            step_down(percpu, shard_idx, header->steal_cursor);
    }
    return false;
}

static void empty_idle_arrays(struct cairn_percpu *percpu, unsigned shard_idx)
{
    if (!cairn_shard_stop_own(percpu, shard_idx))
        return;
    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++)
        if (is_idle(percpu, shard_idx, class_idx))
            lower_limit(percpu, shard_idx, class_idx, 0);
    cairn_shard_resume(percpu, shard_idx);
}

/* One that no thread missed anything in since the last look at it. */
static void empty_idle_shard(struct cairn_percpu *percpu, unsigned shard_idx)
{
    struct cairn_percpu_header *header = &percpu->headers[shard_idx];
    uint32_t misses = cairn_load_relaxed(&header->misses);

    if (cairn_load_relaxed(&header->misses_seen) == misses && cairn_shard_holds(percpu, shard_idx))
        cairn_percpu_flush_shard(percpu, shard_idx);
    cairn_store_relaxed(&header->misses_seen, misses);
}

/* Once per pressure; at worst two threads begin at once, and empty a shard one after the other. */
static void empty_idle_shards(struct cairn_percpu *percpu, uint32_t pressure)
{
    if (cairn_load_relaxed(&percpu->common->shards_pressure) == pressure)
        return;
    cairn_store_relaxed(&percpu->common->shards_pressure, pressure);
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        empty_idle_shard(percpu, shard_idx);
}

static unsigned shards_in_use(const struct cairn_percpu *percpu)
{
    unsigned count = 0;

    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        count++;
    return count;
}

/* Each shard in use ticks the depot: what is flushed was unused for a tick of each, and one
   more. */
void cairn_percpu_reclaim(struct cairn_percpu *percpu, unsigned shard_idx)
{
    uint32_t pressure = cairn_load_relaxed(percpu->pressure);

    cairn_store_relaxed(&percpu->headers[shard_idx].pressure_seen, pressure);
    empty_idle_arrays(percpu, shard_idx);
    cairn_depot_flush_idle(&percpu->depot, 1 + shards_in_use(percpu));
    if (pressure % SHARD_PASS_SIGNALS == 0 && cairn_shard_may_stop_others(percpu))
        empty_idle_shards(percpu, pressure);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* Stopped. Without a miss an array is unused, or it has what it needs, which is little to fetch
   again. Of one that misses, the oldest blocks may have waited at its bottom for long. */
static void age_array(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    struct cairn_percpu_history *history = shard_history(shard, class_idx);
    uint32_t header = shard_array_header(shard, class_idx);

    if (header != 0 && !history->has_missed)
        lower_limit(percpu, shard_idx, class_idx, 0);
    else if (header != 0)
        (void)cairn_shard_give_oldest(percpu, shard_idx, class_idx,
                                      header_count(header, &percpu->classes[class_idx]) / 2u);
    history->has_missed = false;
}

static void age_arrays(struct cairn_percpu *percpu, unsigned shard_idx)
{
    cairn_store_relaxed(&percpu->headers[shard_idx].epoch_seen,
                        cairn_load_relaxed(&percpu->common->epoch));
    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++)
        age_array(percpu, shard_idx, class_idx);
}

void cairn_shard_age(struct cairn_percpu *percpu, unsigned shard_idx)
{
    if (!shard_used(percpu, shard_idx) || !cairn_shard_stop_own(percpu, shard_idx))
        return;
    age_arrays(percpu, shard_idx);
    cairn_shard_resume(percpu, shard_idx);
}

/* Of another CPU, where nobody has to ask for a fence. */
static void age_other(struct cairn_percpu *percpu, unsigned shard_idx)
{
    if (!cairn_shard_may_stop_others(percpu) || !cairn_shard_stop(percpu, shard_idx))
        return;
    age_arrays(percpu, shard_idx);
    cairn_shard_resume(percpu, shard_idx);
}

void cairn_percpu_age(struct cairn_percpu *percpu)
{
    int own = percpu->mode == CAIRN_PERCPU_RSEQ ? cairn_rseq_id(percpu) : -1;

    if (percpu->common->is_closed)
        return;
    cairn_add_relaxed(&percpu->common->epoch, 1u);
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        if ((int)shard_idx == own)
            cairn_shard_age(percpu, shard_idx);
        else
            age_other(percpu, shard_idx);
    cairn_depot_age(&percpu->depot);
}

void cairn_percpu_flush_idle(struct cairn_percpu *percpu)
{
    if (percpu->common->is_closed || percpu->fence == CAIRN_PERCPU_FENCE_NEVER)
        return;
    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx))
        empty_idle_shard(percpu, shard_idx);
}
