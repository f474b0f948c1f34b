/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * What programs under test do with a heap: blocks of all sizes, each with a content of its own that
 * is checked before the block is freed. Nothing here calls the C library but for malloc and its
 * family, write and _exit.
 */
#ifndef CAIRN_TESTS_SUPPORT_HEAP_USE_H_
#define CAIRN_TESTS_SUPPORT_HEAP_USE_H_

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { USE_SLOTS = 64, USE_CHILD_CALLS = 1000 };

/* A program leaves with these. */
enum { USE_SPOILT = 91, USE_REFUSED = 92 };

/* All zero but for the state: no blocks. */
struct use {
    unsigned state; /* of the random numbers: not 0 */
    struct use_slot {
        unsigned char *block;
        size_t size_bytes;
    } slots[USE_SLOTS];
};

static inline void use_say(const char *text)
{
    ssize_t written = write(2, text, strlen(text));

    (void)written;
}

static inline _Noreturn void use_leave(const char *message, int code)
{
    use_say(message);
    _exit(code);
}

/* Mostly small, some of runs of granules, few huge. */
static inline size_t use_some_size(struct use *use)
{
    unsigned kind;

    use->state = use->state * 1664525u + 1013904223u;
    kind = use->state >> 24;
    if (kind == 0)
        return 1100000 + (use->state & 0xfffff);
    if (kind < 8)
        return 40000 + (use->state >> 8) % 300000;
    return 1 + (use->state >> 8) % (kind < 32 ? 30000 : 700);
}

/* The first and the last bytes: the whole of a huge block would take too long. */
static inline void use_fill(struct use_slot *slot, unsigned char with)
{
    size_t ends = slot->size_bytes < 200 ? slot->size_bytes : 200;

    memset(slot->block, with, ends);
    memset(slot->block + slot->size_bytes - ends, with, ends);
}

static inline void use_check(const struct use_slot *slot, unsigned char with)
{
    size_t ends = slot->size_bytes < 200 ? slot->size_bytes : 200;

    for (size_t at = 0; at < ends; at++)
        if (slot->block[at] != with || slot->block[slot->size_bytes - 1 - at] != with)
            use_leave("content spoilt\n", USE_SPOILT);
}

/* One block is freed, or changes its size, and one is made. */
static inline void use_step(struct use *use)
{
    size_t idx = (use->state >> 16) % USE_SLOTS;
    struct use_slot *slot = &use->slots[idx];
    size_t size_bytes = use_some_size(use);

    if (slot->block != NULL)
        use_check(slot, (unsigned char)idx);
    if (slot->block != NULL && (use->state & 0x300) != 0) {
        free(slot->block);
        slot->block = NULL;
    }
    slot->block = realloc(slot->block, size_bytes);
    if (slot->block == NULL)
        use_leave("memory refused\n", USE_REFUSED);
    slot->size_bytes = size_bytes;
    use_fill(slot, (unsigned char)idx);
}

/* Every block is checked and freed. */
static inline void use_end(struct use *use)
{
    for (size_t idx = 0; idx < USE_SLOTS; idx++) {
        if (use->slots[idx].block != NULL)
            use_check(&use->slots[idx], (unsigned char)idx);
        free(use->slots[idx].block);
        use->slots[idx].block = NULL;
    }
}

static inline void use_heap(unsigned seed, int calls)
{
    struct use use = {seed * 2u + 1u, {{NULL, 0}}};

    for (int call = 0; call < calls; call++)
        use_step(&use);
    use_end(&use);
}

/* ---- blocks that a child inherits ---- */

static struct use use_inherited;

static inline void use_bequeath(void)
{
    use_inherited.state = 7;
    for (int call = 0; call < 300; call++)
        use_step(&use_inherited);
}

/* What each child does: it frees what it inherited, and uses the heap. */
static inline _Noreturn void use_as_child(void)
{
    alarm(20);
    use_heap((unsigned)getpid(), USE_CHILD_CALLS);
    use_end(&use_inherited);
    _exit(0);
}

/* ---- threads that use the heap until they are told to stop ---- */

static volatile int use_stop;

/* In bursts with naps: threads that never sleep keep children from their CPUs. */
static unsigned use_nap_us = 500;

static inline void *use_until_told(void *number)
{
    struct use use = {(unsigned)(uintptr_t)number * 2u + 1u, {{NULL, 0}}};

    for (int call = 1; !use_stop; call++) {
        use_step(&use);
        if (call % 300 == 0 && use_nap_us > 0)
            usleep(use_nap_us);
    }
    use_end(&use);
    return NULL;
}

static inline void use_start(pthread_t *threads, int count, void *(*run)(void *))
{
    for (int idx = 0; idx < count; idx++)
        if (pthread_create(&threads[idx], NULL, run, (void *)(uintptr_t)idx) != 0)
            use_leave("no thread\n", 93);
}

static inline void use_join(pthread_t *threads, int count)
{
    use_stop = 1;
    for (int idx = 0; idx < count; idx++)
        pthread_join(threads[idx], NULL);
    use_stop = 0;
}

/* Walks the heap, when it is one of ours. */
extern void cairn_malloc_check(void) __attribute__((weak));

static inline void use_check_heap(void)
{
    if (cairn_malloc_check != NULL)
        cairn_malloc_check();
}

#endif
