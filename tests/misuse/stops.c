/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * stops FAULT HANDLER THREADS: a fault that the heap stops the program for, in a program with a
 * handler of SIGABRT that does what crash reporters do, while THREADS threads use the heap. The
 * handler has its way: the program leaves with 77, or by SIGABRT where the handler wants that. Exit
 * code 66: the fault was not noticed.
 */
#include <execinfo.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "tests/support/heap_use.h"

enum {
    ALARM_SECONDS = 10,
    AS_WANTED = 77,
    NOT_NOTICED = 66,
    SMALL = 64,
    LARGE = 200 << 10,
    HUGE_BYTES = 3 << 20
};

/* A value that the compiler knows nothing of. */
static void *opaque(void *pointer)
{
    void *volatile hidden = pointer;

    return hidden;
}

static void *make(size_t size_bytes)
{
    void *block = malloc(size_bytes);

    if (block == NULL)
        _exit(2);
    memset(block, 1, size_bytes);
    return opaque(block);
}

/* ---- faults ---- */

static void free_twice(size_t size_bytes)
{
    void *block = make(size_bytes);

    free(block);
    free(opaque(block));
}

static void double_free_small(void)
{
    free_twice(SMALL);
}
static void double_free_large(void)
{
    free_twice(LARGE);
}
static void double_free_huge(void)
{
    free_twice(HUGE_BYTES);
}
static void interior(void)
{
    free((char *)make(SMALL) + 16);
}
static void misaligned(void)
{
    free((char *)make(SMALL) + 3);
}
static void middle_of_large(void)
{
    free((char *)make(LARGE) + LARGE / 2);
}
static void middle_of_huge(void)
{
    free((char *)make(HUGE_BYTES) + HUGE_BYTES / 2);
}
static void foreign(void)
{
    char buffer[64];

    free(opaque(buffer));
}
static void realloc_freed(void)
{
    void *block = make(SMALL);

    free(block);
    free(realloc(opaque(block), LARGE));
}
static void realloc_freed_huge(void)
{
    void *block = make(HUGE_BYTES);

    free(block);
    free(realloc(opaque(block), SMALL));
}
static void usable_size_of_foreign(void)
{
    static char bytes[64];

    if (malloc_usable_size(opaque(bytes)) != 0)
        _exit(NOT_NOTICED);
}

/* ---- handlers ---- */

static sigjmp_buf before_the_fault;

static void use_all_sizes(void)
{
    use_heap(5, 400);
}

static void fork_and_wait(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        use_all_sizes();
        _exit(0);
    }
    _exit(waitpid(child, &status, 0) == child && status == 0 ? AS_WANTED : 3);
}

static void allocate(void)
{
    use_all_sizes();
    free(calloc(1000, 1000));
    free(memalign(4096, 10000));
    malloc_trim(0);
    _exit(AS_WANTED);
}

static void print(void)
{
    FILE *file = fopen("/dev/null", "w");

    printf("%*d\n", 3000, 1);
    fprintf(file, "%*.*f\n", 3000, 2000, 0.5);
    fclose(file);
    fflush(stdout);
    _exit(AS_WANTED);
}

static void trace(void)
{
    void *frames[20];
    int depth = backtrace(frames, 20);

    free(backtrace_symbols(frames, depth));
    _exit(AS_WANTED);
}

static void leave(void)
{
    exit(AS_WANTED);
}

static void jump(void)
{
    siglongjmp(before_the_fault, 1);
}

static void *use_in_thread(void *nothing)
{
    use_all_sizes();
    return nothing;
}

static void start_thread(void)
{
    pthread_t thread;

    use_start(&thread, 1, use_in_thread);
    pthread_join(thread, NULL);
    _exit(AS_WANTED);
}

static void go_back(void)
{
}

static void raise_again(void)
{
    use_all_sizes();
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

#define ROW(name)                                                                                  \
    {                                                                                              \
#name, name                                                                                \
    }
typedef void action(void);
static const struct named {
    const char *name;
    action *act;
} faults[] =
    {ROW(double_free_small), ROW(double_free_large),  ROW(double_free_huge),       ROW(interior),
     ROW(misaligned),        ROW(middle_of_large),    ROW(middle_of_huge),         ROW(foreign),
     ROW(realloc_freed),     ROW(realloc_freed_huge), ROW(usable_size_of_foreign), {NULL, NULL}},
  handlers[] = {ROW(fork_and_wait), ROW(allocate), ROW(print),        ROW(trace),
                ROW(leave),         ROW(jump),     ROW(start_thread), ROW(raise_again),
                ROW(go_back),       {NULL, NULL}};

static action *find(const struct named *named, const char *name)
{
    while (named->name != NULL && strcmp(named->name, name) != 0)
        named++;
    return named->act;
}

static action *handle;

static void on_abort(int number)
{
    (void)number;
    handle();
}

static void allocate_at_exit(void)
{
    use_all_sizes();
}

int main(int argc, char **argv)
{
    action *fault = argc == 4 ? find(faults, argv[1]) : NULL;
    pthread_t threads[8];

    handle = argc == 4 ? find(handlers, argv[2]) : NULL;
    if (fault == NULL || handle == NULL)
        return 2;
    atexit(allocate_at_exit);
    signal(SIGABRT, on_abort);
    alarm(ALARM_SECONDS);
    use_bequeath();
    use_start(threads, atoi(argv[3]), use_until_told);
    if (sigsetjmp(before_the_fault, 1) == 0) {
        fault();
        _exit(NOT_NOTICED);
    }
    use_end(&use_inherited); /* here after a jump */
    use_all_sizes();
    use_join(threads, atoi(argv[3]));
    use_all_sizes();
    _exit(AS_WANTED);
}
