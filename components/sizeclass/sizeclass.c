/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * sizeclass.c - a pool and a lock for each class, over one directory of slabs.
 *
 *     take(class 3, 32 blocks)          give(class 5, 32 blocks)
 *          |                                 |
 *      [lock 3] pool 3                   [lock 5] pool 5       each on cache lines of its own
 *          \______________  _________________/
 *                         \/
 *              [lock] slabs, pagemap, source                   only for a whole slab
 *
 * The class of a block that comes without one is read from the pagemap (kind = class + 1), whose
 * index of the granule gives the offset in the slab without another load: see cairn_sizeclass_of().
 *
 * Invariant (cairn_sizeclass_check), besides those of pools and slabs: every slab is
 * some pool's.
 *
 * Cost. As pool.c, and one lock per batch.
 */

#include <cairn/sizeclass.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include "internal.h"

#include <errno.h>
#include <string.h>

CAIRN_STATIC_ASSERT(CAIRN_CLASS_COUNT_MAX < UINT8_MAX, "a class and one fit a kind of the pagemap");

static const char source_name[] = "cairn_sizeclass_as_source";

/* Units of descriptor for slabs over so much memory, if all of them were like this: rounded up. */
static size_t units_over(size_t memory_bytes, const struct cairn_slab_geometry *geometry)
{
    size_t units = cairn_slab_unit_count(geometry->block_count);
    size_t rest_bytes = memory_bytes % geometry->slab_bytes;

    return memory_bytes / geometry->slab_bytes * units +
           (rest_bytes * units + geometry->slab_bytes - 1) / geometry->slab_bytes;
}

/* Descriptors of different unit counts never exchange units, and at different times all memory may
   be in slabs of each: so the bound is a sum over the unit counts, of the densest with each. */
size_t cairn_sizeclass_state_bytes(const struct cairn_class_table *classes, size_t memory_bytes,
                                   size_t granule_bytes)
{
    size_t most_units[CAIRN_SLAB_UNITS_MAX + 1] = {0};
    size_t sum_units = 1;
    struct cairn_slab_geometry geometry;

    for (unsigned i = 0; i < classes->count; i++) {
        size_t *most;

        if (cairn_slab_geometry(&geometry, classes->block_bytes[i], granule_bytes) != 0)
            continue;
        most = &most_units[cairn_slab_unit_count(geometry.block_count)];
        *most = cairn_max(*most, units_over(memory_bytes, &geometry));
    }
    for (unsigned i = 1; i <= CAIRN_SLAB_UNITS_MAX; i++)
        sum_units += most_units[i];
    return cairn_max(sum_units, 2) * CAIRN_SLAB_UNIT_BYTES;
}

static int init_bin(struct cairn_sizeclass *set, unsigned class_idx)
{
    struct cairn_sizeclass_bin *bin = &set->bins[class_idx];
    int error =
        cairn_pool_init(&bin->pool, &set->slabs, set->classes->block_bytes[class_idx],
                        (uint8_t)cairn_class_kind(class_idx), (uint8_t)set->class_count, class_idx);

    if (error != 0)
        return error;
    cairn_lock_init(&bin->lock, CAIRN_RANK_CLASS);
    set->geometry[class_idx] = bin->pool.geometry;
    return 0;
}

int cairn_sizeclass_init(struct cairn_sizeclass *set, const struct cairn_sizeclass_config *config)
{
    const struct cairn_slabs_config slabs_config = {.pagemap = config->pagemap,
                                                    .source = config->source,
                                                    .granule_bytes = config->granule_bytes,
                                                    .state = config->state,
                                                    .state_bytes = config->state_bytes,
                                                    .descriptors = config->descriptors};
    const struct cairn_class_table *classes =
        config->classes == NULL ? &cairn_classes_default : config->classes;
    int error;

    if (config->class_count > classes->count)
        return -EINVAL;
    error = cairn_slabs_init(&set->slabs, &slabs_config);
    if (error != 0)
        return error;
    set->classes = classes;
    set->class_count = config->class_count == 0 ? classes->count : config->class_count;
    set->granule_mask = config->granule_bytes - 1;
    set->granule_shift = cairn_log2_floor(config->granule_bytes);
    memset(set->geometry, 0, sizeof(set->geometry));
    memset(set->bins, 0, sizeof(set->bins));
    for (unsigned i = 0; i < set->class_count && error == 0; i++)
        error = init_bin(set, i);
    return error;
}

