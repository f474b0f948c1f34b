/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * ground.c - builds pagesource, pagemap and buddy, and offers slabs of granules upward.
 *
 * Metadata is reserved once, sized for all the memory that this process could ever hold
 * (address-space limit, or a few times the machine's memory), without being charged: only what is
 * touched costs. Where the kernel refuses the reservation, it is halved until it fits; then the
 * heap's size is bounded by what the tables can describe.
 *
 * Dirty free granules are kept for re-use up to a bound and emptied all at once above it: one fault
 * costs as much as hundreds of allocations, so nothing goes back that is likely to be wanted at
 * once.
 */

#include "composed/ground/ground.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

enum {
    SPACE_MIN_BYTES = 64 * 1024 * 1024,
    DIRTY_MIN_BYTES = 4 * 1024 * 1024,  /* dirty free memory that is always kept */
    DIRTY_SHARE = 8,                    /* ... or an eighth of what is used */
    DIRTY_MAX_BYTES = 32 * 1024 * 1024, /* dirty free memory that may wait for its time */
    DIRTY_MAX_SHARE = 1,                /* ... or as much as is used */
    RETAIN_MS = 100, /* what is wanted again within this time is not worth its page faults */
    PURGE_RUN_MIN_BYTES = 64 * 1024 /* shorter stretches are not worth a system call */
};

static const size_t space_max_bytes = (size_t)1 << 45;

static size_t limit_of(__rlimit_resource_t resource)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return (size_t)limit.rlim_cur;
}

/* How much memory to be ready for: more than can be had, but no more than the limits allow. */
static size_t space_wanted(void)
{
    struct sysinfo machine;
    size_t wanted = space_max_bytes;
    int saved_errno = errno;

    if (sysinfo(&machine) == 0) {
        size_t memory_bytes = (size_t)(machine.totalram + machine.totalswap) * machine.mem_unit;

        wanted = cairn_min(wanted, 4 * memory_bytes);
    }
    wanted = cairn_min(wanted, limit_of(RLIMIT_AS));
    wanted = cairn_min(wanted, limit_of(RLIMIT_DATA));
    errno = saved_errno;
    return cairn_max(cairn_align_down(wanted, SPACE_MIN_BYTES), SPACE_MIN_BYTES);
}

/* The buddy's chunks: pages whose freshness is remembered until the buddy asks. */
static size_t take_chunks(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                          size_t count)
{
    struct cairn_ground *ground = self;
    size_t taken = 0;

    for (; taken < count; taken++) {
        blocks[taken] =
            cairn_pagesource_alloc(&ground->pages, block_bytes, align_bytes, &ground->chunk_zeroed);
        if (blocks[taken] == NULL)
            break;
    }
    return taken;
}

static void give_chunks(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_ground *ground = self;

    for (size_t idx = 0; idx < count; idx++)
        cairn_pagesource_free(&ground->pages, blocks[idx], block_bytes);
}

static const struct cairn_source_ops chunk_ops = {"chunks", CAIRN_SOURCE_NATURAL_ALIGN, take_chunks,
                                                  give_chunks};

static bool chunk_is_zeroed(void *self, const void *chunk)
{
    const struct cairn_ground *ground = self;

    (void)chunk;
    return ground->chunk_zeroed;
}

static struct cairn_buddy_config buddy_config(struct cairn_ground *ground)
{
    struct cairn_buddy_config config = {0};

    config.grain_bytes = ground->granule_bytes;
    config.source = (struct cairn_source){&chunk_ops, ground};
    config.chunk_bytes = ground->chunk_bytes;
    config.chunk_count_max = ground->space_bytes / ground->chunk_bytes;
    config.chunk_keep_count = 1;
    config.chunk_is_zeroed = chunk_is_zeroed;
    config.chunk_is_zeroed_self = ground;
    return config;
}

void *cairn_ground_reserve(struct cairn_ground *ground, size_t length_bytes)
{
    return cairn_pagesource_reserve(&ground->pages,
                                    cairn_align_up(length_bytes, ground->granule_bytes));
}

