/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * options MODE: options that take effect while a program runs. Exit status 0: all is as it should
 * be; 77: this malloc has none.
 *
 *   thread    the background thread, which is asked for: when there is one, in whom, and what it leaves alone
 *   joins     threads that end in the child of a fork, where that thread is not
 *   raw       a child that is made by the system call alone ends
 *   set       what can be set, and what cannot
 *   limits    limits that change; what is beyond a soft one goes back
 *   decay     time after which memory goes back, and none
 */
#include "tests/memory/self.h"

#include <cairn/malloc.h>

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { BLOCKS = 2000, BLOCK_BYTES = 20000 };

static long thread_count(void)
{
    return self_kib("Threads:");
}

static void make_and_free(void)
{
    static char *blocks[BLOCKS];

    for (size_t idx = 0; idx < BLOCKS; idx++)
        blocks[idx] = memset(malloc(BLOCK_BYTES), 1, BLOCK_BYTES);
    for (size_t idx = 0; idx < BLOCKS; idx++)
        free(blocks[idx]);
}

static volatile sig_atomic_t handled_in;

static void handle(int number)
{
    (void)number;
    handled_in = gettid();
}

/* A signal to the process is taken by a thread of the program. */
static void check_signals(void)
{
    sigset_t mask;

    signal(SIGUSR1, handle);
    for (int round = 0; round < 50; round++) {
        handled_in = 0;
        sigemptyset(&mask);
        sigaddset(&mask, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &mask, NULL);
        kill(getpid(), SIGUSR1);
        self_sleep_ms(1);
        self_expect(handled_in == 0, "the thread took a signal");
        pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
        self_expect(handled_in == getpid(), "a signal was lost");
    }
}

static void check_child(void)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        self_expect(thread_count() == 1, "a forked child has the thread at once");
        make_and_free();
        self_expect(thread_count() == 2, "a forked child that frees has no thread");
        exit(0); /* which joins it */
    }
    self_expect(waitpid(child, &status, 0) == child && status == 0, "the child failed");
}

static void thread(void)
{
    self_expect(thread_count() == 1, "there is a thread before anything is free");
    make_and_free();
    self_expect(thread_count() == 2, "there is no thread");
    check_signals();
    check_child();
    self_expect(thread_count() == 2, "the thread did not survive a fork");
    for (int round = 0; round < 20; round++) {
        self_expect(cairn_malloc_set("background:0") == 0, "cannot be ended");
        self_expect(thread_count() == 1, "it was not joined");
        self_expect(cairn_malloc_set("background:1") == 0, "cannot be asked for again");
        make_and_free();
        self_expect(thread_count() == 2, "it did not come back");
    }
    for (int round = 0; round < 100; round++)
        check_child();
}

static pthread_barrier_t all_there;

static void *begin_and_end(void *unused)
{
    pthread_barrier_wait(&all_there);
    return unused;
}

/* So many at once that libc frees what it kept of them, under a lock of its own. */
static void join_many(void)
{
    enum { THREADS = 300 };
    pthread_t threads[THREADS];

    pthread_barrier_init(&all_there, NULL, THREADS);
    for (size_t idx = 0; idx < THREADS; idx++)
        self_expect(pthread_create(&threads[idx], NULL, begin_and_end, NULL) == 0, "no thread");
    for (size_t idx = 0; idx < THREADS; idx++)
        pthread_join(threads[idx], NULL);
}

static void joins(void)
{
    int status = -1;

    make_and_free();
    for (int round = 0; round < 60; round++) {
        pid_t child = fork();

        if (child == 0) {
            /* As those of libc for a thread: in some round the first slow call is a free. */
            for (int idx = 0; idx < round * 13 % 200; idx++)
                self_expect(malloc(270) != NULL, "no memory");
            join_many();
            exit(0);
        }
        self_expect(waitpid(child, &status, 0) == child && status == 0, "the child failed");
    }
}

