/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * behind.c - for tests: a malloc library that stands behind the recorder and calls it back.
 *
 * Each free allocates a block of MARK_BYTES while it runs, each realloc too. Where these lie among the recorded
 * events shows when the recorder stamped the call itself.
 */

#include <stddef.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

enum { MARK_BYTES = 4242 };

void __libc_free(void *block);
void *__libc_realloc(void *block, size_t size_bytes);

/* Leaked, or its free would mark again. */
static void mark(void)
{
    void *volatile block = malloc(MARK_BYTES);

    (void)block;
}

EXPORT void free(void *block)
{
    mark();
    __libc_free(block);
}

EXPORT void *realloc(void *block, size_t size_bytes)
{
    mark();
    return __libc_realloc(block, size_bytes);
}
