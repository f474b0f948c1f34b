/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * server.c - threads that die and are replaced while their blocks live on: each inherits the table
 * of live blocks of the one before, whose end it awaits.
 *
 * The allocator must find a home for blocks whose thread is gone, and for the caches that it left.
 */

#include "bench/workloads/table.h"

#include <semaphore.h>

static uint64_t generations, blocks;

struct line {
    size_t idx;
    struct rng rng;
    struct table table;
    uint64_t generation;
    pthread_t last; /* the thread before this one; in the end, the last of the line */
};

static struct line lines[THREADS_MOST];
static sem_t line_ended;

static void *make(struct rng *rng)
{
    return touched(some_size(rng));
}

static void *serve(void *argument)
{
    struct line *line = argument;
    uint64_t share = share_of(ops, line->idx, threads);
    pthread_t successor;

    if (line->generation > 0)
        pthread_join(line->last, NULL);
    table_replace(&line->table, share_of(share, line->generation, generations), &line->rng, make);
    line->last = pthread_self();
    if (++line->generation == generations)
        sem_post(&line_ended);
    else
        start_thread(&successor, serve, line);
    return NULL;
}

static void serve_all(void)
{
    pthread_t thread;

    for (size_t idx = 0; idx < threads; idx++) {
        lines[idx].idx = idx;
        lines[idx].rng = rng_of(idx);
        lines[idx].table = table_new(blocks, 1);
        start_thread(&thread, serve, &lines[idx]);
    }
    for (uint64_t left = threads; left > 0;)
        left -= sem_wait(&line_ended) == 0;
    for (size_t idx = 0; idx < threads; idx++) {
        pthread_join(lines[idx].last, NULL);
        table_drop(&lines[idx].table);
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "threads that die and are replaced while their blocks live on and are freed by "
          "the successors: orphaned blocks and caches (ops: blocks made and freed)",
          PARAMETERS(OPS(10000000), THREADS(2), PARAMETER(generations, 100, 1, 1 << 20),
                     PARAMETER(blocks, 2000, 1, TABLE_MOST), SIZES(16, 1024)));
    clock_start();
    serve_all();
    clock_stop();
    return report(ops);
}
