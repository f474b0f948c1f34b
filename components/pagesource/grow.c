/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * grow.c - more address space: by which means, in which steps, and how it becomes aligned.
 *
 * Idea. Growth only ever adds free extents; taking a block out of them is another step. So there is one place
 * that accounts, and whatever a growth yields beyond the request is simply free afterwards.
 *
 *   small request:   a step of 1/8 of what is held (break or mapping), else exactly what is needed
 *   large request:   a mapping of its own, exactly as long, so that it can go back on its own
 *
 * Alignment. A mapping of the exact length often happens to be aligned, because the kernel stacks mappings
 * downward and their lengths are multiples. If not, it is replaced by a larger one whose ends are cut off:
 *
 *     |---- lead ----|======== block ========|-- tail --|       lead + tail = align - page
 *      munmap                                 munmap            (kept as free extents where it fails)
 *
 * The table of extents is grown before the memory, so that giving back never needs any (I6): there cannot
 * be more extents than pages held. It costs 24 bytes of address space a page, resident only as far as used;
 * after a refusal or a purge, a table that has become far too large (for a request that was absurd) shrinks.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <string.h>

/* Moves the table to another place; the old one goes back to the kernel unless it is part of the struct. */
static void move_table(struct cairn_pagesource *source, struct cairn_pagesource_extent *extents,
                       size_t capacity, size_t table_bytes)
{
    struct cairn_pagesource_extent old = {(uintptr_t)source->extents, source->stats.table_bytes,
                                          CAIRN_EXTENT_KEPT, CAIRN_EXTENT_PENDING};

    CAIRN_ASSERT(capacity > source->extent_count);
    memcpy(extents, source->extents, source->extent_count * sizeof(*extents));
    source->extents = extents;
    source->extent_capacity = capacity;
    source->stats.table_bytes = table_bytes;
    if (old.length_bytes != 0 && !cairn_pagesource__unmap(source, old.base, old.length_bytes))
        cairn_pagesource__insert(source, old);
}

/* Replaces the table by a mapped one of `capacity` or a bit more. */
static bool map_table(struct cairn_pagesource *source, size_t capacity)
{
    size_t bytes =
        cairn_align_up(capacity * sizeof(*source->extents), cairn_pagesource__page(source));
    uintptr_t base = cairn_pagesource__map(source, bytes, CAIRN_OS_MAP_NORESERVE);

    if (base == 0)
        return false;
    move_table(source, (struct cairn_pagesource_extent *)base, bytes / sizeof(*source->extents),
               bytes);
    return true;
}

/* One slot more than I6 asks for: the table that is replaced may itself have to be kept. */
static size_t needed_slots(const struct cairn_pagesource *source)
{
    return cairn_pagesource__held(source) / cairn_pagesource__page(source) +
           source->reservation_count + source->kept_count + 1;
}

bool cairn_pagesource__ensure(struct cairn_pagesource *source, size_t slot_count)
{
    size_t needed = needed_slots(source) + slot_count;

    if (needed <= source->extent_capacity)
        return true;
    return map_table(source, cairn_max(2 * source->extent_capacity, needed)) ||
           map_table(source, needed);
}

void cairn_pagesource__shrink_table(struct cairn_pagesource *source)
{
    size_t needed = 2 * needed_slots(source);

    if (source->stats.table_bytes == 0 || needed > source->extent_capacity / 2)
        return;
    if (needed <= CAIRN_PAGESOURCE_INLINE_EXTENTS)
        move_table(source, source->inline_extents, CAIRN_PAGESOURCE_INLINE_EXTENTS, 0);
    else
        (void)map_table(source, needed);
}

bool cairn_pagesource__may_hold(struct cairn_pagesource *source, size_t more_bytes)
{
    size_t limit_bytes = source->config.limit_bytes;
    size_t held_bytes = cairn_pagesource__held(source);

    if (limit_bytes != 0 && (held_bytes > limit_bytes || more_bytes > limit_bytes - held_bytes))
        return false;
    return cairn_pagesource__ensure(source, more_bytes / cairn_pagesource__page(source));
}

size_t cairn_pagesource__step(const struct cairn_pagesource *source)
{
    size_t eighth = cairn_pagesource__held(source) / 8;
    size_t bytes = cairn_max(eighth, source->config.growth_min_bytes);

    return cairn_align_down(cairn_min(bytes, source->config.growth_max_bytes),
                            cairn_pagesource__page(source));
}

