/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cleared.c - calloc of mixed sizes, checked to be zero; half of the blocks are then filled.
 *
 * Memory fresh from the kernel is zero already, and used memory is not: an allocator that knows which
 * is which saves the clearing. Small blocks are checked whole, larger ones at each cache line.
 */

#include <string.h>

#include "bench/workloads/table.h"

enum { WHOLE_BYTES = 512, LINE_BYTES = 64 };

static uint64_t ops = 200000;
static uint64_t threads = 1;
static uint64_t live = 16 << 20;
static uint64_t min = 16;
static uint64_t max = 128 << 10;
static struct workload_sizes sizes;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("live", &live, 1, UINT64_C(1) << 40),
    WORKLOAD_NUMBER("min", &min, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

static void check(const unsigned char *block, size_t bytes)
{
    size_t step_bytes = bytes <= WHOLE_BYTES ? 1 : LINE_BYTES;
    unsigned any = block[bytes - 1];

    for (size_t at = 0; at < bytes; at += step_bytes)
        any |= block[at];
    if (any != 0)
        workload_fail("a block of %zu bytes from calloc is not zero", bytes);
}

/* calloc is asked for a row of things, as programs do, or for one. */
static void *make(struct workload_random *random)
{
    size_t bytes = workload_size(&sizes, random);
    uint64_t choice = workload_random_below(random, 4);
    size_t each_bytes = bytes % 8 == 0 ? 8 : bytes;
    unsigned char *block = workload_got(calloc(bytes / each_bytes, each_bytes));

    check(block, bytes);
    if (choice < 2)
        memset(block, 0xA5, bytes);
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
    workload_begin("cleared",
                   "calloc of mixed sizes, checked to be zero, half of them filled: clearing what "
                   "needs it and no more (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    workload_threads(threads, work);
    return workload_report(ops);
}
