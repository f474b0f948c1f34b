/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * backend.c - builds pagesource, pagemap and run allocator, and offers slabs of granules upward.
 *
 * Nothing is sized by the memory of the machine: the metadata of each layer begins small and grows
 * with what is used, out of regions with guards on both sides that the pagesource keeps. Leaves of
 * the pagemap have regions of their own, mapped without a lock, because a thread that comes past a
 * closed heap may need one.
 */

#include "composed/backend/internal.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>

enum { SOFT_STEP_SHARE = 16 };

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

    pages.os = config->os;
    pages.policy = config->policy;
    pages.retain_min_bytes = config->bounds.retain_bytes;
    pages.retain_ms = config->bounds.decay_ms;
    pages.limit_bytes = config->bounds.limit_bytes;
    return cairn_pagesource_init(&backend->pages, &pages);
}

/* What all pages come through. */
static void adapt_pages(struct cairn_backend *backend, const struct cairn_backend_config *config)
{
    struct cairn_source pages = cairn_pagesource_as_source(&backend->pages);

    backend->pages_source = config->adapt_pages == NULL ? pages : config->adapt_pages(pages);
    backend->is_adapted = backend->pages_source.self != pages.self;
}

static void choose_sizes(struct cairn_backend *backend, const struct cairn_backend_config *config)
{
    backend->page_bytes = cairn_pagesource_stats(&backend->pages).page_bytes;
    backend->granule_bytes = cairn_max(CAIRN_BACKEND_GRANULE_MIN_BYTES, backend->page_bytes);
    backend->chunk_bytes = cairn_max(CAIRN_BACKEND_CHUNK_MIN_BYTES, 32 * backend->granule_bytes);
    backend->large_max_bytes = backend->chunk_bytes / 2;
    backend->has_medium =
        config->has_medium && backend->granule_bytes == CAIRN_BACKEND_GRANULE_MIN_BYTES;
    backend->medium_kind = (uint8_t)cairn_class_kind(config->class_count);
}

static int init_map(struct cairn_backend *backend, const struct cairn_backend_config *config)
{
    const struct cairn_pagemap_config map = {
        .granule_bytes = backend->granule_bytes,
        .root = config->map_root,
        .empty = config->map_empty,
        .leaves = {&leaf_ops, backend},
    };

    return cairn_pagemap_init(&backend->map, &map);
}

int cairn_backend_init(struct cairn_backend *backend, const struct cairn_backend_config *config)
{
    int error;

    if (config->class_count > CAIRN_CLASS_COUNT_MAX)
        return -EINVAL;
    error = init_pages(backend, config);
    if (error != 0)
        return error;
    adapt_pages(backend, config);
    choose_sizes(backend, config);
    cairn_lock_init(&backend->runs_lock, CAIRN_RANK_BUDDY);
    backend->runs = config->runs;
    backend->settled_ms = UINT64_MAX;
    backend->bounds = config->bounds;
    error = init_map(backend, config);
    if (error == 0)
        error = cairn_backend_init_runs(backend);
    if (error != 0)
        cairn_backend_fini(backend);
    return error;
}

