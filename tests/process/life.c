/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * life MODE: allocates at the edges of a process's and of a thread's life. Each mode ends with exit
 * code 0 and a line on standard output that says what it counted.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 100, KEYS = 5, ROUNDS = 4, THREADS = 100 };

static void fail(const char *what)
{
    ssize_t written = write(2, what, strlen(what));
    (void)written;
    _exit(1);
}

/* Fills a block of some size with a byte, and hands it out. */
static char *make(size_t size, char with)
{
    char *block = malloc(size);
    if (block == NULL)
        fail("malloc failed\n");
    memset(block, with, size);
    return block;
}

static void drop(char *block, size_t size, char with)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != with)
            fail("a block was overwritten\n");
    }
    free(block);
}

/* A little of everything, as library code does in passing. */
static void exercise(void)
{
    static const size_t sizes[] = {1, 24, 100, 500, 3000, 20000, 100000, 600000};
    char *blocks[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        blocks[i] = make(sizes[i], (char)i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        drop(blocks[i], sizes[i], (char)i);
}

/* Before main, and after it. */

static char *from_constructor;
static char *from_early_constructor;

__attribute__((constructor(101))) static void construct_early(void)
{
    from_early_constructor = make(777, 'e');
    exercise();
}

__attribute__((constructor)) static void construct(void)
{
    from_constructor = make(5000, 'c');
    exercise();
}

__attribute__((destructor)) static void destroy(void)
{
    drop(from_constructor, 5000, 'c');
    exercise();
}

__attribute__((destructor(101))) static void destroy_late(void)
{
    drop(from_early_constructor, 777, 'e');
    exercise();
}

static char *from_main;

static void at_exit(void)
{
    drop(from_main, 3000, 'm');
    exercise();
    from_main = make(3000, 'm');
}

static int atexit_mode(void)
{
    from_main = make(3000, 'm');
    for (int i = 0; i < 40; i++) {
        if (atexit(at_exit) != 0)
            fail("atexit failed\n");
    }
    printf("40 handlers\n");
    return 0;
}

/* Destructors of thread-specific data, which may set their key again, up to four rounds. */

struct token {
    pthread_key_t key;
    int round;
    char *payload;
};

static pthread_key_t keys[KEYS];
static int destructor_calls;

static void set_token(pthread_key_t key, int round)
{
    struct token *token = malloc(sizeof *token);
    if (token == NULL)
        fail("malloc failed\n");
    *token = (struct token){key, round, make(2000, (char)round)};
    pthread_setspecific(key, token);
}

static void destroy_token(void *value)
{
    struct token *token = value;
    __atomic_add_fetch(&destructor_calls, 1, __ATOMIC_RELAXED);
    drop(token->payload, 2000, (char)token->round);
    exercise();
    if (token->round + 1 < ROUNDS)
        set_token(token->key, token->round + 1);
    free(token);
}

static void *fill_keys(void *unused)
{
    exercise();
    for (int i = 0; i < KEYS; i++)
        set_token(keys[i], 0);
    return unused;
}

static void run_threads(void *(*body)(void *), void *argument, int count)
{
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, body, argument) != 0)
            fail("no thread\n");
        pthread_join(thread, NULL);
    }
}

static int tsd_mode(void)
{
    for (int i = 0; i < KEYS; i++)
        pthread_key_create(&keys[i], destroy_token);
    run_threads(fill_keys, NULL, THREADS);
    printf("%d destructor calls\n", destructor_calls);
    return destructor_calls == KEYS * ROUNDS * THREADS ? 0 : 1;
}

/* Threads come and go by the thousand; their blocks live on for a while and die in other
   threads. */

static char *inheritance[BLOCKS];

static void *inherit(void *number)
{
    size_t seed = (size_t)(uintptr_t)number;
    exercise();
    for (size_t i = 0; i < BLOCKS; i++) {
        if (inheritance[i] != NULL)
            drop(inheritance[i], 50 + 40 * i, (char)i);
        inheritance[i] = make(50 + 40 * i, (char)i);
        free(make(1 + (seed * 7919 + i * 104729) % 30000, 'x'));
    }
    return NULL;
}

static long resident_kib(void)
{
    long total = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%ld %ld", &total, &resident) != 2)
        fail("no statm\n");
    fclose(statm);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Prints the resident memory, in KiB, after the first and after the second half. */
static int churn_mode(void)
{
    long after[2];
    for (int half = 0; half < 2; half++) {
        for (uintptr_t i = 0; i < 3000; i++)
            run_threads(inherit, (void *)i, 1);
        after[half] = resident_kib();
    }
    printf("%ld %ld\n", after[0], after[1]);
    return 0;
}

/* Many threads at once, all ended by exit() in another one, while they allocate. */

static void *allocate_for_ever(void *unused)
{
    for (;;)
        exercise();
    return unused;
}

static int exit_mode(void)
{
    for (int i = 0; i < 8; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, allocate_for_ever, NULL) != 0)
            fail("no thread\n");
    }
    usleep(100000);
    from_main = make(3000, 'm');
    atexit(at_exit);
    printf("8 threads\n");
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} modes[] = {
    {"atexit", atexit_mode},
    {"tsd", tsd_mode},
    {"churn", churn_mode},
    {"exit", exit_mode},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(argv[1], modes[i].name) == 0)
            return modes[i].run();
    }
    return 2;
}
