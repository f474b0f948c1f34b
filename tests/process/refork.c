/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * refork MODE FORKS THREADS: forks in places where few programs fork, while THREADS threads use the
 * heap. Every process of the tree must be able to use the heap, and ends with 0. Prints "FORKS
 * forks".
 *
 *   plain      here
 *   crowd      likewise, with threads that leave time for a crowd of them
 *   older      a prepare handler that is older than any library's forks, and so does the handler within that fork
 *   younger    the same by a handler that is younger
 *   parent     a handler that runs in the parent forks
 *   child      a handler that runs in the child forks
 *   continued  as older, and the child of the inner fork goes on with the outer one
 *   chain      each child starts threads of its own and forks again, five deep
 *   idle       _Fork(), which runs no handlers, while the threads sleep
 *   marked     fork() between marks on stderr, while the threads sleep; the child ends at once
 *   signal     a handler of a signal forks: now and then it interrupts malloc
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/support/heap_use.h"

enum { DEADLOCK_SECONDS = 20, LEVELS = 2, CHAIN = 5, CHAIN_THREADS = 2, TICK_US = 3000 };

static void give_up(int number)
{
    (void)number;
    use_leave("deadlock\n", 95);
}

static void reap(pid_t child, const char *who)
{
    int status = -1;

    alarm(DEADLOCK_SECONDS);
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            use_leave("no child\n", 97);
    alarm(0);
    if (status != 0)
        use_leave(who, 96);
}

static void fork_plainly(void)
{
    pid_t child;

    alarm(DEADLOCK_SECONDS);
    child = fork();
    if (child == 0)
        use_as_child();
    reap(child, "bad child\n");
}

/* ---- handlers that fork ---- */

static enum { NOWHERE, OLDER, YOUNGER, IN_PARENT, IN_CHILD, CONTINUED } place;
static __thread int level;
static __thread int
    is_inner; /* this process was made by a handler, and goes on with the outer fork */
static __thread pid_t inner;

static void fork_in_handler(void)
{
    pid_t child;

    if (level >= LEVELS)
        return;
    level++;
    use_heap((unsigned)level, 20);
    child = fork();
    if (child == 0 && place != CONTINUED)
        use_as_child();
    use_heap((unsigned)level, 20);
    if (child == 0)
        is_inner = 1;
    else if (place == CONTINUED)
        inner = child; /* it may need this process to go on, and is reaped later */
    else
        reap(child, "bad child of a handler\n");
    level--;
}

static void before(void)
{
    if (place == OLDER || (place == CONTINUED && level == 0 && !is_inner))
        fork_in_handler();
}

static void before_too(void)
{
    if (place == YOUNGER)
        fork_in_handler();
}

static void in_parent(void)
{
    if (place == IN_PARENT)
        fork_in_handler();
}

static void in_child(void)
{
    if (place == IN_CHILD)
        fork_in_handler();
}

static void register_first(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    (void)environment;
    pthread_atfork(before, in_parent, in_child);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char **,
                                                                        char **) = register_first;

/* The process that the handler made forks a child of its own, and ends after it. */
static void fork_and_continue(void)
{
    pid_t child;

    is_inner = 0;
    inner = 0;
    alarm(DEADLOCK_SECONDS);
    child = fork();
    if (child == 0)
        use_as_child();
    reap(child, "bad child\n");
    if (is_inner)
        use_as_child();
    reap(inner, "bad inner child\n");
}

/* ---- children of children ---- */

static void fork_chain(void)
{
    static int depth;
    pthread_t threads[CHAIN_THREADS];
    pid_t child = fork();

    if (child != 0) {
        reap(child, "bad link\n");
        return;
    }
    if (++depth == CHAIN)
        use_as_child();
    use_start(threads, CHAIN_THREADS, use_until_told);
    use_heap((unsigned)depth, 100);
    fork_chain();
    use_join(threads, CHAIN_THREADS);
    use_as_child();
}

/* ---- without handlers ---- */

extern pid_t _Fork(void) __attribute__((weak));

