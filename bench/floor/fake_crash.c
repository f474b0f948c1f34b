/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* fake_crash.c - the FAKE_CRASH_AT-th call of malloc, calloc or realloc (1000) is a segmentation fault. */

#include "bench/floor/fake.h"

#include <signal.h>

static long calls;
static long crash_at; /* 0 until the constructor has run: no call is that one */

static __attribute__((constructor)) void start(void)
{
    crash_at = fake_number("FAKE_CRASH_AT", 1000);
}

static void count(void)
{
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) < crash_at || crash_at == 0)
        return;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

void *malloc(size_t size)
{
    count();
    return __libc_malloc(size);
}

void *calloc(size_t count_of, size_t size)
{
    count();
    return __libc_calloc(count_of, size);
}

void *realloc(void *block, size_t size)
{
    count();
    return __libc_realloc(block, size);
}
