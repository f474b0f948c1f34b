/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* fake_fail.c - after FAKE_FAIL_AFTER calls of malloc, calloc or realloc (1000) there is no memory. */

#include "bench/floor/fake.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>

static long calls;
static long fail_after = LONG_MAX; /* until the constructor has run */

static __attribute__((constructor)) void start(void)
{
    fail_after = fake_number("FAKE_FAIL_AFTER", 1000);
}

static bool fails(void)
{
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) <= fail_after)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}
