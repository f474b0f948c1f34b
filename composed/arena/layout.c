/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * layout.c - how a buffer is cut into state and memory.
 *
 *     buffer                                                                               end
 *     | . | arena, pools | buddy bitmaps | pagemap window | slab descriptors | . | memory ...  |
 *       64             64              64               64                 64
 *
 * Every part but the last is as long as it could need to be if all that follows were memory, so the
 * parts are cut in one pass, front to back; the error is a few percent of a few percent. The gap
 * before the memory is there when it is small against the buffer: a memory that begins at the
 * largest alignment has a block of half its size, not of a quarter.
 *
 * How coarse. Slabs pay once a buffer has room for many of them, because each class in use holds
 * some free blocks. Below SLABS_BYTES_MIN there are none, and every block is a run of granules of
 * 16 bytes. Above, the granule of slabs is a fixed share of the buffer, a class is served from
 * slabs when it holds at least 8 of its blocks, and what is larger is a run of the buddy's granules
 * of 64 bytes. So a block wastes less than 16 bytes or at most an eighth of itself.
 *
 * Measured, as share of the buffer that holds data when memory is always short (a random block is
 * freed until the next request fits), 8 sizes of 16 to 400 bytes | sizes of 8 bytes to 1/256 of the
 * buffer, per magnitude:
 *
 *     buffer     no slabs    granules of 2 KiB   4 KiB       8 KiB       16 KiB
 *     64 KiB     56 | 77     55 | 65
 *     256 KiB    58 | 78     60 | 72             83 | 58     83 | 58     78 | 40
 *     1 MiB      58 | 78     61 | 75             87 | 75     86 | 66     86 | 56
 */

#include "layout.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/classes.h>

#include "arena_internal.h"

enum {
    SLABS_BYTES_MIN = 256 * 1024,
    GRANULES_MIN = 256, /* in a buffer, unless the granule is at its lower bound */
    GRANULE_BYTES_MIN = 4096,
    GRANULE_BYTES_MAX = 16384,
    BLOCKS_MIN = 8, /* in a granule, or its class is served by the buddy */
    BUDDY_GRANULE_BYTES_ALONE = 16,
    BUDDY_GRANULE_BYTES_UNDER_SLABS = 64, /* while there are no more than 2^30 of them */
    PART_ALIGN_BYTES = 64,
    GAP_SHARE_MAX = 64 /* at most 1/64 of the memory is given up for its alignment */
};

static const size_t BUFFER_BYTES_MAX = (size_t)1 << 40;
static const size_t BUDDY_GRANULES_MAX = (size_t)1 << 30;

static size_t clamp(size_t value, size_t low, size_t high)
{
    return cairn_min(cairn_max(value, low), high);
}

static unsigned classes_up_to(size_t block_bytes)
{
    unsigned class_count = 0;

    while (class_count < cairn_classes_default.count &&
           cairn_classes_default.block_bytes[class_count] <= block_bytes)
        class_count++;
    return class_count;
}

struct cairn_arena_shape cairn_arena_shape_of(size_t buffer_bytes)
{
    struct cairn_arena_shape shape = {.buddy_granule_bytes = BUDDY_GRANULE_BYTES_ALONE};

    if (buffer_bytes < SLABS_BYTES_MIN)
        return shape;
    shape.granule_bytes = clamp((size_t)1 << cairn_log2_floor(buffer_bytes / GRANULES_MIN),
                                GRANULE_BYTES_MIN, GRANULE_BYTES_MAX);
    shape.class_count = classes_up_to(shape.granule_bytes / BLOCKS_MIN);
    shape.buddy_granule_bytes = BUDDY_GRANULE_BYTES_UNDER_SLABS;
    while (buffer_bytes / shape.buddy_granule_bytes > BUDDY_GRANULES_MAX)
        shape.buddy_granule_bytes *= 2;
    return shape;
}

size_t cairn_arena_run_align_bytes(const struct cairn_arena_shape *shape)
{
    return cairn_max(CAIRN_ARENA_ALIGN_MAX, shape->granule_bytes);
}

/* Descriptors for an arena full of 16-byte blocks. One full of 8-byte blocks runs out of them
   early, and continues with 16-byte blocks and runs. */
