/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * workload.h - what the workloads share: parameters, random numbers, threads, the clock, the
 * result.
 *
 * A workload does an amount of work that its parameters alone decide, and prints what it cost:
 *
 *     int main(int argument_count, char **arguments)
 *     {
 *         begin(argument_count, arguments, "one line (ops: pairs)", PARAMETERS(OPS(1000000)));
 *         return run(1, work);
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

/* ---- parameters ---- */

enum { THREADS_MOST = 4096, TABLE_MOST = 1 << 28 };

#define BYTES_MOST (UINT64_C(1) << 32)
#define OPS_MOST   (UINT64_C(1) << 48)

struct parameter {
    const char *name;
    uint64_t *value;
    uint64_t preset; /* its value, until an argument says otherwise */
    uint64_t least;
    uint64_t most;
    const char *const *words; /* not NULL: the value is the index of one of these; ends with NULL */
    const char **text;        /* not NULL: a text, and value is not used */
};

/* clang-format off */
#define PARAMETER(variable, preset, least, most) {#variable, &variable, preset, least, most, 0, 0}
#define WORD(variable, preset, words)            {#variable, &variable, preset, 0, 0, words, 0}
#define TEXT(variable)                           {#variable, 0, 0, 0, 0, 0, &variable}
#define NO_MORE                                  {0, 0, 0, 0, 0, 0, 0}
#define PARAMETERS(...)                          ((const struct parameter[]){__VA_ARGS__, NO_MORE})
/* clang-format on */

/* Those that many workloads have. The sizes of blocks go from `min` to `max`. */
#define OPS(preset)        PARAMETER(ops, preset, 1, OPS_MOST)
#define THREADS(preset)    PARAMETER(threads, preset, 1, THREADS_MOST)
#define LIVE(preset)       PARAMETER(live, preset, 1, UINT64_C(1) << 40)
#define SIZES(least, most) PARAMETER(min, least, 1, BYTES_MOST), PARAMETER(max, most, 1, BYTES_MOST)

extern uint64_t ops, threads, live, min, max;

/* Reads the arguments into the values of the parameters; answers --about and --help itself. */
void begin(int argument_count, char **arguments, const char *about,
           const struct parameter *parameters);

/* Ends the program with "NAME: message" and exit status 1. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn, cold));
void out_of_memory(void) __attribute__((noreturn, cold));

/* ---- threads, time and result ---- */

/* Runs work(0) ... work(count - 1), each in a thread, and times from the moment they are let go to
   the end of the last. A single one runs in the calling thread, so that the process has no other.
   */
void run_threads(uint64_t count, void (*work)(size_t idx));

void start_thread(pthread_t *thread, void *(*body)(void *), void *argument);

/* The clock adds up the spans between start and stop. */
void clock_start(void);
void clock_stop(void);

/* Adds a number to the "extra" of the result. */
void extra(const char *name, uint64_t value);

/* Prints the result; returns the exit status of main. */
int report(uint64_t ops_done);

/* run_threads and report(ops). */
int run(uint64_t count, void (*work)(size_t idx));

/* Of `total` ops, those that fall to thread `idx` of `count`; the shares add up to the total. */
static inline uint64_t share_of(uint64_t total, uint64_t idx, uint64_t count)
{
    return total / count + (idx < total % count);
}

static inline uint64_t least_of(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* Zeroed memory from the kernel, for what belongs to the program and not to its work; or such that
   is resident at once. */
void *new_table(size_t count, size_t bytes_each);
void *new_resident_table(size_t count, size_t bytes_each);
void drop_table(void *table, size_t count, size_t bytes_each);

/* The number after the label ("VmRSS:") in a file of /proc/self, or 0. */
uint64_t number_in(const char *path, const char *label);

/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);

/* ---- random numbers: the same for a thread in every run ---- */

struct rng {
    uint64_t state;
};

/* One step of splitmix64 spreads small numbers over all bits. */
static inline struct rng rng_of(uint64_t idx)
{
    uint64_t mixed = (idx + 1) * UINT64_C(0x9E3779B97F4A7C15);

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    mixed ^= mixed >> 31;
    struct rng rng = {mixed | 1}; /* xorshift must not begin at 0 */
    return rng;
}

/* xorshift64*: the high bits are the good ones. */
static inline uint64_t rng_next(struct rng *rng)
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return rng->state * UINT64_C(0x2545F4914F6CDD1D);
}

/* 0 ... bound - 1, for a bound of up to 2^32. */
static inline uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    return ((rng_next(rng) >> 32) * bound) >> 32;
}

/* Random sizes from min to max: each power of two between them is as likely as the next, so that
   small blocks are many and large ones few (the density falls as 1 / size). */
struct sizes {
    uint64_t min;
    uint64_t max;
    unsigned min_log2;
    unsigned octaves;
};

extern struct sizes sizes; /* by the parameters min and max */

struct sizes sizes_between(uint64_t least, uint64_t most);
uint64_t sizes_mean(void); /* of `sizes` */

static inline size_t size_in(const struct sizes *range, struct rng *rng)
{
    uint64_t low = UINT64_C(1) << (range->min_log2 + rng_below(rng, range->octaves));
    uint64_t high = 2 * low;

    low = low < range->min ? range->min : low;
    high = high > range->max ? range->max : high;
    return (size_t)(low + rng_below(rng, high - low + 1));
}

static inline size_t some_size(struct rng *rng)
{
    return size_in(&sizes, rng);
}

/* ---- blocks ---- */

static inline void *got(void *block)
{
    if (__builtin_expect(block == NULL, 0))
        out_of_memory();
    return block;
}

/* The writes are volatile: the compiler sees that a block is freed next, and would drop them. */
static inline void touch_block(void *block, size_t bytes)
{
    volatile char *content = (volatile char *)block;

    content[0] = 1;
    content[bytes - 1] = 1;
}

/* malloc that succeeds, and whose block is used a little. */
static inline void *touched(size_t bytes)
{
    void *block = got(malloc(bytes));

    touch_block(block, bytes);
    return block;
}

#ifdef __cplusplus
}
#endif

#endif
