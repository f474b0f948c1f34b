/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * recordable.c - programs whose calls are known, for the recorder's tests.
 *
 *     recordable way
 *
 * What counts lies between malloc(BEGIN_BYTES) and malloc(END_BYTES) of a thread. Built with
 * -fno-builtin: every call is made.
 */

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BEGIN_BYTES = 123457, END_BYTES = 123459, THREADS = 8, CALLS = 2000 };

static void begin(void)
{
    free(malloc(BEGIN_BYTES));
}

static void end(void)
{
    free(malloc(END_BYTES));
}

/* What most of the ways below do. */
static void mark_one(size_t bytes)
{
    begin();
    free(malloc(bytes));
    end();
}

static void must(int is_right)
{
    if (!is_right)
        abort();
}

static pthread_t started(void *(*body)(void *), void *argument)
{
    pthread_t handle;

    must(pthread_create(&handle, NULL, body, argument) == 0);
    return handle;
}

/* Every function of the family, each block freed at once. */
static int all_functions(void)
{
    void *block = NULL;

    must(dlerror() == NULL); /* the recorder's look-ups of what is not there leave no trace */
    begin();
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
    end();
    return 0;
}

/* One free and one realloc. The marks are leaked, for a library behind the recorder answers each free. */
static int frees(void)
{
    void *volatile block = malloc(BEGIN_BYTES);

    free(malloc(60));
    block = malloc(61);
    block = realloc(block, 62);
    block = malloc(END_BYTES);
    return block == NULL;
}

/* Calls that must fail, and a realloc that frees. */
static int failures(void)
{
    volatile size_t huge = SIZE_MAX / 2 + 1;
    void *block = malloc(10);
    void *unchanged = &block;

    begin();
    must(malloc(huge) == NULL);
    must(calloc(huge, 4) == NULL);
    must(realloc(block, huge) == NULL);
    must(posix_memalign(&unchanged, 64, huge) != 0 && unchanged == &block);
    must(realloc(block, 0) == NULL);
    end();
    return 0;
}

static void *fill(void *argument)
{
    size_t number = (size_t)(uintptr_t)argument;
    void *blocks[CALLS];

    begin();
    for (size_t idx = 0; idx < CALLS; idx++)
        blocks[idx] = malloc(1000 * (number + 1) + idx % 10);
    for (size_t idx = 0; idx < CALLS; idx++)
        free(blocks[idx]);
    end();
    return NULL;
}

static int threads(void)
{
    pthread_t handles[THREADS];

    for (uintptr_t idx = 0; idx < THREADS; idx++)
        handles[idx] = started(fill, (void *)idx);
    for (unsigned idx = 0; idx < THREADS; idx++)
        pthread_join(handles[idx], NULL);
    return 0;
}

static void *handed_over[CALLS];

static void *take_all(void *unused)
{
    for (size_t idx = 0; idx < CALLS; idx++) {
        void *block;

        while ((block = __atomic_load_n(&handed_over[idx], __ATOMIC_ACQUIRE)) == NULL)
            continue;
        free(block);
    }
    return unused;
}

/* Blocks that another thread frees as soon as it sees them. */
static int handoff(void)
{
    pthread_t taker = started(take_all, NULL);

    for (size_t idx = 0; idx < CALLS; idx++)
        __atomic_store_n(&handed_over[idx], malloc(100 + idx % 50), __ATOMIC_RELEASE);
    return pthread_join(taker, NULL);
}

static pthread_key_t key;

/* Runs as often as there are rounds of destructors; in the last one, after the recorder's own. */
static void free_late(void *block)
{
    begin();
    free(block);
    pthread_setspecific(key, malloc(77));
    end();
}

static void *set_key(void *unused)
{
    pthread_setspecific(key, malloc(66));
    return unused;
}

/* What destructors of a thread do is recorded, too. */
static int late(void)
{
    must(pthread_key_create(&key, free_late) == 0);
    return pthread_join(started(set_key, NULL), NULL);
}

static void *mark_and_stay(void *unused)
{
    mark_one(88);
    __atomic_store_n(&handed_over[0], unused, __ATOMIC_RELEASE);
    for (;;)
        pause();
    return NULL;
}

/* The process ends without a word, while another thread lives. */
static int quick_exit_with_thread(void)
{
    started(mark_and_stay, &key);
    while (__atomic_load_n(&handed_over[0], __ATOMIC_ACQUIRE) == NULL)
        continue;
    mark_one(99);
    _exit(3);
}

static int crash(void)
{
    mark_one(55);
    return raise(SIGKILL);
}

static int fork_child(void)
{
    void *block = malloc(21);
    pid_t child;

    begin();
    clearenv(); /* where the trace goes is known by now */
    child = fork();
    if (child == 0) {
        begin();
        free(malloc(22));
        free(block);
        end();
        _exit(0);
    }
    waitpid(child, NULL, 0);
    free(malloc(23));
    end();
    free(block);
    return 0;
}

static int exec_self(void)
{
    mark_one(24);
    return execl("/proc/self/exe", "recordable", "functions", (char *)NULL);
}

static volatile sig_atomic_t signals;
static int is_over;

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
static int signalled(void)
{
    struct sigaction action = {.sa_handler = handle};
    pthread_t self = pthread_self();
    pthread_t disturber;

    sigaction(SIGUSR1, &action, NULL);
    begin();
    disturber = started(disturb, &self);
    for (int call = 0; call < 100 * CALLS; call++)
        free(malloc(500));
    __atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
    pthread_join(disturber, NULL);
    end();
    printf("%d\n", (int)signals);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} ways[] = {
    {"functions", all_functions},
    {"frees", frees},
    {"failures", failures},
    {"threads", threads},
    {"handoff", handoff},
    {"late", late},
    {"exit", quick_exit_with_thread},
    {"crash", crash},
    {"fork", fork_child},
    {"exec", exec_self},
    {"signals", signalled},
};

int main(int argument_count, char **arguments)
{
    for (size_t idx = 0; idx < sizeof(ways) / sizeof(ways[0]); idx++)
        if (argument_count == 2 && strcmp(arguments[1], ways[idx].name) == 0)
            return ways[idx].run();
    fputs("usage: recordable way\n", stderr);
    return 2;
}
