/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * server.c - threads that die and are replaced while their blocks live on: each inherits the table
 * of live blocks of the one before, whose end it awaits.
 *
 * The allocator must find a home for blocks whose thread is gone, and for the caches that it left.
 * With sized=1, it is told the size of what is freed, if it has C23's free_sized or C++'s delete.
 */

#include "bench/workloads/table.h"

#include <dlfcn.h>
#include <semaphore.h>
#include <string.h>

static uint64_t generations, blocks, sized;

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

static void *(*sized_make)(size_t bytes) = malloc;
static void (*sized_free)(void *block, size_t bytes); /* NULL: there is none */

/* POSIX asks for this conversion, which ISO C does not have. */
static void find_sized(void)
{
    void *drop = dlsym(RTLD_DEFAULT, "free_sized");
    void *make = drop == NULL ? dlsym(RTLD_DEFAULT, "_Znwm") : NULL;

    if (make != NULL)
        memcpy(&sized_make, &make, sizeof(make));
    if (make != NULL)
        drop = dlsym(RTLD_DEFAULT, "_ZdlPvm");
    memcpy(&sized_free, &drop, sizeof(drop));
}

/* Such a block begins with its size. */
static void *make_sized(struct rng *rng)
{
    size_t bytes = some_size(rng);
    size_t *block = got(sized_make(bytes));

    touch_block(block, bytes);
    *block = bytes;
    return block;
}

static void drop_sized(void *block)
{
    if (sized_free == NULL || block == NULL)
        free(block);
    else
        sized_free(block, *(size_t *)block);
}

static void *serve(void *argument)
{
    struct line *line = argument;
    uint64_t share = share_of(ops, line->idx, threads);
    pthread_t successor;

    if (line->generation > 0)
        pthread_join(line->last, NULL);
    share = share_of(share, line->generation, generations);
    if (sized)
        table_replace(&line->table, share, &line->rng, make_sized, drop_sized);
    else
        table_replace(&line->table, share, &line->rng, make, free);
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
        table_drop(&lines[idx].table, sized ? drop_sized : free);
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "threads that die and are replaced while their blocks live on and are freed by "
          "the successors: orphaned blocks and caches (ops: blocks made and freed)",
          PARAMETERS(OPS(10000000), THREADS(2), PARAMETER(generations, 100, 1, 1 << 20),
                     PARAMETER(blocks, 2000, 1, TABLE_MOST), PARAMETER(sized, 0, 0, 1),
                     PARAMETER(min, 16, 8, BYTES_MOST), PARAMETER(max, 1024, 8, BYTES_MOST)));
    if (sized)
        find_sized();
    clock_start();
    serve_all();
    clock_stop();
    return report(ops);
}