static size_t unit_bytes_over(size_t memory_bytes, size_t granule_bytes)
{
    size_t words = granule_bytes / 16 / 64;
    size_t more_words = words > CAIRN_SLAB_INLINE_WORDS ? words - CAIRN_SLAB_INLINE_WORDS : 0;
    size_t units =
        1 + (more_words * sizeof(uint64_t) + CAIRN_SLAB_UNIT_BYTES - 1) / CAIRN_SLAB_UNIT_BYTES;

    if (granule_bytes == 0)
        return 0;
    return (memory_bytes / granule_bytes * units + 2) * CAIRN_SLAB_UNIT_BYTES; /* id 0 is none */
}

static size_t map_bytes_over(size_t memory_bytes, size_t granule_bytes)
{
    return granule_bytes == 0 ? 0 : cairn_pagemap_window_state_bytes(memory_bytes, granule_bytes);
}

static size_t buddy_bytes_over(char *memory, size_t memory_bytes,
                               const struct cairn_arena_shape *shape)
{
    const struct cairn_buddy_config config = {
        .granule_bytes = shape->buddy_granule_bytes,
        .base = memory,
        .length_bytes = memory_bytes,
        .align_bytes = cairn_arena_run_align_bytes(shape),
    };

    return cairn_buddy_state_bytes(&config);
}

/* Gives up what lies before the next multiple of the largest alignment, if that is little. */
static void align_memory(struct cairn_arena_layout *layout)
{
    size_t align_bytes = cairn_arena_run_align_bytes(&layout->shape);
    size_t gap_bytes =
        cairn_align_up((uintptr_t)layout->memory, align_bytes) - (uintptr_t)layout->memory;

    if (gap_bytes > layout->memory_bytes / GAP_SHARE_MAX)
        return;
    layout->memory += gap_bytes;
    layout->memory_bytes -= gap_bytes;
}

/* Cuts `part_bytes` off the front of what is left. */
static char *cut_part(struct cairn_arena_layout *layout, size_t *part_bytes)
{
    char *part = layout->memory;

    *part_bytes = cairn_align_up(*part_bytes, PART_ALIGN_BYTES);
    CAIRN_ASSERT(*part_bytes < layout->memory_bytes);
    layout->memory += *part_bytes;
    layout->memory_bytes -= *part_bytes;
    return part;
}

void *cairn_arena_cut(struct cairn_arena_layout *layout, void *buffer, size_t buffer_bytes)
{
    struct cairn_arena_shape shape;
    size_t skipped_bytes = cairn_align_up((uintptr_t)buffer, PART_ALIGN_BYTES) - (uintptr_t)buffer;
    void *head;

    if (buffer == NULL || buffer_bytes < CAIRN_ARENA_BYTES_MIN || buffer_bytes > BUFFER_BYTES_MAX)
        return NULL;
    shape = cairn_arena_shape_of(buffer_bytes);
    *layout = (struct cairn_arena_layout){.shape = shape};
    layout->memory = (char *)buffer + skipped_bytes;
    layout->memory_bytes = buffer_bytes - skipped_bytes;

    layout->arena_bytes =
        sizeof(struct cairn_arena) + shape.class_count * sizeof(struct cairn_pool);
    head = cut_part(layout, &layout->arena_bytes);
    layout->buddy_bytes = buddy_bytes_over(layout->memory, layout->memory_bytes, &shape);
    layout->map_bytes = map_bytes_over(layout->memory_bytes, shape.granule_bytes);
    layout->unit_bytes = unit_bytes_over(layout->memory_bytes, shape.granule_bytes);
    layout->buddy_state = cut_part(layout, &layout->buddy_bytes);
    layout->map_state = cut_part(layout, &layout->map_bytes);
    layout->unit_state = cut_part(layout, &layout->unit_bytes);
    align_memory(layout);
    return head;
}

void cairn_arena_layout_check(const struct cairn_arena_layout *layout, const void *head)
{
    CAIRN_INVARIANT(cairn_is_aligned((uintptr_t)head, PART_ALIGN_BYTES));
    CAIRN_INVARIANT(layout->buddy_state == (const char *)head + layout->arena_bytes);
    CAIRN_INVARIANT(layout->map_state == layout->buddy_state + layout->buddy_bytes);
    CAIRN_INVARIANT(layout->unit_state == layout->map_state + layout->map_bytes);
    CAIRN_INVARIANT(layout->memory >= layout->unit_state + layout->unit_bytes);
    CAIRN_INVARIANT(layout->memory_bytes >= layout->shape.buddy_granule_bytes);
    CAIRN_INVARIANT((layout->shape.granule_bytes == 0) == (layout->shape.class_count == 0));
}
