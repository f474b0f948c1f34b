/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * known.c - a malloc for the test: each call runs as many rounds of a loop as KNOWN_MALLOC and
 * KNOWN_FREE say.
 *
 * So two runs differ by rounds * (instructions of a round), which is the same for both functions.
 */

#include <stddef.h>
#include <stdlib.h>

#define EXPORTED __attribute__((visibility("default")))

extern void *__libc_malloc(size_t bytes);
extern void __libc_free(void *block);

static int malloc_rounds, free_rounds;

__attribute__((constructor)) static void begin(void)
{
    malloc_rounds = atoi(getenv("KNOWN_MALLOC"));
    free_rounds = atoi(getenv("KNOWN_FREE"));
}

/* The compiler sees that something happens in each round, and counts them one by one. */
static void spin(int rounds)
{
    for (; rounds > 0; rounds--)
        __asm__ volatile("" ::: "memory");
}

EXPORTED void *malloc(size_t bytes)
{
    spin(malloc_rounds);
    return __libc_malloc(bytes);
}

EXPORTED void free(void *block)
{
    spin(free_rounds);
    __libc_free(block);
}
