/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bursts.c - many blocks of one size at once, then all of them freed; then of the next size.
 *
 * More blocks than any cache holds go through it both ways: what is measured is the path below the
 * caches, and whether memory of one size class comes to serve the next. The order of the frees
 * decides what the free lists look like for the next round.
 */

#include "bench/workloads/bursts.h"

static uint64_t blocks;
static uint64_t order;
static uint64_t bytes;
static uint32_t *places;

static void work(size_t idx)
{
    void **table = new_table(blocks, sizeof(*table));
    uint64_t left = share_of(ops, idx, threads);

    for (uint64_t burst = 0; left > 0; burst++) {
        uint64_t count = left < blocks ? left : blocks;
        burst_make(table, count, bytes > 0 ? bytes : burst_bytes(burst));
        burst_free(table, count, places, blocks);
        left -= count;
    }
    drop_table(table, blocks, sizeof(*table));
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "bursts of blocks of one size after another, freed in order=: more than the "
          "caches hold (ops: blocks made and freed)",
          PARAMETERS(OPS(10000000), THREADS(1), PARAMETER(blocks, 10000, 1, TABLE_MOST),
                     PARAMETER(bytes, 0, 0, BYTES_MOST),
                     WORD(order, BURST_LIFO, burst_order_words)));
    places = burst_order_new(blocks, order);
    return run(threads, work);
}
