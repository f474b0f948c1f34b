/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * churn.c - random sizes with random lifetimes, in a table of live blocks for each thread.
 *
 * Neighbours of one size die at different times, so that free blocks lie scattered between live ones:
 * how an allocator finds them again, and what it costs when the heap outgrows the caches.
 */

#include "bench/workloads/table.h"

static void *make(struct rng *rng)
{
    return touched(some_size(rng));
}

static void churn(size_t idx)
{
    table_play(idx, sizes_mean(), make);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "blocks of random sizes that live for a random time, each thread its own: "
          "reuse in a scattered heap (ops: blocks made and freed)",
          PARAMETERS(OPS(6000000), THREADS(1), LIVE(16 << 20), SIZES(16, 2048)));
    return run(threads, churn);
}
