/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * fake_slow.c - each malloc, calloc and realloc takes FAKE_COST_NS nanoseconds longer (2000), and the process has
 * FAKE_WASTE_KIB more memory (0).
 */

#include "bench/floor/fake.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

static long cost_ns; /* none until the constructor has run */

static __attribute__((constructor)) void start(void)
{
    size_t waste_bytes = (size_t)fake_number("FAKE_WASTE_KIB", 0) * 1024;

    cost_ns = fake_number("FAKE_COST_NS", 2000);
    if (waste_bytes > 0) {
        void *waste =
            mmap(NULL, waste_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (waste == MAP_FAILED)
            abort();
        memset(waste, 1, waste_bytes);
    }
}

static long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void spend(void)
{
    long end_ns;

    if (cost_ns == 0)
        return;
    end_ns = now_ns() + cost_ns;
    while (now_ns() < end_ns)
        continue;
}

void *malloc(size_t size)
{
    spend();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    spend();
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    spend();
    return __libc_realloc(block, size);
}
