/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * prices.c - what the kernel charges for memory: each system call that an allocator may choose, and
 * the page faults that follow from it.
 *
 *     for each size, number of threads and price:
 *         prepare | pay, timed | tidy     until MIN_NS were paid, at least TIMES_MIN times
 *
 * Prints one line of JSON for each: the median of what one payment took, in nanoseconds. Threads
 * pay at the same time, each in address space of its own.
 *
 * `fragment_mib` takes so much memory first, and gives every second page back: what the kernel has
 * for huge pages afterwards is in pieces, if that was nearly all of the machine's.
 */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { TIMES_MIN = 5, TIMES_MAX = 200, THREADS_MAX = 2, HUGE_PAGE_BYTES = 2 << 20 };

static const uint64_t min_ns = 20 * 1000 * 1000;

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* What is paid for: `base` is of `bytes`, and twice as many are reserved from `space` on. */
struct region {
    char *space;
    char *base;
    size_t bytes;
    char *other; /* as large, resident; for copies */
};

struct price {
    const char *name;
    bool (*prepare)(struct region *region); /* false: this kernel has it not */
    void (*pay)(struct region *region);
    bool is_alone; /* one thread at a time: of the break, or of a hole that another could fill */
    bool is_huge;  /* from 2 MiB on */
};

static size_t page_bytes;

