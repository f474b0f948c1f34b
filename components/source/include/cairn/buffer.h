/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * buffer.h - a caller's byte range as a source, for static memory and for tests.
 *
 *     bytes   |== given out ==|... never given out ...........|
 *             0               top                            end
 *
 * A bump allocator with a small table of holes: what was given back is handed out again where it
 * fits, lowest address first; the block at the top lowers the top. The table is part of the struct,
 * so nothing is ever written into the range. When it is full, further holes are forgotten until
 * everything has been given back.
 *
 * For few, large blocks (chunks for a buddy, slabs for a pool). A general heap over a buffer is a
 * buddy.
 */

#ifndef CAIRN_BUFFER_H
#define CAIRN_BUFFER_H

#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_BUFFER_HOLES = 64 };

struct cairn_buffer_hole {
    size_t offset_bytes;
    size_t length_bytes;
};

/* Private; visible so that the caller can place it. */
struct cairn_buffer {
    char *base;
    size_t length_bytes;
    size_t top_bytes;
    size_t outstanding_bytes;
    size_t hole_count;
    struct cairn_buffer_hole holes[CAIRN_BUFFER_HOLES]; /* by offset, disjoint, not touching */
};

struct cairn_buffer_config {
    void *base;
    size_t length_bytes; /* 0 is allowed: such a source is always dry */
};

/*
 * Makes a source of the range.
 *
 * Requires: the range stays valid and untouched by others until fini.
 * Returns:  0.
 * Fails:    -EINVAL for a range beyond the address space: nothing is changed.
 * Owns:     the caller keeps the range; nothing is written into it. The struct must not move while
 *           its source is used.
 * Cost:     O(1).
 * Threads:  not safe.
 */
CAIRN_NODISCARD int cairn_buffer_init(struct cairn_buffer *buffer,
                                      const struct cairn_buffer_config *config);

/*
 * Ends the source; panics when something is outstanding.
 *
 * Cost:    O(1).
 * Threads: not safe.
 */
void cairn_buffer_fini(struct cairn_buffer *buffer);

/*
 * The source, without traits. A give panics on a block that is not of this buffer.
 *
 * Cost:    O(1); take and give O(holes) a block, at most CAIRN_BUFFER_HOLES.
 * Threads: not safe; wrap it in cairn_locked.
 */
struct cairn_source cairn_buffer_as_source(struct cairn_buffer *buffer);

/*
 * Walks all state; panics on a broken invariant.
 *
 * Cost:    O(holes).
 * Threads: not safe.
 */
void cairn_buffer_check(const struct cairn_buffer *buffer);

CAIRN_END_DECLS

#endif
