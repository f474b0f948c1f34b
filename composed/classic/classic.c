/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * classic.c - the smallest complete stack: pools per CPU, each CPU's behind one lock, over buddy
 * and pagesource.
 *
 *     malloc, free               surface/override.c
 *       | up to 32 KiB      | larger
 *     shard of the CPU      |    one lock per shard, picked by sched_getcpu()
 *       | a pool per class  |
 *     buddy -------------- -+
 *       |
 *     pagesource   brk, mmap
 *
 * No caches and no batches: an allocation takes a block from the pool of the CPU it runs on, a free
 * gives it to the pool that it came from, which its slab's descriptor names. Every free is checked
 * against the bitmap at once, so a double free cannot hide. It is the reference that the other
 * stacks are measured and tested against.
 *
 * Lock order: one shard (several only by fork, in order of address), then the slabs', then the
 * ground's.
 */

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/cpu.h>
#include <cairn/sizeclass.h>

#include <errno.h>
#include <string.h>

#include "composed/ground/ground.h"
#include "composed/surface/front.h"

enum { SHARDS_MAX = 4096 };

struct shard {
    struct cairn_lock lock;
    struct cairn_pool pools[CAIRN_CLASS_COUNT];
} CAIRN_CACHE_ALIGNED;

struct classic {
    struct cairn_ground ground;
    struct cairn_slabs slabs;
    struct cairn_cpu cpu;
    struct shard *shards;
    unsigned shard_count;
};

static struct classic classic;
static bool is_ready; /* released once the stack is built */

static int init_slabs(void)
{
    struct cairn_slabs_config config = {
        .pagemap = &classic.ground.map,
        .source = cairn_ground_as_source(&classic.ground),
        .granule_bytes = classic.ground.granule_bytes,
    };

    config.state_bytes =
        cairn_sizeclass_state_bytes(classic.ground.space_bytes, classic.ground.granule_bytes);
    config.state = cairn_ground_reserve_down(&classic.ground, &config.state_bytes);
    return config.state == NULL ? -ENOMEM : cairn_slabs_init(&classic.slabs, &config);
}

static int init_shard(unsigned shard_idx)
{
    struct shard *shard = &classic.shards[shard_idx];
    int error = 0;

    cairn_lock_init(&shard->lock, CAIRN_RANK_SHARD);
    for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT && error == 0; class_idx++)
        error = cairn_pool_init(&shard->pools[class_idx], &classic.slabs,
                                cairn_class_block_bytes[class_idx], (uint8_t)(class_idx + 1),
                                CAIRN_CLASS_COUNT, shard_idx * CAIRN_CLASS_COUNT + class_idx);
    return error;
}

static int init_shards(unsigned wanted_count)
{
    int error = 0;

    cairn_cpu_init(&classic.cpu, CAIRN_CPU_GETCPU);
    classic.shard_count = wanted_count != 0 ? wanted_count : cairn_cpu_possible_count();
    classic.shard_count = (unsigned)cairn_min(classic.shard_count, SHARDS_MAX);
    classic.shards =
        cairn_ground_reserve(&classic.ground, classic.shard_count * sizeof(struct shard));
    if (classic.shards == NULL)
        return -ENOMEM;
    for (unsigned shard_idx = 0; shard_idx < classic.shard_count && error == 0; shard_idx++)
        error = init_shard(shard_idx);
    return error;
}

static int build(const struct cairn_conf_values *conf)
{
    struct cairn_ground_config ground = cairn_ground_config_of(conf);
    int error;

    memset(&classic, 0, sizeof(classic)); /* an earlier try may have failed half-way */
    error = cairn_ground_init(&classic.ground, &ground);
    if (error == 0)
        error = init_slabs();
    if (error == 0)
        error = init_shards((unsigned)conf->value[CAIRN_CONF_SHARDS]);
    return error;
}

static inline bool is_started(void)
{
    return CAIRN_LIKELY(cairn_load_acquire(&is_ready)) || cairn_front_start(&is_ready, build);
}

/* The shard of this CPU if it is free, else the next that is, else this one after a wait. Locked. */
static struct shard *lock_shard(void)
{
    unsigned home = (unsigned)cairn_cpu_current(&classic.cpu) % classic.shard_count;

    for (unsigned step = 0; step < classic.shard_count; step++) {
        struct shard *shard = &classic.shards[(home + step) % classic.shard_count];

        if (cairn_trylock(&shard->lock))
            return shard;
    }
    cairn_lock_take(&classic.shards[home].lock);
    return &classic.shards[home];
}

void *cairn_front_alloc_class(unsigned class_idx)
{
    struct shard *shard = lock_shard();
    void *block = cairn_pool_alloc(&shard->pools[class_idx]);

    cairn_lock_release(&shard->lock);
    return block;
}

void *cairn_front_alloc(size_t size_bytes)
{
    if (CAIRN_UNLIKELY(!is_started()))
        return NULL;
    if (CAIRN_LIKELY(size_bytes <= CAIRN_CLASS_BYTES_MAX))
        return cairn_front_alloc_class(cairn_class_of(size_bytes));
    return cairn_ground_alloc(&classic.ground, size_bytes, 1, NULL);
}

