/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cleared.c - calloc of mixed sizes, checked to be zero; half of the blocks are then filled.
 *
 * Memory fresh from the kernel is zero already, and used memory is not: an allocator that knows which
 * is which saves the clearing. Small blocks are checked whole, larger ones at each cache line.
 */

#include <string.h>

#include "bench/workloads/table.h"

enum { WHOLE_BYTES = 512, LINE_BYTES = 64 };

static void check(const unsigned char *block, size_t bytes)
{
    size_t step_bytes = bytes <= WHOLE_BYTES ? 1 : LINE_BYTES;
    unsigned any = block[bytes - 1];

    for (size_t at = 0; at < bytes; at += step_bytes)
        any |= block[at];
    if (any != 0)
        fail("a block of %zu bytes from calloc is not zero", bytes);
}

/* calloc is asked for a row of things, as programs do, or for one. */
static void *make(struct rng *rng)
{
    size_t bytes = some_size(rng);
    uint64_t choice = rng_below(rng, 4);
    size_t each_bytes = bytes % 8 == 0 ? 8 : bytes;
    unsigned char *block = got(calloc(bytes / each_bytes, each_bytes));

    check(block, bytes);
    if (choice < 2)
        memset(block, 0xA5, bytes);
    return block;
}

static void work(size_t idx)
{
    table_play(idx, sizes_mean(), make);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "calloc of mixed sizes, checked to be zero, half of them filled: clearing what "
          "needs it and no more (ops: blocks made and freed)",
          PARAMETERS(OPS(200000), THREADS(1), LIVE(16 << 20), SIZES(16, 128 << 10)));
    return run(threads, work);
}
