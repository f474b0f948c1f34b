/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pages_buffer.c - the pages of a stack come from one buffer.
 */

#include <cairn/os_buffer.h>
#include <cairn/stack.h>
#include <cairn/stack/pages_buffer.h>

enum { DEFAULT_BYTES = 64 << 20, CHUNK_BYTES = 2 << 20 };

/* Aligned as chunks are, so that none is lost to their alignment. */
static _Alignas(CHUNK_BYTES) char default_buffer[DEFAULT_BYTES];

struct cairn_os cairn_stack_pages(void)
{
    static struct cairn_os_buffer buffer;
    static struct cairn_os_ops ops;
    struct cairn_os os;
    bool is_given = &cairn_pages_buffer != NULL;
    const struct cairn_os_buffer_config config = {
        .base = is_given ? cairn_pages_buffer.base : default_buffer,
        .length_bytes = is_given ? cairn_pages_buffer.length_bytes : DEFAULT_BYTES,
    };

    if (cairn_os_buffer_init(&buffer, &config) != 0)
        buffer.page_count = 0; /* every map is refused */
    os = cairn_os_buffer_as_os(&buffer);
    ops = *os.ops;
    ops.name = is_given ? "own buffer" : "buffer";
    return (struct cairn_os){&ops, os.self};
}
