/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * buffer.c - a caller's byte range as a source: a top that rises and a table of holes below it.
 *
 *     base          hole 0           hole 1        top                    base + length
 *      |== out ======|....|== out ====|...|== out ==|......................|
 *
 * Taking looks into the holes, lowest first, and then above the top; what alignment skips becomes a
 * hole. Giving joins the block with the holes that it touches; what then touches the top lowers it.
 * A hole that finds the table full is forgotten: it cannot be taken, and comes back when everything
 * has been given back, because then the range starts afresh.
 *
 * Invariants (cairn_buffer_check):
 *   I1  holes are not empty, sorted by offset, disjoint, and touch neither each other nor the top;
 *   I2  outstanding + holes <= top <= length; the difference is what was forgotten;
 *   I3  nothing outstanding means top 0 and no hole.
 *
 * Cost. O(holes) for each block taken or given.
 */

#include <cairn/buffer.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <string.h>

static size_t hole_end(const struct cairn_buffer_hole *hole)
{
    return hole->offset_bytes + hole->length_bytes;
}

static void insert_hole(struct cairn_buffer *buffer, size_t idx, size_t offset_bytes,
                        size_t length_bytes)
{
    struct cairn_buffer_hole *hole = &buffer->holes[idx];

    CAIRN_ASSERT(buffer->hole_count < CAIRN_BUFFER_HOLES);
    CAIRN_ASSERT(idx <= buffer->hole_count);
    CAIRN_ASSERT(length_bytes > 0);
    memmove(hole + 1, hole, (buffer->hole_count - idx) * sizeof(*hole));
    hole->offset_bytes = offset_bytes;
    hole->length_bytes = length_bytes;
    buffer->hole_count++;
}

static void remove_hole(struct cairn_buffer *buffer, size_t idx)
{
    struct cairn_buffer_hole *hole = &buffer->holes[idx];

    CAIRN_ASSERT(idx < buffer->hole_count);
    buffer->hole_count--;
    memmove(hole, hole + 1, (buffer->hole_count - idx) * sizeof(*hole));
}

/* Is there an aligned block within [from, end)? Sets *offset to the lowest. Offsets count from the
   base, but alignment is of addresses: the base may have any. */
static bool fits(const struct cairn_buffer *buffer, size_t from, size_t end, size_t block_bytes,
                 size_t align_bytes, size_t *offset)
{
    size_t base = (size_t)(uintptr_t)buffer->base;
    size_t address;

    CAIRN_ASSERT(from <= end && end <= buffer->length_bytes);
    if (!cairn_try_align_up(base + from, align_bytes, &address))
        return false;
    *offset = address - base;
    return *offset <= end && end - *offset >= block_bytes;
}

/* Cuts a block out of a hole; false when that would leave two holes and there is room for one
   only. */
static bool cut_hole(struct cairn_buffer *buffer, size_t idx, size_t offset, size_t block_bytes)
{
    struct cairn_buffer_hole *hole = &buffer->holes[idx];
    size_t before_bytes = offset - hole->offset_bytes;
    size_t after_bytes = hole_end(hole) - offset - block_bytes;

    if (before_bytes > 0 && after_bytes > 0) {
        if (buffer->hole_count == CAIRN_BUFFER_HOLES)
            return false;
        insert_hole(buffer, idx + 1, offset + block_bytes, after_bytes);
        hole->length_bytes = before_bytes;
        return true;
    }
    if (before_bytes == 0 && after_bytes == 0) {
        remove_hole(buffer, idx);
        return true;
    }
    hole->offset_bytes = before_bytes > 0 ? hole->offset_bytes : offset + block_bytes;
    hole->length_bytes = before_bytes + after_bytes;
    return true;
}

static bool take_from_holes(struct cairn_buffer *buffer, size_t block_bytes, size_t align_bytes,
                            size_t *offset)
{
    for (size_t idx = 0; idx < buffer->hole_count; idx++) {
        const struct cairn_buffer_hole *hole = &buffer->holes[idx];

        if (fits(buffer, hole->offset_bytes, hole_end(hole), block_bytes, align_bytes, offset) &&
            cut_hole(buffer, idx, *offset, block_bytes))
            return true;
    }
    return false;
}

static bool take_from_top(struct cairn_buffer *buffer, size_t block_bytes, size_t align_bytes,
                          size_t *offset)
{
    size_t top = buffer->top_bytes;

    if (!fits(buffer, top, buffer->length_bytes, block_bytes, align_bytes, offset))
        return false;
    if (*offset > top && buffer->hole_count < CAIRN_BUFFER_HOLES)
        insert_hole(buffer, buffer->hole_count, top, *offset - top);
    buffer->top_bytes = *offset + block_bytes;
    return true;
}

static size_t buffer_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                          size_t count)
{
    struct cairn_buffer *buffer = self;
    size_t taken = 0;
    size_t offset;

    CAIRN_ASSERT(block_bytes > 0);
    CAIRN_ASSERT(cairn_is_pow2(align_bytes));
    while (taken < count && (take_from_holes(buffer, block_bytes, align_bytes, &offset) ||
                             take_from_top(buffer, block_bytes, align_bytes, &offset))) {
        blocks[taken++] = buffer->base + offset;
        buffer->outstanding_bytes += block_bytes;
    }
    return taken;
}