void cairn_sizeclass_fini(struct cairn_sizeclass *set)
{
    for (unsigned i = 0; i < set->class_count; i++) {
        CAIRN_ASSERT(!cairn_lock_is_held(&set->bins[i].lock));
        cairn_pool_fini(&set->bins[i].pool);
    }
    cairn_slabs_fini(&set->slabs);
    set->class_count = 0;
}

size_t cairn_sizeclass_take(struct cairn_sizeclass *set, unsigned class_idx, void **blocks,
                            size_t count)
{
    struct cairn_sizeclass_bin *bin = &set->bins[class_idx];
    size_t taken;

    CAIRN_ASSERT(class_idx < set->class_count);
    cairn_lock_take(&bin->lock);
    taken = cairn_pool_take(&bin->pool, blocks, count);
    cairn_lock_release(&bin->lock);
    return taken;
}

void cairn_sizeclass_give(struct cairn_sizeclass *set, unsigned class_idx, void *const *blocks,
                          size_t count)
{
    struct cairn_sizeclass_bin *bin = &set->bins[class_idx];

    CAIRN_ASSERT(class_idx < set->class_count);
    cairn_lock_take(&bin->lock);
    cairn_pool_give(&bin->pool, blocks, count);
    cairn_lock_release(&bin->lock);
}

/* The class of any pointer; set->class_count when no block begins there. */
static unsigned class_at(const struct cairn_sizeclass *set, const void *pointer)
{
    return cairn_sizeclass_of(set, pointer, cairn_pagemap_tag(set->slabs.config.pagemap, pointer));
}

/* The class was read without the lock: under it the pool looks again, since the slab may have gone
   back meanwhile. */
bool cairn_sizeclass_is_allocated(struct cairn_sizeclass *set, const void *pointer)
{
    unsigned class_idx = class_at(set, pointer);
    struct cairn_sizeclass_bin *bin;
    bool is_allocated;

    if (class_idx == set->class_count)
        return false;
    bin = &set->bins[class_idx];
    cairn_lock_take(&bin->lock);
    is_allocated = cairn_pool_is_allocated(&bin->pool, pointer);
    cairn_lock_release(&bin->lock);
    return is_allocated;
}

size_t cairn_sizeclass_trim(struct cairn_sizeclass *set)
{
    size_t trimmed_bytes = 0;

    for (unsigned i = 0; i < set->class_count; i++) {
        cairn_lock_take(&set->bins[i].lock);
        trimmed_bytes += cairn_pool_trim(&set->bins[i].pool);
        cairn_lock_release(&set->bins[i].lock);
    }
    return trimmed_bytes;
}

struct cairn_pool_stats cairn_sizeclass_class_stats(struct cairn_sizeclass *set, unsigned class_idx)
{
    struct cairn_sizeclass_bin *bin = &set->bins[class_idx];
    struct cairn_pool_stats stats;

    CAIRN_ASSERT(class_idx < set->class_count);
    cairn_lock_take(&bin->lock);
    stats = cairn_pool_stats(&bin->pool);
    cairn_lock_release(&bin->lock);
    return stats;
}

struct cairn_sizeclass_stats cairn_sizeclass_stats(struct cairn_sizeclass *set)
{
    struct cairn_sizeclass_stats sum = {0, 0, 0};

