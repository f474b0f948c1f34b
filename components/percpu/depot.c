/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * depot.c - batches of blocks between shards and source.
 *
 *     state   | class 0: capacity pointers | class 1 | ... |
 *     bin     lock, count, capacity              a cache line per class
 *
 *     give ->  | p p p p p . . . |  -> take      the newest end, for those blocks are likeliest in a cache
 *                        ^ count
 *
 * A batch keeps its order: what one shard frees in rising order, another allocates in rising order.
 *
 * Invariants (cairn_depot_check): count <= capacity; no NULL, no pointer twice in a class. Cost.
 * take, give: a copy of `count` pointers under the lock of the class; the source is called without
 * it. Threads. count is written under the lock and read without it for statistics, hence the
 * relaxed accesses.
 */

#include <cairn/depot.h>

#include <cairn/base/align.h>
#include <cairn/base/atomic.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <string.h>

enum {
    CACHE_BYTES_DEFAULT = 64 * 1024,
    CAPACITY_MIN = 8,
    CAPACITY_LARGE = 2,
    CAPACITY_MAX = 1024,
    ALIGN_BYTES_MAX = 16,
    CHUNK = 64 /* blocks that a flush moves at once, over the stack */
};

static size_t least_capacity(uint32_t block_bytes)
{
    return block_bytes > CAIRN_DEPOT_LARGE_BYTES ? CAPACITY_LARGE : CAPACITY_MIN;
}

static size_t capacity_of(const struct cairn_depot_config *config, unsigned class_idx)
{
    size_t cache_bytes =
        config->class_cache_bytes != 0 ? config->class_cache_bytes : (size_t)CACHE_BYTES_DEFAULT;
    size_t fitting = cache_bytes / config->block_bytes[class_idx];

    return cairn_max(least_capacity(config->block_bytes[class_idx]),
                     cairn_min(fitting, CAPACITY_MAX));
}

static bool classes_valid(const struct cairn_depot_config *config)
{
    if (config->class_count == 0 || config->class_count > CAIRN_DEPOT_CLASSES_MAX ||
        config->block_bytes == NULL)
        return false;
    for (unsigned class_idx = 0; class_idx < config->class_count; class_idx++)
        if (config->block_bytes[class_idx] == 0)
            return false;
    return true;
}

size_t cairn_depot_state_bytes(const struct cairn_depot_config *config)
{
    size_t slots = 0;

    if (!classes_valid(config))
        return 0;
    for (unsigned class_idx = 0; class_idx < config->class_count; class_idx++)
        slots += capacity_of(config, class_idx);
    return cairn_align_up(slots * sizeof(void *), CAIRN_CACHE_LINE_BYTES);
}

static bool config_valid(const struct cairn_depot_config *config)
{
    if (!classes_valid(config) || config->source.ops == NULL || config->state == NULL)
        return false;
    return cairn_source_has(config->source, CAIRN_SOURCE_THREAD_SAFE) &&
           cairn_is_aligned((uintptr_t)config->state, CAIRN_CACHE_LINE_BYTES) &&
           config->state_bytes >= cairn_depot_state_bytes(config);
}

int cairn_depot_init(struct cairn_depot *depot, const struct cairn_depot_config *config)
{
    size_t slots_offset = 0;

    if (!config_valid(config))
        return -EINVAL;
    depot->source = config->source;
    depot->slots = config->state;
    depot->class_count = config->class_count;
    for (unsigned class_idx = 0; class_idx < config->class_count; class_idx++) {
        struct cairn_depot_bin *bin = &depot->bins[class_idx];

        cairn_lock_init(&bin->lock, CAIRN_RANK_DEPOT);
        bin->count = 0;
        bin->idle_ticks = 0;
        bin->was_used = false;
        bin->capacity = (uint32_t)capacity_of(config, class_idx);
        bin->block_bytes = config->block_bytes[class_idx];
        bin->slots_offset = slots_offset;
        slots_offset += bin->capacity;
    }
    CAIRN_ASSERT(slots_offset * sizeof(void *) <= config->state_bytes);
    return 0;
}

