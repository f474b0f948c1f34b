/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * plain.c - malloc and free over any heap, for stacks that have no shorter way of their own.
 */

#include "composed/malloc/frontend.h"
#include "composed/libc/sanitizer.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

/* Declared by no header of glibc 2.36: C23, and an old name of free. */
CAIRN_EXPORT void free_sized(void *block, size_t size_bytes);
CAIRN_EXPORT void free_aligned_sized(void *block, size_t align_bytes, size_t size_bytes);
CAIRN_EXPORT void cfree(void *block);

CAIRN_EXPORT void *malloc(size_t size_bytes)
{
    void *block;

    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        return cairn_sanitizer_malloc(size_bytes);
    block = size_bytes > PTRDIFF_MAX ? NULL : cairn_frontend_alloc(size_bytes);
    if (CAIRN_UNLIKELY(block == NULL))
        errno = ENOMEM;
    return block;
}

static void give(void *block, const char *where)
{
    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        cairn_sanitizer_free(block);
    else if (CAIRN_LIKELY(block != NULL))
        cairn_frontend_free(block, where);
}

CAIRN_EXPORT void free(void *block)
{
    give(block, "free");
}

/* The pagemap knows the class of a block better than its caller: programs that run well on glibc
   pass wrong sizes. */
CAIRN_EXPORT void free_sized(void *block, size_t size_bytes)
{
    (void)size_bytes;
    give(block, "free_sized");
}

CAIRN_EXPORT void free_aligned_sized(void *block, size_t align_bytes, size_t size_bytes)
{
    (void)align_bytes;
    (void)size_bytes;
    give(block, "free_aligned_sized");
}

CAIRN_EXPORT void *calloc(size_t count, size_t size_bytes)
{
    return cairn_libc_calloc(count, size_bytes);
}

CAIRN_EXPORT void *realloc(void *block, size_t size_bytes)
{
    return cairn_libc_realloc(block, size_bytes);
}

CAIRN_EXPORT size_t malloc_usable_size(void *block)
{
    return cairn_libc_usable_bytes(block);
}

CAIRN_EXPORT void cfree(void *block)
{
    give(block, "cfree");
}
