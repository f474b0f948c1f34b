/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bursts_across.c - bursts that are freed by another thread than made them.
 *
 *     thread 0 makes a burst ---+   +--- thread 1 frees it, and thread 0 frees that of thread N-1
 *     thread 1 makes a burst ---+===+--- ...
 *                              barrier
 *
 * Every thread makes as much as it frees, but never the same blocks: memory must come home in bulk.
 */

#include "bench/workloads/bursts.h"

static uint64_t blocks;
static uint64_t order;
static uint64_t bytes;
static uint32_t *places;
static void ***tables; /* one of each thread */
static pthread_barrier_t barrier;

/* All threads walk through the same number of rounds; in the last ones some have no share left. */
static void work(size_t idx)
{
    size_t giver = (idx + 1) % threads;
    uint64_t left = share_of(ops, idx, threads);
    uint64_t giver_left = share_of(ops, giver, threads);
    uint64_t rounds = (share_of(ops, 0, threads) + blocks - 1) / blocks;

    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t count = least_of(left, blocks);
        uint64_t giver_count = least_of(giver_left, blocks);
        burst_make(tables[idx], count, bytes > 0 ? bytes : burst_bytes(round));
        pthread_barrier_wait(&barrier);
        burst_free(tables[giver], giver_count, places, blocks);
        pthread_barrier_wait(&barrier);
        left -= count;
        giver_left -= giver_count;
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "bursts of blocks that another thread frees than made them: memory that must "
          "come home in bulk (ops: blocks made and freed)",
          PARAMETERS(OPS(5000000), PARAMETER(threads, 2, 2, THREADS_MOST),
                     PARAMETER(blocks, 4000, 1, TABLE_MOST), PARAMETER(bytes, 0, 0, BYTES_MOST),
                     WORD(order, BURST_FIFO, burst_order_words)));
    places = burst_order_new(blocks, order);
    tables = new_table(threads, sizeof(*tables));
    for (size_t idx = 0; idx < threads; idx++)
        tables[idx] = new_table(blocks, sizeof(**tables));
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    return run(threads, work);
}
