/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_admin.c - the caches as a whole: layout, drain, statistics, fork.
 *
 * The state is laid out as drawn in shard.h. Everything here but the check goes along the list of
 * the shards in use: others, and their headers, stay untouched, so that the caches of 256 possible
 * CPUs, of which two exist, cost two.
 *
 * Bounds. One array holds at most class_cache_bytes, or CAPACITY_MIN blocks where these are more;
 * one class of the depot likewise. The limits of a shard grow up to shard_cache_bytes; one batch
 * per class is above that. So what waits is less than that, and at most
 *     sum over classes of block_bytes * (shards_used * capacity + capacity in the depot).
 *
 * Threads. drain, stats and check run beside everything; init and fini alone. A drain holds a shard
 * for as long as it takes to give its blocks away: threads of that CPU go elsewhere meanwhile. In
 * rseq mode it takes all shards at once, for one membarrier(2).
 */

#include <cairn/percpu.h>

#include "cpu_internal.h"
#include "shard.h"

#include <cairn/base/align.h>

#include <errno.h>

enum {
    CACHE_BYTES_DEFAULT = 64 * 1024,
    CAPACITY_MIN = 8,
    CAPACITY_LARGE = 2,
    BATCH_SMALL_MIN = 4,
    BATCH_BYTES = 8 * 1024,
    /* Less than this costs time in programs that use all classes. */
    SHARD_CACHE_MAX_BYTES = 4 * 1024 * 1024,
    SHARD_CACHE_MIN_BYTES = 1024 * 1024,
    SHARDS_CACHE_BYTES = 64 * 1024 * 1024 /* of all shards, if the minimum allows */
};

/* Where the parts of the state lie, in bytes. */
struct layout {
    unsigned shard_count;
    unsigned lane_count;
    size_t lanes_offset;
    size_t shards_offset;
    size_t shard_bytes;
    size_t depot_offset;
    size_t total_bytes;
};

static const uint32_t no_pressure;

static size_t clamp(size_t value, size_t low, size_t high)
{
    return cairn_max(low, cairn_min(value, high));
}

/* Few of these wait, and they are not taken ahead of need. */
static bool is_large(uint32_t block_bytes)
{
    return block_bytes > CAIRN_DEPOT_LARGE_BYTES;
}

static unsigned capacity_of(const struct cairn_percpu_config *config, unsigned class_idx)
{
    size_t cache_bytes =
        config->class_cache_bytes != 0 ? config->class_cache_bytes : (size_t)CACHE_BYTES_DEFAULT;

    return (unsigned)clamp(cache_bytes / config->block_bytes[class_idx],
                           is_large(config->block_bytes[class_idx]) ? CAPACITY_LARGE : CAPACITY_MIN,
                           SHARD_CAPACITY_MAX);
}

static unsigned batch_of(const struct cairn_percpu_config *config, unsigned class_idx)
{
    size_t batch =
        clamp(BATCH_BYTES / config->block_bytes[class_idx],
              is_large(config->block_bytes[class_idx]) ? CAIRN_PERCPU_BATCH_MIN : BATCH_SMALL_MIN,
              CAIRN_PERCPU_BATCH_MAX);

    return (unsigned)cairn_min(batch, capacity_of(config, class_idx));
}

static size_t shard_cache_of(const struct cairn_percpu_config *config, unsigned shard_count)
{
    if (config->shard_cache_bytes != 0)
        return config->shard_cache_bytes;
    return clamp(SHARDS_CACHE_BYTES / shard_count, SHARD_CACHE_MIN_BYTES, SHARD_CACHE_MAX_BYTES);
}

static struct cairn_depot_config depot_config(const struct cairn_percpu_config *config)
{
    struct cairn_depot_config depot = {
        .block_bytes = config->block_bytes,
        .class_count = config->class_count,
        .class_cache_bytes = config->depot_class_bytes,
        .source = config->source,
    };

    return depot;
}

static bool classes_valid(const struct cairn_percpu_config *config)
{
    if (config->class_count == 0 || config->class_count > CAIRN_PERCPU_CLASSES_MAX ||
        config->block_bytes == NULL)
        return false;
    for (unsigned class_idx = 0; class_idx < config->class_count; class_idx++)
        if (config->block_bytes[class_idx] == 0)
            return false;
    return true;
}

/* Requires valid classes. */
static struct layout layout_of(const struct cairn_percpu_config *config)
{
    struct cairn_depot_config depot = depot_config(config);
    size_t slots = 0;
    struct layout layout;

