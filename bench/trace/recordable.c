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

static void must(int is_right)
{
    if (!is_right)
        abort();
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

/* One free and one realloc. The marks are leaked, for behind.c answers each free. */
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

static void *thread_main(void *argument)
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
        must(pthread_create(&handles[idx], NULL, thread_main, (void *)idx) == 0);
    for (unsigned idx = 0; idx < THREADS; idx++)
        pthread_join(handles[idx], NULL);
    return 0;
}

static void *handed_over[CALLS];

static void *taker_main(void *unused)
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
    pthread_t taker;

    must(pthread_create(&taker, NULL, taker_main, NULL) == 0);
    for (size_t idx = 0; idx < CALLS; idx++)
        __atomic_store_n(&handed_over[idx], malloc(100 + idx % 50), __ATOMIC_RELEASE);
    pthread_join(taker, NULL);
    return 0;
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

static void *late_main(void *unused)
{
    pthread_setspecific(key, malloc(66));
    return unused;
}

/* What destructors of a thread do is recorded, too. */
static int late(void)
{
    pthread_t handle;

    must(pthread_key_create(&key, free_late) == 0);
    must(pthread_create(&handle, NULL, late_main, NULL) == 0);
    pthread_join(handle, NULL);
    return 0;
}

static void *idle_main(void *unused)
{
    begin();
    free(malloc(88));
    end();
    __atomic_store_n(&handed_over[0], unused, __ATOMIC_RELEASE);
    for (;;)
        pause();
    return NULL;
}

/* The process ends without a word, while another thread lives. */
static int quick_exit_with_thread(void)
{
    pthread_t handle;

    must(pthread_create(&handle, NULL, idle_main, &key) == 0);
    while (__atomic_load_n(&handed_over[0], __ATOMIC_ACQUIRE) == NULL)
        continue;
    begin();
    free(malloc(99));
    end();
    _exit(3);
}

static int crash(void)
{
    begin();
    free(malloc(55));
    end();
    raise(SIGKILL);
    return 0;
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
    begin();
    free(malloc(24));
    end();
    execl("/proc/self/exe", "recordable", "functions", (char *)NULL);
    return 1;
}

static volatile sig_atomic_t signals;
static pthread_t disturbed;
static int is_over;

/* A call that no malloc gets to the bottom of: allocating in a handler would be wrong. */
static void handle(int number)
{
    void *unchanged = NULL;

    (void)number;
    must(posix_memalign(&unchanged, 3, 8) != 0);
    signals++;
}

static void *disturber_main(void *unused)
{
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        pthread_kill(disturbed, SIGUSR1);
        sched_yield();
    }
    return unused;
}

/* Signals at any moment, also while the recorder writes. Prints how many came. */
static int signalled(void)
{
    struct sigaction action;
    pthread_t disturber;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handle;
    sigaction(SIGUSR1, &action, NULL);
    disturbed = pthread_self();
    begin();
    must(pthread_create(&disturber, NULL, disturber_main, NULL) == 0);
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
