/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * purge.c - empties free memory that is dirty.
 *
 *     in use    1 1 . . . . . . . . 1 1
 *     dirty     1 1 . . 1 1 . 1 . . 1 1
 *                       [=====)     one stretch: from the first dirty granule to the last
 *
 * A stretch of free granules is emptied in one call, over the clean granules between its dirty ones
 * too: a call costs more than a clean granule. What is not dirty at either end is left alone. A
 * stretch ends where its chunk does.
 *
 * In one step, the stretch stays free while the callback empties it. In two steps, it is taken out
 * of the free blocks and marked, so that the caller may empty it without its lock:
 *
 *     begin     in use    1 1 . . 1 1 1 1 . . 1 1     in use and not dirty: being purged
 *               dirty     1 1 . . . . . . . . 1 1
 *     end       in use    1 1 . . . . . . . . 1 1     emptied: free and clean
 *
 * A pass of begin runs from the cursor to the end, then from the start to the cursor. The stretch
 * that lies across the cursor is seen whole in the second half, so nothing is overlooked.
 *
 * In one step, empty chunks go back to the source as they are: emptying what leaves would be in
 * vain.
 */

#include "address.h"

/* The granules [first, end) are to be emptied; the free granules around them end at free_end. */
struct span {
    size_t first;
    size_t end;
    size_t free_end;
};

/* The first stretch of min_bytes or more that begins in [at, end). */
static bool find_span(const struct cairn_buddy *buddy, size_t at, size_t end, size_t min_bytes,
                      struct span *span)
{
    const struct cairn_buddy_run_word *runs = cairn_buddy_const_runs(buddy);

    for (; at < end; at = span->free_end) {
        span->first = cairn_buddy_runs_find(runs, CAIRN_BUDDY_FREE_DIRTY, at, end);
        if (span->first == end)
            break;
        span->free_end = cairn_buddy_runs_find(runs, CAIRN_BUDDY_IN_USE, span->first,
                                               cairn_buddy_limit_of(buddy, span->first));
        span->end = cairn_buddy_runs_dirty_end(runs, span->first, span->free_end);
        if ((span->end - span->first) << buddy->shape.granule_shift >= min_bytes)
            return true;
    }
    return false;
}

static size_t empty_span(struct cairn_buddy *buddy, const struct span *span,
                         cairn_buddy_purge_fn purge, void *self)
{
    struct cairn_buddy_run_word *runs = cairn_buddy_runs(buddy);
    size_t length_bytes = (span->end - span->first) << buddy->shape.granule_shift;
    size_t dirty_count;

    if (purge(self, cairn_buddy_address_of(buddy, span->first), length_bytes) != 0)
        return 0;
    dirty_count = cairn_buddy_runs_count(runs, CAIRN_BUDDY_FREE_DIRTY, span->first, span->end);
    CAIRN_ASSERT(dirty_count > 0);
    CAIRN_ASSERT(dirty_count << buddy->shape.granule_shift <= buddy->levels.free_dirty_bytes);
    cairn_buddy_runs_set_dirty(runs, span->first, span->end, false);
    buddy->levels.free_dirty_bytes -= dirty_count << buddy->shape.granule_shift;
    return dirty_count << buddy->shape.granule_shift;
}

size_t cairn_buddy_purge(struct cairn_buddy *buddy, size_t min_bytes, cairn_buddy_purge_fn purge,
                         void *self)
{
    size_t end = cairn_buddy_walk_end(buddy);
    size_t emptied_bytes = 0;
    struct span span;
    size_t at;

    cairn_buddy_drop_empty(buddy);
    for (at = 0; find_span(buddy, at, end, min_bytes, &span); at = span.free_end)
        emptied_bytes += empty_span(buddy, &span, purge, self);
    return emptied_bytes;
}

/* Takes the granules of a span out of the free blocks. */
static struct cairn_buddy_stretch hold_span(struct cairn_buddy *buddy, const struct span *span)
{
    struct cairn_buddy_run_word *runs = cairn_buddy_runs(buddy);
    size_t count = span->end - span->first;
    size_t length_bytes = count << buddy->shape.granule_shift;
    size_t dirty_count;

    cairn_buddy_carve(buddy, span->first, span->end);
    dirty_count = cairn_buddy_runs_mark(runs, span->first, span->end);
    cairn_buddy_runs_set_dirty(runs, span->first, span->end, false);
    cairn_buddy_count_used(buddy, span->first, count, dirty_count);
    buddy->levels.used_bytes -= length_bytes;
    buddy->purging_bytes += length_bytes;
    cairn_buddy_end_call(buddy);
    return (struct cairn_buddy_stretch){cairn_buddy_address_of(buddy, span->first), length_bytes,
                                        dirty_count << buddy->shape.granule_shift, false};
}

size_t cairn_buddy_purge_begin(struct cairn_buddy *buddy, size_t min_bytes, size_t quota_bytes,
                               struct cairn_buddy_stretch *stretches, size_t count)
{
    size_t start = buddy->purge_at;
    size_t end = cairn_buddy_walk_end(buddy);
    size_t at = start;
    bool is_second_half = false;
    size_t taken = 0;
    struct span span;

    while (taken < count && quota_bytes > 0) {
        if (find_span(buddy, at, end, min_bytes, &span)) {
            stretches[taken] = hold_span(buddy, &span);
            quota_bytes -= cairn_min(quota_bytes, stretches[taken++].dirty_bytes);
            buddy->purge_at = at = span.free_end;
            continue;
        }
        if (is_second_half)
            break;
        is_second_half = true;
        at = 0;
        end = start;
    }
    return taken;
}

void cairn_buddy_purge_end(struct cairn_buddy *buddy, const struct cairn_buddy_stretch *stretches,
                           size_t count)
{
    size_t idx;

    for (idx = 0; idx < count; idx++) {
        const struct cairn_buddy_stretch *stretch = &stretches[idx];
        size_t first = cairn_buddy_checked_first(buddy, CAIRN_BUDDY_PURGING, stretch->base,
                                                 stretch->length_bytes, __func__);
        size_t end = first + cairn_buddy_granules_for(buddy, stretch->length_bytes);

        size_t length_bytes = (end - first) << buddy->shape.granule_shift;

        CAIRN_ASSERT(length_bytes <= buddy->purging_bytes);
        if (!stretch->is_emptied)
            cairn_buddy_runs_set_dirty(cairn_buddy_runs(buddy), first, end, true);
        buddy->purging_bytes -= length_bytes;
        buddy->levels.used_bytes += length_bytes;
        cairn_buddy_free_granules(buddy, first, end, !stretch->is_emptied);
    }
}