void cairn_depot_fini(struct cairn_depot *depot)
{
    cairn_depot_flush(depot);
    CAIRN_ASSERT(cairn_depot_bytes(depot) == 0);
    depot->class_count = 0;
}

/* Moves the newest blocks out, in the order in which they lie. */
static size_t bin_pop(struct cairn_depot *depot, struct cairn_depot_bin *bin, void **blocks,
                      size_t count)
{
    size_t taken;

    if (cairn_load_relaxed(&bin->count) == 0)
        return 0; /* a miss costs no lock; a block that arrives meanwhile may be missed */
    cairn_lock_take(&bin->lock);
    CAIRN_ASSERT(bin->count <= bin->capacity);
    taken = cairn_min(count, bin->count);
    cairn_store_relaxed(&bin->count, bin->count - (uint32_t)taken);
    cairn_store_relaxed(&bin->idle_ticks, 0u);
    cairn_store_relaxed(&bin->was_used, true);
    memcpy(blocks, depot->slots + bin->slots_offset + bin->count, taken * sizeof(void *));
    cairn_lock_release(&bin->lock);
    return taken;
}

/* Moves as many in as there is room for: the first ones. */
static size_t bin_push(struct cairn_depot *depot, struct cairn_depot_bin *bin, void *const *blocks,
                       size_t count)
{
    size_t put;

    if (count == 0 || cairn_load_relaxed(&bin->count) == bin->capacity)
        return 0;
    cairn_lock_take(&bin->lock);
    CAIRN_ASSERT(bin->count <= bin->capacity);
    put = cairn_min(count, bin->capacity - bin->count);
    memcpy(depot->slots + bin->slots_offset + bin->count, blocks, put * sizeof(void *));
    cairn_store_relaxed(&bin->count, bin->count + (uint32_t)put);
    cairn_store_relaxed(&bin->idle_ticks, 0u);
    cairn_store_relaxed(&bin->was_used, true);
    cairn_lock_release(&bin->lock);
    return put;
}

/* What the size itself promises, up to malloc's 16: more is the layout of the source below, as
   slabs have it. */
static size_t align_of(const struct cairn_depot_bin *bin)
{
    return cairn_min(cairn_pow2_divisor(bin->block_bytes), ALIGN_BYTES_MAX);
}

size_t cairn_depot_take(struct cairn_depot *depot, unsigned class_idx, void **blocks, size_t count)
{
    struct cairn_depot_bin *bin = &depot->bins[class_idx];
    size_t taken;

    CAIRN_ASSERT(class_idx < depot->class_count);
    CAIRN_ASSERT(count > 0);
    taken = bin_pop(depot, bin, blocks, count);
    if (taken < count)
        taken += cairn_source_take(depot->source, bin->block_bytes, align_of(bin), blocks + taken,
                                   count - taken);
    CAIRN_ASSERT(taken <= count);
    return taken;
}

void cairn_depot_give(struct cairn_depot *depot, unsigned class_idx, void *const *blocks,
                      size_t count)
{
    struct cairn_depot_bin *bin = &depot->bins[class_idx];
    size_t put;

    CAIRN_ASSERT(class_idx < depot->class_count);
    put = bin_push(depot, bin, blocks, count);
    if (put < count)
        cairn_source_give(depot->source, bin->block_bytes, blocks + put, count - put);
}

/* Moves the oldest blocks out. */
static size_t bin_pop_oldest(struct cairn_depot *depot, struct cairn_depot_bin *bin, void **blocks,
                             size_t count)
{
    void **slots = depot->slots + bin->slots_offset;
    size_t taken;

    if (cairn_load_relaxed(&bin->count) == 0)
        return 0;
    cairn_lock_take(&bin->lock);
    taken = cairn_min(count, bin->count);
    cairn_store_relaxed(&bin->count, bin->count - (uint32_t)taken);
    memcpy(blocks, slots, taken * sizeof(void *));
    memmove(slots, slots + taken, bin->count * sizeof(void *));
    cairn_lock_release(&bin->lock);
    return taken;
}