/* Without its fork handlers, libc has a thread to join at exit that is the parent's. */
static void raw(void)
{
    int status = -1;
    pid_t child;

    make_and_free();
    self_expect(thread_count() == 2, "there is no thread");
    child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        exit(0);
    self_expect(waitpid(child, &status, 0) == child && status == 0, "the child failed");
}

static void set(void)
{
    static const char *const right[] = {"",
                                        "decay_ms:0",
                                        "decay_ms:-1",
                                        "thp:always",
                                        "limit_mib:100000",
                                        "limit_mib:0",
                                        "thp:auto",
                                        "soft_limit_mib:50",
                                        "retain_mib:1,decay_ms:5",
                                        "background:1,background:0"};
    static const char *const wrong[] = {"decay_ms", "decay_ms:x",         "nothing:1", "pages:mmap",
                                        "shards:7", "decay_ms:1,stats:1", "thp:2"};

    for (size_t idx = 0; idx < sizeof(right) / sizeof(right[0]); idx++) {
        self_expect(cairn_malloc_set(right[idx]) == 0, right[idx]);
        make_and_free();
        cairn_malloc_check();
    }
    for (size_t idx = 0; idx < sizeof(wrong) / sizeof(wrong[0]); idx++)
        self_expect(cairn_malloc_set(wrong[idx]) == EINVAL, wrong[idx]);
}

static void limits(void)
{
    static char *blocks[64];
    size_t count = 0;
    long before;

    self_expect(cairn_malloc_set("limit_mib:40") == 0, "cannot be set");
    while (count < 64 && (blocks[count] = malloc(1 << 20)) != NULL)
        count++;
    self_expect(count >= 25 && count < 40, "the limit does not hold");
    self_expect(cairn_malloc_set("limit_mib:0") == 0, "cannot be lifted");
    self_expect((blocks[count++] = malloc(1 << 20)) != NULL, "the limit holds still");
    self_expect(cairn_malloc_set("limit_mib:8") == 0, "cannot be below what is held");
    self_expect(malloc(40 << 20) == NULL, "the lower limit does not hold");
    cairn_malloc_check();
    while (count > 0)
        free(blocks[--count]);
    self_expect(malloc(2 << 20) != NULL, "freed memory does not count");
    self_expect(cairn_malloc_set("limit_mib:0,soft_limit_mib:20,decay_ms:-1") == 0,
                "cannot be set");
    make_and_free(); /* 40 MB */
    before = self_kib("VmRSS");
    self_expect(memset(malloc(8 << 20), 1, 8 << 20) != NULL, "a soft limit refuses");
    self_expect(self_kib("VmRSS") < before, "beyond the soft limit nothing went back");
}

static void decay(void)
{
    long start = self_kib("VmRSS");

    self_expect(cairn_malloc_set("decay_ms:-1") == 0, "cannot be set");
    make_and_free();
    for (int round = 0; round < 30; round++) {
        self_sleep_ms(20);
        cairn_malloc_tick();
    }
    self_expect(self_kib("VmRSS") > start + 30000, "with -1 something went back");
    self_expect(cairn_malloc_set("decay_ms:10") == 0, "cannot be set");
    for (int round = 0; round < 20 && cairn_malloc_tick() != 0; round++)
        self_sleep_ms(10);
    self_expect(self_kib("VmRSS") < start + 2048, "it does not go back");
}

int main(int count, char **arguments)
{
    const char *mode = count > 1 ? arguments[1] : "";

    if (cairn_malloc_set == NULL)
        return 77;
    if (strcmp(mode, "thread") == 0)
        thread();
    else if (strcmp(mode, "joins") == 0)
        joins();
    else if (strcmp(mode, "raw") == 0)
        raw();
    else if (strcmp(mode, "set") == 0)
        set();
    else if (strcmp(mode, "limits") == 0)
        limits();
    else if (strcmp(mode, "decay") == 0)
        decay();
    else
        return 2;
    return 0;
}