static void fail(const char *what)
{
    fprintf(stderr, "prices: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void *mapped(void *at, size_t bytes, int protection, int flags)
{
    void *base =
        mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

    if (base == MAP_FAILED)
        fail("mmap");
    return base;
}

/* ---- what is timed --------------------------------------------------------------------------- */

static void touch(struct region *region)
{
    for (size_t at = 0; at < region->bytes; at += page_bytes)
        ((volatile char *)region->base)[at] = 1;
}

static void map(struct region *region)
{
    region->base = mapped(NULL, region->bytes, PROT_READ | PROT_WRITE, 0);
}

static void unmap(struct region *region)
{
    munmap(region->base, region->bytes);
}

static void raise_break(struct region *region)
{
    if (sbrk((intptr_t)region->bytes) == (void *)-1)
        fail("sbrk");
}

static void lower_break(struct region *region)
{
    sbrk(-(intptr_t)region->bytes);
}

static void empty(struct region *region)
{
    madvise(region->base, region->bytes, MADV_DONTNEED);
}

static void mark_free(struct region *region)
{
    madvise(region->base, region->bytes, MADV_FREE);
}

static void populate(struct region *region)
{
    madvise(region->base, region->bytes, MADV_POPULATE_WRITE);
}

static void collapse(struct region *region)
{
    madvise(region->base, region->bytes, MADV_COLLAPSE);
}

static void grow_in_place(struct region *region)
{
    if (mremap(region->base, region->bytes, 2 * region->bytes, 0) == MAP_FAILED)
        fail("mremap");
}

static void move(struct region *region)
{
    if (mremap(region->base, region->bytes, 2 * region->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
               region->other) == MAP_FAILED)
        fail("mremap");
}

static void copy(struct region *region)
{
    memcpy(region->other, region->base, region->bytes);
}

/* ---- what comes before ----------------------------------------------------------------------- */

static bool reserved(struct region *region)
{
    (void)region;
    return true;
}

static bool untouched(struct region *region)
{
    mapped(region->base, region->bytes, PROT_READ | PROT_WRITE, MAP_FIXED);
    return true;
}

static bool resident(struct region *region)
{
    untouched(region);
    touch(region);
    return true;
}

static bool with_hole_behind(struct region *region)
{
    resident(region);
    munmap(region->base + region->bytes, region->bytes);
    return true;
}

static bool emptied(struct region *region)
{
    resident(region);
    empty(region);
    return true;
}

static bool marked(struct region *region)
{
    resident(region);
    return madvise(region->base, region->bytes, MADV_FREE) == 0;
}

static bool probed(struct region *region)
{
    untouched(region);
    return madvise(region->base, page_bytes, MADV_POPULATE_WRITE) == 0;
}

static bool with_other(struct region *region)
{
    resident(region);
    mapped(region->other, 2 * region->bytes, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_POPULATE);
    return true;
}

static bool advised(struct region *region)
{
    untouched(region);
    return madvise(region->base, region->bytes, MADV_HUGEPAGE) == 0;
}

static bool advised_again(struct region *region)
{
    if (!advised(region))
        return false;
    touch(region);
    empty(region);
    return true;
}

/* Every second small page is resident. */
static bool holed(struct region *region)
{
    untouched(region);
    for (size_t at = 0; at < region->bytes; at += 2 * page_bytes)
        region->base[at] = 1;
    return madvise(region->base, region->bytes, MADV_HUGEPAGE) == 0;
}

static bool break_raised(struct region *region)
{
    region->base = sbrk((intptr_t)region->bytes);
    touch(region);
    return true;
}

static const struct price prices[] = {
    {.name = "brk up", .prepare = reserved, .pay = raise_break, .is_alone = true},
    {.name = "brk down, resident", .prepare = break_raised, .pay = lower_break, .is_alone = true},
    {.name = "mmap", .prepare = reserved, .pay = map},
    {.name = "munmap, untouched", .prepare = untouched, .pay = unmap},
    {.name = "munmap, resident", .prepare = resident, .pay = unmap},
    {.name = "first touch", .prepare = untouched, .pay = touch},
    {.name = "populate", .prepare = probed, .pay = populate},
    {.name = "dontneed", .prepare = resident, .pay = empty},
    {.name = "touch after dontneed", .prepare = emptied, .pay = touch},
    {.name = "free", .prepare = resident, .pay = mark_free},
    {.name = "touch after free", .prepare = marked, .pay = touch},
    {.name = "mremap in place",
     .prepare = with_hole_behind,
     .pay = grow_in_place,
     .is_alone = true},
    {.name = "mremap elsewhere", .prepare = resident, .pay = move},
    {.name = "copy", .prepare = with_other, .pay = copy},
    {.name = "huge: first touch", .prepare = advised, .pay = touch, .is_huge = true},
    {.name = "huge: touch again", .prepare = advised_again, .pay = touch, .is_huge = true},
    {.name = "huge: collapse of half", .prepare = holed, .pay = collapse, .is_huge = true},
};

/* ---- paying ---------------------------------------------------------------------------------- */

static const struct price *price_now; /* NULL: the end */
static size_t bytes_now, times_now, threads_now;
static uint64_t paid_ns[THREADS_MAX][TIMES_MAX];
static struct region regions[THREADS_MAX];
static _Atomic bool is_there;
static pthread_barrier_t begin, end;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static size_t space_bytes(void)
{
    return 2 * bytes_now + HUGE_PAGE_BYTES;
}

/* Address space for one thread: where the region lies, aligned to a huge page, and a place to move
   to. */
static struct region new_region(void)
{
    struct region region = {.bytes = bytes_now};

    region.space = mapped(NULL, space_bytes(), PROT_NONE, 0);
    region.other = mapped(NULL, space_bytes(), PROT_NONE, 0);
    region.base = (char *)(((uintptr_t)region.space + HUGE_PAGE_BYTES - 1) &
                           ~(uintptr_t)(HUGE_PAGE_BYTES - 1));
    return region;
}

/* Holes are closed at once, or another thread would map into them. */
static void tidy(const struct region *given, const struct region *paid)
{
    if (paid->base != given->base)
        munmap(paid->base, paid->bytes);
    mapped(given->space, space_bytes(), PROT_NONE, MAP_FIXED);
    mapped(given->other, space_bytes(), PROT_NONE, MAP_FIXED);
}

static void pay_all(size_t thread)
{
    const struct price *price = price_now;

    for (size_t time = 0; time < times_now && is_there; time++) {
        struct region region = regions[thread];
        void *break_before = price->is_alone ? sbrk(0) : NULL;
        uint64_t from;

        is_there = price->prepare(&region);
        from = now_ns();
        if (is_there)
            price->pay(&region);
        paid_ns[thread][time] = now_ns() - from;
        if (price->is_alone)
            brk(break_before);
        tidy(&regions[thread], &region);
    }
}

static void *serve(void *thread)
{
    for (;;) {
        pthread_barrier_wait(&begin);
        if (price_now == NULL)
            return NULL;
        if (*(size_t *)thread < threads_now)
            pay_all(*(size_t *)thread);
        pthread_barrier_wait(&end);
    }
}

static void pay(const struct price *price, size_t times)
{
    price_now = price;
    times_now = times;
    for (size_t idx = 0; idx < threads_now; idx++)
        regions[idx] = new_region();
    pthread_barrier_wait(&begin);
    if (price != NULL)
        pthread_barrier_wait(&end);
    for (size_t idx = 0; idx < threads_now; idx++) {
        munmap(regions[idx].space, space_bytes());
        munmap(regions[idx].other, space_bytes());
    }
}

static int by_value(const void *left, const void *right)
{
    const uint64_t *one = left, *other = right;

    return (*one > *other) - (*one < *other);
}

static uint64_t median_ns(void)
{
    static uint64_t all[THREADS_MAX * TIMES_MAX];
    size_t count = 0;

    for (size_t thread = 0; thread < threads_now; thread++)
        for (size_t time = 0; time < times_now; time++)
            all[count++] = paid_ns[thread][time];
    qsort(all, count, sizeof(all[0]), by_value);
    return all[count / 2];
}

static void tell(const struct price *price, size_t bytes, size_t threads)
{
    size_t times;

    if ((price->is_alone && threads > 1) || (price->is_huge && bytes < HUGE_PAGE_BYTES))
        return;
    bytes_now = bytes;
    threads_now = threads;
    is_there = true;
    pay(price, TIMES_MIN);
    if (!is_there)
        return;
    times = (size_t)(min_ns / (median_ns() + 1));
    if (times > TIMES_MIN)
        pay(price, times < TIMES_MAX ? times : TIMES_MAX);
    printf("{\"price\": \"%s\", \"kib\": %zu, \"threads\": %zu, \"ns\": %llu, \"times\": %zu}\n",
           price->name, bytes / 1024, threads, (unsigned long long)median_ns(), times_now);
    fflush(stdout);
}

static void fragment(size_t bytes)
{
    char *base = mapped(NULL, bytes + 1, PROT_READ | PROT_WRITE, 0);

    madvise(base, bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < bytes; at += page_bytes)
        base[at] = 1;
    for (size_t at = 0; at < bytes; at += 2 * page_bytes)
        madvise(base + at, page_bytes, MADV_DONTNEED);
}

static size_t number_of(const char *text)
{
    char *behind;
    unsigned long number = strtoul(text, &behind, 10);

    if (*text == '\0' || *behind != '\0' || number > (1ul << 24)) {
        fprintf(stderr, "usage: prices [LARGEST_MIB [FRAGMENT_MIB]]\n");
        exit(2);
    }
    return number;
}

int main(int argument_count, char **arguments)
{
    size_t largest = (argument_count > 1 ? number_of(arguments[1]) : 256) << 20;
    pthread_t threads[THREADS_MAX];
    size_t ids[THREADS_MAX];

    page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    if (argument_count > 2)
        fragment(number_of(arguments[2]) << 20);
    pthread_barrier_init(&begin, NULL, THREADS_MAX + 1);
    pthread_barrier_init(&end, NULL, THREADS_MAX + 1);
    for (size_t idx = 0; idx < THREADS_MAX; idx++) {
        ids[idx] = idx;
        if (pthread_create(&threads[idx], NULL, serve, &ids[idx]) != 0)
            fail("pthread_create");
    }
    for (size_t count = 1; count <= THREADS_MAX; count++)
        for (size_t idx = 0; idx < sizeof(prices) / sizeof(prices[0]); idx++)
            for (size_t bytes = 64 * 1024; bytes <= largest; bytes *= 4)
                tell(&prices[idx], bytes, count);
    pay(NULL, 0);
    for (size_t idx = 0; idx < THREADS_MAX; idx++)
        pthread_join(threads[idx], NULL);
    return EXIT_SUCCESS;
}