void cairn_pagesource__count_held(struct cairn_pagesource *source, uint32_t origin,
                                  size_t more_bytes)
{
    struct cairn_pagesource_stats *stats = &source->stats;

    CAIRN_ASSERT(origin == CAIRN_EXTENT_BREAK || origin == CAIRN_EXTENT_MAPPED);
    if (origin == CAIRN_EXTENT_BREAK)
        stats->brk_bytes += more_bytes;
    else
        stats->mapped_bytes += more_bytes;
    stats->held_peak_bytes = cairn_max(stats->held_peak_bytes, cairn_pagesource__held(source));
}

void cairn_pagesource__adopt(struct cairn_pagesource *source, struct cairn_pagesource_extent extent)
{
    cairn_pagesource__count_held(source, extent.origin, extent.length_bytes);
    cairn_pagesource__insert(source, extent);
}

static void adopt_mapped(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes,
                         uint32_t flags)
{
    struct cairn_pagesource_extent extent = {base, length_bytes, CAIRN_EXTENT_MAPPED, flags};

    cairn_pagesource__adopt(source, extent);
}

/* Maps what the limit and the table allow; not yet ours until adopted or dropped. */
static uintptr_t map_raw(struct cairn_pagesource *source, size_t length_bytes)
{
    if (!cairn_pagesource__may_hold(source, length_bytes))
        return 0;
    return cairn_pagesource__map(source, length_bytes, 0);
}

/* Unmaps a part of what map_raw() gave; keeps it, free, when that fails. */
static void drop(struct cairn_pagesource *source, uintptr_t base, uintptr_t end)
{
    if (base == end || cairn_pagesource__unmap(source, base, end - base))
        return;
    adopt_mapped(source, base, end - base, CAIRN_EXTENT_FRESH | CAIRN_EXTENT_PENDING);
}

/* Maps one block of its own, no longer than needed. */
static bool map_exactly(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes)
{
    size_t page_bytes = cairn_pagesource__page(source);
    size_t over_bytes = length_bytes + align_bytes - page_bytes;
    uintptr_t base = map_raw(source, length_bytes);
    uintptr_t start;

    if (base == 0)
        return false;
    if (cairn_is_aligned(base, align_bytes)) {
        adopt_mapped(source, base, length_bytes, CAIRN_EXTENT_FRESH);
        return true;
    }
    drop(source, base, base + length_bytes);
    base = map_raw(source, over_bytes);
    if (base == 0)
        return false;
    start = cairn_align_up(base, align_bytes);
    CAIRN_ASSERT(start + length_bytes <= base + over_bytes);
    adopt_mapped(source, start, length_bytes, CAIRN_EXTENT_FRESH);
    drop(source, base, start);
    drop(source, start + length_bytes, base + over_bytes);
    return true;
}

/* Maps a growth step, if the block fits into it wherever it lies. */
static bool map_step(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes)
{
    size_t over_bytes = length_bytes + align_bytes - cairn_pagesource__page(source);
    size_t step_bytes = cairn_max(cairn_pagesource__step(source), over_bytes);
    uintptr_t base;

    if (step_bytes == length_bytes)
        return false;
    base = map_raw(source, step_bytes);
    if (base == 0)
        return false;
    adopt_mapped(source, base, step_bytes, CAIRN_EXTENT_FRESH);
    return true;
}

static bool grow_mapped(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes)
{
    bool is_small = length_bytes < source->stats.map_threshold_bytes;

    return (is_small && map_step(source, length_bytes, align_bytes)) ||
           map_exactly(source, length_bytes, align_bytes);
}

bool cairn_pagesource__grow(struct cairn_pagesource *source, size_t length_bytes,
                            size_t align_bytes)
{
    enum cairn_pagesource_policy policy = source->config.policy;
    bool is_small = length_bytes < source->stats.map_threshold_bytes;

    CAIRN_ASSERT(cairn_lock_is_held(&source->lock) && length_bytes > 0);
    CAIRN_ASSERT(cairn_is_aligned(length_bytes | align_bytes, cairn_pagesource__page(source)));
    if (policy == CAIRN_PAGESOURCE_MMAP)
        return grow_mapped(source, length_bytes, align_bytes);
    if (policy == CAIRN_PAGESOURCE_BRK || is_small)
        return cairn_pagesource__grow_break(source, length_bytes, align_bytes) ||
               grow_mapped(source, length_bytes, align_bytes);
    return grow_mapped(source, length_bytes, align_bytes) ||
           cairn_pagesource__grow_break(source, length_bytes, align_bytes);
}