void *cairn_ground_reserve_down(struct cairn_ground *ground, size_t *length_bytes)
{
    while (*length_bytes >= ground->granule_bytes) {
        void *block = cairn_ground_reserve(ground, *length_bytes);

        if (block != NULL)
            return block;
        *length_bytes = cairn_align_down(*length_bytes / 2, CAIRN_CACHE_LINE_BYTES);
    }
    return NULL;
}

struct cairn_ground_config cairn_ground_config_of(const struct cairn_conf_values *conf)
{
    return (struct cairn_ground_config){
        .policy = (enum cairn_pagesource_policy)conf->value[CAIRN_CONF_PAGES],
        .retain_bytes = (size_t)conf->value[CAIRN_CONF_RETAIN_MIB] << 20,
        .limit_bytes = (size_t)conf->value[CAIRN_CONF_LIMIT_MIB] << 20,
        .two_level_map = conf->value[CAIRN_CONF_MAP] != 0,
    };
}

/* Halves the space until the buddy's state can be reserved. */
static int init_buddy(struct cairn_ground *ground)
{
    for (;; ground->space_bytes /= 2) {
        struct cairn_buddy_config config = buddy_config(ground);
        size_t state_bytes = cairn_buddy_state_bytes(&config);
        void *state;

        if (ground->space_bytes < SPACE_MIN_BYTES / 4)
            return -ENOMEM;
        state = cairn_ground_reserve(ground, state_bytes);
        if (state == NULL)
            continue;
        ground->buddy = state;
        ground->buddy_state_bytes = state_bytes;
        return cairn_buddy_init(ground->buddy, state_bytes, &config);
    }
}

static int init_huge(struct cairn_ground *ground)
{
    size_t count = cairn_max(1024, ground->space_bytes / ground->large_max_bytes);
    size_t bytes = count * sizeof(struct cairn_huge_entry);
    void *entries = cairn_ground_reserve(ground, bytes);

    if (entries == NULL)
        return -ENOMEM;
    cairn_huge_init(&ground->huge, entries, bytes);
    return 0;
}

static int init_map(struct cairn_ground *ground, bool two_level)
{
    struct cairn_source tables = cairn_pagesource_as_reserve_source(&ground->pages);

    if (two_level)
        return cairn_pagemap_init_two_level(&ground->map, ground->granule_bytes, tables);
    return cairn_pagemap_init(&ground->map, ground->granule_bytes, tables);
}

int cairn_ground_init(struct cairn_ground *ground, const struct cairn_ground_config *config)
{
    struct cairn_pagesource_config pages = {0};
    size_t space_bytes = space_wanted();
    int error;

    pages.policy = config->policy;
    pages.retain_min_bytes = config->retain_bytes;
    pages.retain_ms = RETAIN_MS;
    pages.limit_bytes = config->limit_bytes;
    error = cairn_pagesource_init(&ground->pages, &pages);
    if (error != 0)
        return error;
    ground->page_bytes = cairn_pagesource_stats(&ground->pages).page_bytes;
    ground->granule_bytes = cairn_max(CAIRN_GROUND_GRANULE_MIN_BYTES, ground->page_bytes);
    ground->chunk_bytes = cairn_max(CAIRN_GROUND_CHUNK_MIN_BYTES, 32 * ground->granule_bytes);
    ground->large_max_bytes = ground->chunk_bytes / 2;
    ground->space_bytes = space_bytes;
    ground->has_runs = config->has_runs && ground->granule_bytes == CAIRN_GROUND_GRANULE_MIN_BYTES;
    cairn_lock_init(&ground->buddy_lock, CAIRN_RANK_BUDDY);
    /* A flat map is for programs with room: under a limit it would eat the address space that blocks need. */
    error = init_map(ground, config->two_level_map || limit_of(RLIMIT_AS) != SIZE_MAX ||
                                 limit_of(RLIMIT_DATA) != SIZE_MAX);
    if (error == 0)
        error = init_buddy(ground);
    if (error == 0)
        error = init_huge(ground);
    return error;
}