/* Gives as many of the oldest blocks to the source, if there are. Ends although others may give all
   the time. */
static size_t bin_flush(struct cairn_depot *depot, struct cairn_depot_bin *bin, size_t most)
{
    size_t moved = 0;
    void *chunk[CHUNK];

    while (moved < most) {
        size_t count = bin_pop_oldest(depot, bin, chunk, cairn_min(most - moved, (size_t)CHUNK));

        if (count == 0)
            break;
        cairn_source_give(depot->source, bin->block_bytes, chunk, count);
        moved += count;
    }
    return moved;
}

size_t cairn_depot_flush(struct cairn_depot *depot)
{
    size_t moved = 0;

    for (unsigned class_idx = 0; class_idx < depot->class_count; class_idx++)
        moved += bin_flush(depot, &depot->bins[class_idx], depot->bins[class_idx].capacity);
    return moved;
}

void cairn_depot_tick(struct cairn_depot *depot)
{
    for (unsigned class_idx = 0; class_idx < depot->class_count; class_idx++) {
        uint32_t *ticks = &depot->bins[class_idx].idle_ticks;
        uint32_t before = cairn_load_relaxed(ticks);

        if (before < UINT32_MAX)
            cairn_store_relaxed(ticks, before + 1);
    }
}

size_t cairn_depot_flush_idle(struct cairn_depot *depot, unsigned ticks)
{
    size_t moved = 0;

    for (unsigned class_idx = 0; class_idx < depot->class_count; class_idx++)
        if (cairn_load_relaxed(&depot->bins[class_idx].idle_ticks) >= ticks)
            moved += bin_flush(depot, &depot->bins[class_idx], depot->bins[class_idx].capacity);
    return moved;
}

/* Of a class in use the older half goes: it may have waited at the bottom for long. */
size_t cairn_depot_age(struct cairn_depot *depot)
{
    size_t moved = 0;

    for (unsigned class_idx = 0; class_idx < depot->class_count; class_idx++) {
        struct cairn_depot_bin *bin = &depot->bins[class_idx];
        bool was_used = cairn_load_relaxed(&bin->was_used);

        cairn_store_relaxed(&bin->was_used, false);
        moved += bin_flush(depot, bin,
                           was_used ? (cairn_load_relaxed(&bin->count) + 1) / 2 : bin->capacity);
    }
    return moved;
}

size_t cairn_depot_count(const struct cairn_depot *depot, unsigned class_idx)
{
    CAIRN_ASSERT(class_idx < depot->class_count);
    return cairn_load_relaxed(&depot->bins[class_idx].count);
}

size_t cairn_depot_bytes(const struct cairn_depot *depot)
{
    size_t bytes = 0;

    for (unsigned class_idx = 0; class_idx < depot->class_count; class_idx++)
        bytes += cairn_depot_count(depot, class_idx) * depot->bins[class_idx].block_bytes;
    return bytes;
}

static void bin_check(struct cairn_depot *depot, const struct cairn_depot_bin *bin)
{
    void *const *slots = depot->slots + bin->slots_offset;

    CAIRN_INVARIANT(bin->capacity >= least_capacity(bin->block_bytes));
    CAIRN_INVARIANT(bin->capacity <= CAPACITY_MAX);
    CAIRN_INVARIANT(bin->count <= bin->capacity);
    for (size_t at = 0; at < bin->count; at++) {
        CAIRN_INVARIANT(slots[at] != NULL);
        for (size_t before = 0; before < at; before++)
            CAIRN_INVARIANT(slots[before] != slots[at]);
    }
}

void cairn_depot_check(struct cairn_depot *depot)
{
    size_t slots_offset = 0;

    for (unsigned class_idx = 0; class_idx < depot->class_count; class_idx++) {
        struct cairn_depot_bin *bin = &depot->bins[class_idx];

        cairn_lock_take(&bin->lock);
        CAIRN_INVARIANT(bin->slots_offset == slots_offset);
        bin_check(depot, bin);
        cairn_lock_release(&bin->lock);
        slots_offset += bin->capacity;
    }
}
