/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * lifetimes.c - random sizes with random lifetimes, in a table of live blocks for each thread. Five
 * workloads, named and described in `kinds`.
 */

#include "bench/workloads/table.h"

#include <errno.h>
#include <string.h>

enum { PAGE_BYTES = 4096, WHOLE_BYTES = 512, LINE_BYTES = 64, ALIGN_LEAST = 16, ALIGNMENTS = 13 };

static void *make_churn(struct rng *rng)
{
    return touched(some_size(rng));
}

static void *touched_pages(size_t bytes)
{
    volatile char *block = got(malloc(bytes));

    for (size_t at = 0; at < bytes; at += PAGE_BYTES)
        block[at] = 1;
    block[bytes - 1] = 1;
    return (void *)(uintptr_t)block;
}

static void *make_medium(struct rng *rng)
{
    return touched_pages(some_size(rng));
}

static void *make_big(struct rng *rng)
{
    return touched_pages((size_t)(min + rng_below(rng, max - min + 1)));
}

static void check_zero(const unsigned char *block, size_t bytes)
{
    size_t step_bytes = bytes <= WHOLE_BYTES ? 1 : LINE_BYTES;
    unsigned any = block[bytes - 1];

    for (size_t at = 0; at < bytes; at += step_bytes)
        any |= block[at];
    if (any != 0)
        fail("a block of %zu bytes from calloc is not zero", bytes);
}

/* calloc is asked for a row of things, as programs do, or for one. */
static void *make_cleared(struct rng *rng)
{
    size_t bytes = some_size(rng);
    uint64_t choice = rng_below(rng, 4);
    size_t each_bytes = bytes % 8 == 0 ? 8 : bytes;
    unsigned char *block = got(calloc(bytes / each_bytes, each_bytes));

    check_zero(block, bytes);
    if (choice < 2)
        memset(block, 0xA5, bytes);
    return block;
}

/* 16 << n, for the smaller of two random n: small ones prevail. By posix_memalign or by
   aligned_alloc, of which C11 wanted the size to be a multiple of the alignment; so do some
   allocators. */
static void *make_aligned(struct rng *rng)
{
    size_t bytes = some_size(rng);
    uint64_t choice = rng_below(rng, 4);
    void *block = NULL;
    size_t align_bytes;

    if (choice < 2)
        return touched(bytes);
    align_bytes = (size_t)rng_below(rng, ALIGNMENTS);
    align_bytes = (size_t)ALIGN_LEAST << least_of(align_bytes, rng_below(rng, ALIGNMENTS));
    if (choice == 3)
        block = aligned_alloc(align_bytes, (bytes + align_bytes - 1) / align_bytes * align_bytes);
    else if (posix_memalign(&block, align_bytes, bytes) != 0)
        out_of_memory();
    if ((uintptr_t)got(block) % align_bytes != 0)
        fail("block %p is not aligned to %zu bytes", block, align_bytes);
    touch_block(block, bytes);
    return block;
}

/* Each is a loop of its own, into which the function that makes a block is inlined. */
#define PLAY(kind, mean_bytes)                                                                     \
    static void kind(size_t idx)                                                                   \
    {                                                                                              \
        table_play(idx, mean_bytes, make_##kind);                                                  \
    }

PLAY(churn, sizes_mean())
PLAY(medium, sizes_mean())
PLAY(big, (min + max) / 2)
PLAY(cleared, sizes_mean())
PLAY(aligned, sizes_mean())

static const struct {
    const char *name;
    void (*work)(size_t idx);
    uint64_t ops, live, min, max;
    const char *about;
} kinds[] = {
    {"churn", churn, 6000000, 16 << 20, 16, 2048,
     "blocks of random sizes that live for a random time, each thread its own: reuse in a "
     "scattered heap (ops: blocks made and freed)"},
    {"medium", medium, 30000, 64 << 20, 40 << 10, 1 << 20,
     "blocks of 40 KiB to 1 MiB that live for a random time, touched at each page: between size "
     "classes and mappings (ops: blocks made and freed)"},
    {"big", big, 400, 160 << 20, 5 << 20, 25 << 20,
     "blocks of 5 to 25 MiB that live for a random time, touched at each page: "
     "mappings and page faults (ops: blocks made and freed)"},
    {"cleared", cleared, 200000, 16 << 20, 16, 128 << 10,
     "calloc of mixed sizes, checked to be zero, half of them filled: clearing what needs it and "
     "no more (ops: blocks made and freed)"},
    {"aligned", aligned, 1500000, 8 << 20, 16, 4096,
     "posix_memalign and aligned_alloc up to 64 KiB among plain malloc: aligned paths and the gaps "
     "they leave (ops: blocks made and freed)"},
};

int main(int argument_count, char **arguments)
{
    size_t kind = 0;

    while (strcmp(kinds[kind].name, program_invocation_short_name) != 0)
        kind++;
    begin(argument_count, arguments, kinds[kind].about,
          PARAMETERS(OPS(kinds[kind].ops), THREADS(1), LIVE(kinds[kind].live),
                     SIZES(kinds[kind].min, kinds[kind].max)));
    return run(threads, kinds[kind].work);
}
