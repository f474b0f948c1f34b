/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * ground.c - builds pagesource, pagemap and buddy, and offers slabs of granules upward.
 *
 * Nothing is sized by the memory of the machine: the metadata of each layer begins small and grows with what is used, out of
 * regions with guards on both sides that the pagesource keeps. Leaves of the pagemap have regions of their own, mapped without
 * a lock, because a thread that comes past a closed heap may need one.
 */

#include "composed/ground/ground.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>

void *cairn_ground_reserve(struct cairn_ground *ground, size_t length_bytes)
{
    return cairn_pagesource_reserve(&ground->pages, length_bytes);
}

void cairn_ground_unreserve(struct cairn_ground *ground, void *block, size_t length_bytes)
{
    cairn_pagesource_unreserve(&ground->pages, block, length_bytes);
}

struct cairn_source cairn_ground_as_metadata_source(struct cairn_ground *ground)
{
    return cairn_pagesource_as_reserve_source(&ground->pages);
}

struct cairn_ground_config cairn_ground_config_of(const struct cairn_conf_values *conf)
{
    return (struct cairn_ground_config){
        .policy = (enum cairn_pagesource_policy)conf->value[CAIRN_CONF_PAGES],
        .retain_bytes = (size_t)conf->value[CAIRN_CONF_RETAIN_MIB] << 20,
        .limit_bytes = (size_t)conf->value[CAIRN_CONF_LIMIT_MIB] << 20,
    };
}

/* --- leaves of the pagemap: guard | leaf | guard ------------------------------------------------------------------- */

static void *take_leaf(struct cairn_ground *ground, size_t leaf_bytes)
{
    const struct cairn_os *os = &ground->pages.config.os;
    size_t region_bytes = leaf_bytes + 2 * ground->page_bytes;
    char *region = os->ops->map(os->self, region_bytes, false);

    if (region == NULL)
        return NULL;
    if (os->ops->protect(os->self, region + ground->page_bytes, leaf_bytes, true) != 0) {
        (void)os->ops->unmap(os->self, region, region_bytes);
        return NULL;
    }
    os->ops->mark_metadata(os->self, region, region_bytes);
    cairn_add_relaxed(&ground->leaf_bytes, leaf_bytes);
    return region + ground->page_bytes;
}

static size_t take_leaves(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                          size_t count)
{
    size_t taken = 0;

    (void)align_bytes;
    for (; taken < count; taken++) {
        blocks[taken] = take_leaf(self, block_bytes);
        if (blocks[taken] == NULL)
            break;
    }
    return taken;
}

static void give_leaves(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_ground *ground = self;
    const struct cairn_os *os = &ground->pages.config.os;

    for (size_t idx = 0; idx < count; idx++) {
        (void)os->ops->unmap(os->self, (char *)blocks[idx] - ground->page_bytes,
                             block_bytes + 2 * ground->page_bytes);
        cairn_sub_relaxed(&ground->leaf_bytes, block_bytes);
    }
}

static const struct cairn_source_ops leaf_ops = {
    "leaves", CAIRN_SOURCE_THREAD_SAFE | CAIRN_SOURCE_ZEROED, take_leaves, give_leaves};

/* --- start and end ------------------------------------------------------------------------------------------------ */

/* Requires: a zeroed ground. */
static int init_pages(struct cairn_ground *ground, const struct cairn_ground_config *config)
{
    struct cairn_pagesource_config pages = {0};

    pages.policy = config->policy;
    pages.retain_min_bytes = config->retain_bytes;
    pages.retain_ms = CAIRN_GROUND_RETAIN_MS;
    pages.limit_bytes = config->limit_bytes;
    return cairn_pagesource_init(&ground->pages, &pages);
}

int cairn_ground_init(struct cairn_ground *ground, const struct cairn_ground_config *config)
{
    int error = init_pages(ground, config);

    if (error != 0)
        return error;
    ground->page_bytes = cairn_pagesource_stats(&ground->pages).page_bytes;
    ground->granule_bytes = cairn_max(CAIRN_GROUND_GRANULE_MIN_BYTES, ground->page_bytes);
    ground->chunk_bytes = cairn_max(CAIRN_GROUND_CHUNK_MIN_BYTES, 32 * ground->granule_bytes);
    ground->large_max_bytes = ground->chunk_bytes / 2;
    ground->has_runs = config->has_runs && ground->granule_bytes == CAIRN_GROUND_GRANULE_MIN_BYTES;
    cairn_lock_init(&ground->buddy_lock, CAIRN_RANK_BUDDY);
    ground->settled_ms = UINT64_MAX;
    error = cairn_pagemap_init(&ground->map, ground->granule_bytes, config->map_root,
                               config->map_empty, (struct cairn_source){&leaf_ops, ground});
    if (error == 0)
        error = cairn_ground__init_runs(ground);
    if (error != 0)
        cairn_ground_fini(ground);
    return error;
}

void cairn_ground_fini(struct cairn_ground *ground)
{
    if (ground->buddy != NULL)
        cairn_ground_unreserve(ground, ground->buddy, ground->buddy_state_bytes);
    ground->buddy = NULL;
    cairn_pagemap_fini(&ground->map);
    cairn_pagesource_fini(&ground->pages);
}

/* --- slabs ---------------------------------------------------------------------------------------------------------- */

/* At a multiple of their size rounded up to a power of two, where the buddy puts them anyway: an offset in a slab is a
   mask away for those who know its class. */
static size_t take_slabs(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    size_t slab_align_bytes = cairn_max(align_bytes, cairn_pow2_ceil(block_bytes));
    size_t taken = 0;

    for (; taken < count; taken++) {
        blocks[taken] = cairn_ground__take_run(self, block_bytes, slab_align_bytes, NULL);
        if (blocks[taken] == NULL)
            break;
    }
    return taken;
}

static void give_slabs(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        cairn_ground__give_run(self, blocks[idx], block_bytes);
}

static const struct cairn_source_ops slab_ops = {
    "ground", CAIRN_SOURCE_THREAD_SAFE | CAIRN_SOURCE_NATURAL_ALIGN, take_slabs, give_slabs};

struct cairn_source cairn_ground_as_source(struct cairn_ground *ground)
{
    return (struct cairn_source){&slab_ops, ground};
}

size_t cairn_ground_trim(struct cairn_ground *ground)
{
    size_t released_bytes = cairn_ground__purge_runs(ground);

    return released_bytes + cairn_pagesource_purge(&ground->pages);
}

struct cairn_ground_stats cairn_ground_stats(struct cairn_ground *ground)
{
    struct cairn_ground_stats stats = {0};

    stats.pages = cairn_pagesource_stats(&ground->pages);
    cairn_lock_take(&ground->buddy_lock);
    stats.buddy = cairn_buddy_stats(ground->buddy);
    cairn_lock_release(&ground->buddy_lock);
    stats.huge_count = cairn_load_relaxed(&ground->huge_count);
    stats.huge_bytes = cairn_load_relaxed(&ground->huge_bytes);
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
    report->reserved_bytes = pages->reserved_bytes + cairn_load_relaxed(&ground->leaf_bytes);
    report->threshold_bytes = pages->map_threshold_bytes;
    report->syscall_count = pages->map_calls + pages->unmap_calls + pages->brk_calls +
                            pages->purge_calls + pages->remap_calls;
    report->refused_count = pages->refused_calls;
}

void cairn_ground_check(struct cairn_ground *ground)
{
    cairn_lock_take(&ground->buddy_lock);
    cairn_buddy_check(ground->buddy);
    cairn_lock_release(&ground->buddy_lock);
    cairn_pagesource_check(&ground->pages);
}
