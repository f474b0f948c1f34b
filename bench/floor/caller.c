/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * caller.c - what a program may expect of any malloc, checked from within one that knows nothing of it.
 *
 *     caller basics | grow | aligned | errors | threads | fork | full     one line for each broken promise; status 1 then
 *     caller count N                                               N times malloc and free; "done N"
 */

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, BLOCKS = 20000, LINK_BYTES_MAX = 200 };

static int broken;

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("line %d: not so: %s\n", __LINE__, #condition);                                 \
            broken = 1;                                                                            \
        }                                                                                          \
    } while (0)

/* Through a volatile pointer: compilers know malloc, and leave out what they think is unused. */
static void *(*volatile allocate)(size_t) = malloc;
static void *(*volatile allocate_cleared)(size_t, size_t) = calloc;
static void *(*volatile resize)(void *, size_t) = realloc;

static int holds(const unsigned char *block, int value, size_t size)
{
    for (size_t idx = 0; idx < size; idx++)
        if (block[idx] != value)
            return 0;
    return 1;
}

static void basics(void)
{
    for (size_t size = 0; size < 100000; size = size * 9 / 8 + 1) {
        unsigned char *one = allocate(size);
        unsigned char *other = allocate_cleared(size, 1);

        PROMISE(one != NULL && other != NULL && one != other);
        PROMISE((uintptr_t)one % 16 == 0 && (uintptr_t)other % 16 == 0);
        PROMISE(malloc_usable_size(one) >= size);
        memset(one, 1, size);
        PROMISE(holds(other, 0, size));
        other = resize(other, size / 2 + 1); /* both directions */
        other = resize(other, size * 3 + 5);
        PROMISE(other != NULL && holds(other, 0, size / 2));
        memset(other, 2, size * 3 + 5);
        PROMISE(holds(one, 1, size));
        errno = 77;
        free(one);
        free(other);
        PROMISE(errno == 77);
    }
    PROMISE(malloc_usable_size(NULL) == 0);
    free(NULL);
}

/* A block that grows where it is, beside memory that must still be zero. */
static void grow(void)
{
    unsigned char *block = NULL;
    size_t size = 0;

    for (int step = 1; step < 300; step++) {
        unsigned char *neighbour;
        size_t added = (size_t)step * 7;

        block = resize(block, size + added);
        PROMISE(block != NULL && (size == 0 || (block[0] == 3 && block[size - 1] == 3)));
        memset(block, 3, size + added);
        size += added;
        block = resize(block, size - size / 4);
        size -= size / 4;
        neighbour = step % 10 == 0 ? allocate_cleared(1, 100) : NULL;
        PROMISE(neighbour == NULL || holds(neighbour, 0, 100));
    }
}

static void aligned(void)
{
    for (size_t alignment = 8; alignment <= (size_t)4 << 20; alignment *= 2) {
        for (size_t size = 1; size < 70000; size *= 7) {
            void *block = NULL;

            PROMISE(posix_memalign(&block, alignment, size) == 0);
            PROMISE((uintptr_t)block % alignment == 0 && malloc_usable_size(block) >= size);
            memset(block, 1, size);
            PROMISE((uintptr_t)aligned_alloc(alignment, size) % alignment == 0);
            PROMISE((uintptr_t)memalign(alignment, size) % alignment == 0);
        }
    }
    PROMISE((uintptr_t)valloc(100) % (uintptr_t)getpagesize() == 0);
    PROMISE(malloc_usable_size(pvalloc(1)) >= (size_t)getpagesize());
}

static void errors(void)
{
    volatile size_t huge = SIZE_MAX;
    void *block = &block;

    errno = 0;
    PROMISE(allocate(huge) == NULL && errno == ENOMEM);
    errno = 0;
    PROMISE(allocate(huge / 2 - 100) == NULL && errno == ENOMEM);
    errno = 0;
    PROMISE(allocate_cleared(huge / 2 + 2, 2) == NULL && errno == ENOMEM);
    errno = 0;
    PROMISE(reallocarray(NULL, huge / 2 + 2, 2) == NULL && errno == ENOMEM);
    errno = 0;
    PROMISE(aligned_alloc((huge >> 1) + 1, 1) == NULL && errno == ENOMEM);
    errno = 5;
    PROMISE(posix_memalign(&block, 24, 1) == EINVAL && block == &block && errno == 5);
    PROMISE(posix_memalign(&block, 4, 1) == EINVAL && block == &block);
    PROMISE(posix_memalign(&block, 16, huge) == ENOMEM && block == &block && errno == 5);
    block = allocate(10);
    memset(block, 9, 10);
    PROMISE(resize(block, huge) == NULL && holds(block, 9, 10));
}

static void *fill(void *value)
{
    static unsigned char *blocks[THREADS + 1][BLOCKS];
    int own = *(int *)value;

    for (int idx = 0; idx < BLOCKS; idx++) {
        blocks[own][idx] = allocate((size_t)(idx % LINK_BYTES_MAX + 1));
        memset(blocks[own][idx], own, (size_t)(idx % LINK_BYTES_MAX + 1));
    }
    for (int idx = 0; idx < BLOCKS; idx++)
        PROMISE(holds(blocks[own][idx], own, (size_t)(idx % LINK_BYTES_MAX + 1)));
    return NULL;
}

static void threads(void)
{
    pthread_t running[THREADS];
    int values[THREADS];

    for (int idx = 0; idx < THREADS; idx++) {
        values[idx] = idx + 1;
        PROMISE(pthread_create(&running[idx], NULL, fill, &values[idx]) == 0);
    }
    for (int idx = 0; idx < THREADS; idx++)
        pthread_join(running[idx], NULL);
}

static void forked(void)
{
    unsigned char *before = allocate(100);
    unsigned char *after;
    int status = 0;
    pid_t child;

    memset(before, 1, 100);
    child = fork();
    after = allocate(1000);
    memset(after, child == 0 ? 2 : 3, 1000);
    PROMISE(holds(before, 1, 100));
    if (child == 0)
        _exit(broken);
    PROMISE(waitpid(child, &status, 0) == child && status == 0);
    PROMISE(holds(after, 3, 1000));
}

/* Asks for more than there is, without touching it: there is an end, and small blocks are still there after it. */
static void full(void)
{
    size_t bytes = (size_t)64 << 20;
    size_t taken = 0;

    errno = 0;
    while (taken < (size_t)1 << 20 && allocate(bytes) != NULL)
        taken++;
    PROMISE(taken > 0 && taken < (size_t)1 << 20 && errno == ENOMEM);
    PROMISE(allocate(100) != NULL);
}

static int count_calls(const char *times)
{
    for (long left = atol(times); left > 0; left--) {
        void *block = allocate(32);

        if (block == NULL) {
            fputs("caller: out of memory\n", stderr);
            return 1;
        }
        free(block);
    }
    printf("done %s\n", times);
    return 0;
}

int main(int argument_count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } parts[] = {{"basics", basics}, {"grow", grow},       {"aligned", aligned}, {"errors", errors},
                 {"fork", forked},   {"threads", threads}, {"full", full}};

    if (argument_count == 3 && strcmp(arguments[1], "count") == 0)
        return count_calls(arguments[2]);
    for (size_t idx = 0; argument_count == 2 && idx < sizeof(parts) / sizeof(parts[0]); idx++) {
        if (strcmp(arguments[1], parts[idx].name) == 0) {
            parts[idx].run();
            return broken;
        }
    }
    fputs("usage: caller PART | count N\n", stderr);
    return 2;
}
