/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * backend.c - builds pagesource, pagemap and buddy, and offers slabs of granules upward.
 *
 * Nothing is sized by the memory of the machine: the metadata of each layer begins small and grows
 * with what is used, out of regions with guards on both sides that the pagesource keeps. Leaves of
 * the pagemap have regions of their own, mapped without a lock, because a thread that comes past a
 * closed heap may need one.
 */

#include "composed/backend/backend.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>

void *cairn_backend_reserve(struct cairn_backend *backend, size_t length_bytes)
{
    return cairn_pagesource_reserve(&backend->pages, length_bytes);
}

void cairn_backend_unreserve(struct cairn_backend *backend, void *block, size_t length_bytes)
{
    cairn_pagesource_unreserve(&backend->pages, block, length_bytes);
}

struct cairn_source cairn_backend_as_metadata_source(struct cairn_backend *backend)
{
    return cairn_pagesource_as_reserve_source(&backend->pages);
}

/* --- leaves of the pagemap: guard | leaf | guard ---------------------------------------------- */

static void *take_leaf(struct cairn_backend *backend, size_t leaf_bytes)
{
    const struct cairn_os *os = &backend->pages.config.os;
    size_t region_bytes = leaf_bytes + 2 * backend->page_bytes;
    char *region = os->ops->map(os->self, region_bytes, false);

    if (region == NULL)
        return NULL;
    if (os->ops->protect(os->self, region + backend->page_bytes, leaf_bytes, true) != 0) {
        (void)os->ops->unmap(os->self, region, region_bytes);
        return NULL;
    }
    os->ops->mark_metadata(os->self, region, region_bytes);
    cairn_add_relaxed(&backend->leaf_bytes, leaf_bytes);
    return region + backend->page_bytes;
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
    struct cairn_backend *backend = self;
    const struct cairn_os *os = &backend->pages.config.os;

    for (size_t idx = 0; idx < count; idx++) {
        (void)os->ops->unmap(os->self, (char *)blocks[idx] - backend->page_bytes,
                             block_bytes + 2 * backend->page_bytes);
        cairn_sub_relaxed(&backend->leaf_bytes, block_bytes);
    }
}

static const struct cairn_source_ops leaf_ops = {
    "leaves", CAIRN_SOURCE_THREAD_SAFE | CAIRN_SOURCE_ZEROED, take_leaves, give_leaves};

/* --- start and end ---------------------------------------------------------------------------- */

/* Requires: a zeroed backend. */
static int init_pages(struct cairn_backend *backend, const struct cairn_backend_config *config)
{
    struct cairn_pagesource_config pages = {0};

    pages.policy = config->policy;
    pages.retain_min_bytes = config->retain_bytes;
    pages.retain_ms = CAIRN_BACKEND_RETAIN_MS;
    pages.limit_bytes = config->limit_bytes;
    return cairn_pagesource_init(&backend->pages, &pages);
}

int cairn_backend_init(struct cairn_backend *backend, const struct cairn_backend_config *config)
{
    struct cairn_pagemap_config map = {
        .root = config->map_root,
        .empty = config->map_empty,
        .leaves = {&leaf_ops, backend},
    };
    int error = init_pages(backend, config);

    if (error != 0)
        return error;
    backend->page_bytes = cairn_pagesource_stats(&backend->pages).page_bytes;
    backend->granule_bytes = cairn_max(CAIRN_BACKEND_GRANULE_MIN_BYTES, backend->page_bytes);
    backend->chunk_bytes = cairn_max(CAIRN_BACKEND_CHUNK_MIN_BYTES, 32 * backend->granule_bytes);
    backend->large_max_bytes = backend->chunk_bytes / 2;
    backend->has_runs =
        config->has_runs && backend->granule_bytes == CAIRN_BACKEND_GRANULE_MIN_BYTES;
    cairn_lock_init(&backend->buddy_lock, CAIRN_RANK_BUDDY);
    backend->settled_ms = UINT64_MAX;
    map.granule_bytes = backend->granule_bytes;
    error = cairn_pagemap_init(&backend->map, &map);
    if (error == 0)
        error = cairn_backend_init_runs(backend);
    if (error != 0)
        cairn_backend_fini(backend);
    return error;
}

void cairn_backend_fini(struct cairn_backend *backend)
{
    if (backend->buddy != NULL)
        cairn_backend_unreserve(backend, backend->buddy, backend->buddy_state_bytes);
    backend->buddy = NULL;
    cairn_pagemap_fini(&backend->map);
    cairn_pagesource_fini(&backend->pages);
}

/* --- slabs ------------------------------------------------------------------------------------ */

/* At a multiple of their size rounded up to a power of two, where the buddy puts them anyway: an
   offset in a slab is a mask away for those who know its class. */
static size_t take_slabs(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    size_t slab_align_bytes = cairn_max(align_bytes, cairn_pow2_ceil(block_bytes));
    size_t taken = 0;

    for (; taken < count; taken++) {
        blocks[taken] = cairn_backend_take_run(self, block_bytes, slab_align_bytes, NULL);
        if (blocks[taken] == NULL)
            break;
    }
    return taken;
}

static void give_slabs(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        cairn_backend_give_run(self, blocks[idx], block_bytes);
}

static const struct cairn_source_ops slab_ops = {
    "backend", CAIRN_SOURCE_THREAD_SAFE | CAIRN_SOURCE_NATURAL_ALIGN, take_slabs, give_slabs};

struct cairn_source cairn_backend_as_source(struct cairn_backend *backend)
{
    return (struct cairn_source){&slab_ops, backend};
}

size_t cairn_backend_trim(struct cairn_backend *backend)
{
    size_t released_bytes = cairn_backend_purge_runs(backend);

    return released_bytes + cairn_pagesource_purge(&backend->pages);
}

struct cairn_backend_stats cairn_backend_stats(struct cairn_backend *backend)
{
    struct cairn_backend_stats stats = {0};

    stats.pages = cairn_pagesource_stats(&backend->pages);
    cairn_lock_take(&backend->buddy_lock);
    stats.buddy = cairn_buddy_stats(backend->buddy);
    cairn_lock_release(&backend->buddy_lock);
    stats.huge_count = cairn_load_relaxed(&backend->huge_count);
    stats.huge_bytes = cairn_load_relaxed(&backend->huge_bytes);
    return stats;
}

void cairn_backend_check(struct cairn_backend *backend)
{
    cairn_lock_take(&backend->buddy_lock);
    cairn_buddy_check(backend->buddy);
    cairn_backend_check_runs(backend);
    cairn_lock_release(&backend->buddy_lock);
    cairn_pagesource_check(&backend->pages);
}
