/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * reference.c - the smallest complete stack: pools per CPU, each CPU's behind one lock, over buddy
 * and pagesource.
 *
 *     malloc, free               libc/override.c
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
 * Lock order: one shard, then the slabs', then the backend's.
 */

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/cpu.h>
#include <cairn/sizeclass.h>

#include <errno.h>
#include <string.h>

#include "composed/backend/backend.h"
#include "composed/malloc/frontend.h"

enum { SHARDS_MAX = 4096 };

struct shard {
    struct cairn_lock lock;
    struct cairn_pool pools[CAIRN_CLASS_COUNT];
} CAIRN_CACHE_ALIGNED;

struct reference {
    struct cairn_backend backend;
    struct cairn_slabs slabs;
    struct cairn_cpu cpu;
    struct shard *shards;
    unsigned shard_count;
};

static struct reference reference;
static bool is_ready; /* released once the stack is built */

/* The tables of the pagemap, for granules of 16 KiB or more. */
static struct {
    char root[CAIRN_PAGEMAP_ROOT_BYTES(14)] CAIRN_CACHE_ALIGNED;
    char empty[CAIRN_PAGEMAP_EMPTY_BYTES] CAIRN_CACHE_ALIGNED;
} map_tables;

static int init_slabs(void)
{
    const struct cairn_slabs_config config = {
        .pagemap = &reference.backend.map,
        .source = cairn_backend_as_source(&reference.backend),
        .granule_bytes = reference.backend.granule_bytes,
        .descriptors = cairn_backend_as_metadata_source(&reference.backend),
    };

    return cairn_slabs_init(&reference.slabs, &config);
}

static int init_shard(unsigned shard_idx)
{
    struct shard *shard = &reference.shards[shard_idx];
    int error = 0;

    cairn_lock_init(&shard->lock, CAIRN_RANK_SHARD);
    for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT && error == 0; class_idx++)
        error = cairn_pool_init(&shard->pools[class_idx], &reference.slabs,
                                cairn_class_block_bytes[class_idx], (uint8_t)(class_idx + 1),
                                CAIRN_CLASS_COUNT, shard_idx * CAIRN_CLASS_COUNT + class_idx);
    return error;
}

static int init_shards(unsigned wanted_count)
{
    const struct cairn_cpu_config cpu = {.method = CAIRN_CPU_GETCPU};
    int error = cairn_cpu_init(&reference.cpu, &cpu);

    if (error != 0)
        return error;
    reference.shard_count = wanted_count != 0 ? wanted_count : cairn_cpu_possible_count();
    reference.shard_count = (unsigned)cairn_min(reference.shard_count, SHARDS_MAX);
    reference.shards =
        cairn_backend_reserve(&reference.backend, reference.shard_count * sizeof(struct shard));
    if (reference.shards == NULL)
        return -ENOMEM;
    for (unsigned shard_idx = 0; shard_idx < reference.shard_count && error == 0; shard_idx++)
        error = init_shard(shard_idx);
    return error;
}

static void give_up(void)
{
    if (reference.shards != NULL)
        cairn_backend_unreserve(&reference.backend, reference.shards,
                                reference.shard_count * sizeof(struct shard));
    if (reference.slabs.config.pagemap != NULL)
        cairn_slabs_fini(&reference.slabs);
    cairn_backend_fini(&reference.backend);
}

static int build(const struct cairn_conf_values *conf)
{
    struct cairn_backend_config backend = cairn_frontend_backend_config(conf);
    int error;

    memset(&reference, 0, sizeof(reference)); /* an earlier try may have failed half-way */
    backend.map_root = map_tables.root;
    backend.map_empty = map_tables.empty;
    error = cairn_backend_init(&reference.backend, &backend);
    if (error != 0)
        return error;
    error = init_slabs();
    if (error == 0)
        error = init_shards((unsigned)conf->value[CAIRN_CONF_SHARDS]);
    if (error != 0)
        give_up();
    return error;
}

bool cairn_heap_is_started(void)
{
    return CAIRN_LIKELY(cairn_load_acquire(&is_ready)) || cairn_frontend_start(&is_ready, build);
}

/* There is no fast path past the gate. */
void *cairn_heap_try_alloc(size_t size_bytes)
{
    (void)size_bytes;
    return NULL;
}

bool cairn_heap_try_free(void *block, const char *where)
{
    (void)block, (void)where;
    return false;
}

bool cairn_heap_close(void)
{
    return true;
}

void cairn_heap_repair(void)
{
}

void cairn_heap_reopen(void)
{
}

/* The shard of this CPU if it is free, else the next that is, else this one after a wait.
   Locked. */
static struct shard *lock_shard(void)
{
    unsigned home = (unsigned)cairn_cpu_current(&reference.cpu) % reference.shard_count;

    for (unsigned step = 0; step < reference.shard_count; step++) {
        struct shard *shard = &reference.shards[(home + step) % reference.shard_count];

        if (cairn_trylock(&shard->lock))
            return shard;
    }
    cairn_lock_take(&reference.shards[home].lock);
    return &reference.shards[home];
}

