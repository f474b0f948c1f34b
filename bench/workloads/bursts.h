/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bursts.h - the sizes of bursts, and the orders in which a burst is freed.
 */

#ifndef CAIRN_BENCH_WORKLOADS_BURSTS_H
#define CAIRN_BENCH_WORKLOADS_BURSTS_H

#include "bench/workloads/workload.h"

enum burst_order { BURST_LIFO, BURST_FIFO, BURST_RANDOM };

static const char *const burst_order_words[] = {"lifo", "fifo", "random", NULL};

/* The size of the n-th burst: one class after another. */
static inline size_t burst_bytes(uint64_t burst)
{
    static const uint16_t classes[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024};

    return classes[burst % (sizeof(classes) / sizeof(classes[0]))];
}

/* order[n] is the place of the block that is freed as the n-th. */
static inline uint32_t *burst_order_new(uint64_t blocks, uint64_t order)
{
    uint32_t *places = (uint32_t *)new_table(blocks, sizeof(uint32_t));
    struct rng rng = rng_of(0);

    for (uint64_t idx = 0; idx < blocks; idx++)
        places[idx] = (uint32_t)(order == BURST_LIFO ? blocks - 1 - idx : idx);
    if (order != BURST_RANDOM)
        return places;
    for (uint64_t idx = blocks - 1; idx > 0; idx--) {
        uint64_t other = rng_below(&rng, idx + 1);
        uint32_t place = places[idx];
        places[idx] = places[other];
        places[other] = place;
    }
    return places;
}

static inline void burst_make(void **blocks, uint64_t count, size_t bytes)
{
    for (uint64_t idx = 0; idx < count; idx++)
        blocks[idx] = touched(bytes);
}

/* Places from `count` on are empty: the last burst may be a short one. */
static inline void burst_free(void **blocks, uint64_t count, const uint32_t *places,
                              uint64_t place_count)
{
    for (uint64_t idx = 0; idx < place_count; idx++)
        if (places[idx] < count)
            free(blocks[places[idx]]);
}

#endif
