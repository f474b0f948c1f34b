/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * phases.c - a program that grows, shrinks to a tenth, idles, and ends its work; what stays resident?
 *
 *     KiB   grown
 *          /     \ thinned   thinned_idle
 *         /       `-------.-------------. freed   freed_idle
 *        /                               `-------.-----------
 *
 * Small blocks are made until `live` bytes of them live; 90 % of them, chosen at random, are freed;
 * the program idles; it frees the rest; it idles. An idle program sleeps and now and then makes a
 * few blocks, for allocators that purge in passing. The blocks are linked through themselves, in
 * several lists so that the frees jump about: no table adds to the resident memory. The time is that
 * of the work, without the idling.
 */

#include <time.h>

#include "bench/workloads/workload.h"

enum { LISTS = 16, IDLE_SLICES = 20 };

static uint64_t live = 1 << 30;
static uint64_t keep = 10;
static uint64_t idle_ms = 500;
static uint64_t min = 16;
static uint64_t max = 512;
static struct workload_sizes sizes;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("live", &live, 1, UINT64_C(1) << 40),
    WORKLOAD_NUMBER("keep", &keep, 0, 100),
    WORKLOAD_NUMBER("idle_ms", &idle_ms, 0, 3600000),
    WORKLOAD_NUMBER("min", &min, 16, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 16, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

struct block {
    struct block *next;
    size_t bytes;
};

static struct block *lists[LISTS];
static uint64_t made_count;
static uint64_t live_bytes;

static void make_one(struct workload_random *random)
{
    size_t bytes = workload_size(&sizes, random);
    struct block *block = workload_malloc(bytes);
    struct block **list = &lists[workload_random_below(random, LISTS)];

    *block = (struct block){*list, bytes};
    *list = block;
    made_count++;
    live_bytes += bytes;
}

static void grow(struct workload_random *random)
{
    while (live_bytes < live)
        make_one(random);
}

/* Frees the blocks of a list, save for `kept` of a hundred. */
static void thin_list(struct block **link, uint64_t kept, struct workload_random *random)
{
    while (*link != NULL) {
        struct block *block = *link;
        if (workload_random_below(random, 100) < kept) {
            link = &block->next;
            continue;
        }
        *link = block->next;
        live_bytes -= block->bytes;
        free(block);
    }
}

static void thin(struct workload_random *random)
{
    for (size_t idx = 0; idx < LISTS; idx++)
        thin_list(&lists[idx], keep, random);
}

static void free_rest(struct workload_random *random)
{
    for (size_t idx = 0; idx < LISTS; idx++)
        thin_list(&lists[idx], 0, random);
}

/* A small block would come out of a cache; the large ones reach the paths where a purge happens. */
static void idle(void)
{
    static const size_t passing[] = {64, 3000, 40000, 600000};
    struct timespec slice = {0, 0};

    slice.tv_sec = (time_t)(idle_ms / IDLE_SLICES / 1000);
    slice.tv_nsec = (long)(idle_ms * 1000000 / IDLE_SLICES % 1000000000);
    for (unsigned turn = 0; turn < IDLE_SLICES; turn++) {
        nanosleep(&slice, NULL);
        for (size_t idx = 0; idx < sizeof(passing) / sizeof(passing[0]); idx++)
            free(workload_malloc(passing[idx]));
    }
}

static void run_phase(void (*phase)(struct workload_random *), struct workload_random *random)
{
    workload_clock_start();
    phase(random);
    workload_clock_stop();
}

static void run_phases(struct workload_random *random)
{
    run_phase(grow, random);
    workload_extra("grown_kib", workload_resident_kib());
    workload_extra("grown_live_kib", live_bytes / 1024);
    run_phase(thin, random);
    workload_extra("thinned_kib", workload_resident_kib());
    workload_extra("thinned_live_kib", live_bytes / 1024);
    idle();
    workload_extra("thinned_idle_kib", workload_resident_kib());
    run_phase(free_rest, random);
    workload_extra("freed_kib", workload_resident_kib());
    workload_extra("freed_live_kib", live_bytes / 1024);
    idle();
    workload_extra("freed_idle_kib", workload_resident_kib());
}

int main(int argument_count, char **arguments)
{
    struct workload_random random = workload_random_of(0);

    workload_begin("phases",
                   "grows to live= bytes of small blocks, frees 90 % at random, idles, frees the "
                   "rest, idles: what stays resident (ops: blocks made and freed)",
                   parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    run_phases(&random);
    return workload_report(made_count);
}
