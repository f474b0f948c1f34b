/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * server.c - threads that die and are replaced while their blocks live on.
 *
 *     line 0   thread --> thread --> thread ...     each inherits the table of live blocks
 *     line 1   thread --> thread --> thread ...
 *
 * As in a server that starts a thread for some requests and ends it. The successor frees what the
 * dead one allocated: the allocator must find a home for blocks whose thread is gone, and for the
 * caches that it left. A successor waits for the end of its predecessor before it works.
 */

#include "bench/workloads/table.h"

static uint64_t ops = 10000000;
static uint64_t threads = 2;
static uint64_t generations = 100;
static uint64_t blocks = 2000;
static uint64_t min = 16;
static uint64_t max = 1024;
static struct workload_sizes sizes;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("generations", &generations, 1, 1 << 20),
    WORKLOAD_NUMBER("blocks", &blocks, 1, WORKLOAD_TABLE_MOST),
    WORKLOAD_NUMBER("min", &min, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

struct line {
    size_t idx;
    struct workload_random random;
    struct table table;
    uint64_t generation;
    pthread_t last; /* the thread before this one; in the end, the last of the line */
};

static struct line lines[WORKLOAD_THREADS_MOST];
static pthread_mutex_t end_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t line_ended = PTHREAD_COND_INITIALIZER;
static uint64_t ended_count;

static void *make(struct workload_random *random)
{
    return workload_malloc(workload_size(&sizes, random));
}

static void end_line(void)
{
    pthread_mutex_lock(&end_lock);
    ended_count++;
    pthread_cond_signal(&line_ended);
    pthread_mutex_unlock(&end_lock);
}

static void *serve(void *argument)
{
    struct line *line = argument;
    uint64_t share = workload_share(ops, line->idx, threads);
    pthread_t successor;

    if (line->generation > 0)
        pthread_join(line->last, NULL);
    table_replace(&line->table, workload_share(share, line->generation, generations), &line->random,
                  make);
    line->last = pthread_self();
    if (++line->generation == generations)
        end_line();
    else
        workload_thread_start(&successor, serve, line);
    return NULL;
}

static void start_lines(void)
{
    pthread_t thread;

    for (size_t idx = 0; idx < threads; idx++) {
        lines[idx].idx = idx;
        lines[idx].random = workload_random_of(idx);
        lines[idx].table = table_new(blocks, 1);
        workload_thread_start(&thread, serve, &lines[idx]);
    }
}

static void await_ends(void)
{
    pthread_mutex_lock(&end_lock);
    while (ended_count < threads)
        pthread_cond_wait(&line_ended, &end_lock);
    pthread_mutex_unlock(&end_lock);
    for (size_t idx = 0; idx < threads; idx++) {
        pthread_join(lines[idx].last, NULL);
        table_drop(&lines[idx].table);
    }
}

int main(int argument_count, char **arguments)
{
    workload_begin("server",
                   "threads that die and are replaced while their blocks live on and are freed by "
                   "the successors: orphaned blocks and caches (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    workload_clock_start();
    start_lines();
    await_ends();
    workload_clock_stop();
    return workload_report(ops);
}
