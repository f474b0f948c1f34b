/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * first_call NAME: calls one function of the allocation surface as the very first of this program,
 * which is C and prints without stdio so that nothing allocates before. Exit code 0: it did what it
 * should.
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool works(void *block, size_t size)
{
    if (block == NULL)
        return false;
    memset(block, 0x5a, size);
    free(block);
    return true;
}

static bool first_malloc(void)
{
    return works(malloc(100), 100);
}
static bool first_calloc(void)
{
    return works(calloc(10, 10), 100);
}
static bool first_realloc(void)
{
    return works(realloc(NULL, 100), 100);
}
static bool first_reallocarray(void)
{
    return works(reallocarray(NULL, 10, 10), 100);
}
static bool first_aligned_alloc(void)
{
    return works(aligned_alloc(64, 128), 128);
}
static bool first_memalign(void)
{
    return works(memalign(256, 100), 100);
}
static bool first_valloc(void)
{
    return works(valloc(100), 100);
}
static bool first_pvalloc(void)
{
    return works(pvalloc(100), 100);
}
static bool first_large(void)
{
    return works(malloc(3 << 20), 3 << 20);
}
static bool first_huge(void)
{
    return works(malloc(200 << 20), 200 << 20);
}

static bool first_posix_memalign(void)
{
    void *block = NULL;
    return posix_memalign(&block, 1024, 100) == 0 && works(block, 100);
}

static bool first_free(void)
{
    void *volatile null = NULL;
    free(null);
    return true;
}

static bool first_usable_size(void)
{
    void *volatile null = NULL;
    return malloc_usable_size(null) == 0;
}

static bool first_refusal(void)
{
    volatile size_t impossible = SIZE_MAX;
    errno = 0;
    return malloc(impossible) == NULL && errno == ENOMEM;
}

static bool first_trim(void)
{
    int released = malloc_trim(0);
    return released == 0 || released == 1;
}

static bool first_mallinfo2(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks < (size_t)1 << 40;
}

static bool first_mallopt(void)
{
    int accepted = mallopt(M_ARENA_MAX, 1);
    return accepted == 0 || accepted == 1;
}

static bool first_malloc_stats(void)
{
    malloc_stats();
    return true;
}

static bool first_malloc_info(void)
{
    return malloc_info(0, stderr) == 0;
}

static const struct {
    const char *name;
    bool (*call)(void);
} calls[] = {
    {"malloc", first_malloc},
    {"calloc", first_calloc},
    {"realloc", first_realloc},
    {"reallocarray", first_reallocarray},
    {"aligned_alloc", first_aligned_alloc},
    {"posix_memalign", first_posix_memalign},
    {"memalign", first_memalign},
    {"valloc", first_valloc},
    {"pvalloc", first_pvalloc},
    {"large", first_large},
    {"huge", first_huge},
    {"free", first_free},
    {"malloc_usable_size", first_usable_size},
    {"refusal", first_refusal},
    {"malloc_trim", first_trim},
    {"mallinfo2", first_mallinfo2},
    {"mallopt", first_mallopt},
    {"malloc_stats", first_malloc_stats},
    {"malloc_info", first_malloc_info},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof calls / sizeof *calls; i++) {
        if (strcmp(argv[1], calls[i].name) != 0)
            continue;
        bool fine = calls[i].call() && first_malloc() && first_large();
        return fine ? 0 : 1;
    }
    return 2;
}
