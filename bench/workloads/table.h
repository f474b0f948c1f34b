/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * table.h - a table of live blocks, each replaced at a random moment.
 *
 * At first the table fills up in order. Then lifetimes are geometric: on the average a block lives
 * for as many ops as the table has places. The functions that make and drop a block are inlined.
 */

#ifndef CAIRN_BENCH_WORKLOADS_TABLE_H
#define CAIRN_BENCH_WORKLOADS_TABLE_H

#include "bench/workloads/workload.h"

typedef void *table_make(struct rng *rng);
typedef void table_free(void *block);

struct table {
    void **blocks;
    size_t count;
};

/* As many places as hold `live_bytes` of blocks of a mean size; at least one. */
static inline struct table table_new(uint64_t live_bytes, uint64_t mean_bytes)
{
    uint64_t count = live_bytes / mean_bytes;
    struct table table = {NULL, (size_t)(count > 0 ? count : 1)};

    if (count > TABLE_MOST)
        fail("too many live blocks: more than %d", TABLE_MOST);
    table.blocks = (void **)new_table(table.count, sizeof(void *));
    return table;
}

/* Makes `count` blocks in places chosen at random, which may be empty still. */
static inline __attribute__((always_inline)) void table_replace(struct table *table, uint64_t count,
                                                                struct rng *rng, table_make *make,
                                                                table_free *drop)
{
    for (; count > 0; count--) {
        void **place = &table->blocks[rng_below(rng, table->count)];
        drop(*place);
        *place = make(rng);
    }
}

static inline void table_drop(struct table *table, table_free *drop)
{
    for (size_t idx = 0; idx < table->count; idx++)
        drop(table->blocks[idx]);
    drop_table(table->blocks, table->count, sizeof(void *));
}

/* What thread `idx` does with a table of its own: the first blocks fill it, the others replace
   those. */
static inline __attribute__((always_inline)) void table_play(size_t idx, uint64_t mean_bytes,
                                                             table_make *make)
{
    struct rng rng = rng_of(idx);
    struct table table = table_new(live / threads, mean_bytes);
    uint64_t count = share_of(ops, idx, threads);
    uint64_t filling = count < table.count ? count : table.count;

    for (size_t place = 0; place < filling; place++)
        table.blocks[place] = make(&rng);
    table_replace(&table, count - filling, &rng, make, free);
    table_drop(&table, free);
}

#endif
