/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * medium.c - blocks of 40 KiB to 1 MiB with random lifetimes, touched at each page.
 *
 * Too large for size classes, too small to be mapped one by one: a malloc that maps and unmaps each
 * pays in page faults; one that keeps them all pays in memory.
 */

#include "bench/workloads/table.h"

static uint64_t touch;

static void *make(struct rng *rng)
{
    size_t bytes = some_size(rng);
    void *block = got(malloc(bytes));

    touch_every(block, bytes, touch);
    return block;
}

static void work(size_t idx)
{
    table_play(idx, sizes_mean(), make);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "blocks of 40 KiB to 1 MiB that live for a random time, touched at each page: "
          "between size classes and mappings (ops: blocks made and freed)",
          PARAMETERS(OPS(30000), THREADS(1), LIVE(64 << 20), SIZES(40 << 10, 1 << 20),
                     PARAMETER(touch, 4096, 1, BYTES_MOST)));
    return run(threads, work);
}
