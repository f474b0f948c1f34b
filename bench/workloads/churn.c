/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * churn.c - random sizes with random lifetimes, in a table of live blocks for each thread.
 *
 * Neighbours of one size die at different times, so that free blocks lie scattered between live ones:
 * how an allocator finds them again, and what it costs when the heap outgrows the caches.
 */

#include "bench/workloads/table.h"

static uint64_t ops = 6000000;
static uint64_t threads = 1;
static uint64_t live = 16 << 20;
static uint64_t min = 16;
static uint64_t max = 2048;
static struct workload_sizes sizes;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("live", &live, 1, UINT64_C(1) << 40),
    WORKLOAD_NUMBER("min", &min, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

static void *make(struct workload_random *random)
{
    return workload_malloc(workload_size(&sizes, random));
}

static void churn(size_t idx)
{
    struct workload_random random = workload_random_of(idx);
    struct table table = table_new(live / threads, workload_sizes_mean(&sizes));

    table_work(&table, workload_share(ops, idx, threads), &random, make);
    table_drop(&table);
}

int main(int argument_count, char **arguments)
{
    workload_begin("churn",
                   "blocks of random sizes that live for a random time, each thread its own: "
                   "reuse in a scattered heap (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    workload_threads(threads, churn);
    return workload_report(ops);
}