    for (unsigned class_idx = 0; class_idx < config->class_count; class_idx++)
        slots += SHARD_NEWEST + capacity_of(config, class_idx);
    layout.shard_count =
        config->shard_count != 0 ? config->shard_count : cairn_cpu_possible_count();
    layout.lane_count = (unsigned)cairn_max(layout.shard_count, cairn_cpu_id_bound());
    layout.lanes_offset = sizeof(struct cairn_percpu_common) +
                          layout.shard_count * sizeof(struct cairn_percpu_header);
    layout.shards_offset =
        cairn_align_up(layout.lanes_offset + layout.lane_count * sizeof(struct cairn_percpu_lane),
                       SHARD_ALIGN_BYTES);
    layout.shard_bytes =
        cairn_align_up(SHARD_HEAD_BYTES + slots * sizeof(void *), SHARD_ALIGN_BYTES);
    layout.depot_offset = layout.shards_offset + layout.shard_count * layout.shard_bytes;
    layout.total_bytes = layout.depot_offset + cairn_depot_state_bytes(&depot);
    return layout;
}

size_t cairn_percpu_state_bytes(const struct cairn_percpu_config *config)
{
    return classes_valid(config) ? layout_of(config).total_bytes : 0;
}

static void init_lanes(struct cairn_percpu *percpu)
{
    for (unsigned id = 0; id < percpu->lane_count; id++)
        percpu->view.lanes[id].shard = percpu->mode == CAIRN_PERCPU_RSEQ && id < percpu->shard_count
                                           ? shard_at(percpu, id)
                                           : cairn_shard_nothing;
}

static void choose_mode(struct cairn_percpu *percpu, const struct cairn_percpu_config *config)
{
    percpu->mode = CAIRN_PERCPU_LOCK;
    if (cairn_rseq_choose(percpu, config->mode, config->by_cpu_id))
        percpu->mode = CAIRN_PERCPU_RSEQ;
    init_lanes(percpu);
    if (percpu->mode == CAIRN_PERCPU_LOCK || cairn_rseq_prove(percpu, CPU_RSEQ_DOUBTED))
        return;
    percpu->mode = CAIRN_PERCPU_LOCK;
    init_lanes(percpu);
}

static void init_classes(struct cairn_percpu *percpu, const struct cairn_percpu_config *config)
{
    uint32_t slots_offset = 0;

    for (unsigned class_idx = 0; class_idx < config->class_count; class_idx++) {
        struct cairn_percpu_class *class = &percpu->classes[class_idx];

        class->block_bytes = config->block_bytes[class_idx];
        class->capacity = (uint16_t)capacity_of(config, class_idx);
        class->batch = (uint16_t)batch_of(config, class_idx);
        class->refill = is_large(class->block_bytes) ? 1 : class->batch;
        class->slots_offset = slots_offset + SHARD_NEWEST;
        slots_offset += SHARD_NEWEST + class->capacity;
        CAIRN_ASSERT(class->batch >= CAIRN_PERCPU_BATCH_MIN && class->batch <= class->capacity);
    }
    percpu->class_count = config->class_count;
    CAIRN_ASSERT(SHARD_HEAD_BYTES + slots_offset * sizeof(void *) <= percpu->shard_bytes);
}

int cairn_percpu_init(struct cairn_percpu *percpu, const struct cairn_percpu_config *config)
{
    struct cairn_depot_config depot;
    struct layout layout;

    if (!classes_valid(config) || config->state == NULL ||
        !cairn_is_aligned((uintptr_t)config->state, CAIRN_CACHE_LINE_BYTES))
        return -EINVAL;
    layout = layout_of(config);
    if (config->state_bytes < layout.total_bytes)
        return -EINVAL;
    depot = depot_config(config);
    depot.state = (char *)config->state + layout.depot_offset;
    depot.state_bytes = layout.total_bytes - layout.depot_offset;
    if (cairn_depot_init(&percpu->depot, &depot) != 0)
        return -EINVAL;

    cairn_cpu_init(&percpu->cpu, config->cpu_way);
    percpu->fence = config->fence;
    percpu->lane_count = layout.lane_count;
    percpu->shard_count = layout.shard_count;
    percpu->shard_bytes = layout.shard_bytes;
    percpu->shard_cache_bytes = shard_cache_of(config, layout.shard_count);
    percpu->pressure = config->pressure != NULL ? config->pressure : &no_pressure;
    percpu->common = config->state;
    *percpu->common = (struct cairn_percpu_common){0};
    percpu->headers = (void *)(percpu->common + 1);
    percpu->view.lanes = (void *)((char *)config->state + layout.lanes_offset);
    percpu->shards = (char *)config->state + layout.shards_offset;
    init_classes(percpu, config);
    choose_mode(percpu, config);
    return 0;
}