/* True when a block of the class begins at an address that has a slab's tag. */
static bool is_block_start(const void *block, uint16_t tag)
{
    const struct cairn_pool *pool = &classic.shards[0].pools[cairn_tag_kind(tag) - 1u];
    size_t granule_bytes = classic.ground.granule_bytes;
    size_t offset_bytes =
        cairn_tag_granule_idx(tag) * granule_bytes + ((uintptr_t)block & (granule_bytes - 1));

    return cairn_slab_is_block_start(&pool->geometry, offset_bytes);
}

/* Asked of the bitmap first, so that the complaint names the program's call. */
static void free_small(uint32_t pool_id, void *block, const char *where)
{
    struct shard *shard = &classic.shards[pool_id / CAIRN_CLASS_COUNT];
    struct cairn_pool *pool = &shard->pools[pool_id % CAIRN_CLASS_COUNT];
    bool is_out;

    cairn_lock_take(&shard->lock);
    is_out = cairn_pool_is_out(pool, block);
    if (is_out)
        cairn_pool_free(pool, block);
    cairn_lock_release(&shard->lock);
    CAIRN_CHECK(is_out, "double free", block, where);
}

/* Called with any pointer: before the stack is built the map says "not ours" to everything. */
void cairn_front_free(void *block, const char *where)
{
    uint16_t tag = cairn_pagemap_tag(&classic.ground.map, block);
    bool is_small = cairn_tag_kind(tag) - 1u < CAIRN_CLASS_COUNT && is_block_start(block, tag);
    /* NULL all the same when another thread frees the block, too, and its slab has gone since the tag was read. */
    const struct cairn_slab *slab =
        is_small ? cairn_slabs_find(&classic.slabs, block, CAIRN_CLASS_COUNT) : NULL;

    if (CAIRN_LIKELY(slab != NULL))
        free_small(slab->pool_id, block, where);
    else
        cairn_ground_free(&classic.ground, block, tag, where);
}

size_t cairn_front_usable_bytes(const void *block, const char *where)
{
    uint16_t tag = cairn_pagemap_tag(&classic.ground.map, block);
    unsigned class_idx = cairn_tag_kind(tag) - 1u;

    if (class_idx >= CAIRN_CLASS_COUNT)
        return cairn_ground_usable_bytes(&classic.ground, block, tag, where);
    if (!is_block_start(block, tag))
        cairn_ground_reject(&classic.ground, block, where);
    return cairn_class_block_bytes[class_idx];
}

struct cairn_ground *cairn_front_ground(void)
{
    return is_started() ? &classic.ground : NULL;
}

static void trim_shard(struct shard *shard)
{
    cairn_lock_take(&shard->lock);
    for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT; class_idx++)
        cairn_pool_trim(&shard->pools[class_idx]);
    cairn_lock_release(&shard->lock);
}

size_t cairn_front_trim(void)
{
    if (!is_started())
        return 0;
    for (unsigned shard_idx = 0; shard_idx < classic.shard_count; shard_idx++)
        trim_shard(&classic.shards[shard_idx]);
    return cairn_ground_trim(&classic.ground);
}

void cairn_front_lock_all(void)
{
    for (unsigned shard_idx = 0; shard_idx < classic.shard_count; shard_idx++)
        cairn_lock_fork_take(&classic.shards[shard_idx].lock);
    cairn_slabs_prefork(&classic.slabs);
    cairn_ground_prefork(&classic.ground);
}

void cairn_front_unlock_all(void)
{
    cairn_ground_postfork(&classic.ground);
    cairn_slabs_postfork(&classic.slabs);
    for (unsigned shard_idx = classic.shard_count; shard_idx-- > 0;)
        cairn_lock_fork_release(&classic.shards[shard_idx].lock);
}

void cairn_front_check(void)
{
    if (!is_started())
        return;
    for (unsigned shard_idx = 0; shard_idx < classic.shard_count; shard_idx++)
        for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT; class_idx++)
            cairn_pool_check(&classic.shards[shard_idx].pools[class_idx]);
    cairn_slabs_check(&classic.slabs);
    cairn_ground_check(&classic.ground);
}

static size_t used_bytes_of(struct shard *shard)
{
    size_t used_bytes = 0;

    cairn_lock_take(&shard->lock);
    for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT; class_idx++) {
        struct cairn_pool_stats pool = cairn_pool_stats(&shard->pools[class_idx]);

        used_bytes += pool.used_count * pool.block_bytes;
    }
    cairn_lock_release(&shard->lock);
    return used_bytes;
}

void cairn_front_stats(struct cairn_malloc_stats *stats)
{
    size_t used_bytes = 0;
    size_t slab_bytes;

    memset(stats, 0, sizeof(*stats));
    stats->stack = "classic";
    if (!is_started())
        return;
    for (unsigned shard_idx = 0; shard_idx < classic.shard_count; shard_idx++)
        used_bytes += used_bytes_of(&classic.shards[shard_idx]);
    slab_bytes = cairn_load_relaxed(&classic.slabs.slab_bytes);
    cairn_ground_report(&classic.ground, slab_bytes, stats);
    stats->mode = "lock";
    stats->reason = "the classic stack has a lock per CPU";
    stats->cpu = cairn_cpu_way_name(classic.cpu.way);
    stats->shard_count = classic.shard_count;
    stats->slab_free_bytes = slab_bytes - cairn_min(slab_bytes, used_bytes);
    stats->allocated_bytes = stats->large_bytes + stats->huge_bytes + used_bytes;
}
