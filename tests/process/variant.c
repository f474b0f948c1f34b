/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * A small program of several threads and of children of every kind, all of which allocate, to be
 * linked in many ways. It ends with 0 when every byte was where it belongs, and says whose malloc
 * it ran on.
 *
 * variant          threads and children
 * variant threads  no children: a sanitizer's malloc may be locked for ever in those of fork()
 * variant beyond   writes behind a block, for a sanitizer to see
 */
#include <cairn/malloc.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, CHILDREN = 20, HELD = 40, STACK_BYTES = 1 << 17 };

static int is_over;
static char stack[STACK_BYTES] __attribute__((aligned(16)));

/* The number of blocks that were spoilt. */
static int work(unsigned seed, int steps)
{
    struct {
        unsigned char *block;
        size_t bytes;
    } held[HELD] = {{NULL, 0}};
    int spoilt = 0;
    for (int step = 0; step < steps; step++) {
        seed = seed * 1664525u + 1013904223u;
        unsigned at = (seed >> 8) % HELD;
        for (size_t byte = 0; byte < held[at].bytes; byte++)
            spoilt += held[at].block[byte] != at;
        free(held[at].block);
        held[at].bytes = 1 + (seed >> 16) % (step % 50 == 0 ? 60000 : 600);
        held[at].block = malloc(held[at].bytes);
        memset(held[at].block, (int)at, held[at].bytes);
    }
    for (unsigned at = 0; at < HELD; at++)
        free(held[at].block);
    return spoilt;
}

static void *work_in_a_thread(void *seed)
{
    intptr_t spoilt = 0;
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED))
        spoilt += work((unsigned)(uintptr_t)seed, 500);
    return (void *)spoilt;
}

static int work_in_a_child(void *nothing)
{
    (void)nothing;
    return work(77, 500) != 0;
}

static pid_t by_fork(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(work_in_a_child(NULL));
    return child;
}

static pid_t by_vfork(void)
{
    pid_t child = vfork();
    if (child == 0)
        _exit(work_in_a_child(NULL));
    return child;
}

static pid_t by_clone(void)
{
    return clone(work_in_a_child, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
}

/* The number of children that failed. */
static int make_children(pid_t (*make)(void))
{
    int failed = 0;
    for (int number = 0; number < CHILDREN; number++) {
        int status = -1;
        pid_t child = make();
        failed += child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
    return failed;
}

static void write_beyond(void)
{
    char *volatile block = malloc(100);
    block[100] = 1;
    free(block);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    pthread_t threads[THREADS];
    int failed = 0;
    for (uintptr_t number = 0; number < THREADS; number++)
        failed += pthread_create(&threads[number], NULL, work_in_a_thread, (void *)number);
    if (strcmp(mode, "") == 0)
        failed += make_children(by_fork) + make_children(by_vfork) + make_children(by_clone);
    if (strcmp(mode, "beyond") == 0)
        write_beyond();
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    for (int number = 0; number < THREADS; number++) {
        void *spoilt = NULL;
        pthread_join(threads[number], &spoilt);
        failed += spoilt != NULL;
    }
    puts(cairn_malloc_is_active != NULL && cairn_malloc_is_active() ? "cairn" : "another malloc");
    return failed != 0;
}
