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

static uint64_t ops = 5000000;
static uint64_t threads = 2;
static uint64_t blocks = 4000;
static uint64_t order = BURST_FIFO;
static uint64_t bytes;
static uint32_t *places;
static void ***tables; /* one of each thread */
static pthread_barrier_t barrier;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 2, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("blocks", &blocks, 1, WORKLOAD_TABLE_MOST),
    WORKLOAD_NUMBER("bytes", &bytes, 0, WORKLOAD_BYTES_MOST),
    WORKLOAD_WORD("order", &order, burst_order_words),
    WORKLOAD_END,
};

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* All threads walk through the same number of rounds; in the last ones some have no share left. */
static void work(size_t idx)
{
    size_t giver = (idx + 1) % threads;
    uint64_t left = workload_share(ops, idx, threads);
    uint64_t giver_left = workload_share(ops, giver, threads);
    uint64_t rounds = (workload_share(ops, 0, threads) + blocks - 1) / blocks;

    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t count = least(left, blocks);
        uint64_t giver_count = least(giver_left, blocks);
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
    workload_begin("bursts_across",
                   "bursts of blocks that another thread frees than made them: memory that must "
                   "come home in bulk (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    places = burst_order_new(blocks, order);
    tables = workload_table(threads, sizeof(*tables));
    for (size_t idx = 0; idx < threads; idx++)
        tables[idx] = workload_table(blocks, sizeof(**tables));
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    workload_threads(threads, work);
    return workload_report(ops);
}
