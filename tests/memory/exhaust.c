/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * exhaust fresh|used KIND BYTES HOW THREADS: how many blocks there are in the end, in a process
 * that used all sizes and freed all of it before, or in one that did not. Prints that number, and
 * the peak of what was held for blocks.
 *
 *   KIND   none (the environment has a cap), as or data (a limit of 100 MiB more than there is), kernel (which from the end of
 *          that use on refuses every mmap, mremap and growth of the break)
 *   HOW    malloc, aligned_alloc, calloc or realloc
 */
#include "tests/memory/self.h"

#include <cairn/malloc.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { THREADS_MOST = 8, STACK_BYTES = 256 * 1024 };

static bool is_used;
static pthread_barrier_t barrier;

static void *take_aligned(size_t bytes)
{
    return aligned_alloc(64, bytes);
}

static void *take_zeroed(size_t bytes)
{
    return calloc(1, bytes);
}

static void *take_grown(size_t bytes)
{
    void *block = malloc(16);
    void *grown = realloc(block, bytes);

    if (grown == NULL)
        free(block);
    return grown;
}

static take_fn way(const char *how)
{
    return strcmp(how, "aligned_alloc") == 0 ? take_aligned
           : strcmp(how, "calloc") == 0      ? take_zeroed
           : strcmp(how, "realloc") == 0     ? take_grown
                                             : malloc;
}

/* Each size in turn, so that each leaves something behind in caches and slabs. */
static void use_all_sizes(void)
{
    for (size_t bytes = 24; bytes < 3000000; bytes += bytes / 9 + 8) {
        struct chain chain = {NULL, 0};

        chain_take(&chain, malloc, bytes, 300000 / bytes + 3);
        chain_free(&chain);
    }
}

/* On one processor after another, whose caches keep what they have while the thread sleeps. */
static void *use_in_thread(void *number)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)(uintptr_t)number % (size_t)sysconf(_SC_NPROCESSORS_ONLN), &one);
    sched_setaffinity(0, sizeof(one), &one);
    if (is_used)
        use_all_sizes();
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* brk(2) tells its failure by an address below the one that was asked for: 0 here. */
static void refuse(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_brk, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 0, 2),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

int main(int count, char **arguments)
{
    pthread_t threads[THREADS_MOST];
    pthread_attr_t attributes;
    struct chain chain = {NULL, 0};
    struct cairn_malloc_stats stats = {0};
    size_t thread_count = count == 6 ? strtoul(arguments[5], NULL, 0) : SIZE_MAX;
    size_t bytes = count == 6 ? strtoul(arguments[3], NULL, 0) : 0;

    if (thread_count > THREADS_MOST)
        return 2;
    is_used = strcmp(arguments[1], "used") == 0;
    pthread_barrier_init(&barrier, NULL, (unsigned)thread_count + 1);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    free(malloc(100));
    if (strcmp(arguments[2], "as") == 0 || strcmp(arguments[2], "data") == 0)
        self_limit(arguments[2], (size_t)100 << 20);
    for (size_t idx = 0; idx < thread_count; idx++)
        pthread_create(&threads[idx], &attributes, use_in_thread, (void *)(uintptr_t)idx);
    if (is_used)
        use_all_sizes();
    pthread_barrier_wait(&barrier);
    if (strcmp(arguments[2], "kernel") == 0)
        refuse();
    chain_take(&chain, way(arguments[4]), bytes, SIZE_MAX);
    self_expect(errno == ENOMEM, "errno is not ENOMEM");
    printf("%zu ", chain.count);
    if (cairn_malloc_stats != NULL)
        cairn_malloc_stats(&stats, sizeof(stats));
    chain_free(&chain);
    printf("%zu\n", stats.held_peak_bytes);
    pthread_barrier_wait(&barrier);
    for (size_t idx = 0; idx < thread_count; idx++)
        pthread_join(threads[idx], NULL);
    if (cairn_malloc_check != NULL)
        cairn_malloc_check();
    return fflush(stdout) == 0 ? 0 : 1;
}
