/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * busy: uses every part of a heap: all sizes, aligned and zeroed blocks, threads, forks, vfork,
 * trims, statistics. Prints "done", and how many of the functions were called that interposer.so
 * stands before.
 */
#include <malloc.h>
#include <stdio.h>
#include <sys/wait.h>

#include "tests/support/heap_use.h"

enum { THREADS = 3, ROUNDS = 10 };

extern int interposer_called(void) __attribute__((weak));
extern size_t cairn_malloc_trim(void) __attribute__((weak));

static void ask(void)
{
    FILE *nowhere = fopen("/dev/null", "w");

    malloc_info(0, nowhere);
    fclose(nowhere);
    (void)mallinfo2();
    malloc_stats();
    malloc_trim(0);
    if (cairn_malloc_trim != NULL)
        cairn_malloc_trim();
}

static void have_a_child(int round)
{
    int status = -1;
    pid_t child = round % 2 == 0 ? fork() : vfork();

    if (child == 0 && round % 2 == 1)
        _exit(0);
    if (child == 0)
        use_as_child();
    if (waitpid(child, &status, 0) != child || status != 0)
        use_leave("bad child\n", 96);
}

static void use_odd_ones(void)
{
    for (size_t align_bytes = 16; align_bytes <= (size_t)4 << 20; align_bytes *= 2) {
        free(aligned_alloc(align_bytes, align_bytes));
        free(calloc(align_bytes, 3));
    }
    free(valloc(100));
    free(pvalloc(5000));
}

int main(void)
{
    static char *blocks[400];
    pthread_t threads[THREADS];

    use_bequeath();
    for (int round = 0; round < ROUNDS; round++) {
        if (round == ROUNDS / 2)
            use_start(threads, THREADS, use_until_told);
        for (int idx = 0; idx < 400; idx++)
            blocks[idx] = memset(malloc(200000), 1, 1000);
        use_heap((unsigned)round, 3000);
        use_odd_ones();
        for (int idx = 0; idx < 400; idx++)
            free(blocks[idx]);
        have_a_child(round);
        ask();
    }
    use_join(threads, THREADS);
    use_end(&use_inherited);
    use_check_heap();
    printf("done, %d wrappers called\n", interposer_called != NULL ? interposer_called() : 0);
    return 0;
}