void *cairn_heap_alloc_class(unsigned class_idx)
{
    struct shard *shard = lock_shard();
    void *block = cairn_pool_alloc(&shard->pools[class_idx]);

    cairn_lock_release(&shard->lock);
    return block;
}

void *cairn_heap_alloc(size_t size_bytes)
{
    if (CAIRN_LIKELY(size_bytes <= CAIRN_CLASS_BYTES_MAX))
        return cairn_heap_alloc_class(cairn_class_of(size_bytes));
    return cairn_backend_alloc(&reference.backend, size_bytes, 1, NULL);
}

/* True when a block of the class begins at an address that has a slab's tag. */
static bool is_block_start(const void *block, uint16_t tag)
{
    const struct cairn_pool *pool = &reference.shards[0].pools[cairn_tag_kind(tag) - 1u];
    size_t granule_bytes = reference.backend.granule_bytes;
    size_t offset_bytes =
        cairn_tag_granule_idx(tag) * granule_bytes + ((uintptr_t)block & (granule_bytes - 1));

    return cairn_slab_is_block_start(&pool->geometry, offset_bytes);
}

/* Asked of the bitmap first, so that the complaint names the program's call. */
static void free_small(uint32_t pool_id, void *block, const char *where)
{
    struct shard *shard = &reference.shards[pool_id / CAIRN_CLASS_COUNT];
    struct cairn_pool *pool = &shard->pools[pool_id % CAIRN_CLASS_COUNT];
    bool is_allocated;

    cairn_lock_take(&shard->lock);
    is_allocated = cairn_pool_is_allocated(pool, block);
    if (is_allocated)
        cairn_pool_free(pool, block);
    cairn_lock_release(&shard->lock);
    CAIRN_CHECK(is_allocated, "double free", block, where);
}

/* The class of the block that begins at a pointer; CAIRN_CLASS_COUNT: none does. */
static unsigned class_at(const void *block)
{
    uint16_t tag = cairn_pagemap_tag(&reference.backend.map, block);
    unsigned class_idx = cairn_tag_kind(tag) - 1u;

    return class_idx < CAIRN_CLASS_COUNT && is_block_start(block, tag) ? class_idx
                                                                       : CAIRN_CLASS_COUNT;
}

void cairn_heap_free(void *block, const char *where)
{
    bool is_small = class_at(block) < CAIRN_CLASS_COUNT;
    /* NULL all the same when another thread frees the block, too, and its slab has gone since the
       tag was read. */
    const struct cairn_slab *slab =
        is_small ? cairn_slabs_find(&reference.slabs, block, CAIRN_CLASS_COUNT) : NULL;

    if (CAIRN_LIKELY(slab != NULL))
        free_small(slab->pool_id, block, where);
    else
        cairn_backend_free(&reference.backend, block, where);
}

bool cairn_heap_is_block(const void *pointer)
{
    return class_at(pointer) < CAIRN_CLASS_COUNT ||
           cairn_backend_is_block(&reference.backend, pointer);
}

size_t cairn_heap_usable_bytes(const void *block, const char *where)
{
    unsigned class_idx = class_at(block);

    if (class_idx < CAIRN_CLASS_COUNT)
        return cairn_class_block_bytes[class_idx];
    return cairn_backend_usable_bytes(&reference.backend, block, where);
}

struct cairn_backend *cairn_heap_backend(void)
{
    return &reference.backend;
}

static void trim_shard(struct shard *shard)
{
    cairn_lock_take(&shard->lock);
    for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT; class_idx++)
        cairn_pool_trim(&shard->pools[class_idx]);
    cairn_lock_release(&shard->lock);
}

size_t cairn_heap_trim(bool may_fence)
{
    (void)may_fence;
    for (unsigned shard_idx = 0; shard_idx < reference.shard_count; shard_idx++)
        trim_shard(&reference.shards[shard_idx]);
    return cairn_backend_trim(&reference.backend);
}

void cairn_heap_check(void)
{
    for (unsigned shard_idx = 0; shard_idx < reference.shard_count; shard_idx++)
        for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT; class_idx++)
            cairn_pool_check(&reference.shards[shard_idx].pools[class_idx]);
    cairn_slabs_check(&reference.slabs);
    cairn_backend_check(&reference.backend);
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

void cairn_heap_stats(struct cairn_malloc_stats *stats)
{
    size_t used_bytes = 0;
    size_t slab_bytes;

    stats->stack = "reference";
    for (unsigned shard_idx = 0; shard_idx < reference.shard_count; shard_idx++)
        used_bytes += used_bytes_of(&reference.shards[shard_idx]);
    slab_bytes = cairn_load_relaxed(&reference.slabs.slab_bytes);
    cairn_frontend_report_backend(&reference.backend, slab_bytes, stats);
    stats->mode = "lock";
    stats->reason = "the reference stack has a lock per CPU";
    stats->cpu = cairn_cpu_id_method_name(reference.cpu.method);
    stats->shard_count = reference.shard_count;
    stats->slab_free_bytes = slab_bytes - cairn_min(slab_bytes, used_bytes);
    stats->allocated_bytes = stats->large_bytes + stats->huge_bytes + used_bytes;
}
