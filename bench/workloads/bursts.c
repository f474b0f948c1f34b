/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bursts.c - many blocks of one size at once, then all of them freed; then of the next size. Two
 * workloads: each thread frees what it made, or (bursts_across) what the next one made.
 *
 * More blocks than any cache holds: what is measured is the path below the caches, and whether
 * memory of one size class comes to serve the next. The order of the frees decides what the free
 * lists look like. Across, memory must come home in bulk.
 */

#include "bench/workloads/workload.h"

#include <errno.h>
#include <string.h>

enum { LIFO, FIFO, RANDOM };

static const char *const orders[] = {"lifo", "fifo", "random", NULL};

static uint64_t blocks, order, bytes;
static bool is_across;
static uint32_t *places; /* places[n] is the place of the block that is freed as the n-th */
static void ***tables;   /* one of each thread */
static pthread_barrier_t barrier;

/* The size of the n-th burst: one class after another. */
static size_t burst_bytes(uint64_t burst)
{
    static const uint16_t classes[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024};

    return bytes > 0 ? bytes : classes[burst % (sizeof(classes) / sizeof(classes[0]))];
}

static void choose_places(void)
{
    struct rng rng = rng_of(0);

    places = new_table(blocks, sizeof(*places));
    for (uint64_t idx = 0; idx < blocks; idx++)
        places[idx] = (uint32_t)(order == LIFO ? blocks - 1 - idx : idx);
    for (uint64_t idx = blocks - 1; order == RANDOM && idx > 0; idx--) {
        uint64_t other = rng_below(&rng, idx + 1);
        uint32_t place = places[idx];
        places[idx] = places[other];
        places[other] = place;
    }
}

/* Across, all threads walk through the same number of rounds; in the last ones some have no share
   left. */
static void work(size_t idx)
{
    size_t giver = is_across ? (idx + 1) % threads : idx;
    uint64_t left = share_of(ops, idx, threads);
    uint64_t giver_left = share_of(ops, giver, threads);
    uint64_t rounds = ((is_across ? share_of(ops, 0, threads) : left) + blocks - 1) / blocks;

    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t count = least_of(left, blocks);
        uint64_t giver_count = least_of(giver_left, blocks);
        for (uint64_t block = 0; block < count; block++)
            tables[idx][block] = touched(burst_bytes(round));
        if (is_across)
            pthread_barrier_wait(&barrier);
        for (uint64_t place = 0; place < blocks; place++)
            if (places[place] < giver_count) /* the last burst may be a short one */
                free(tables[giver][places[place]]);
        if (is_across)
            pthread_barrier_wait(&barrier);
        left -= count;
        giver_left -= giver_count;
    }
}

int main(int argument_count, char **arguments)
{
    is_across = strcmp(program_invocation_short_name, "bursts_across") == 0;
    begin(argument_count, arguments,
          is_across ? "bursts of blocks that another thread frees than made them: memory that must "
                      "come home in bulk (ops: blocks made and freed)"
                    : "bursts of blocks of one size after another, freed in order=: more than the "
                      "caches hold (ops: blocks made and freed)",
          PARAMETERS(OPS(is_across ? 5000000 : 10000000),
                     PARAMETER(threads, is_across ? 2 : 1, is_across ? 2 : 1, THREADS_MOST),
                     PARAMETER(blocks, is_across ? 4000 : 10000, 1, TABLE_MOST),
                     PARAMETER(bytes, 0, 0, BYTES_MOST),
                     WORD(order, is_across ? FIFO : LIFO, orders)));
    choose_places();
    tables = new_table(threads, sizeof(*tables));
    for (size_t idx = 0; idx < threads; idx++)
        tables[idx] = new_table(blocks, sizeof(**tables));
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    return run(threads, work);
}
