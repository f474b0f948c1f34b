/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * os_buffer.c - pages of one buffer, as if from a kernel.
 *
 * State of a page: two bits, of which the first is claimed and released atomically, and the second
 * is written by the page's owner alone.
 *
 *     0             free, reads as zero
 *     USED          mapped
 *     DIRTY         free, was mapped before
 *     USED | DIRTY  mapped again
 */

#include <cairn/os_buffer.h>

#include <cairn/base/align.h>
#include <cairn/base/atomic.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <string.h>

enum {
    PAGE_BYTES = CAIRN_OS_BUFFER_PAGE_BYTES,
    UNIT_BYTES = CAIRN_OS_BUFFER_UNIT_BYTES,
    USED = 1,
    DIRTY = 2
};

int cairn_os_buffer_init(struct cairn_os_buffer *buffer,
                         const struct cairn_os_buffer_config *config)
{
    size_t lead_bytes = (size_t)(0 - (uintptr_t)config->base) % PAGE_BYTES;
    size_t head_bytes = cairn_align_up(config->length_bytes / PAGE_BYTES, PAGE_BYTES) + lead_bytes;

    if (config->base == NULL || config->length_bytes < head_bytes + PAGE_BYTES)
        return -EINVAL;
    buffer->states = config->base;
    buffer->pages = (char *)config->base + head_bytes;
    buffer->page_count = (config->length_bytes - head_bytes) / PAGE_BYTES;
    return 0;
}

static size_t page_idx(const struct cairn_os_buffer *buffer, const void *page)
{
    return (size_t)((const char *)page - buffer->pages) / PAGE_BYTES;
}

static bool claim(struct cairn_os_buffer *buffer, size_t idx)
{
    return (__atomic_fetch_or(&buffer->states[idx], USED, __ATOMIC_ACQUIRE) & USED) == 0;
}

static void release(struct cairn_os_buffer *buffer, size_t idx, size_t end)
{
    for (; idx < end; idx++)
        __atomic_fetch_and(&buffer->states[idx], (uint8_t)~USED, __ATOMIC_RELEASE);
}

/* Claims [first, end), or nothing. Returns where it stopped: `end`, or the page that was not
   free. */
static size_t claim_all(struct cairn_os_buffer *buffer, size_t first, size_t end)
{
    for (size_t idx = first; idx < end; idx++) {
        if (claim(buffer, idx))
            continue;
        release(buffer, first, idx);
        return idx;
    }
    return end;
}

/* Makes claimed pages read as zero. */
static void clear(struct cairn_os_buffer *buffer, size_t idx, size_t end)
{
    for (; idx < end; idx++)
        if ((cairn_load_relaxed(&buffer->states[idx]) & DIRTY) != 0)
            memset(buffer->pages + idx * PAGE_BYTES, 0, PAGE_BYTES);
}

static size_t page_bytes(void *self)
{
    (void)self;
    return PAGE_BYTES;
}

/* Claims the lowest `count` pages that are free and begin at one of first, first + step, ...
   Returns the first of them; page_count: there are none. */
static size_t claim_lowest(struct cairn_os_buffer *buffer, size_t count, size_t first, size_t step)
{
    while (count <= buffer->page_count && first <= buffer->page_count - count) {
        size_t stopped = claim_all(buffer, first, first + count);

        if (stopped == first + count)
            return first;
        first += (stopped - first) / step * step + step;
    }
    return buffer->page_count;
}

/* The first page at a multiple of UNIT_BYTES. */
static size_t first_aligned(const struct cairn_os_buffer *buffer)
{
    return (size_t)(0 - (uintptr_t)buffer->pages) % UNIT_BYTES / PAGE_BYTES;
}

static void *map(void *self, size_t length_bytes, bool is_accessible)
{
    struct cairn_os_buffer *buffer = self;
    size_t count = length_bytes / PAGE_BYTES;
    size_t first = buffer->page_count;

    (void)is_accessible;
    if (length_bytes % UNIT_BYTES == 0)
        first = claim_lowest(buffer, count, first_aligned(buffer), UNIT_BYTES / PAGE_BYTES);
    if (first == buffer->page_count)
        first = claim_lowest(buffer, count, 0, 1);
    if (first == buffer->page_count)
        return NULL;
    clear(buffer, first, first + count);
    return buffer->pages + first * PAGE_BYTES;
}

static int unmap(void *self, void *base, size_t length_bytes)
{
    struct cairn_os_buffer *buffer = self;
    size_t first = page_idx(buffer, base);
    size_t end = first + length_bytes / PAGE_BYTES;

    CAIRN_CHECK(end <= buffer->page_count, "memory is not of this buffer", base, __func__);
    for (size_t idx = first; idx < end; idx++)
        cairn_store_release(&buffer->states[idx], (uint8_t)DIRTY);
    return 0;
}

static int protect(void *self, void *base, size_t length_bytes, bool is_accessible)
{
    (void)self, (void)base, (void)length_bytes, (void)is_accessible;
    return 0;
}

static void mark_metadata(void *self, void *base, size_t length_bytes)
{
    (void)self, (void)base, (void)length_bytes;
}

/* The pages stay resident, whatever is done. */
static int purge(void *self, void *base, size_t length_bytes)
{
    (void)self, (void)base, (void)length_bytes;
    return -ENOSYS;
}

static int no_huge(void *self, void *base, size_t length_bytes, void *first, bool is_once)
{
    (void)self, (void)base, (void)length_bytes, (void)first, (void)is_once;
    return -ENOSYS;
}

/* In place alone. */
static void *remap(void *self, void *base, size_t old_bytes, size_t new_bytes, bool may_move)
{
    struct cairn_os_buffer *buffer = self;
    size_t old_end = page_idx(buffer, base) + old_bytes / PAGE_BYTES;
    size_t new_end = page_idx(buffer, base) + new_bytes / PAGE_BYTES;

    (void)may_move;
    if (new_end <= old_end) {
        (void)unmap(self, (char *)base + new_bytes, old_bytes - new_bytes);
        return base;
    }
    if (new_end > buffer->page_count || claim_all(buffer, old_end, new_end) != new_end)
        return NULL;
    clear(buffer, old_end, new_end);
    return base;
}

static void *no_break(void *self, intptr_t delta_bytes)
{
    (void)self, (void)delta_bytes;
    return NULL;
}

static uint64_t no_clock(void *self)
{
    (void)self;
    return 0;
}

struct cairn_os cairn_os_buffer_as_os(struct cairn_os_buffer *buffer)
{
    static const struct cairn_os_ops ops = {
        .name = "buffer",
        .page_bytes = page_bytes,
        .map = map,
        .unmap = unmap,
        .protect = protect,
        .mark_metadata = mark_metadata,
        .purge = purge,
        .make_huge = no_huge,
        .remap = remap,
        .sbrk = no_break,
        .now_ms = no_clock,
    };

    return (struct cairn_os){&ops, buffer};
}

size_t cairn_os_buffer_mapped_bytes(const struct cairn_os_buffer *buffer)
{
    size_t count = 0;

    for (size_t idx = 0; idx < buffer->page_count; idx++)
        count += (cairn_load_relaxed(&buffer->states[idx]) & USED) != 0;
    return count * PAGE_BYTES;
}
