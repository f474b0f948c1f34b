/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * medium.c - blocks of 40 KiB to 1 MiB with random lifetimes, touched at each page.
 *
 * Too large for size classes, too small to be mapped one by one: a malloc that maps and unmaps each
 * pays in page faults; one that keeps them all pays in memory.
 */

#include "bench/workloads/table.h"

static uint64_t ops = 30000;
static uint64_t threads = 1;
static uint64_t live = 64 << 20;
static uint64_t min = 40 << 10;
static uint64_t max = 1 << 20;
static uint64_t touch = 4096;
static struct workload_sizes sizes;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("live", &live, 1, UINT64_C(1) << 40),
    WORKLOAD_NUMBER("min", &min, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("touch", &touch, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

static void *make(struct workload_random *random)
{
    size_t bytes = workload_size(&sizes, random);
    void *block = workload_got(malloc(bytes));

    workload_touch_every(block, bytes, touch);
    return block;
}

static void work(size_t idx)
{
    struct workload_random random = workload_random_of(idx);
    struct table table = table_new(live / threads, workload_sizes_mean(&sizes));

    table_work(&table, workload_share(ops, idx, threads), &random, make);
    table_drop(&table);
}

int main(int argument_count, char **arguments)
{
    workload_begin("medium",
                   "blocks of 40 KiB to 1 MiB that live for a random time, touched at each page: "
                   "between size classes and mappings (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    workload_threads(threads, work);
    return workload_report(ops);
}
