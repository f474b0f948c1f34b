/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * extents.c - the sorted table of free extents: insert, merge, split, best fit.
 *
 * Idea. One array, by address. A page source has tens of free extents, not thousands, for what lies above it
 * takes and gives chunks; so a binary search finds a place, a memmove makes room, a walk finds the best fit,
 * and all of it lies in a few cache lines.
 *
 *     address ->    dirty        fresh                dirty
 *                 |=======|...............|  taken  |=======|
 *                  extent   extent                    extent
 *                 '----------run----------'
 *
 * Touching extents of one origin form a run. Inside a run they differ in state, otherwise they would be one
 * (I1). A block may be taken across a run when no single extent is large enough.
 *
 * The sums in stats change only in replace(), through which every change of the table goes: that is why
 * they are exact. Cost: O(extents) each; O(log) for a search.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <string.h>

size_t cairn_pagesource__index(const struct cairn_pagesource *source, uintptr_t address)
{
    size_t low = 0;
    size_t high = source->extent_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (cairn_extent_end(&source->extents[middle]) > address)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

bool cairn_pagesource__overlaps(const struct cairn_pagesource *source, uintptr_t base,
                                size_t length_bytes)
{
    size_t idx = cairn_pagesource__index(source, base);

    return idx < source->extent_count && source->extents[idx].base < base + length_bytes;
}

/* Adds `extent` to the sums; subtracts it when `weight` is -1 (unsigned arithmetic wraps as wanted). */
static void count(struct cairn_pagesource *source, const struct cairn_pagesource_extent *extent,
                  size_t weight)
{
    size_t bytes = extent->length_bytes * weight;

    if ((extent->flags & CAIRN_EXTENT_PENDING) != 0)
        source->stats.unmap_pending_bytes += bytes;
    if (extent->origin == CAIRN_EXTENT_KEPT) {
        source->kept_count += weight;
        return;
    }
    source->stats.free_bytes += bytes;
    if (cairn_extent_is_dirty(extent))
        source->stats.free_dirty_bytes += bytes;
}

/* Puts `with_count` extents (0 to 2) in the place of `old_count` from index `at` on. */
static void replace(struct cairn_pagesource *source, size_t at, size_t old_count,
                    const struct cairn_pagesource_extent *with, size_t with_count)
{
    struct cairn_pagesource_extent *place = source->extents + at;

    CAIRN_ASSERT(at + old_count <= source->extent_count);
    CAIRN_CHECK(source->extent_count - old_count + with_count <= source->extent_capacity,
                "table of free extents overflows", (void *)source, __func__);
    for (size_t idx = 0; idx < old_count; idx++)
        count(source, &place[idx], (size_t)-1);
    memmove(place + with_count, place + old_count,
            (source->extent_count - at - old_count) * sizeof(*place));
    for (size_t idx = 0; idx < with_count; idx++) {
        place[idx] = with[idx];
        count(source, &with[idx], 1);
    }
    source->extent_count = source->extent_count - old_count + with_count;
}

static bool can_merge(const struct cairn_pagesource_extent *low,
                      const struct cairn_pagesource_extent *high)
{
    return cairn_extent_end(low) == high->base && low->origin == high->origin &&
           low->flags == high->flags;
}

void cairn_pagesource__insert(struct cairn_pagesource *source,
                              struct cairn_pagesource_extent extent)
{
    size_t at = cairn_pagesource__index(source, extent.base);
    size_t old_count = 0;

    CAIRN_ASSERT(extent.base != 0 && extent.length_bytes != 0);
    CAIRN_ASSERT(
        cairn_is_aligned(extent.base | extent.length_bytes, cairn_pagesource__page(source)));
    CAIRN_ASSERT(!cairn_pagesource__overlaps(source, extent.base, extent.length_bytes));
    if (at < source->extent_count && can_merge(&extent, &source->extents[at])) {
        extent.length_bytes += source->extents[at].length_bytes;
        old_count++;
    }
    if (at > 0 && can_merge(&source->extents[at - 1], &extent)) {
        at--;
        old_count++;
        extent.base = source->extents[at].base;
        extent.length_bytes += source->extents[at].length_bytes;
    }
    replace(source, at, old_count, &extent, 1);
}

/* The part [base, end) of an extent. */
static struct cairn_pagesource_extent slice(struct cairn_pagesource_extent extent, uintptr_t base,
                                            uintptr_t end)
{
    CAIRN_ASSERT(extent.base <= base && base < end && end <= cairn_extent_end(&extent));
    extent.base = base;
    extent.length_bytes = end - base;
    return extent;
}

bool cairn_pagesource__remove(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    uintptr_t end = base + length_bytes;
    size_t first = cairn_pagesource__index(source, base);
    size_t last = cairn_pagesource__index(source, end - 1);
    struct cairn_pagesource_extent rest[2];
    size_t rest_count = 0;
    bool is_fresh = true;

    CAIRN_ASSERT(length_bytes != 0 && last < source->extent_count);
    CAIRN_ASSERT(source->extents[first].base <= base && source->extents[last].base < end);
    for (size_t idx = first; idx <= last; idx++) {
        CAIRN_ASSERT(idx == first ||
                     source->extents[idx].base == cairn_extent_end(&source->extents[idx - 1]));
        is_fresh = is_fresh && (source->extents[idx].flags & CAIRN_EXTENT_FRESH) != 0;
    }
    if (source->extents[first].base < base)
        rest[rest_count++] = slice(source->extents[first], source->extents[first].base, base);
    if (cairn_extent_end(&source->extents[last]) > end)
        rest[rest_count++] =
            slice(source->extents[last], end, cairn_extent_end(&source->extents[last]));
    replace(source, first, last - first + 1, rest, rest_count);
    return is_fresh;
}

void cairn_pagesource__set_flags(struct cairn_pagesource *source, uintptr_t base,
                                 size_t length_bytes, uint32_t flags)
{
    struct cairn_pagesource_extent part =
        slice(source->extents[cairn_pagesource__index(source, base)], base, base + length_bytes);

    cairn_pagesource__remove(source, base, length_bytes);
    part.flags = flags;
    cairn_pagesource__insert(source, part);
}

size_t cairn_pagesource__run_first(const struct cairn_pagesource *source, size_t idx)
{
    while (idx > 0 && source->extents[idx - 1].origin == source->extents[idx].origin &&
           cairn_extent_end(&source->extents[idx - 1]) == source->extents[idx].base)
        idx--;
    return idx;
}

size_t cairn_pagesource__run_last(const struct cairn_pagesource *source, size_t idx)
{
    while (idx + 1 < source->extent_count &&
           source->extents[idx + 1].origin == source->extents[idx].origin &&
           cairn_extent_end(&source->extents[idx]) == source->extents[idx + 1].base)
        idx++;
    return idx;
}

/* A request and the best place for it so far. */
struct search {
    size_t length_bytes;
    size_t align_bytes;
    size_t best_bytes; /* length of the extent or run that holds it */
    uintptr_t best;    /* 0: none */
};

/* Considers [base, end). Ties keep the earlier, which is the lower. */
static void consider(struct search *search, uintptr_t base, uintptr_t end)
{
    uintptr_t start = cairn_align_up(base, search->align_bytes);

    if (end - base < search->length_bytes || end - base >= search->best_bytes)
        return;
    if (start < base || start > end || end - start < search->length_bytes)
        return;
    search->best = start;
    search->best_bytes = end - base;
}

static uintptr_t fit_state(const struct cairn_pagesource *source, struct search search,
                           bool is_dirty)
{
    for (size_t idx = 0; idx < source->extent_count; idx++) {
        const struct cairn_pagesource_extent *extent = &source->extents[idx];

        if (extent->origin != CAIRN_EXTENT_KEPT && cairn_extent_is_dirty(extent) == is_dirty)
            consider(&search, extent->base, cairn_extent_end(extent));
    }
    return search.best;
}

static uintptr_t fit_run(const struct cairn_pagesource *source, struct search search)
{
    for (size_t idx = 0; idx < source->extent_count; idx++) {
        size_t last = cairn_pagesource__run_last(source, idx);

        /* Kept extents are all in one state: where they touch, they are one, not a run. */
        CAIRN_ASSERT(last == idx || source->extents[idx].origin != CAIRN_EXTENT_KEPT);
        if (last > idx)
            consider(&search, source->extents[idx].base, cairn_extent_end(&source->extents[last]));
        idx = last;
    }
    return search.best;
}

uintptr_t cairn_pagesource__fit(const struct cairn_pagesource *source, size_t length_bytes,
                                size_t align_bytes)
{
    struct search search = {length_bytes, align_bytes, SIZE_MAX, 0};
    uintptr_t found;

    if (source->stats.free_bytes < length_bytes)
        return 0;
    found = fit_state(source, search, true);
    if (found == 0)
        found = fit_state(source, search, false);
    return found != 0 ? found : fit_run(source, search);
}