void cairn_percpu_fini(struct cairn_percpu *percpu)
{
    cairn_percpu_drain(percpu);
    CAIRN_ASSERT(cairn_percpu_stats(percpu).cached_bytes == 0);
    cairn_depot_fini(&percpu->depot);
    percpu->shard_count = 0;
    percpu->class_count = 0;
}

/* Entered. */
static size_t drain_arrays(struct cairn_percpu *percpu, unsigned shard_idx)
{
    size_t moved = 0;

    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++)
        moved += cairn_shard_give_oldest(percpu, shard_idx, class_idx, 0);
    return moved;
}

size_t cairn_percpu_drain_shard(struct cairn_percpu *percpu, unsigned shard_idx)
{
    size_t moved;

    CAIRN_ASSERT(shard_idx < percpu->shard_count);
    if (!shard_used(percpu, shard_idx) || !cairn_shard_enter(percpu, shard_idx))
        return 0;
    moved = drain_arrays(percpu, shard_idx);
    cairn_shard_leave(percpu, shard_idx);
    return moved;
}

static size_t drain_entered(struct cairn_percpu *percpu)
{
    size_t moved = 0;

    for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
         shard_idx = shard_older(percpu, shard_idx)) {
        if (!cairn_shard_is_entered(percpu, shard_idx))
            continue;
        moved += drain_arrays(percpu, shard_idx);
        cairn_shard_leave_entered(percpu, shard_idx);
    }
    return moved;
}

size_t cairn_percpu_drain_own(struct cairn_percpu *percpu)
{
    int id = percpu->mode == CAIRN_PERCPU_RSEQ ? cairn_rseq_id(percpu) : -1;
    size_t moved = 0;

    if (percpu->mode == CAIRN_PERCPU_LOCK || cairn_is_alone())
        return cairn_percpu_drain(percpu);
    if (id >= 0 && (unsigned)id < percpu->shard_count && shard_used(percpu, (unsigned)id) &&
        cairn_shard_enter_own(percpu, (unsigned)id)) {
        moved = drain_arrays(percpu, (unsigned)id);
        cairn_shard_leave(percpu, (unsigned)id);
    }
    return moved + cairn_depot_flush(&percpu->depot);
}

size_t cairn_percpu_drain(struct cairn_percpu *percpu)
{
    size_t moved = 0;

    if (cairn_shard_enter_used(percpu))
        moved = drain_entered(percpu);
    else
        for (unsigned shard_idx = shard_newest(percpu); shard_idx < percpu->shard_count;
             shard_idx = shard_older(percpu, shard_idx))
            moved += cairn_percpu_drain_shard(percpu, shard_idx);
    return moved + cairn_depot_flush(&percpu->depot);
}

static size_t shard_cached_bytes(const struct cairn_percpu *percpu, unsigned shard_idx)
{
    const struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    size_t bytes = 0;

    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++)
        bytes += (size_t)word_count(shard_word(shard, class_idx), &percpu->classes[class_idx]) *
                 percpu->classes[class_idx].block_bytes;
    return bytes;
}

struct cairn_percpu_level cairn_percpu_level(const struct cairn_percpu *percpu, unsigned shard_idx,
                                             unsigned class_idx)
{
    uint32_t word = shard_word(shard_at(percpu, shard_idx), class_idx);
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];

    CAIRN_ASSERT(class_idx < percpu->class_count);
    return (struct cairn_percpu_level){word_count(word, class), word_limit(word, class)};
}

struct cairn_percpu_stats cairn_percpu_stats(struct cairn_percpu *percpu)
{
    struct cairn_percpu_stats stats = {
        .mode = percpu->mode,
        .reason = percpu->reason,
        .cpu_way = percpu->cpu.way,
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

bool cairn_percpu_close(struct cairn_percpu *percpu)
{
    return cairn_shard_close_all(percpu);
}

void cairn_percpu_reopen(struct cairn_percpu *percpu)
{
    cairn_shard_open_all(percpu);
}

void cairn_percpu_repair(struct cairn_percpu *percpu)
{
    CAIRN_ASSERT(percpu->common->is_closed);
    cairn_shard_repair_all(percpu);
}

void cairn_percpu_check(struct cairn_percpu *percpu)
{
    CAIRN_INVARIANT(percpu->shard_count > 0);
    for (unsigned shard_idx = 0; shard_idx < percpu->shard_count; shard_idx++)
        cairn_shard_check(percpu, shard_idx);
    cairn_depot_check(&percpu->depot);
}
