/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * manythreads.c - many threads that each allocate little, and end.
 *
 * What a thread costs: its caches are set up, filled for a few dozen blocks, and given up. A round
 * starts `threads` threads, `alive` of them at a time, which wait until each has its blocks. With all
 * of them alive at once, the peak memory tells what a cache per thread costs.
 */

#include "bench/workloads/workload.h"

enum { BLOCKS_MOST = 4096 };

static uint64_t ops = 300000;
static uint64_t threads = 256;
static uint64_t alive = 256;
static uint64_t blocks = 48;
static uint64_t min = 16;
static uint64_t max = 1024;
static struct workload_sizes sizes;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("alive", &alive, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("blocks", &blocks, 1, BLOCKS_MOST),
    WORKLOAD_NUMBER("min", &min, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

static pthread_barrier_t all_hold_blocks;
static pthread_t started[WORKLOAD_THREADS_MOST];

static uint64_t least(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static void *live(void *idx)
{
    struct workload_random random = workload_random_of((uint64_t)(uintptr_t)idx);
    void *held[BLOCKS_MOST];

    for (uint64_t block = 0; block < blocks; block++)
        held[block] = workload_malloc(workload_size(&sizes, &random));
    pthread_barrier_wait(&all_hold_blocks);
    for (uint64_t block = 0; block < blocks; block++)
        free(held[block]);
    return NULL;
}

static void run_group(uint64_t first, uint64_t count)
{
    pthread_barrier_init(&all_hold_blocks, NULL, (unsigned)count);
    for (uint64_t idx = 0; idx < count; idx++)
        workload_thread_start(&started[idx], live, (void *)(uintptr_t)(first + idx));
    for (uint64_t idx = 0; idx < count; idx++)
        pthread_join(started[idx], NULL);
    pthread_barrier_destroy(&all_hold_blocks);
}

/* The ops are rounded up to whole rounds; returns how many they were. */
static uint64_t run_rounds(void)
{
    uint64_t round_ops = threads * blocks;
    uint64_t done = 0;

    for (; done < ops; done += round_ops)
        for (uint64_t first = 0; first < threads; first += alive)
            run_group(first, least(alive, threads - first));
    return done;
}

int main(int argument_count, char **arguments)
{
    uint64_t done;

    workload_begin(
        "manythreads",
        "many threads, alive= of them at once, that each allocate little and end: what a "
        "thread costs (ops: blocks made and freed, rounded up to whole rounds)",
        parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    workload_clock_start();
    done = run_rounds();
    workload_clock_stop();
    return workload_report(done);
}
