/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * introspect.c - the part of the malloc family that reports and tunes: malloc_trim, mallinfo,
 * mallopt, malloc_info, malloc_stats.
 *
 * The words of glibc's structs are those of its own heap; here is what cairn puts into them:
 *     arena     bytes held by extending the data segment and by mapping, without huge blocks
 *     hblks, hblkhd   huge blocks: how many, bytes
 *     uordblks  bytes in blocks that the program holds, huge ones included
 *     fordblks  the rest of what is held: caches, free blocks, free granules, free pages
 *     keepcost  what malloc_trim() could give back at least: free granules and pages
 */

#include "composed/malloc/frontend.h"
#include <cairn/base/text.h>

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

static size_t held_bytes(const struct cairn_malloc_stats *stats)
{
    return stats->brk_bytes + stats->mapped_bytes;
}

CAIRN_EXPORT struct mallinfo2 mallinfo2(void)
{
    struct cairn_malloc_stats stats;
    struct mallinfo2 info = {0};

    cairn_frontend_stats(&stats);
    info.arena = held_bytes(&stats) - stats.huge_bytes;
    info.hblks = stats.huge_count;
    info.hblkhd = stats.huge_bytes;
    info.uordblks = stats.allocated_bytes;
    info.fordblks = held_bytes(&stats) - stats.allocated_bytes;
    info.keepcost = stats.run_free_bytes + stats.page_free_bytes;
    return info;
}

/* The old struct has ints: saturate rather than wrap. */
static int to_int(size_t bytes)
{
    return bytes > INT_MAX ? INT_MAX : (int)bytes;
}

CAIRN_EXPORT struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    struct mallinfo info = {0};

    info.arena = to_int(wide.arena);
    info.hblks = to_int(wide.hblks);
    info.hblkhd = to_int(wide.hblkhd);
    info.uordblks = to_int(wide.uordblks);
    info.fordblks = to_int(wide.fordblks);
    info.keepcost = to_int(wide.keepcost);
    return info;
}

/* glibc's parameters are accepted, 1, and have no effect: cairn adapts by itself, see CAIRN_CONF.
   Others: 0. */
CAIRN_EXPORT int mallopt(int parameter, int value)
{
    (void)value;
    switch (parameter) {
    case M_MXFAST:
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
        return 1;
    default:
        return 0;
    }
}

CAIRN_EXPORT int malloc_trim(size_t pad_bytes)
{
    int saved_errno = errno;
    size_t released_bytes;

    (void)pad_bytes;
    released_bytes = cairn_frontend_trim(false);
    errno = saved_errno;
    return released_bytes > 0;
}

CAIRN_EXPORT void malloc_stats(void)
{
    cairn_malloc_stats_print(cairn_text_to_stderr, NULL, CAIRN_MALLOC_TEXT);
}

static void add_element(struct cairn_text *text, const char *type, size_t count, size_t size_bytes)
{
    cairn_text_add(text, "<total type=\"");
    cairn_text_add(text, type);
    cairn_text_add(text, "\" count=\"");
    cairn_text_add_number(text, count);
    cairn_text_add(text, "\" size=\"");
    cairn_text_add_number(text, size_bytes);
    cairn_text_add(text, "\"/>\n");
}

static void add_system(struct cairn_text *text, const char *type, size_t size_bytes)
{
    cairn_text_add(text, "<system type=\"");
    cairn_text_add(text, type);
    cairn_text_add(text, "\" size=\"");
    cairn_text_add_number(text, size_bytes);
    cairn_text_add(text, "\"/>\n");
}

static void to_stream(void *self, const char *bytes, size_t count)
{
    fwrite(bytes, 1, count, self);
}

/* The elements that readers of glibc's format look for, as one heap. */
CAIRN_EXPORT int malloc_info(int options, FILE *stream)
{
    struct cairn_malloc_stats stats;
    struct cairn_text text;

    if (options != 0 || stream == NULL) {
        errno = EINVAL;
        return -1;
    }
    cairn_frontend_stats(&stats);
    cairn_text_init(&text, to_stream, stream);
    cairn_text_add(&text, "<malloc version=\"1\">\n");
    add_element(&text, "fast", 0, stats.cached_bytes);
    add_element(&text, "rest", 0,
                stats.slab_free_bytes + stats.run_free_bytes + stats.page_free_bytes);
    add_element(&text, "mmap", stats.huge_count, stats.huge_bytes);
    add_system(&text, "current", held_bytes(&stats));
    add_system(&text, "max", stats.held_peak_bytes);
    cairn_text_add(&text, "</malloc>\n");
    cairn_text_flush(&text);
    return ferror(stream) != 0 ? -1 : 0;
}