/* The index of the first hole behind `offset`. */
static size_t hole_behind(const struct cairn_buffer *buffer, size_t offset)
{
    size_t idx = 0;

    while (idx < buffer->hole_count && buffer->holes[idx].offset_bytes <= offset)
        idx++;
    return idx;
}

/* Adds [offset, end) to the holes: joined with the neighbours that it touches, or as a new one in
   front of idx, or forgotten. */
static void add_hole(struct cairn_buffer *buffer, size_t idx, size_t offset, size_t end)
{
    struct cairn_buffer_hole *behind = &buffer->holes[idx];
    bool touches_before = idx > 0 && hole_end(behind - 1) == offset;
    bool touches_behind = idx < buffer->hole_count && behind->offset_bytes == end;

    if (touches_before && touches_behind) {
        behind[-1].length_bytes = hole_end(behind) - behind[-1].offset_bytes;
        remove_hole(buffer, idx);
    } else if (touches_before) {
        behind[-1].length_bytes += end - offset;
    } else if (touches_behind) {
        behind->offset_bytes = offset;
        behind->length_bytes += end - offset;
    } else if (buffer->hole_count < CAIRN_BUFFER_HOLES) {
        insert_hole(buffer, idx, offset, end - offset);
    }
}

/* A hole that touches the top becomes part of what lies above it. */
static void lower_top(struct cairn_buffer *buffer)
{
    const struct cairn_buffer_hole *last;

    if (buffer->hole_count == 0)
        return;
    last = &buffer->holes[buffer->hole_count - 1];
    if (hole_end(last) != buffer->top_bytes)
        return;
    buffer->top_bytes = last->offset_bytes;
    buffer->hole_count--;
}

static void give_block(struct cairn_buffer *buffer, void *block, size_t block_bytes)
{
    size_t offset = (size_t)((uintptr_t)block - (uintptr_t)buffer->base);
    size_t idx = hole_behind(buffer, offset);

    CAIRN_CHECK(offset < buffer->top_bytes && block_bytes <= buffer->top_bytes - offset,
                "give of a block that is not of this buffer", block, "cairn_buffer");
    CAIRN_CHECK((idx == 0 || hole_end(&buffer->holes[idx - 1]) <= offset) &&
                    (idx == buffer->hole_count ||
                     buffer->holes[idx].offset_bytes >= offset + block_bytes) &&
                    block_bytes <= buffer->outstanding_bytes,
                "give of a block that is not out", block, "cairn_buffer");
    buffer->outstanding_bytes -= block_bytes;
    if (buffer->outstanding_bytes == 0) {
        buffer->top_bytes = 0;
        buffer->hole_count = 0;
        return;
    }
    if (offset + block_bytes == buffer->top_bytes)
        buffer->top_bytes = offset;
    else
        add_hole(buffer, idx, offset, offset + block_bytes);
    lower_top(buffer);
}

static void buffer_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        give_block(self, blocks[i], block_bytes);
}

static const struct cairn_source_ops buffer_ops = {"buffer", 0, buffer_take, buffer_give};

int cairn_buffer_init(struct cairn_buffer *buffer, const struct cairn_buffer_config *config)
{
    if (config->length_bytes > UINTPTR_MAX - (uintptr_t)config->base)
        return -EINVAL;
    buffer->base = config->base;
    buffer->length_bytes = config->length_bytes;
    buffer->top_bytes = 0;
    buffer->outstanding_bytes = 0;
    buffer->hole_count = 0;
    return 0;
}

void cairn_buffer_fini(struct cairn_buffer *buffer)
{
    CAIRN_CHECK(buffer->outstanding_bytes == 0, "buffer ended with memory outstanding",
                buffer->base, __func__);
    buffer->base = NULL;
    buffer->length_bytes = 0;
}

struct cairn_source cairn_buffer_as_source(struct cairn_buffer *buffer)
{
    struct cairn_source source = {&buffer_ops, buffer};

    return source;
}

void cairn_buffer_check(const struct cairn_buffer *buffer)
{
    size_t holes_bytes = 0;
    size_t above = 0; /* the least offset that the next hole may have: not touching this one */

    CAIRN_INVARIANT(buffer->hole_count <= CAIRN_BUFFER_HOLES);
    CAIRN_INVARIANT(buffer->top_bytes <= buffer->length_bytes);
    for (size_t idx = 0; idx < buffer->hole_count; idx++) {
        const struct cairn_buffer_hole *hole = &buffer->holes[idx];

        CAIRN_INVARIANT(hole->length_bytes > 0);
        CAIRN_INVARIANT(hole->offset_bytes >= above);
        CAIRN_INVARIANT(hole->offset_bytes < buffer->top_bytes);
        CAIRN_INVARIANT(hole->length_bytes < buffer->top_bytes - hole->offset_bytes);
        above = hole_end(hole) + 1;
        holes_bytes += hole->length_bytes;
    }
    CAIRN_INVARIANT(buffer->outstanding_bytes <= buffer->top_bytes);
    CAIRN_INVARIANT(holes_bytes <= buffer->top_bytes - buffer->outstanding_bytes);
    CAIRN_INVARIANT(buffer->outstanding_bytes > 0 || buffer->top_bytes == 0);
    CAIRN_INVARIANT(buffer->outstanding_bytes > 0 || buffer->hole_count == 0);
}
