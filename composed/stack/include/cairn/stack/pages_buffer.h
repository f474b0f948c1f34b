/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pages_buffer.h - a pages layer over one buffer: a malloc that never has more than that.
 *
 * Blocks and metadata come from the buffer, and nothing from the kernel. The per-CPU caches need
 * about 100 KiB of it for each possible CPU, so a small buffer wants caches_none, or the option
 * shards:1.
 */

#ifndef CAIRN_STACK_PAGES_BUFFER_H
#define CAIRN_STACK_PAGES_BUFFER_H

#include <stddef.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

/* The program's buffer, if it defines one: reads as zero, at least 4 MiB. Else there is a static
   one of 64 MiB, of which only what is used becomes resident. */
struct cairn_pages_buffer {
    void *base;
    size_t length_bytes;
};

extern CAIRN_WEAK const struct cairn_pages_buffer cairn_pages_buffer;

CAIRN_END_DECLS

#endif
