/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * check.c - every invariant that pagesource.h names, walked.
 *
 * I3 (a fresh extent reads as zero) is not walked: reading would make it cost memory. The tests read.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

/* What the table says, to be compared with stats, which was kept step by step. */
struct sums {
    size_t free_bytes;
    size_t dirty_bytes;
    size_t pending_bytes;
    size_t break_bytes;
    size_t kept_count;
};

static void add(struct sums *sums, const struct cairn_pagesource_extent *extent)
{
    size_t bytes = extent->length_bytes;

    if ((extent->flags & CAIRN_EXTENT_PENDING) != 0)
        sums->pending_bytes += bytes;
    if (extent->origin == CAIRN_EXTENT_KEPT) {
        sums->kept_count++;
        return;
    }
    sums->free_bytes += bytes;
    sums->dirty_bytes += cairn_extent_is_dirty(extent) ? bytes : 0;
    sums->break_bytes += extent->origin == CAIRN_EXTENT_BREAK ? bytes : 0;
}

/* I1, and that the origin says where the extent is. */
static void check_extent(const struct cairn_pagesource *source, size_t idx)
{
    const struct cairn_pagesource_extent *extent = &source->extents[idx];
    const struct cairn_pagesource_extent *next = extent + 1;
    const struct cairn_pagesource_segment *segment =
        cairn_pagesource__segment_of(source, extent->base);

    CAIRN_INVARIANT(extent->base != 0 && extent->length_bytes != 0);
    CAIRN_INVARIANT(
        cairn_is_aligned(extent->base | extent->length_bytes, cairn_pagesource__page(source)));
    CAIRN_INVARIANT(extent->origin >= CAIRN_EXTENT_BREAK && extent->origin <= CAIRN_EXTENT_KEPT);
    CAIRN_INVARIANT(extent->flags <= (CAIRN_EXTENT_FRESH | CAIRN_EXTENT_PENDING));
    CAIRN_INVARIANT((segment != NULL) == (extent->origin == CAIRN_EXTENT_BREAK));
    if (segment != NULL) {
        CAIRN_INVARIANT(cairn_extent_end(extent) <= cairn_min(segment->end, source->lost_base));
        CAIRN_INVARIANT((extent->flags & CAIRN_EXTENT_PENDING) == 0);
    }
    if (idx + 1 == source->extent_count)
        return;
    CAIRN_INVARIANT(cairn_extent_end(extent) <= next->base);
    CAIRN_INVARIANT(cairn_extent_end(extent) < next->base || extent->origin != next->origin ||
                    extent->flags != next->flags);
}

/* The sum of the segments. */
static size_t check_segments(const struct cairn_pagesource *source)
{
    size_t bytes = 0;

    CAIRN_INVARIANT(source->segment_count <= CAIRN_PAGESOURCE_SEGMENTS);
    CAIRN_INVARIANT(source->segment_count == 0 || source->config.policy != CAIRN_PAGESOURCE_MMAP);
    for (size_t idx = 0; idx < source->segment_count; idx++) {
        const struct cairn_pagesource_segment *segment = &source->segments[idx];

        CAIRN_INVARIANT(segment->base < segment->end);
        CAIRN_INVARIANT(
            cairn_is_aligned(segment->base | segment->end, cairn_pagesource__page(source)));
        CAIRN_INVARIANT(idx == 0 || source->segments[idx - 1].end < segment->base);
        bytes += segment->end - segment->base;
    }
    return bytes;
}

/* I2, and that what was kept step by step is what is there. */
static void check_sums(const struct cairn_pagesource *source, const struct sums *sums,
                       size_t segment_bytes)
{
    const struct cairn_pagesource_stats *stats = &source->stats;
    bool is_lost = source->lost_base != UINTPTR_MAX;

    CAIRN_INVARIANT(sums->free_bytes == stats->free_bytes);
    CAIRN_INVARIANT(sums->dirty_bytes == stats->free_dirty_bytes);
    CAIRN_INVARIANT(sums->pending_bytes == stats->unmap_pending_bytes);
    CAIRN_INVARIANT(sums->kept_count == source->kept_count);
    CAIRN_INVARIANT(sums->break_bytes <= stats->brk_bytes);
    CAIRN_INVARIANT(sums->free_bytes - sums->break_bytes <= stats->mapped_bytes);
    CAIRN_INVARIANT(cairn_pagesource__held(source) == stats->outstanding_bytes + stats->free_bytes);
    CAIRN_INVARIANT(is_lost ? stats->brk_bytes <= segment_bytes
                            : stats->brk_bytes == segment_bytes);
    CAIRN_INVARIANT(stats->held_peak_bytes >= cairn_pagesource__held(source));
    CAIRN_INVARIANT(source->config.limit_bytes == 0 ||
                    cairn_pagesource__held(source) <= source->config.limit_bytes);
}

/* I6, and where the table is. */
static void check_table(const struct cairn_pagesource *source)
{
    size_t page_bytes = cairn_pagesource__page(source);
    size_t held_pages = cairn_pagesource__held(source) / page_bytes;

    CAIRN_INVARIANT(source->extent_capacity >=
                    held_pages + source->kept_count + source->reservation_count);
    CAIRN_INVARIANT(source->extent_count <= source->extent_capacity);
    CAIRN_INVARIANT((source->stats.table_bytes == 0) ==
                    (source->extents == source->inline_extents));
    CAIRN_INVARIANT(source->stats.table_bytes % page_bytes == 0);
}

void cairn_pagesource_check(struct cairn_pagesource *source)
{
    struct sums sums = {0, 0, 0, 0, 0};

    cairn_lock_take(&source->lock);
    check_table(source);
    for (size_t idx = 0; idx < source->extent_count; idx++) {
        check_extent(source, idx);
        add(&sums, &source->extents[idx]);
    }
    check_sums(source, &sums, check_segments(source));
    cairn_lock_release(&source->lock);
}