/* Under the buddy's lock. */
static int purge_run(void *self, void *base, size_t length_bytes)
{
    struct cairn_ground *ground = self;

    return cairn_pagesource_purge_range(&ground->pages, base, length_bytes);
}

/* A purge that ends when it has emptied enough. */
struct quota {
    struct cairn_ground *ground;
    size_t left_bytes;
};

/* Under the buddy's lock. */
static int purge_some(void *self, void *base, size_t length_bytes)
{
    struct quota *quota = self;

    if (quota->left_bytes == 0 || purge_run(quota->ground, base, length_bytes) != 0)
        return -1;
    quota->left_bytes -= cairn_min(length_bytes, quota->left_bytes);
    return 0;
}

/* Dirty free memory, but for runs that the last purge found too short to be worth a system call. */
static size_t purgeable_bytes(struct cairn_ground *ground, const struct cairn_buddy_stats *stats)
{
    ground->short_bytes = cairn_min(ground->short_bytes, stats->free_dirty_bytes);
    return stats->free_dirty_bytes - ground->short_bytes;
}

static uint64_t now_ms(const struct cairn_ground *ground)
{
    const struct cairn_os *os = &ground->pages.config.os;

    return os->ops->now_ms(os->self);
}

/* Short runs may have become long ones since. */
static void forget_short(struct cairn_ground *ground)
{
    if (CAIRN_UNLIKELY(ground->short_bytes > 0) && now_ms(ground) - ground->short_ms >= RETAIN_MS)
        ground->short_bytes = 0;
}

/* What is to be emptied now: what is beyond the budget and lay idle, what is beyond the second bound. */
static size_t surplus_bytes(struct cairn_ground *ground)
{
    struct cairn_buddy_stats stats = cairn_buddy_stats(ground->buddy);
    size_t dirty_bytes = purgeable_bytes(ground, &stats);
    size_t least_bytes = cairn_max(DIRTY_MIN_BYTES, stats.used_bytes / DIRTY_SHARE);
    size_t most_bytes = cairn_max(DIRTY_MAX_BYTES, stats.used_bytes / DIRTY_MAX_SHARE);

    if (CAIRN_LIKELY(dirty_bytes <= least_bytes))
        return 0;
    if (dirty_bytes > most_bytes)
        return dirty_bytes - most_bytes / 8 * 7;
    return cairn_min(cairn_decay_note(&ground->decay, now_ms(ground), RETAIN_MS, dirty_bytes),
                     dirty_bytes - least_bytes);
}

void cairn_ground__freed(struct cairn_ground *ground)
{
    struct quota quota;

    forget_short(ground);
    quota = (struct quota){ground, surplus_bytes(ground)};
    if (CAIRN_LIKELY(quota.left_bytes == 0))
        return;
    cairn_buddy_purge(ground->buddy, PURGE_RUN_MIN_BYTES, purge_some, &quota);
    if (quota.left_bytes == 0)
        return;
    /* A pass over everything found no more: another would not, either, for a while. */
    ground->short_bytes = cairn_buddy_stats(ground->buddy).free_dirty_bytes;
    ground->short_ms = now_ms(ground);
}

void cairn_ground__taken(struct cairn_ground *ground)
{
    struct cairn_buddy_stats stats = cairn_buddy_stats(ground->buddy);

    cairn_decay_shrunk(&ground->decay, purgeable_bytes(ground, &stats));
    cairn_pressure_note(&ground->pressure, stats.used_bytes, stats.free_dirty_bytes);
}

/* At a multiple of their size rounded up to a power of two, where the buddy puts them anyway: an offset in a slab is a
   mask away for those who know its class. */
static size_t take_slabs(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    struct cairn_ground *ground = self;
    size_t slab_align_bytes = cairn_max(align_bytes, cairn_pow2_ceil(block_bytes));
    size_t taken = 0;

    cairn_lock_take(&ground->buddy_lock);
    for (; taken < count; taken++) {
        blocks[taken] = cairn_buddy_alloc(ground->buddy, block_bytes, slab_align_bytes, NULL);
        if (blocks[taken] == NULL)
            break;
    }
    cairn_ground__taken(ground);
    cairn_lock_release(&ground->buddy_lock);
    return taken;
}

