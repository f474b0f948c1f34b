/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * sandboxed WORK [CALL ERROR]: works behind a filter of system calls that is installed after the
 * first malloc. Without CALL, what is not on the list of allowed calls kills the process: the list
 * is what the C library's own malloc needs, and what this program itself calls. With CALL,
 * everything is allowed, but that one fails with ERROR. Prints "done"; exit code 3: memory was
 * refused where it should not be.
 *
 *   sizes    blocks of all sizes, and malloc_trim
 *   grow     one block that grows to 200 MiB and shrinks
 *   exhaust  blocks until the limit of the address space refuses one; all are freed, and there is memory again
 *   threads  threads that free each other's blocks, near that limit, for a second
 *   fork     forks, also children of children
 *   crowd    the same while threads use the heap
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/support/heap_use.h"

enum { THREADS = 4, EXCHANGE = 1 << 15, ROUNDS = 50, LIMIT_MIB = 300, CALLS_MAX = 64 };

/* ---- the filter ---- */

static const int allowed[] = {
    /* of malloc */
    SYS_brk, SYS_mmap, SYS_munmap, SYS_mremap, SYS_madvise, SYS_mprotect, SYS_futex,
    /* of this program and of threads and children */
    SYS_write, SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_clone,
    SYS_clone3, SYS_wait4, SYS_set_robust_list, SYS_rseq, SYS_gettid};

struct program {
    struct sock_filter code[CALLS_MAX];
    unsigned short length;
};

static void add(struct program *program, unsigned short code, unsigned value, unsigned char no)
{
    program->code[program->length++] = (struct sock_filter){code, 0, no, value};
}

static void add_answer(struct program *program, int call, unsigned answer)
{
    add(program, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 1);
    add(program, BPF_RET | BPF_K, answer, 0);
}

static struct program filter_of(int denied_call, int error)
{
    struct program program = {.length = 0};
    size_t count = sizeof(allowed) / sizeof(allowed[0]);

    add(&program, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0);
    if (denied_call >= 0)
        add_answer(&program, denied_call, SECCOMP_RET_ERRNO | (unsigned)error);
    for (size_t idx = 0; denied_call < 0 && idx < count; idx++)
        add_answer(&program, allowed[idx], SECCOMP_RET_ALLOW);
    add(&program, BPF_RET | BPF_K, denied_call < 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW,
        0);
    return program;
}

static void shut_in(int denied_call, int error)
{
    struct program program = filter_of(denied_call, error);
    struct sock_fprog pointer = {program.length, program.code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &pointer) != 0)
        use_leave("no filter\n", 77);
}

static int number_of(const char *call)
{
    static const struct {
        const char *name;
        int number;
    } calls[] = {{"madvise", SYS_madvise},   {"mremap", SYS_mremap},         {"munmap", SYS_munmap},
                 {"mprotect", SYS_mprotect}, {"membarrier", SYS_membarrier}, {"brk", SYS_brk}};

    for (size_t idx = 0; idx < sizeof(calls) / sizeof(calls[0]); idx++)
        if (strcmp(calls[idx].name, call) == 0)
            return calls[idx].number;
    _exit(2);
}

/* ---- works ---- */

static void use_sizes(void)
{
    for (unsigned round = 0; round < 4; round++) {
        use_heap(round, 4000);
        malloc_trim(0);
    }
    free(memalign(1 << 21, 100));
    free(calloc(3, 1 << 20));
}

static void grow(void)
{
    size_t bytes = 1;
    char *block = malloc(bytes);

    for (; bytes < (size_t)200 << 20; bytes += bytes / 3 + 1) {
        block = realloc(block, bytes + bytes / 3 + 1);
        if (block == NULL)
            use_leave("refused\n", 3);
        block[bytes + bytes / 3] = 'g';
    }
    for (; bytes > 100; bytes /= 2) {
        block = realloc(block, bytes);
        if (block == NULL)
            use_leave("refused\n", 3);
    }
    free(block);
    malloc_trim(0);
}

