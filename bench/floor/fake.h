/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * Mallocs with a known fault, for the tests of the harness: libc's own malloc behind a front that misbehaves as
 * variables of the environment say. They forward malloc, calloc and realloc; libc's free takes the blocks back.
 */
#ifndef CAIRN_BENCH_FLOOR_FAKE_H_
#define CAIRN_BENCH_FLOOR_FAKE_H_

#include <stddef.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void *malloc(size_t size);
EXPORT void *calloc(size_t count, size_t size);
EXPORT void *realloc(void *block, size_t size);

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

static inline long fake_number(const char *variable, long otherwise)
{
    const char *value = getenv(variable);

    return value != NULL ? strtol(value, NULL, 10) : otherwise;
}

#endif