static void give_slabs(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_ground *ground = self;

    cairn_lock_take(&ground->buddy_lock);
    for (size_t idx = 0; idx < count; idx++)
        cairn_buddy_free(ground->buddy, blocks[idx], block_bytes);
    cairn_ground__freed(ground);
    cairn_lock_release(&ground->buddy_lock);
}

static const struct cairn_source_ops slab_ops = {
    "ground", CAIRN_SOURCE_THREAD_SAFE | CAIRN_SOURCE_NATURAL_ALIGN, take_slabs, give_slabs};

struct cairn_source cairn_ground_as_source(struct cairn_ground *ground)
{
    return (struct cairn_source){&slab_ops, ground};
}

size_t cairn_ground_trim(struct cairn_ground *ground)
{
    size_t released_bytes;

    cairn_lock_take(&ground->buddy_lock);
    released_bytes = cairn_buddy_purge(ground->buddy, ground->granule_bytes, purge_run, ground);
    cairn_lock_release(&ground->buddy_lock);
    return released_bytes + cairn_pagesource_purge(&ground->pages);
}

struct cairn_ground_stats cairn_ground_stats(struct cairn_ground *ground)
{
    struct cairn_ground_stats stats = {0};

    stats.pages = cairn_pagesource_stats(&ground->pages);
    cairn_lock_take(&ground->buddy_lock);
    stats.buddy = cairn_buddy_stats(ground->buddy);
    cairn_lock_release(&ground->buddy_lock);
    cairn_lock_take(&ground->huge.lock);
    stats.huge_count = ground->huge.count;
    stats.huge_bytes = ground->huge.bytes;
    cairn_lock_release(&ground->huge.lock);
    return stats;
}

static const char *policy_name(enum cairn_pagesource_policy policy)
{
    static const char *const names[] = {"auto", "brk", "mmap"};

    return names[policy];
}

void cairn_ground_report(struct cairn_ground *ground, size_t slab_bytes,
                         struct cairn_malloc_stats *report)
{
    struct cairn_ground_stats stats = cairn_ground_stats(ground);
    const struct cairn_pagesource_stats *pages = &stats.pages;

    report->pages = policy_name(ground->pages.config.policy);
    report->slab_bytes = slab_bytes;
    report->large_bytes = stats.buddy.used_bytes - cairn_min(stats.buddy.used_bytes, slab_bytes);
    report->huge_bytes = stats.huge_bytes;
    report->huge_count = stats.huge_count;
    report->run_free_bytes = stats.buddy.free_bytes;
    report->run_dirty_bytes = stats.buddy.free_dirty_bytes;
    report->page_free_bytes = pages->free_bytes;
    report->brk_bytes = pages->brk_bytes;
    report->mapped_bytes = pages->mapped_bytes;
    report->held_peak_bytes = pages->held_peak_bytes;
    report->reserved_bytes = pages->reserved_bytes;
    report->threshold_bytes = pages->map_threshold_bytes;
    report->syscall_count = pages->map_calls + pages->unmap_calls + pages->brk_calls +
                            pages->purge_calls + pages->remap_calls;
    report->refused_count = pages->refused_calls;
}

void cairn_ground_prefork(struct cairn_ground *ground)
{
    cairn_lock_fork_take(&ground->buddy_lock);
    cairn_lock_fork_take(&ground->huge.lock);
    cairn_pagemap_prefork(&ground->map);
    cairn_pagesource_prefork(&ground->pages);
}

void cairn_ground_postfork(struct cairn_ground *ground)
{
    cairn_pagesource_postfork(&ground->pages);
    cairn_pagemap_postfork(&ground->map);
    cairn_lock_fork_release(&ground->huge.lock);
    cairn_lock_fork_release(&ground->buddy_lock);
}

void cairn_ground_check(struct cairn_ground *ground)
{
    cairn_lock_take(&ground->buddy_lock);
    cairn_buddy_check(ground->buddy);
    cairn_lock_release(&ground->buddy_lock);
    cairn_huge_check(&ground->huge);
    cairn_pagesource_check(&ground->pages);
}
