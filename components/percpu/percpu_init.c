/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_init.c - the caches as a whole: layout, init, fini, fork.
 *
 * The state is laid out as drawn in shard.h.
 *
 * Bounds. One array holds at most class_cache_bytes, or CAPACITY_MIN blocks where these are more;
 * one class of the depot likewise. The limits of a shard grow up to shard_cache_bytes; one batch
 * per class is above that. So what waits is less than that, and at most
 *     sum over classes of block_bytes * (shards_used * capacity + capacity in the depot).
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
    BATCH_BYTES = 16 * 1024,
    /* Less than this costs time in programs that use all classes. */
    SHARD_CACHE_MAX_BYTES = 4 * 1024 * 1024,
    SHARD_CACHE_MIN_BYTES = 1024 * 1024,
    SHARDS_CACHE_BYTES = 64 * 1024 * 1024 /* of all shards, if the minimum allows */
};

/* Where the parts of the state lie, in bytes. */
struct layout {
    unsigned shard_count;
    unsigned entry_count;
    size_t entries_offset;
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
    layout.entry_count = (unsigned)cairn_max(layout.shard_count, cairn_cpu_id_bound());
    if (config->entries != NULL)
        layout.entry_count = (unsigned)cairn_min(layout.entry_count, config->entry_count);
    layout.entries_offset = sizeof(struct cairn_percpu_common) +
                            layout.shard_count * sizeof(struct cairn_percpu_header);
    layout.shards_offset =
        cairn_align_up(layout.entries_offset + (config->entries != NULL ? 0 : layout.entry_count) *
                                                   sizeof(struct cairn_percpu_entry),
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

static void init_entries(struct cairn_percpu *percpu)
{
    for (unsigned id = 0; id < percpu->entry_count; id++)
        percpu->view.entries[id].shard =
            percpu->mode == CAIRN_PERCPU_RSEQ && id < percpu->shard_count ? shard_at(percpu, id)
                                                                          : cairn_shard_stopped;
}

static void choose_mode(struct cairn_percpu *percpu, const struct cairn_percpu_config *config)
{
    percpu->mode = CAIRN_PERCPU_LOCK;
    if (cairn_rseq_choose(percpu, config->mode, config->by_cpu_id))
        percpu->mode = CAIRN_PERCPU_RSEQ;
    init_entries(percpu);
    if (percpu->mode == CAIRN_PERCPU_LOCK || cairn_rseq_selftest(percpu, CPU_RSEQ_HAS_KNOWN_BUG))
        return;
    percpu->mode = CAIRN_PERCPU_LOCK;
    init_entries(percpu);
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
    const struct cairn_cpu_config cpu = {.method = config->cpu_id_method};
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
    if (cairn_cpu_init(&percpu->cpu, &cpu) != 0 || cairn_depot_init(&percpu->depot, &depot) != 0)
        return -EINVAL;

    percpu->fence = config->fence;
    percpu->entry_count = layout.entry_count;
    percpu->shard_count = layout.shard_count;
    percpu->shard_bytes = layout.shard_bytes;
    percpu->shard_cache_bytes = shard_cache_of(config, layout.shard_count);
    percpu->pressure = config->pressure != NULL ? config->pressure : &no_pressure;
    percpu->common = config->state;
    *percpu->common = (struct cairn_percpu_common){0};
    percpu->headers = (void *)(percpu->common + 1);
    percpu->view.entries = config->entries != NULL
                               ? config->entries
                               : (void *)((char *)config->state + layout.entries_offset);
    percpu->shards = (char *)config->state + layout.shards_offset;
    init_classes(percpu, config);
    choose_mode(percpu, config);
    return 0;
}

void cairn_percpu_fini(struct cairn_percpu *percpu)
{
    cairn_percpu_flush(percpu);
    CAIRN_ASSERT(cairn_percpu_stats(percpu).cached_bytes == 0);
    cairn_depot_fini(&percpu->depot);
    percpu->shard_count = 0;
    percpu->class_count = 0;
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
