/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * big.c - blocks of 5 to 25 MiB with random lifetimes, all sizes between alike.
 *
 * Images, matrices, file buffers. The time goes to page faults, unless freed memory is kept; what is
 * kept is seen in the peak.
 */

#include "bench/workloads/table.h"

static uint64_t ops = 400;
static uint64_t threads = 1;
static uint64_t live = 160 << 20;
static uint64_t min = 5 << 20;
static uint64_t max = 25 << 20;
static uint64_t touch = 4096;

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
    size_t bytes = (size_t)(min + workload_random_below(random, max - min + 1));
    void *block = workload_got(malloc(bytes));

    workload_touch_every(block, bytes, touch);
    return block;
}

static void work(size_t idx)
{
    struct workload_random random = workload_random_of(idx);
    struct table table = table_new(live / threads, (min + max) / 2);

    table_work(&table, workload_share(ops, idx, threads), &random, make);
    table_drop(&table);
}

int main(int argument_count, char **arguments)
{
    workload_begin("big",
                   "blocks of 5 to 25 MiB that live for a random time, touched at each page or "
                   "wider (touch=): mappings and page faults (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    if (min > max)
        workload_fail("min is above max");
    workload_threads(threads, work);
    return workload_report(ops);
}