/* A list through the blocks. NULL, when nothing more is to be had: what was held is freed. */
static size_t exhaust_with(size_t size_bytes)
{
    void **all = NULL;
    size_t count = 0;

    for (void **block; (block = malloc(size_bytes)) != NULL; count++) {
        *block = all;
        all = block;
    }
    while (all != NULL) {
        void **next = *all;

        free(all);
        all = next;
    }
    return count;
}

static void exhaust(void)
{
    static const size_t sizes[] = {100, 3000, 50000, 500000, 5000000, 48};

    for (size_t idx = 0; idx < sizeof(sizes) / sizeof(sizes[0]); idx++)
        if (exhaust_with(sizes[idx]) * sizes[idx] < (size_t)LIMIT_MIB << 19)
            use_leave("less than half of the limit was to be had\n", 3);
    use_sizes();
}

static void *volatile exchange[EXCHANGE];

static void *exchange_until_told(void *number)
{
    struct use use = {(unsigned)(uintptr_t)number * 2u + 1u, {{NULL, 0}}};

    while (!use_stop) {
        size_t size_bytes = use_some_size(&use);
        unsigned char *block = malloc(size_bytes);

        if (block != NULL)
            memset(block, 1, size_bytes < 5000 ? size_bytes : 5000);
        free(__atomic_exchange_n(&exchange[use.state >> 17], block, __ATOMIC_ACQ_REL));
        if (block == NULL)
            for (size_t idx = 0; idx < EXCHANGE; idx += 5)
                free(__atomic_exchange_n(&exchange[idx], NULL, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

/* The clock is read without a system call. */
static void wait_a_second(void)
{
    struct timespec start;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &start);
    do {
        free(malloc(1 << 16));
        clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 1000);
}

static void have_a_child(int generations)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        use_heap((unsigned)generations, USE_CHILD_CALLS);
        use_end(&use_inherited);
        if (generations > 1)
            have_a_child(generations - 1);
        malloc_trim(0);
        _exit(0);
    }
    if (wait4(child, &status, 0, NULL) != child || status != 0)
        use_leave("bad child\n", 96);
}

static void have_children(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        have_a_child(2);
        use_heap((unsigned)round, 100);
    }
}

static const struct work {
    const char *name;
    void (*act)(void);
    void *(*run)(void *); /* by threads meanwhile */
    int is_limited;       /* in address space */
} works[] = {
    {"sizes", use_sizes, NULL, 0},    {"grow", grow, NULL, 0},
    {"exhaust", exhaust, NULL, 1},    {"threads", wait_a_second, exchange_until_told, 1},
    {"fork", have_children, NULL, 0}, {"crowd", have_children, use_until_told, 0},
};

static const struct work *find_work(const char *name)
{
    for (size_t idx = 0; idx < sizeof(works) / sizeof(works[0]); idx++)
        if (strcmp(works[idx].name, name) == 0)
            return &works[idx];
    _exit(2);
}

int main(int argc, char **argv)
{
    const struct rlimit limit = {(rlim_t)LIMIT_MIB << 20, (rlim_t)LIMIT_MIB << 20};
    const struct work *work = find_work(argc > 1 ? argv[1] : "");
    pthread_t threads[THREADS];
    int thread_count = work->run != NULL ? THREADS : 0;

    use_nap_us = 0; /* naps are system calls */
    use_bequeath();
    use_start(threads, thread_count, work->run);
    if (work->is_limited && setrlimit(RLIMIT_AS, &limit) != 0)
        return 2;
    shut_in(argc == 4 ? number_of(argv[2]) : -1, argc == 4 ? atoi(argv[3]) : 0);
    work->act();
    use_join(threads, thread_count);
    for (size_t idx = 0; idx < EXCHANGE; idx++)
        free(exchange[idx]);
    use_end(&use_inherited);
    malloc_trim(0);
    use_say("done\n");
    _exit(0);
}
