/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * big.c - blocks of 5 to 25 MiB with random lifetimes, all sizes between alike.
 *
 * Images, matrices, file buffers. The time goes to page faults, unless freed memory is kept; what is
 * kept is seen in the peak.
 */

#include "bench/workloads/table.h"

static uint64_t touch;

static void *make(struct rng *rng)
{
    size_t bytes = (size_t)(min + rng_below(rng, max - min + 1));
    void *block = got(malloc(bytes));

    touch_every(block, bytes, touch);
    return block;
}

static void work(size_t idx)
{
    table_play(idx, (min + max) / 2, make);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "blocks of 5 to 25 MiB that live for a random time, touched at each page or "
          "wider (touch=): mappings and page faults (ops: blocks made and freed)",
          PARAMETERS(OPS(400), THREADS(1), LIVE(160 << 20), SIZES(5 << 20, 25 << 20),
                     PARAMETER(touch, 4096, 1, BYTES_MOST)));
    return run(threads, work);
}
