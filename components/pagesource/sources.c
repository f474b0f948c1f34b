/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * sources.c - pagesource as others meet it: two sources, and a snapshot.
 *
 * Blocks are taken one by one, each under the lock: a batch of chunks is rare, and between two
 * system calls another thread may go first.
 */

#include "extents.h"

#include <cairn/base/check.h>

static size_t take_pages(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    size_t taken = 0;

    while (taken < count) {
        blocks[taken] = cairn_pagesource_alloc(self, block_bytes, align_bytes, NULL);
        if (blocks[taken] == NULL)
            break;
        taken++;
    }
    return taken;
}

static void give_pages(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        cairn_pagesource_free(self, blocks[idx], block_bytes);
}

static size_t take_reservations(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                                size_t count)
{
    const struct cairn_pagesource *source = self;
    size_t taken = 0;

    if (align_bytes > cairn_pagesource_page_bytes(source))
        return 0;
    while (taken < count) {
        blocks[taken] = cairn_pagesource_reserve_aligned(self, block_bytes, align_bytes);
        if (blocks[taken] == NULL)
            break;
        taken++;
    }
    return taken;
}

static void give_reservations(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        cairn_pagesource_unreserve(self, blocks[idx], block_bytes);
}

struct cairn_source cairn_pagesource_as_source(struct cairn_pagesource *source)
{
    static const struct cairn_source_ops ops = {"pagesource", CAIRN_SOURCE_THREAD_SAFE, take_pages,
                                                give_pages};
    struct cairn_source result = {&ops, source};

    return result;
}

struct cairn_source cairn_pagesource_as_reserve_source(struct cairn_pagesource *source)
{
    static const struct cairn_source_ops ops = {"pagesource reserve",
                                                CAIRN_SOURCE_THREAD_SAFE | CAIRN_SOURCE_ZEROED,
                                                take_reservations, give_reservations};
    struct cairn_source result = {&ops, source};

    return result;
}

struct cairn_pagesource_stats cairn_pagesource_stats(struct cairn_pagesource *source)
{
    struct cairn_pagesource_stats stats;

    cairn_lock_take(&source->lock);
    stats = source->stats;
    cairn_lock_release(&source->lock);
    stats.past_bytes = cairn_load_relaxed(&source->past_bytes);
    stats.lost_bytes += cairn_load_relaxed(&source->past_lost_bytes);
    return stats;
}
