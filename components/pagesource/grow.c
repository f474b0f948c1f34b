/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * grow.c - more address space: by which means, in which steps, and how it becomes aligned.
 *
 * Idea. Growth only ever adds free extents; taking a block out of them is another step. So there is
 * one place that accounts, and whatever a growth yields beyond the request is simply free
 * afterwards.
 *
 *   small request:   a step of 1/8 of what is held (break or mapping), else exactly what is needed
 *   large request:   a mapping of its own, exactly as long, so that it can go back on its own
 *
 * Alignment. A mapping of the exact length often happens to be aligned, because the kernel stacks
 * mappings downward and their lengths are multiples. If not, it is replaced by a larger one whose
 * ends are cut off:
 *
 *     |---- lead ----|======== block ========|-- tail --|       lead + tail = align - page
 *      munmap                                 munmap            (kept as free extents where it fails)
 *
 * The kernel is asked without the lock. So what is mapped becomes a free run only when no call
 * remains to be made: until then no other thread can take it, and between its becoming free and the
 * cutting of the block the lock is held.
 */

#include "extents.h"

#include <cairn/base/check.h>

size_t cairn_pagesource_step_bytes(const struct cairn_pagesource *source)
{
    size_t eighth = cairn_pagesource_held_bytes(source) / 8;
    size_t bytes = cairn_max(eighth, source->config.growth_min_bytes);

    return cairn_align_down(cairn_min(bytes, source->config.growth_max_bytes),
                            cairn_pagesource_page_bytes(source));
}

static size_t *held_of(struct cairn_pagesource *source, uint32_t origin)
{
    CAIRN_ASSERT(origin == CAIRN_EXTENT_BREAK || origin == CAIRN_EXTENT_MAPPED);
    return origin == CAIRN_EXTENT_BREAK ? &source->stats.brk_bytes : &source->stats.mapped_bytes;
}

void cairn_pagesource_count_held(struct cairn_pagesource *source, uint32_t origin,
                                 size_t more_bytes)
{
    *held_of(source, origin) += more_bytes;
    source->stats.held_peak_bytes =
        cairn_max(source->stats.held_peak_bytes, cairn_pagesource_held_bytes(source));
}

void cairn_pagesource_discount_held(struct cairn_pagesource *source, uint32_t origin,
                                    size_t less_bytes)
{
    CAIRN_ASSERT(*held_of(source, origin) >= less_bytes);
    *held_of(source, origin) -= less_bytes;
    cairn_pagesource_uncharge(source, less_bytes);
}

void cairn_pagesource_adopt(struct cairn_pagesource *source, uintptr_t base, uintptr_t end,
                            uint32_t origin, uint32_t flags)
{
    uint32_t id = cairn_pagesource_new_node(source, base, end, origin);
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    node->fresh_base = base;
    node->flags = flags;
    cairn_pagesource_count_held(source, origin, end - base);
    cairn_pagesource_make_free(source, id);
}

/* Maps what the limit allows; charged, but not yet ours until adopted or dropped. */
static uintptr_t map_raw(struct cairn_pagesource *source, size_t length_bytes)
{
    uintptr_t base;

    if (!cairn_pagesource_charge(source, length_bytes))
        return 0;
    base = cairn_pagesource_os_map(source, length_bytes);
    if (base == 0)
        cairn_pagesource_uncharge(source, length_bytes);
    return base;
}

/* Unmaps a part of what map_raw() gave; keeps it, free, when that fails. */
static void drop(struct cairn_pagesource *source, uintptr_t base, uintptr_t end)
{
    if (base == end)
        return;
    if (cairn_pagesource_os_unmap(source, base, end - base))
        cairn_pagesource_uncharge(source, end - base);
    else
        cairn_pagesource_adopt(source, base, end, CAIRN_EXTENT_MAPPED, CAIRN_EXTENT_PENDING);
}

/* Maps one block of its own, no longer than needed. */
static uintptr_t map_exactly(struct cairn_pagesource *source, size_t length_bytes,
                             size_t align_bytes)
{
    size_t page_bytes = cairn_pagesource_page_bytes(source);
    size_t over_bytes = length_bytes + align_bytes - page_bytes;
    uintptr_t base = map_raw(source, length_bytes);
    uintptr_t start;

    if (base == 0)
        return 0;
    if (cairn_is_aligned(base, align_bytes)) {
        cairn_pagesource_adopt(source, base, base + length_bytes, CAIRN_EXTENT_MAPPED, 0);
        return base;
    }
    drop(source, base, base + length_bytes);
    base = map_raw(source, over_bytes);
    if (base == 0)
        return 0;
    start = cairn_align_up(base, align_bytes);
    CAIRN_ASSERT(start + length_bytes <= base + over_bytes);
    drop(source, base, start);
    drop(source, start + length_bytes, base + over_bytes);
    cairn_pagesource_adopt(source, start, start + length_bytes, CAIRN_EXTENT_MAPPED, 0);
    return start;
}

/* Maps a growth step, if the block fits into it wherever it lies. */
static uintptr_t map_step(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes)
{
    size_t over_bytes = length_bytes + align_bytes - cairn_pagesource_page_bytes(source);
    size_t step_bytes = cairn_max(cairn_pagesource_step_bytes(source), over_bytes);
    uintptr_t base;

    if (step_bytes == length_bytes)
        return 0;
    base = map_raw(source, step_bytes);
    if (base == 0)
        return 0;
    cairn_pagesource_adopt(source, base, base + step_bytes, CAIRN_EXTENT_MAPPED, 0);
    return cairn_align_up(base, align_bytes);
}

static uintptr_t grow_mapped(struct cairn_pagesource *source, size_t length_bytes,
                             size_t align_bytes)
{
    bool is_small = length_bytes < source->stats.map_threshold_bytes;
    uintptr_t start = is_small ? map_step(source, length_bytes, align_bytes) : 0;

    return start != 0 ? start : map_exactly(source, length_bytes, align_bytes);
}

uintptr_t cairn_pagesource_grow(struct cairn_pagesource *source, size_t length_bytes,
                                size_t align_bytes)
{
    enum cairn_pagesource_policy policy = source->config.policy;
    bool is_small = length_bytes < source->stats.map_threshold_bytes;
    bool is_break_first = policy == CAIRN_PAGESOURCE_BRK || is_small;
    uintptr_t start = 0;

    CAIRN_ASSERT(cairn_lock_is_held(&source->lock) && length_bytes > 0);
    CAIRN_ASSERT(cairn_is_aligned(length_bytes | align_bytes, cairn_pagesource_page_bytes(source)));
    if (policy == CAIRN_PAGESOURCE_MMAP)
        return grow_mapped(source, length_bytes, align_bytes);
    if (is_break_first)
        start = cairn_pagesource_grow_break(source, length_bytes, align_bytes);
    if (start == 0)
        start = grow_mapped(source, length_bytes, align_bytes);
    if (start == 0 && !is_break_first)
        start = cairn_pagesource_grow_break(source, length_bytes, align_bytes);
    return start;
}
