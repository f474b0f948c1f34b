/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * layout.h - how a buffer is cut, and how coarse: private to the arena.
 */

#ifndef CAIRN_ARENA_LAYOUT_H
#define CAIRN_ARENA_LAYOUT_H

#include <stddef.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

/* How coarse the layers are for a buffer of a given size. */
struct cairn_arena_shape {
    size_t buddy_granule_bytes; /* of the buddy */
    size_t granule_bytes;       /* of the slabs; 0: no slabs, every block is a run */
    unsigned class_count; /* classes served from slabs, from the smallest; the others are runs */
};

/* Where each part lies: in this order, each aligned to 64, without gaps but for one before the
   memory. */
struct cairn_arena_layout {
    struct cairn_arena_shape shape;
    size_t arena_bytes; /* struct cairn_arena with its pools, at the head */
    char *buddy_state;
    size_t buddy_bytes;
    char *map_state;
    size_t map_bytes;
    char *unit_state;
    size_t unit_bytes;
    char *memory; /* for blocks, to the end of the buffer */
    size_t memory_bytes;
};

/* Pure. Requires: buffer_bytes > 0. O(1). */
struct cairn_arena_shape cairn_arena_shape_of(size_t buffer_bytes);

/* The largest alignment that runs of this shape can have: what slabs need, and what callers may ask
   for. */
size_t cairn_arena_run_align_bytes(const struct cairn_arena_shape *shape);

/*
 * Cuts [buffer, buffer + buffer_bytes). Reads and writes nothing there.
 *
 * Returns: where struct cairn_arena goes; NULL when the buffer is NULL, or below
 *          CAIRN_ARENA_BYTES_MIN or above 2^40 bytes.
 */
void *cairn_arena_cut(struct cairn_arena_layout *layout, void *buffer, size_t buffer_bytes);

/* Panics unless the parts lie in order in [head, memory + memory_bytes) and do not overlap.
   O(1). */
void cairn_arena_layout_check(const struct cairn_arena_layout *layout, const void *head);

CAIRN_END_DECLS

#endif
