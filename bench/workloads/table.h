/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * table.h - a table of live blocks, each replaced at a random moment.
 *
 *     [ block | block | block | ... ]
 *         ^ chosen at random: freed, and another one made in its place
 *
 * At first the table fills up in order. Then lifetimes are geometric: on the average a block lives
 * for as many ops as the table has places. The function that makes a block is a constant where it
 * is called, so that it is inlined.
 */

#ifndef CAIRN_BENCH_WORKLOADS_TABLE_H
#define CAIRN_BENCH_WORKLOADS_TABLE_H

#include "bench/workloads/workload.h"

typedef void *table_make(struct workload_random *random);

struct table {
    void **blocks;
    size_t count;
};

/* As many places as hold `live_bytes` of blocks of a mean size; at least one. */
static inline struct table table_new(uint64_t live_bytes, uint64_t mean_bytes)
{
    uint64_t count = live_bytes / mean_bytes;
    struct table table = {NULL, (size_t)(count > 0 ? count : 1)};

    if (count > WORKLOAD_TABLE_MOST)
        workload_fail("too many live blocks: more than %d", WORKLOAD_TABLE_MOST);
    table.blocks = (void **)workload_table(table.count, sizeof(void *));
    return table;
}

/* Makes `ops` blocks in places chosen at random, which may be empty still. */
static inline __attribute__((always_inline)) void
table_replace(struct table *table, uint64_t ops, struct workload_random *random, table_make *make)
{
    for (; ops > 0; ops--) {
        void **place = &table->blocks[workload_random_below(random, table->count)];
        free(*place);
        *place = make(random);
    }
}

/* Makes `ops` blocks: the first of them fill the table. */
static inline __attribute__((always_inline)) void
table_work(struct table *table, uint64_t ops, struct workload_random *random, table_make *make)
{
    uint64_t filling = ops < table->count ? ops : table->count;

    for (size_t idx = 0; idx < filling; idx++)
        table->blocks[idx] = make(random);
    table_replace(table, ops - filling, random, make);
}

static inline void table_drop(struct table *table)
{
    for (size_t idx = 0; idx < table->count; idx++)
        free(table->blocks[idx]);
    workload_table_drop(table->blocks, table->count, sizeof(void *));
}

#endif
