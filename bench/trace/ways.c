/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * ways.c - for the test of the recorder: a program that uses the heap in the way it is told.
 *
 * What counts lies between malloc(BEGIN) and malloc(END) of a thread. Built with -fno-builtin:
 * every call is made.
 */

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BEGIN = 123457, END = 123459, THREADS = 8, CALLS = 2000 };

static pthread_key_t key;
static int is_over;
static volatile sig_atomic_t signals;

static void mark(size_t bytes)
{
    free(malloc(bytes));
}

static void mark_one(size_t bytes)
{
    mark(BEGIN);
    mark(bytes);
    mark(END);
}

static void must(bool is_right)
{
    if (!is_right)
        abort();
}

static pthread_t started(void *(*body)(void *argument), void *argument)
{
    pthread_t handle;

    must(pthread_create(&handle, NULL, body, argument) == 0);
    return handle;
}

static void functions(void)
{
    volatile size_t huge = SIZE_MAX / 2 + 1;
    void *block = NULL, *small = malloc(10), *unchanged = &block;

    must(dlerror() == NULL); /* the recorder's look-ups of what is not there leave no trace */
    mark(BEGIN);
    free(malloc(11));
    free(calloc(3, 7));
    block = realloc(NULL, 31);
    block = realloc(block, 3100);
    free(reallocarray(block, 4, 1000));
    must(posix_memalign(&block, 64, 41) == 0);
    free(block);
    free(aligned_alloc(128, 256));
    free(memalign(256, 43));
    free(valloc(44));
    free(pvalloc(45));
    free(NULL);
    must(malloc_usable_size(NULL) == 0);
    must(malloc(huge) == NULL);
    must(calloc(huge, 4) == NULL);
    must(realloc(small, huge) == NULL);
    must(posix_memalign(&unchanged, 64, huge) != 0 && unchanged == &block);
    must(realloc(small, 0) == NULL);
    mark(END);
}

/* One free and one realloc. The marks are leaked, for the library behind the recorder answers each
   free. */
static void frees(void)
{
    void *volatile block = malloc(BEGIN);

    free(malloc(60));
    block = malloc(61);
    block = realloc(block, 62);
    block = malloc(END);
    _exit(block == NULL);
}

static void *use_heap(void *number)
{
    size_t thousands = 1 + (uintptr_t)number;
    void *blocks[CALLS];

    mark(BEGIN);
    for (size_t idx = 0; idx < CALLS; idx++)
        blocks[idx] = malloc(1000 * thousands + idx % 10);
    for (size_t idx = 0; idx < CALLS; idx++)
        free(blocks[idx]);
    mark(END);
    return NULL;
}

static void threads(void)
{
    pthread_t handles[THREADS];

    for (uintptr_t idx = 0; idx < THREADS; idx++)
        handles[idx] = started(use_heap, (void *)idx);
    for (size_t idx = 0; idx < THREADS; idx++)
        pthread_join(handles[idx], NULL);
}

static void free_late(void *block)
{
    mark(BEGIN);
    free(block);
    pthread_setspecific(key, malloc(77));
    mark(END);
}

static void *leave_a_block(void *unused)
{
    pthread_setspecific(key, malloc(66));
    return unused;
}

/* The destructor runs as often as there are rounds of them; in the last one, after the recorder's
   own. */
static void late(void)
{
    must(pthread_key_create(&key, free_late) == 0);
    pthread_join(started(leave_a_block, NULL), NULL);
}

static void *mark_and_wait(void *unused)
{
    mark_one(88);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
    for (;;)
        pause();
    return unused;
}

/* The process ends without a word, while another thread lives. */
static void quick_exit_with_thread(void)
{
    started(mark_and_wait, NULL);
    while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE))
        continue;
    mark_one(99);
    _exit(3);
}

static void crash(void)
{
    mark_one(55);
    raise(SIGKILL);
}

static void fork_child(void)
{
    void *block = malloc(21);
    pid_t child;

    mark(BEGIN);
    clearenv(); /* where the trace goes is known by now */
    child = fork();
    if (child == 0) {
        mark(BEGIN);
        free(malloc(22));
        free(block);
        mark(END);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    free(malloc(23));
    mark(END);
    free(block);
}

/* A call that no malloc gets to the bottom of: allocating in a handler would be wrong. */
static void handle(int number)
{
    void *unchanged = NULL;

    (void)number;
    must(posix_memalign(&unchanged, 3, 8) != 0);
    signals++;
}

static void *disturb(void *disturbed)
{
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        pthread_kill(*(pthread_t *)disturbed, SIGUSR1);
        sched_yield();
    }
    return NULL;
}

/* Signals at any moment, also while the recorder writes. Prints how many came. */
static void signalled(void)
{
    struct sigaction action = {.sa_handler = handle};
    pthread_t self = pthread_self(), disturber;

    sigaction(SIGUSR1, &action, NULL);
    mark(BEGIN);
    disturber = started(disturb, &self);
    for (size_t call = 0; call < 100 * CALLS; call++)
        mark(500);
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    pthread_join(disturber, NULL);
    mark(END);
    printf("%d\n", (int)signals);
}

int main(int argument_count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {{"functions", functions},
                {"frees", frees},
                {"threads", threads},
                {"late", late},
                {"exit", quick_exit_with_thread},
                {"crash", crash},
                {"fork", fork_child},
                {"signals", signalled}};

    for (size_t idx = 0; idx < sizeof(ways) / sizeof(ways[0]); idx++)
        if (argument_count == 2 && strcmp(ways[idx].name, arguments[1]) == 0) {
            ways[idx].run();
            return 0;
        }
    return 2;
}
