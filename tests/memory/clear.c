/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * clear MODE: what is in a block.
 *
 *   calloc    every size class, its border and beyond: fresh, from caches, after use, after realloc; prints how many sizes
 *   fork      another thread uses the heap while this one is in the middle of a fork; prints how many of its blocks it got
 *             that no size class would give
 *   sized     free_sized() and free_aligned_sized() with wrong sizes
 */
#include "tests/memory/self.h"

#include <cairn/malloc.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/wait.h>

enum { KEPT = 30 };

static void expect_zero(const unsigned char *block, size_t bytes)
{
    static char line[128];

    self_expect(block != NULL, "no memory");
    for (size_t at = 0; at < bytes; at++)
        if (block[at] != 0) {
            snprintf(line, sizeof(line), "byte %zu of %zu is dirty", at, bytes);
            self_fail(line);
        }
}

static void expect_cleared(void *block)
{
    expect_zero(block, malloc_usable_size(block));
}

static void *dirty(void *block)
{
    self_expect(block != NULL, "no memory");
    return memset(block, 0xff, malloc_usable_size(block));
}

/* Some blocks of the size at once, dirty, go back to wherever such blocks are kept. */
static void leave_dirty(size_t bytes, size_t count)
{
    void *blocks[KEPT];

    for (size_t idx = 0; idx < count; idx++)
        blocks[idx] = dirty(malloc(bytes));
    for (size_t idx = 0; idx < count; idx++)
        free(blocks[idx]);
}

static void clear(size_t bytes)
{
    size_t count = bytes < 100000 ? KEPT : 3;
    void *blocks[KEPT];
    void *grown;

    expect_cleared(blocks[0] = calloc(1, bytes));
    free(dirty(realloc(blocks[0], bytes + bytes / 2)));
    leave_dirty(bytes, count);
    for (size_t idx = 0; idx < count; idx++)
        expect_cleared(blocks[idx] = calloc(idx % 2 == 0 ? 1 : bytes, idx % 2 == 0 ? bytes : 1));
    for (size_t idx = 0; idx < count; idx++)
        free(dirty(blocks[idx]));
    grown = dirty(realloc(dirty(malloc(bytes / 2 + 1)), bytes));
    free(grown);
    expect_cleared(grown = calloc(bytes, 1));
    free(dirty(realloc(dirty(grown), bytes / 3 + 1)));
}

static void clear_around(size_t border, size_t *count)
{
    for (size_t bytes = border - 1; bytes <= border + 1; bytes++)
        if (bytes > 0)
            clear(bytes);
    *count += 3;
}

/* The borders of the classes are where the usable size goes up. */
static void clear_all(void)
{
    static const size_t large[] = {163840, 200000, 1u << 20, 1500001, 5u << 20, 33333333};
    size_t count = 0;

    for (size_t bytes = 1; bytes < 140000;) {
        void *block = malloc(bytes);
        size_t usable = malloc_usable_size(block);

        free(block);
        self_expect(usable >= bytes, "a block is too short");
        clear_around(usable, &count);
        bytes = usable + 1;
    }
    for (size_t idx = 0; idx < sizeof(large) / sizeof(large[0]); idx++)
        clear_around(large[idx], &count);
    printf("%zu\n", count);
}

/* ---- while another thread forks: its handlers wait, so every call falls into the fork ---- */

static pthread_barrier_t barrier;
static size_t past_count;

static void meet(void)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
}

/* Before anything of the allocator is called: its own handler runs earlier then. */
static void register_first(int count, char **arguments, char **environment)
{
    (void)count;
    (void)arguments;
    (void)environment;
    pthread_atfork(meet, NULL, NULL);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const first)(int, char **, char **) = register_first;

static void use(size_t round)
{
    size_t bytes = (round * 2654435761u) % 40000 + 1;
    unsigned char *block = calloc(1, bytes);
    unsigned char *aligned = aligned_alloc((size_t)16 << round % 10, bytes);
    size_t usable = malloc_usable_size(block);

    expect_cleared(block);
    past_count += usable >= bytes + 12000 ? 1 : 0;
    dirty(block);
    block = realloc(block, bytes * 3);
    self_expect(block != NULL && block[0] == 0xff && block[bytes - 1] == 0xff, "realloc");
    self_expect(aligned != NULL && ((uintptr_t)aligned & ((16u << round % 10) - 1)) == 0, "align");
    dirty(aligned);
    free(block);
    free(aligned);
    free(malloc(2000000));
}

static void *use_during_forks(void *kept_blocks)
{
    void **kept = kept_blocks;

    for (size_t round = 0; round < 10; round++) {
        pthread_barrier_wait(&barrier);
        for (size_t idx = 0; idx < 100; idx++) {
            use(round * 100 + idx);
            free(kept[round * 100 + idx]); /* of the heap that is closed */
        }
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void fork_and_clear(void)
{
    static void *kept[1000];
    pthread_t thread;

    for (size_t idx = 0; idx < 1000; idx++)
        kept[idx] = dirty(malloc(idx * 37 + 1));
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, use_during_forks, kept);
    for (int round = 0; round < 10; round++) {
        int status = -1;
        pid_t child = fork();

        if (child == 0) {
            for (size_t bytes = 1; bytes < 3000000; bytes += bytes)
                clear(bytes);
            _exit(0);
        }
        waitpid(child, &status, 0);
        self_expect(status == 0, "a child failed");
    }
    pthread_join(thread, NULL);
    if (cairn_malloc_check != NULL)
        cairn_malloc_check();
    printf("%zu\n", past_count);
}

/* ---- sizes that are wrong ---- */

/* C23's, which a C library may not have. */
extern void free_sized(void *block, size_t bytes) __attribute__((weak));
extern void free_aligned_sized(void *block, size_t align_bytes, size_t bytes) __attribute__((weak));

static void free_with_wrong_sizes(void)
{
    static const size_t wrong[] = {0, 1, 16, 100, 4096, 32768, 32769, 131072, 1u << 20, SIZE_MAX};

    if (free_sized == NULL || free_aligned_sized == NULL)
        _exit(77);
    for (size_t bytes = 1; bytes < 4000000; bytes += bytes / 3 + 1)
        for (size_t idx = 0; idx < sizeof(wrong) / sizeof(wrong[0]); idx++) {
            unsigned char *one = dirty(malloc(bytes));
            unsigned char *neighbour = dirty(malloc(bytes));

            free_sized(one, wrong[idx]);
            free_aligned_sized(dirty(aligned_alloc(64, bytes)), (size_t)16 << idx, wrong[idx]);
            self_expect(neighbour[0] == 0xff && neighbour[bytes - 1] == 0xff, "spoilt");
            one = malloc(bytes);
            self_expect(malloc_usable_size(one) >= bytes, "a block is too short");
            dirty(one);
            self_expect(neighbour[0] == 0xff && neighbour[bytes - 1] == 0xff, "given twice");
            free(one);
            free(neighbour);
        }
    free_sized(NULL, 5);
    if (cairn_malloc_check != NULL)
        cairn_malloc_check();
    puts("sized");
}

int main(int count, char **arguments)
{
    const char *mode = count == 2 ? arguments[1] : "";

    if (strcmp(mode, "fork") == 0) {
        fork_and_clear();
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (strcmp(mode, "calloc") == 0)
        clear_all();
    else if (strcmp(mode, "sized") == 0)
        free_with_wrong_sizes();
    else
        return 2;
    return fflush(stdout) == 0 ? 0 : 1;
}