void cairn_backend_fini(struct cairn_backend *backend)
{
    if (backend->runs_state != NULL)
        cairn_backend_unreserve(backend, backend->runs_state, backend->runs_state_bytes);
    backend->runs_state = NULL;
    cairn_pagemap_fini(&backend->map);
    cairn_pagesource_fini(&backend->pages);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void *take_pages(struct cairn_backend *backend, size_t length_bytes, size_t align_bytes,
                        bool *is_zeroed)
{
    if (CAIRN_LIKELY(!backend->is_adapted))
        return cairn_pagesource_alloc(&backend->pages, length_bytes, align_bytes, is_zeroed);
    if (is_zeroed != NULL)
        *is_zeroed = cairn_source_has(backend->pages_source, CAIRN_SOURCE_ZEROED);
    return cairn_source_take_one(backend->pages_source, length_bytes, align_bytes);
}

/* What the program and what is free keep resident at most, roughly: read without the locks. */
static size_t touched_bytes(const struct cairn_backend *backend)
{
    const struct cairn_pagesource_stats *stats = &backend->pages.stats;
    size_t chunks_bytes = cairn_load_relaxed(&backend->runs_chunk_count) * backend->chunk_bytes;
    size_t outstanding_bytes = cairn_load_relaxed(&stats->outstanding_bytes);

    return outstanding_bytes - cairn_min(outstanding_bytes, chunks_bytes) +
           cairn_load_relaxed(&backend->runs_used_bytes) +
           cairn_load_relaxed(&backend->dirty_bytes) + cairn_load_relaxed(&stats->free_dirty_bytes);
}

CAIRN_COLD void cairn_backend_feel_soft_limit(struct cairn_backend *backend, size_t soft_bytes)
{
    size_t bytes = touched_bytes(backend);
    size_t pressed_bytes = cairn_min(cairn_load_relaxed(&backend->pressed_bytes), bytes);
    bool is_felt = bytes > soft_bytes && bytes > pressed_bytes + soft_bytes / SOFT_STEP_SHARE;

    if (bytes <= soft_bytes)
        pressed_bytes = 0;
    cairn_store_relaxed(&backend->pressed_bytes, is_felt ? bytes : pressed_bytes);
    if (is_felt)
        cairn_store_relaxed(&backend->is_pressed, true);
}

bool cairn_backend_takes_pressure(struct cairn_backend *backend)
{
    return cairn_load_relaxed(&backend->is_pressed) &&
           __atomic_exchange_n(&backend->is_pressed, false, __ATOMIC_RELAXED);
}

void cairn_backend_set_bounds(struct cairn_backend *backend,
                              const struct cairn_backend_bounds *bounds)
{
    const struct cairn_pagesource_bounds pages = {bounds->retain_bytes, bounds->limit_bytes,
                                                  bounds->decay_ms};

    cairn_pagesource_set_bounds(&backend->pages, &pages);
    cairn_lock_take(&backend->runs_lock);
    cairn_store_relaxed(&backend->bounds.soft_limit_bytes, bounds->soft_limit_bytes);
    cairn_store_relaxed(&backend->bounds.decay_ms, bounds->decay_ms);
    cairn_store_relaxed(&backend->bounds.thp, bounds->thp);
    cairn_store_relaxed(&backend->pressed_bytes, (size_t)0);
    cairn_backend_bounds_changed(backend);
    cairn_lock_release(&backend->runs_lock);
    cairn_backend_watch(backend);
}

/* Makes sure that a block which begins there can be marked. Where no leaf of the pagemap can be
   had, there is room for one in what the page source keeps free. */
static bool prepare_mark(struct cairn_backend *backend, void *pages)
{
    void *granule = (void *)cairn_align_down((uintptr_t)pages, backend->granule_bytes);
    int error;

    do
        error = cairn_pagemap_prepare(&backend->map, granule, 1);
    while (error == -ENOMEM && cairn_pagesource_release(&backend->pages));
    return error == 0;
}

void *cairn_backend_take_pages(struct cairn_backend *backend, size_t length_bytes,
                               size_t align_bytes, bool *is_zeroed)
{
    void *pages = take_pages(backend, length_bytes, align_bytes, is_zeroed);

    if (pages == NULL || CAIRN_LIKELY(prepare_mark(backend, pages)))
        return pages;
    cairn_backend_give_pages(backend, pages, length_bytes);
    return NULL;
}

void cairn_backend_give_pages(struct cairn_backend *backend, void *base, size_t length_bytes)
{
    if (CAIRN_LIKELY(!backend->is_adapted))
        cairn_pagesource_free(&backend->pages, base, length_bytes);
    else
        cairn_source_give_one(backend->pages_source, length_bytes, base);
}

/* --- slabs ------------------------------------------------------------------------------------ */

/* At a multiple of their size rounded up to a power of two, where a buddy puts them anyway: an
   offset in a slab is a mask away for those who know its class. */
static inline void *take_slab(struct cairn_backend *backend, size_t block_bytes, size_t align_bytes)
{
    size_t slab_align_bytes =
        cairn_is_pow2(block_bytes) ? block_bytes : cairn_pow2_ceil(block_bytes);
    void *slab;

    if (CAIRN_UNLIKELY(block_bytes > backend->large_max_bytes ||
                       align_bytes > backend->large_max_bytes))
        return NULL; /* no chunk could hold it, however many there were */
    slab = cairn_backend_take_run(backend, block_bytes, cairn_max(align_bytes, slab_align_bytes),
                                  NULL);
    if (CAIRN_LIKELY(slab != NULL))
        cairn_add_relaxed(&backend->slab_bytes, block_bytes);
    return slab;
}

static inline void give_slab(struct cairn_backend *backend, void *slab, size_t block_bytes)
{
    cairn_sub_relaxed(&backend->slab_bytes, block_bytes);
    cairn_backend_give_run(backend, slab, block_bytes);
}

static CAIRN_NOINLINE size_t take_several_slabs(struct cairn_backend *backend, size_t block_bytes,
                                                size_t align_bytes, void **blocks, size_t count)
{
    size_t taken = 0;

    while (taken < count && (blocks[taken] = take_slab(backend, block_bytes, align_bytes)) != NULL)
        taken++;
    return taken;
}

static CAIRN_NOINLINE void give_several_slabs(struct cairn_backend *backend, size_t block_bytes,
                                              void *const *blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        give_slab(backend, blocks[idx], block_bytes);
}

/* A pool asks for one. */
static size_t take_slabs(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    if (CAIRN_UNLIKELY(count != 1))
        return take_several_slabs(self, block_bytes, align_bytes, blocks, count);
    blocks[0] = take_slab(self, block_bytes, align_bytes);
    return blocks[0] != NULL;
}

static void give_slabs(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    if (CAIRN_LIKELY(count == 1))
        give_slab(self, blocks[0], block_bytes);
    else
        give_several_slabs(self, block_bytes, blocks, count);
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
    cairn_lock_take(&backend->runs_lock);
    stats.runs = *cairn_backend_runs_levels(backend);
    cairn_lock_release(&backend->runs_lock);
    stats.huge_count = cairn_load_relaxed(&backend->huge_count);
    stats.huge_bytes = cairn_load_relaxed(&backend->huge_bytes);
    return stats;
}

void cairn_backend_check(struct cairn_backend *backend)
{
    cairn_lock_take(&backend->runs_lock);
    if (backend->runs->check != NULL)
        backend->runs->check(backend->runs_state);
    cairn_backend_check_runs(backend);
    cairn_lock_release(&backend->runs_lock);
    cairn_pagesource_check(&backend->pages);
}
