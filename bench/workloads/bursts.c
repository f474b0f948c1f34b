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

static uint64_t ops = 10000000;
static uint64_t threads = 1;
static uint64_t blocks = 10000;
static uint64_t order = BURST_LIFO;
static uint64_t bytes;
static uint32_t *places;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("blocks", &blocks, 1, WORKLOAD_TABLE_MOST),
    WORKLOAD_NUMBER("bytes", &bytes, 0, WORKLOAD_BYTES_MOST),
    WORKLOAD_WORD("order", &order, burst_order_words),
    WORKLOAD_END,
};

static void work(size_t idx)
{
    void **table = workload_table(blocks, sizeof(*table));
    uint64_t left = workload_share(ops, idx, threads);

    for (uint64_t burst = 0; left > 0; burst++) {
        uint64_t count = left < blocks ? left : blocks;
        burst_make(table, count, bytes > 0 ? bytes : burst_bytes(burst));
        burst_free(table, count, places, blocks);
        left -= count;
    }
    workload_table_drop(table, blocks, sizeof(*table));
}

int main(int argument_count, char **arguments)
{
    workload_begin("bursts",
                   "bursts of blocks of one size after another, freed in order=: more than the "
                   "caches hold (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    places = burst_order_new(blocks, order);
    workload_threads(threads, work);
    return workload_report(ops);
}
