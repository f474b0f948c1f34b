/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * sanitizer.c - the names that the sanitizers' runtimes know their own functions by. All of them
 * since 2011 have these.
 *
 * Weak: their addresses are NULL in every other program. The linker sees that when it links a
 *       program; of a preloaded
 * libcairn.so the loader does, before anything can be called.
 *
 * Source: LLVM compiler-rt/lib/interception/interception.h.
 */

#include "composed/libc/sanitizer.h"

#define INTERCEPTOR CAIRN_SANITIZER_INTERCEPTOR

extern CAIRN_WEAK void *INTERCEPTOR(calloc)(size_t count, size_t size_bytes);
extern CAIRN_WEAK void *INTERCEPTOR(realloc)(void *block, size_t size_bytes);
extern CAIRN_WEAK void *INTERCEPTOR(memalign)(size_t align_bytes, size_t size_bytes);
extern CAIRN_WEAK int INTERCEPTOR(posix_memalign)(void **result, size_t align_bytes,
                                                  size_t size_bytes);
extern CAIRN_WEAK size_t INTERCEPTOR(malloc_usable_size)(void *block);

void *cairn_sanitizer_malloc(size_t size_bytes)
{
    return INTERCEPTOR(malloc)(size_bytes);
}

void *cairn_sanitizer_calloc(size_t count, size_t size_bytes)
{
    return INTERCEPTOR(calloc)(count, size_bytes);
}

void *cairn_sanitizer_realloc(void *block, size_t size_bytes)
{
    return INTERCEPTOR(realloc)(block, size_bytes);
}

/* ThreadSanitizer and MemorySanitizer have memalign in some releases alone. */
void *cairn_sanitizer_memalign(size_t align_bytes, size_t size_bytes)
{
    void *block = NULL;

    if (&INTERCEPTOR(memalign) != NULL)
        return INTERCEPTOR(memalign)(align_bytes, size_bytes);
    if (align_bytes < sizeof(void *))
        align_bytes = sizeof(void *);
    return INTERCEPTOR(posix_memalign)(&block, align_bytes, size_bytes) == 0 ? block : NULL;
}

void cairn_sanitizer_free(void *block)
{
    INTERCEPTOR(free)(block);
}

size_t cairn_sanitizer_usable_bytes(void *block)
{
    return &INTERCEPTOR(malloc_usable_size) != NULL ? INTERCEPTOR(malloc_usable_size)(block) : 0;
}
