/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_stats.c - all shards one after the other: flush, statistics, check.
 *
 * Everything here but the check goes along the list of the shards in use: others, and their
 * headers, stay untouched, so that the caches of 256 possible CPUs, of which two exist, cost two.
 *
 * Threads. All of it runs beside everything else. A flush stops a shard for as long as it takes to
 * give its blocks away: threads of that CPU bypass it meanwhile. In rseq mode it stops all shards
 * at once, for one membarrier(2).
 */

#include <cairn/percpu.h>

#include "cpu_internal.h"
#include "shard.h"

/* Stopped. */
static size_t flush_arrays(struct cairn_percpu *percpu, unsigned shard_idx)
{
    size_t moved = 0;

    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++)
        moved += cairn_shard_give_oldest(percpu, shard_idx, class_idx, 0);
    return moved;
}

size_t cairn_percpu_flush_shard(struct cairn_percpu *percpu, unsigned shard_idx)
{
    size_t moved;

    CAIRN_ASSERT(shard_idx < percpu->shard_count);
    if (!shard_used(percpu, shard_idx) || !cairn_shard_stop(percpu, shard_idx))
        return 0;
    moved = flush_arrays(percpu, shard_idx);
    cairn_shard_resume(percpu, shard_idx);
    return moved;
}

static size_t flush_stopped(struct cairn_percpu *percpu)
{
    size_t moved = 0;

    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx)) {
        if (!cairn_shard_is_stopped_by_caller(percpu, shard_idx))
            continue;
        moved += flush_arrays(percpu, shard_idx);
        cairn_shard_resume_used(percpu, shard_idx);
    }
    return moved;
}

size_t cairn_percpu_flush_own(struct cairn_percpu *percpu)
{
    int id = percpu->mode == CAIRN_PERCPU_RSEQ ? cairn_rseq_id(percpu) : -1;
    size_t moved = 0;

    if (percpu->mode == CAIRN_PERCPU_LOCK || cairn_is_alone())
        return cairn_percpu_flush(percpu);
    if (id >= 0 && (unsigned)id < percpu->shard_count && shard_used(percpu, (unsigned)id) &&
        cairn_shard_stop_own(percpu, (unsigned)id)) {
        moved = flush_arrays(percpu, (unsigned)id);
        cairn_shard_resume(percpu, (unsigned)id);
    }
    return moved + cairn_depot_flush(&percpu->depot);
}

size_t cairn_percpu_flush(struct cairn_percpu *percpu)
{
    size_t moved = 0;

    if (cairn_shard_stop_used(percpu))
        moved = flush_stopped(percpu);
    else
        for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
             shard_idx = shard_older(percpu, shard_idx))
            moved += cairn_percpu_flush_shard(percpu, shard_idx);
    return moved + cairn_depot_flush(&percpu->depot);
}

static size_t shard_cached_bytes(const struct cairn_percpu *percpu, unsigned shard_idx)
{
    const struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    size_t bytes = 0;

    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++)
        bytes += (size_t)header_count(shard_array_header(shard, class_idx),
                                      &percpu->classes[class_idx]) *
                 percpu->classes[class_idx].block_bytes;
    return bytes;
}

bool cairn_shard_holds(const struct cairn_percpu *percpu, unsigned shard_idx)
{
    return shard_cached_bytes(percpu, shard_idx) > 0;
}

struct cairn_percpu_level cairn_percpu_level(const struct cairn_percpu *percpu, unsigned shard_idx,
                                             unsigned class_idx)
{
    uint32_t header = shard_array_header(shard_at(percpu, shard_idx), class_idx);
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];

    CAIRN_ASSERT(class_idx < percpu->class_count);
    return (struct cairn_percpu_level){header_count(header, class), header_limit(header, class)};
}

struct cairn_percpu_stats cairn_percpu_stats(struct cairn_percpu *percpu)
{
    struct cairn_percpu_stats stats = {
        .mode = percpu->mode,
        .reason = percpu->reason,
        .cpu_id_method = percpu->cpu.method,
        .cpu_reason = percpu->cpu.reason,
        .by_cid =
            percpu->mode == CAIRN_PERCPU_RSEQ && percpu->view.id != percpu->view.area + RSEQ_CPU_ID,
        .shard_count = percpu->shard_count,
        .depot_bytes = cairn_depot_bytes(&percpu->depot),
    };

    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx)) {
        stats.shards_used++;
        stats.cached_bytes += shard_cached_bytes(percpu, shard_idx);
        stats.contended += cairn_load_relaxed(&percpu->headers[shard_idx].contended);
    }
    return stats;
}

const char *cairn_percpu_mode_name(enum cairn_percpu_mode mode)
{
    switch (mode) {
    case CAIRN_PERCPU_AUTO:
        return "auto";
    case CAIRN_PERCPU_LOCK:
        return "lock";
    case CAIRN_PERCPU_RSEQ:
        return "rseq";
    }
    return "unknown";
}

void cairn_percpu_check(struct cairn_percpu *percpu)
{
    CAIRN_INVARIANT(percpu->shard_count > 0);
    for (unsigned shard_idx = 0; shard_idx < percpu->shard_count; shard_idx++)
        cairn_shard_check(percpu, shard_idx);
    cairn_depot_check(&percpu->depot);
}
