/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * manythreads.c - what a thread costs: its caches are set up, filled for a few dozen blocks, and
 * given up. A round starts `threads` threads, `alive` of them at a time, which wait until each has
 * its blocks, so that the peak memory tells what a cache per thread costs.
 */

#include "bench/workloads/workload.h"

enum { BLOCKS_MOST = 4096 };

static uint64_t alive, blocks;

static pthread_barrier_t all_hold_blocks;
static pthread_t started[THREADS_MOST];

static void *hold(void *idx)
{
    struct rng rng = rng_of((uint64_t)(uintptr_t)idx);
    void *held[BLOCKS_MOST];

    for (uint64_t block = 0; block < blocks; block++)
        held[block] = touched(some_size(&rng));
    pthread_barrier_wait(&all_hold_blocks);
    for (uint64_t block = 0; block < blocks; block++)
        free(held[block]);
    return NULL;
}

static void run_group(uint64_t first, uint64_t count)
{
    pthread_barrier_init(&all_hold_blocks, NULL, (unsigned)count);
    for (uint64_t idx = 0; idx < count; idx++)
        start_thread(&started[idx], hold, (void *)(uintptr_t)(first + idx));
    for (uint64_t idx = 0; idx < count; idx++)
        pthread_join(started[idx], NULL);
    pthread_barrier_destroy(&all_hold_blocks);
}

int main(int argument_count, char **arguments)
{
    uint64_t done = 0; /* rounded up to whole rounds */

    begin(argument_count, arguments,
          "many threads, alive= of them at once, that each allocate little and end: what a "
          "thread costs (ops: blocks made and freed, rounded up to whole rounds)",
          PARAMETERS(OPS(300000), THREADS(256), PARAMETER(alive, 256, 1, THREADS_MOST),
                     PARAMETER(blocks, 48, 1, BLOCKS_MOST), SIZES(16, 1024)));
    clock_start();
    for (; done < ops; done += threads * blocks)
        for (uint64_t first = 0; first < threads; first += alive)
            run_group(first, least_of(alive, threads - first));
    clock_stop();
    return report(done);
}
