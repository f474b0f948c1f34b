/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * behind.c - for tests: a malloc library that stands behind the recorder and calls it back.
 *
 * Each free allocates a block of 4242 bytes while it runs, each realloc too, and leaks it, or its
 * free would do so again. Where these lie among the recorded events shows when the recorder stamped
 * the call itself.
 */

#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

void __libc_free(void *block);
void *__libc_realloc(void *block, size_t size_bytes);

static void *volatile leaked;

EXPORT void free(void *block)
{
    leaked = malloc(4242);
    __libc_free(block);
}

EXPORT void *realloc(void *block, size_t size_bytes)
{
    leaked = malloc(4242);
    return __libc_realloc(block, size_bytes);
}
