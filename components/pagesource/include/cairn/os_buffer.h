/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * os_buffer.h - the system calls of a page source, served from one buffer: a heap that never asks
 * the kernel for memory, and never has more than the buffer.
 *
 *     buffer   | states, a byte per page | page | page | page | ...             |
 *                                          mapped        free, clean or dirty
 *
 * Mapping takes the lowest stretch of free pages, and clears those that were used before. A mapping
 * of a multiple of 2 MiB begins at one where that can be had: a page source that cuts an alignment
 * out of more would waste as much again. There is no break, no purge and no protection: what is
 * forbidden is only not used.
 *
 * Threads: safe, lock-free: a page is claimed by one atomic operation on its state. A thread that
 *          stops in the middle, as in the child of a fork, leaves a page claimed, and nothing else.
 */

#ifndef CAIRN_OS_BUFFER_H
#define CAIRN_OS_BUFFER_H

#include <cairn/os.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_OS_BUFFER_PAGE_BYTES = 4096, CAIRN_OS_BUFFER_UNIT_BYTES = 2 << 20 };

/* Private; visible so that the caller can place it. */
struct cairn_os_buffer {
    uint8_t *states; /* one per page, at the head of the buffer */
    char *pages;
    size_t page_count;
};

struct cairn_os_buffer_config {
    void *base; /* reads as zero */
    size_t length_bytes;
};

/*
 * Serves a buffer.
 *
 * Requires: the buffer is not used otherwise.
 * Returns:  0.
 * Fails:    -EINVAL when the buffer is NULL, or has no room for a page.
 * Owns:     the caller keeps the buffer, and keeps it and the object in place as long as anything
 *           is mapped.
 * Cost:     O(1): nothing is touched.
 * Threads:  not safe.
 */
CAIRN_NODISCARD int cairn_os_buffer_init(struct cairn_os_buffer *buffer,
                                         const struct cairn_os_buffer_config *config);

/* The table. A map is O(pages of the buffer), and O(pages mapped) to clear; the clock stands at
   0. */
struct cairn_os cairn_os_buffer_as_os(struct cairn_os_buffer *buffer);

/* Bytes that are mapped. Approximate while others are at work. O(pages). */
size_t cairn_os_buffer_mapped_bytes(const struct cairn_os_buffer *buffer);

CAIRN_END_DECLS

#endif
