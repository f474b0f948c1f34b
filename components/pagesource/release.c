/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * release.c - free memory back to the kernel: when, which, and what if it will not have it.
 *
 * Idea. A page that goes back and is wanted again costs a page fault, as much as hundreds of allocations;
 * one that stays costs memory that others could use. So dirty memory stays up to a bound; above it, it goes when nobody
 * wanted it for a while (decay.h), or at once above a second bound;
 * back in the order of what is cheapest to lose:
 *
 *     1  the top of the data segment, by sbrk         whatever else lies there stays contiguous
 *     2  whole mapped runs that fit into the excess    the address space goes, too
 *     3  the high ends of the rest, by MADV_DONTNEED   the address space stays: fresh extents
 *
 * A run larger than the excess is emptied in part rather than unmapped: the block that left it behind fits into
 * it again. Released is an eighth of the bound more than needed, so that a program which shrinks slowly does
 * not pay one system call per block.
 *
 * munmap fails when the hole would need one mapping more than the process may have. The run is marked pending
 * and stays a free extent, usable; purge and memory pressure try again, together with whatever has
 * become free beside it. A refusal ends a pass, so that a kernel which always refuses (mlockall) costs one call
 * per free and not one per extent.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

/* How much a pass may take. */
enum eagerness {
    TRIM,  /* whole mapped runs that are worth a system call, up to the excess */
    PURGE, /* the same, and all that is pending */
    ALL    /* whatever is free */
};

/* How many times the least that is kept may wait for its time. */
enum { RETAIN_MAX_FACTOR = 8 };

struct run {
    uintptr_t base;
    size_t length_bytes;
    size_t dirty_bytes;
    uint32_t origin;
    bool is_pending;
};

static struct run run_between(const struct cairn_pagesource *source, size_t first, size_t last)
{
    struct run run = {source->extents[first].base, 0, 0, source->extents[first].origin, false};

    for (size_t idx = first; idx <= last; idx++) {
        const struct cairn_pagesource_extent *extent = &source->extents[idx];

        run.length_bytes += extent->length_bytes;
        run.dirty_bytes += cairn_extent_is_dirty(extent) ? extent->length_bytes : 0;
        run.is_pending = run.is_pending || (extent->flags & CAIRN_EXTENT_PENDING) != 0;
    }
    return run;
}

static bool is_wanted(const struct cairn_pagesource *source, const struct run *run,
                      enum eagerness eagerness, size_t target_bytes)
{
    bool is_worth_it = run->dirty_bytes > 0 && run->length_bytes >= source->config.growth_min_bytes;
    size_t dirty_bytes = source->stats.free_dirty_bytes;

    if (run->origin == CAIRN_EXTENT_BREAK)
        return false;
    if (eagerness == ALL)
        return true;
    if (eagerness == PURGE)
        return run->is_pending || is_worth_it;
    return is_worth_it && dirty_bytes - run->dirty_bytes >= target_bytes;
}

static void mark_pending(struct cairn_pagesource *source, const struct run *run)
{
    uintptr_t end = run->base + run->length_bytes;

    CAIRN_ASSERT(run->origin != CAIRN_EXTENT_BREAK);
    for (uintptr_t at = run->base; at < end;) {
        const struct cairn_pagesource_extent extent =
            source->extents[cairn_pagesource__index(source, at)];

        at = cairn_extent_end(&extent);
        cairn_pagesource__set_flags(source, extent.base, extent.length_bytes,
                                    extent.flags | CAIRN_EXTENT_PENDING);
    }
}

static bool unmap_run(struct cairn_pagesource *source, const struct run *run)
{
    if (!cairn_pagesource__unmap(source, run->base, run->length_bytes)) {
        mark_pending(source, run);
        return false;
    }
    cairn_pagesource__remove(source, run->base, run->length_bytes);
    CAIRN_ASSERT(run->origin == CAIRN_EXTENT_KEPT ||
                 source->stats.mapped_bytes >= run->length_bytes);
    if (run->origin == CAIRN_EXTENT_MAPPED)
        source->stats.mapped_bytes -= run->length_bytes;
    return true;
}