    for (unsigned i = 0; i < set->class_count; i++) {
        struct cairn_pool_stats stats = cairn_sizeclass_class_stats(set, i);

        sum.slab_count += stats.slab_count;
        sum.slab_bytes += stats.slab_count * stats.slab_bytes;
        sum.used_bytes += stats.used_count * stats.block_bytes;
    }
    return sum;
}

static size_t set_source_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                              size_t count)
{
    struct cairn_sizeclass *set = self;
    unsigned class_idx = cairn_class_of_aligned(set->classes, block_bytes, align_bytes);

    CAIRN_ASSERT(block_bytes > 0);
    if (class_idx >= set->class_count)
        return 0;
    return cairn_sizeclass_take(set, class_idx, blocks, count);
}

/* The size does not tell the class, for the alignment asked for had a say: the pagemap does. */
static void set_source_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_sizeclass *set = self;
    size_t given = 0;

    while (given < count) {
        unsigned class_idx = class_at(set, blocks[given]);
        size_t stretch = 1;

        CAIRN_CHECK(class_idx != set->class_count, "not the start of a block of this heap",
                    blocks[given], source_name);
        CAIRN_CHECK(block_bytes <= set->classes->block_bytes[class_idx],
                    "give of a block with a larger size than it has", blocks[given], source_name);
        while (given + stretch < count && class_at(set, blocks[given + stretch]) == class_idx)
            stretch++;
        cairn_sizeclass_give(set, class_idx, blocks + given, stretch);
        given += stretch;
    }
}

/* Blocks of 2^k bytes come from a class of that size, which is aligned so. */
struct cairn_source cairn_sizeclass_as_source(struct cairn_sizeclass *set)
{
    static const struct cairn_source_ops ops = {
        "sizeclass", CAIRN_SOURCE_THREAD_SAFE | CAIRN_SOURCE_NATURAL_ALIGN, set_source_take,
        set_source_give};

    return (struct cairn_source){&ops, set};
}

static size_t exact_source_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                                size_t count)
{
    struct cairn_sizeclass *set = self;
    unsigned class_idx = cairn_class_of(set->classes, block_bytes);

    CAIRN_ASSERT(set->classes->block_bytes[class_idx] == block_bytes);
    CAIRN_ASSERT(align_bytes <= set->geometry[class_idx].align_bytes);
    (void)align_bytes;
    return cairn_sizeclass_take(set, class_idx, blocks, count);
}

/* The pool refuses what is not its own. */
static void exact_source_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_sizeclass *set = self;

    cairn_sizeclass_give(set, cairn_class_of(set->classes, block_bytes), blocks, count);
}

struct cairn_source cairn_sizeclass_as_exact_source(struct cairn_sizeclass *set)
{
    static const struct cairn_source_ops ops = {"sizeclass by class", CAIRN_SOURCE_THREAD_SAFE,
                                                exact_source_take, exact_source_give};

    return (struct cairn_source){&ops, set};
}

static void check_locked(struct cairn_sizeclass *set)
{
    size_t slab_count = 0;

    for (unsigned i = 0; i < set->class_count; i++) {
        const struct cairn_pool *pool = &set->bins[i].pool;

        CAIRN_INVARIANT(memcmp(&pool->geometry, &set->geometry[i], sizeof(pool->geometry)) == 0);
        cairn_pool_check(pool);
        slab_count += pool->slab_count;
    }
    CAIRN_INVARIANT(slab_count == set->slabs.slab_count);
    cairn_slabs_check(&set->slabs);
}

/* With every class locked no thread is inside the directory, either. */
void cairn_sizeclass_check(struct cairn_sizeclass *set)
{
    for (unsigned i = 0; i < set->class_count; i++)
        cairn_lock_take(&set->bins[i].lock);
    check_locked(set);
    for (unsigned i = set->class_count; i-- > 0;)
        cairn_lock_release(&set->bins[i].lock);
}
