/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pages_buffer.h - a pages layer over one buffer: a malloc that never has more than that.
 *
 * Blocks and metadata come from the buffer, and nothing from the kernel. Before the first block,
 * 1 MiB goes to metadata, and 1.5 MiB to the map from addresses to blocks. Blocks up to 1 MiB come
 * out of chunks of 2 MiB at multiples of that. So CAIRN_PAGES_BUFFER_MIN_BYTES have room for one
 * chunk, and of a larger buffer up to 2 MiB more than that serve no such blocks: of 64 MiB, 58 do.
 * Where the buffer crosses a multiple of 4 GiB the map is twice as large: both figures are higher
 * by CAIRN_PAGES_BUFFER_BORDER_BYTES.
 *
 * The per-CPU caches need about 100 KiB for each possible CPU beside that: a small buffer wants
 * caches_none, or the option shards:1. A malloc that has no room for its first block says so on
 * stderr.
 */

#ifndef CAIRN_STACK_PAGES_BUFFER_H
#define CAIRN_STACK_PAGES_BUFFER_H

#include <stddef.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

/* Without caches. */
enum {
    CAIRN_PAGES_BUFFER_MIN_BYTES = 13 << 19, /* 6.5 MiB */
    CAIRN_PAGES_BUFFER_BORDER_BYTES = 3 << 20
};

/* The program's buffer, if it defines one: reads as zero. Else there is a static one of 64 MiB, of
   which only what is used becomes resident.

   It is a weak name, for which a linker takes nothing out of a library: it is defined in a file of
   the program itself, or in a cc_library with alwayslink = True. In any other library it is
   ignored; the statistics tell (CAIRN_CONF=stats:1), with pages "own buffer" or "buffer". */
struct cairn_pages_buffer {
    void *base;
    size_t length_bytes;
};

extern CAIRN_WEAK const struct cairn_pages_buffer cairn_pages_buffer;

CAIRN_END_DECLS

#endif
