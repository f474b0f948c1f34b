/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * forker MODE THREADS FORKS: forks again and again while threads allocate. Every child must be able
 * to allocate and to free what it inherited, and end by itself. Prints the number of children that
 * did.
 *
 *   fork     plain
 *   atfork   with handlers around fork that allocate, some registered before any library's own
 *   vfork    the child only calls _exit
 *   careless the vfork child allocates first, which the standard forbids and programs do
 *   nursery  likewise, and a child of its own does so too
 *   crowd    plain, while the threads make careless children by vfork
 *   spawn    posix_spawn of /bin/true
 *   nested   every child starts a thread and forks again
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INHERITED = 500, CHILD_CALLS = 1000, CHILD_SECONDS = 30 };

static volatile int stop;
static char *inherited[INHERITED];
static char **environment;
static int threads_make_children;

static size_t some_size(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    unsigned kind = *state >> 24;
    if (kind == 0)
        return 300000 + (*state & 0xffff);
    return 1 + (*state >> 8) % (kind < 16 ? 40000 : 600);
}

static int make_careless_child(void);

/* In bursts: with dozens of threads that never sleep, a child would wait for a CPU more than it
   runs. */
static void *allocate_until_told(void *number)
{
    unsigned state = (unsigned)(uintptr_t)number + 1;
    char *blocks[64] = {0};
    for (int call = 1; !stop; call++) {
        if (call % 300 == 0)
            usleep(500);
        if (threads_make_children && call % 300 == 0 && make_careless_child() != 0)
            _exit(7);
        size_t i = (state >> 16) % 64;
        free(blocks[i]);
        size_t size = some_size(&state);
        blocks[i] = malloc(size);
        if (blocks[i] != NULL)
            blocks[i][0] = blocks[i][size - 1] = 1;
    }
    for (size_t i = 0; i < 64; i++)
        free(blocks[i]);
    return NULL;
}

static void allocate_in_the_child(void)
{
    unsigned state = (unsigned)getpid();
    char *blocks[100] = {0};
    for (int i = 0; i < CHILD_CALLS; i++) {
        char **slot = &blocks[i % 100];
        free(*slot);
        size_t size = some_size(&state);
        *slot = malloc(size);
        if (*slot == NULL)
            _exit(3);
        memset(*slot, i, size);
    }
    for (int i = 0; i < 100; i++)
        free(blocks[i]);
    for (int i = 0; i < INHERITED; i++) {
        if (inherited[i][0] != (char)i)
            _exit(4);
        free(inherited[i]);
    }
}

/* Handlers around fork that allocate: in prepare, in the parent and in the child. */

static char *around_fork;

static void before_fork(void)
{
    free(around_fork);
    around_fork = malloc(5000);
}

static void after_fork(void)
{
    free(around_fork);
    around_fork = malloc(100);
    free(malloc(200000));
}

static void register_handlers(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "atfork") == 0)
        pthread_atfork(before_fork, after_fork, after_fork);
}

/* Run before the constructors of all libraries, so before an allocator can register its own
   handlers. */
static void register_first(int argc, char **argv, char **variables)
{
    (void)variables;
    register_handlers(argc, argv);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char **,
                                                                        char **) = register_first;

/* The ways to make a child. Each returns its pid in the parent. */

static pid_t plain_fork(void)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    alarm(CHILD_SECONDS);
    allocate_in_the_child();
    _exit(0);
}

static pid_t nested_fork(void)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    alarm(CHILD_SECONDS);
    pthread_t thread;
    if (pthread_create(&thread, NULL, allocate_until_told, NULL) != 0)
        _exit(5);
    pid_t grandchild = plain_fork();
    int status = 1;
    waitpid(grandchild, &status, 0);
    stop = 1;
    pthread_join(thread, NULL);
    allocate_in_the_child();
    _exit(status == 0 ? 0 : 6);
}

static pid_t vfork_and_exit(void)
{
    pid_t child = vfork();
    if (child == 0)
        _exit(0);
    return child;
}

static void allocate_carelessly(void)
{
    char *blocks[50];
    for (unsigned i = 0; i < 50; i++)
        blocks[i] = malloc(16 + 100 * i);
    for (unsigned i = 0; i < 50; i++)
        memset(blocks[i], 'v', 16 + 100 * i);
    for (unsigned i = 0; i < 50; i++)
        free(blocks[i]);
}

static pid_t careless_vfork(void)
{
    pid_t child = vfork();
    if (child != 0)
        return child;
    allocate_carelessly();
    _exit(0);
}

static pid_t nursery(void)
{
    pid_t child = vfork();
    if (child != 0)
        return child;
    allocate_carelessly();
    int failed = make_careless_child();
    allocate_carelessly();
    _exit(failed);
}

static int make_careless_child(void)
{
    int status = -1;
    pid_t child = careless_vfork();
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

static pid_t fork_in_a_crowd(void)
{
    threads_make_children = 1;
    return plain_fork();
}

static pid_t spawn_true(void)
{
    char *argv[] = {(char *)(uintptr_t) "true", NULL};
    pid_t child = -1;
    if (posix_spawnp(&child, "true", NULL, NULL, argv, environment) != 0)
        return -1;
    return child;
}

static const struct {
    const char *name;
    pid_t (*make)(void);
} modes[] = {
    {"fork", plain_fork},         {"atfork", plain_fork},     {"vfork", vfork_and_exit},
    {"careless", careless_vfork}, {"spawn", spawn_true},      {"nested", nested_fork},
    {"nursery", nursery},         {"crowd", fork_in_a_crowd},
};

static pid_t (*find_mode(const char *name))(void)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].name, name) == 0)
            return modes[i].make;
    }
    return NULL;
}

static int count_good_children(pid_t (*make)(void), int forks)
{
    int good = 0;
    for (int i = 0; i < forks; i++) {
        int status = -1;
        pid_t child = make();
        if (child > 0 && waitpid(child, &status, 0) == child && status == 0)
            good++;
        else
            fprintf(stderr, "child %d of %d: status %#x\n", i, forks, (unsigned)status);
    }
    return good;
}

int main(int argc, char **argv, char **variables)
{
    pid_t (*make)(void) = argc == 4 ? find_mode(argv[1]) : NULL;
    if (make == NULL)
        return 2;
    register_handlers(argc, argv);
    environment = variables;
    int thread_count = atoi(argv[2]);
    pthread_t *threads = calloc((size_t)thread_count, sizeof *threads);
    for (int i = 0; i < INHERITED; i++) {
        inherited[i] = malloc(20 + 30 * (size_t)i);
        inherited[i][0] = (char)i;
    }
    for (int i = 0; i < thread_count; i++) {
        if (pthread_create(&threads[i], NULL, allocate_until_told, (void *)(uintptr_t)i) != 0)
            return 3;
    }
    int good = count_good_children(make, atoi(argv[3]));
    stop = 1;
    for (int i = 0; i < thread_count; i++)
        pthread_join(threads[i], NULL);
    allocate_in_the_child();
    printf("%d good children\n", good);
    return 0;
}
