/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * phases.c - a program that grows, shrinks to a tenth, idles, and ends its work; what stays
 * resident?
 *
 *     KiB   grown
 *          /     \ thinned   thinned_idle_100 ... 500
 *         /       `-------.-------------. freed   freed_idle_100 ... 500
 *        /                               `-------.-----------
 *
 * An idle program sleeps, and in between makes a few blocks of all sizes (calls), or some hundred
 * small ones (pairs), or nothing (asleep): allocators give memory back in passing, or by a thread.
 * It tells its memory each 100 ms. The blocks are linked through themselves, in several lists so
 * that the frees jump about: no table adds to the resident memory.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/workloads/workload.h"

enum { LISTS = 16, SLICE_MS = 20, TELL_MS = 100, SMALL_BLOCKS = 400 };

enum { CALLS, PAIRS, ASLEEP };

static const char *const ways[] = {"calls", "pairs", "asleep", NULL};

static uint64_t keep, idle_ms, idle;

struct block {
    struct block *next;
    size_t bytes;
};

static struct block *lists[LISTS];
static uint64_t made_count, live_bytes;

static void make_one(struct rng *rng)
{
    size_t bytes = some_size(rng);
    struct block *block = touched(bytes);
    struct block **list = &lists[rng_below(rng, LISTS)];

    *block = (struct block){*list, bytes};
    *list = block;
    made_count++;
    live_bytes += bytes;
}

/* Frees the blocks of all lists, save for `kept` of a hundred. */
static void thin(uint64_t kept, struct rng *rng)
{
    for (struct block **link, **list = lists; list < lists + LISTS; list++)
        for (link = list; *link != NULL;) {
            struct block *block = *link;
            if (rng_below(rng, 100) < kept) {
                link = &block->next;
                continue;
            }
            *link = block->next;
            live_bytes -= block->bytes;
            free(block);
        }
}

/* A small block would come out of a cache; the large ones reach the paths where a purge happens. */
static void make_calls(void)
{
    static const size_t passing[] = {64, 3000, 40000, 600000};

    for (size_t idx = 0; idx < sizeof(passing) / sizeof(passing[0]); idx++)
        free(touched(passing[idx]));
}

/* More of each size than a cache begins with. */
static void make_pairs(void)
{
    void *blocks[SMALL_BLOCKS];

    for (size_t bytes = 16; bytes <= 256; bytes *= 2) {
        for (size_t idx = 0; idx < SMALL_BLOCKS; idx++)
            blocks[idx] = touched(bytes);
        for (size_t idx = 0; idx < SMALL_BLOCKS; idx++)
            free(blocks[idx]);
    }
}

static void tell_memory(const char *phase, bool with_live)
{
    char name[64];

    snprintf(name, sizeof(name), "%s_kib", phase);
    extra(name, number_in("/proc/self/status", "VmRSS:"));
    snprintf(name, sizeof(name), "%s_live_kib", phase);
    if (with_live)
        extra(name, live_bytes / 1024);
}

static void be_idle(const char *phase)
{
    const struct timespec slice = {0, SLICE_MS * 1000000L};
    char name[48];

    for (uint64_t at_ms = SLICE_MS; at_ms <= idle_ms; at_ms += SLICE_MS) {
        nanosleep(&slice, NULL);
        if (idle == CALLS)
            make_calls();
        if (idle == PAIRS)
            make_pairs();
        if (at_ms % TELL_MS != 0)
            continue;
        snprintf(name, sizeof(name), "%s_idle_%llu", phase, (unsigned long long)at_ms);
        tell_memory(name, false);
    }
}

static void run_phases(void)
{
    struct rng rng = rng_of(0);

    clock_start();
    while (live_bytes < live)
        make_one(&rng);
    clock_stop();
    tell_memory("grown", true);
    clock_start();
    thin(keep, &rng);
    clock_stop();
    tell_memory("thinned", true);
    be_idle("thinned");
    clock_start();
    thin(0, &rng);
    clock_stop();
    tell_memory("freed", true);
    be_idle("freed");
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "grows to live= bytes of small blocks, frees 90 % at random, idles, frees the "
          "rest, idles: what stays resident (ops: blocks made and freed)",
          PARAMETERS(LIVE(1 << 30), PARAMETER(keep, 10, 0, 100), PARAMETER(idle_ms, 500, 0, 2000),
                     WORD(idle, CALLS, ways), PARAMETER(min, 16, 16, BYTES_MOST),
                     PARAMETER(max, 512, 16, BYTES_MOST)));
    run_phases();
    return report(made_count);
}