/* Unmaps runs from the highest down. A pass over everything does not stop where the kernel refuses. */
static void unmap_runs(struct cairn_pagesource *source, enum eagerness eagerness,
                       size_t target_bytes)
{
    size_t idx = source->extent_count;

    while (idx > 0) {
        size_t last = idx - 1;
        struct run run;

        idx = cairn_pagesource__run_first(source, last);
        run = run_between(source, idx, last);
        if (!is_wanted(source, &run, eagerness, target_bytes))
            continue;
        if (!unmap_run(source, &run) && eagerness == TRIM)
            return;
    }
}

/* Empties dirty extents from the highest down until `target_bytes` are left or the kernel refuses. */
static void purge_down_to(struct cairn_pagesource *source, size_t target_bytes)
{
    size_t idx = source->extent_count;

    while (idx > 0 && source->stats.free_dirty_bytes > target_bytes) {
        const struct cairn_pagesource_extent extent = source->extents[--idx];
        size_t part_bytes =
            cairn_min(extent.length_bytes, source->stats.free_dirty_bytes - target_bytes);
        uintptr_t base = cairn_extent_end(&extent) - part_bytes;

        if (!cairn_extent_is_dirty(&extent))
            continue;
        if (!cairn_pagesource__purge(source, base, part_bytes))
            return;
        cairn_pagesource__set_flags(source, base, part_bytes, extent.flags | CAIRN_EXTENT_FRESH);
    }
}

size_t cairn_pagesource__retain_bytes(const struct cairn_pagesource *source)
{
    size_t bytes = cairn_max(source->config.retain_min_bytes, source->stats.outstanding_bytes / 8);
    bool is_raised = source->stats.map_threshold_bytes > source->config.map_threshold_bytes;

    /* A size that came and went comes again: the block that raised the border is worth keeping whole. */
    return is_raised ? cairn_max(bytes, source->stats.map_threshold_bytes) : bytes;
}

size_t cairn_pagesource__retain_max_bytes(const struct cairn_pagesource *source)
{
    size_t bytes = cairn_pagesource__retain_bytes(source);

    if (source->config.retain_ms == 0)
        return bytes;
    return cairn_max(bytes, cairn_max(RETAIN_MAX_FACTOR * source->config.retain_min_bytes,
                                      source->stats.outstanding_bytes));
}

/* Down to how much dirty memory is to be given back now. */
static size_t target(struct cairn_pagesource *source)
{
    size_t dirty_bytes = source->stats.free_dirty_bytes;
    size_t least_bytes = cairn_pagesource__retain_bytes(source);
    size_t most_bytes = cairn_pagesource__retain_max_bytes(source);
    size_t idle_bytes;

    if (dirty_bytes <= least_bytes)
        return dirty_bytes;
    if (dirty_bytes > most_bytes)
        return most_bytes - most_bytes / 8;
    if (source->config.retain_ms == 0)
        return dirty_bytes;
    idle_bytes =
        cairn_decay_note(&source->decay, source->config.os.ops->now_ms(source->config.os.self),
                         source->config.retain_ms, dirty_bytes);
    return dirty_bytes - cairn_min(idle_bytes, dirty_bytes - least_bytes);
}

void cairn_pagesource__trim(struct cairn_pagesource *source)
{
    size_t target_bytes = cairn_align_down(target(source), cairn_pagesource__page(source));

    if (source->stats.free_dirty_bytes <= target_bytes)
        return;
    cairn_pagesource__shrink_break(source, source->stats.free_dirty_bytes - target_bytes);
    unmap_runs(source, TRIM, target_bytes);
    purge_down_to(source, target_bytes);
}

void cairn_pagesource__purge_all(struct cairn_pagesource *source)
{
    CAIRN_ASSERT(cairn_lock_is_held(&source->lock));
    cairn_pagesource__shrink_break(source, SIZE_MAX);
    unmap_runs(source, PURGE, 0);
    purge_down_to(source, 0);
}

bool cairn_pagesource__release_all(struct cairn_pagesource *source)
{
    size_t held_bytes = cairn_pagesource__held(source);

    cairn_pagesource__shrink_break(source, SIZE_MAX);
    unmap_runs(source, ALL, 0);
    CAIRN_ASSERT(cairn_pagesource__held(source) <= held_bytes);
    return cairn_pagesource__held(source) < held_bytes;
}
