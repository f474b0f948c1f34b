/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * workload.h - what the workloads share: parameters, random numbers, threads, the clock, the result.
 *
 * A workload does an amount of work that its parameters alone decide, and prints what it cost:
 *
 *     static uint64_t ops = 1000000;
 *     static const struct workload_parameter parameters[] = {
 *         WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
 *         WORKLOAD_END,
 *     };
 *
 *     int main(int argument_count, char **arguments)
 *     {
 *         workload_begin("pairs", "one line (ops: pairs)", parameters, argument_count, arguments);
 *         workload_threads(1, body);
 *         return workload_report(ops);
 *     }
 *
 * Nothing here calls malloc except for the program's own blocks: tables come from the kernel, and
 * the result is written without stdio. So the allocator under test sees the workload and no more.
 * Whatever goes wrong ends in one line on stderr and exit status 1.
 */

#ifndef CAIRN_BENCH_WORKLOADS_WORKLOAD_H
#define CAIRN_BENCH_WORKLOADS_WORKLOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Parameters. */

enum { WORKLOAD_LIST_MOST = 16, WORKLOAD_THREADS_MOST = 4096, WORKLOAD_TABLE_MOST = 1 << 28 };

#define WORKLOAD_OPS_MOST   (UINT64_C(1) << 48)
#define WORKLOAD_BYTES_MOST (UINT64_C(1) << 32)

struct workload_parameter {
    const char *name;
    uint64_t *value; /* the default, until an argument says otherwise */
    uint64_t least;
    uint64_t most;
    const char *const *words; /* not NULL: the value is the index of one of these; ends with NULL */
    size_t *count;            /* not NULL: value is the first of *count numbers */
};

#define WORKLOAD_NUMBER(name, value, least, most)                                                  \
    {                                                                                              \
        name, value, least, most, NULL, NULL                                                       \
    }
#define WORKLOAD_WORD(name, value, words)                                                          \
    {                                                                                              \
        name, value, 0, 0, words, NULL                                                             \
    }
#define WORKLOAD_LIST(name, values, count, least, most)                                            \
    {                                                                                              \
        name, values, least, most, NULL, count                                                     \
    }
#define WORKLOAD_END                                                                               \
    {                                                                                              \
        NULL, NULL, 0, 0, NULL, NULL                                                               \
    }

/* Reads the arguments into the values of the parameters; answers --about and --help itself. */
void workload_begin(const char *name, const char *about,
                    const struct workload_parameter *parameters, int argument_count,
                    char **arguments);

/* Ends the program with "NAME: message" and exit status 1. */
void workload_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn, cold));
void workload_out_of_memory(void) __attribute__((noreturn, cold));

/* Time and result. The clock adds up the spans between start and stop. */

void workload_clock_start(void);
void workload_clock_stop(void);

/* Adds a number to the "extra" of the result. */
void workload_extra(const char *name, uint64_t value);

/* Prints the result; returns the exit status of main. */
int workload_report(uint64_t ops);

/* Resident memory of this process. */
uint64_t workload_resident_kib(void);

/* Threads. */

/* Runs body(0) ... body(count - 1), each in a thread, and times from the moment they are let go to
   the end of the last. A single one runs in the calling thread, so that the process has no other. */
void workload_threads(uint64_t count, void (*body)(size_t idx));

void workload_thread_start(pthread_t *thread, void *(*body)(void *), void *argument);

/* Of `total` ops, those that fall to thread `idx` of `count`; the shares add up to the total. */
static inline uint64_t workload_share(uint64_t total, uint64_t idx, uint64_t count)
{
    return total / count + (idx < total % count);
}

/* Zeroed memory from the kernel, for what belongs to the program and not to its work. */
void *workload_table(size_t count, size_t bytes_each);
void workload_table_drop(void *table, size_t count, size_t bytes_each);

/* Random numbers: the same for a thread in every run. */

struct workload_random {
    uint64_t state;
};

/* One step of splitmix64 spreads small numbers over all bits. */
static inline struct workload_random workload_random_of(uint64_t idx)
{
    uint64_t mixed = (idx + 1) * UINT64_C(0x9E3779B97F4A7C15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    mixed ^= mixed >> 31;
    struct workload_random random = {mixed | 1}; /* xorshift must not begin at 0 */
    return random;
}

/* xorshift64*: the high bits are the good ones. */
static inline uint64_t workload_random_next(struct workload_random *random)
{
    random->state ^= random->state >> 12;
    random->state ^= random->state << 25;
    random->state ^= random->state >> 27;
    return random->state * UINT64_C(0x2545F4914F6CDD1D);
}

/* 0 ... bound - 1, for a bound of up to 2^32. */
static inline uint64_t workload_random_below(struct workload_random *random, uint64_t bound)
{
    return ((workload_random_next(random) >> 32) * bound) >> 32;
}

/* Random sizes from min to max: each power of two between them is as likely as the next, so that
   small blocks are many and large ones few (the density falls as 1 / size). */
struct workload_sizes {
    uint64_t min;
    uint64_t max;
    unsigned min_log2;
    unsigned octaves;
};

struct workload_sizes workload_sizes_between(uint64_t min, uint64_t max);
uint64_t workload_sizes_mean(const struct workload_sizes *sizes);

static inline size_t workload_size(const struct workload_sizes *sizes,
                                   struct workload_random *random)
{
    uint64_t low = UINT64_C(1) << (sizes->min_log2 + workload_random_below(random, sizes->octaves));
    uint64_t high = 2 * low;

    low = low < sizes->min ? sizes->min : low;
    high = high > sizes->max ? sizes->max : high;
    return (size_t)(low + workload_random_below(random, high - low + 1));
}

/* Blocks. */

static inline void *workload_got(void *block)
{
    if (__builtin_expect(block == NULL, 0))
        workload_out_of_memory();
    return block;
}

/* The writes are volatile: the compiler sees that a block is freed next, and would drop them. */
static inline void workload_touch(void *block, size_t bytes)
{
    volatile char *content = (volatile char *)block;

    content[0] = 1;
    content[bytes - 1] = 1;
}

static inline void workload_touch_every(void *block, size_t bytes, size_t step_bytes)
{
    volatile char *content = (volatile char *)block;

    for (size_t at = 0; at < bytes; at += step_bytes)
        content[at] = 1;
    content[bytes - 1] = 1;
}

/* malloc that succeeds, and whose block is used a little. */
static inline void *workload_malloc(size_t bytes)
{
    void *block = workload_got(malloc(bytes));

    workload_touch(block, bytes);
    return block;
}

#ifdef __cplusplus
}
#endif

#endif