static void *sleep_until_told(void *number)
{
    use_heap((unsigned)(uintptr_t)number, 300);
    while (!use_stop)
        usleep(1000);
    return NULL;
}

static void fork_without_handlers(void)
{
    pid_t child = _Fork != NULL ? _Fork() : fork();

    if (child == 0)
        use_as_child();
    reap(child, "bad child\n");
}

/* Marks for who watches the system calls between them. */
static void fork_between_marks(void)
{
    pid_t child;

    use_say("fork begins\n");
    child = fork();
    if (child == 0)
        _exit(0);
    reap(child, "bad child\n");
    use_say("fork ends\n");
}

/* ---- from the handler of a signal ---- */

static volatile sig_atomic_t signalled;

static void fork_in_signal_handler(int number)
{
    int saved = errno;
    pid_t child = fork();

    (void)number;
    if (child == 0) {
        alarm(20);
        use_heap(3, USE_CHILD_CALLS);
        _exit(0);
    }
    reap(child, "bad child of a signal handler\n");
    signalled++;
    errno = saved;
}

/* The slow ways, where locks are: caches are emptied all the time. Timers tick once after each
   fork: a fork takes up to a second when it interrupts malloc in a process with threads. */
static int fork_by_signals(int wanted)
{
    const struct itimerval tick = {{0, 0}, {0, TICK_US}};
    struct use use = {1, {{NULL, 0}}};

    signal(SIGVTALRM, fork_in_signal_handler);
    for (int last = -1; signalled < wanted;) {
        if (last != signalled) {
            last = signalled;
            setitimer(ITIMER_VIRTUAL, &tick, NULL);
        }
        for (int call = 0; call < 20; call++)
            use_step(&use);
        for (unsigned idx = 0; idx < 4; idx++)
            free(calloc(1, 33000 + 70000 * idx));
    }
    use_end(&use);
    return signalled;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    int place;
    unsigned nap_us; /* of the threads */
    void *(*run)(void *);
    void (*fork_once)(void);
} modes[] = {
    {"plain", NOWHERE, 500, use_until_told, fork_plainly},
    {"crowd", NOWHERE, 20000, use_until_told, fork_plainly},
    {"older", OLDER, 0, use_until_told, fork_plainly},
    {"younger", YOUNGER, 500, use_until_told, fork_plainly},
    {"parent", IN_PARENT, 500, use_until_told, fork_plainly},
    {"child", IN_CHILD, 500, use_until_told, fork_plainly},
    {"continued", CONTINUED, 500, use_until_told, fork_and_continue},
    {"chain", NOWHERE, 500, use_until_told, fork_chain},
    {"idle", NOWHERE, 0, sleep_until_told, fork_without_handlers},
    {"marked", NOWHERE, 0, sleep_until_told, fork_between_marks},
    {"signal", NOWHERE, 500, use_until_told, NULL},
};

static int fork_often(void (*fork_once)(void), int wanted)
{
    if (fork_once == NULL)
        return fork_by_signals(wanted);
    for (int forks = 0; forks < wanted; forks++)
        fork_once();
    return wanted;
}

int main(int argc, char **argv)
{
    pthread_t threads[64];
    size_t mode = 0;
    int thread_count = argc == 4 ? atoi(argv[3]) : 0;
    int forks;

    while (argc == 4 && mode < sizeof(modes) / sizeof(modes[0]) &&
           strcmp(modes[mode].name, argv[1]) != 0)
        mode++;
    if (argc != 4 || mode == sizeof(modes) / sizeof(modes[0]))
        return 2;
    signal(SIGALRM, give_up);
    pthread_atfork(before_too, NULL, NULL);
    use_nap_us = modes[mode].nap_us;
    use_bequeath();
    use_start(threads, thread_count, modes[mode].run);
    usleep(20000);
    place = modes[mode].place;
    forks = fork_often(modes[mode].fork_once, atoi(argv[2]));
    place = NOWHERE;
    use_join(threads, thread_count);
    use_end(&use_inherited);
    use_check_heap();
    printf("%d forks\n", forks);
    return 0;
}
