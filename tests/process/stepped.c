/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * stepped PAIRS         goes through so many calls of malloc and of free instruction by instruction, in a child
 * stepped PAIRS alone   makes them here, for another debugger; `watched` changes when they are done
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 20, STEPS_MAX = 10 * 1000 * 1000 };

volatile int watched;
void begin(void);

__attribute__((noinline)) void begin(void)
{
    __asm__ volatile("" ::: "memory");
}

static int make_pairs(int pairs)
{
    static char *held[HELD];
    begin();
    for (int i = 0; i < pairs; i++) {
        char **slot = &held[i * 7 % HELD];
        size_t size = 1 + (size_t)i * 37 % 400;
        if (*slot != NULL && **slot != (char)(i * 7 % HELD))
            return 1;
        free(*slot);
        *slot = malloc(size);
        memset(*slot, i * 7 % HELD, size);
    }
    watched = 1;
    return 0;
}

static _Noreturn void be_stepped(int pairs)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGTRAP);
    _exit(make_pairs(pairs));
}

/* How it ended. */
static int step_to_the_end(pid_t child)
{
    int status = 0;
    for (long steps = 0; steps < STEPS_MAX; steps++) {
        waitpid(child, &status, 0);
        if (WIFEXITED(status)) {
            printf("%d after %ld steps\n", WEXITSTATUS(status), steps);
            return WEXITSTATUS(status);
        }
        if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
            break;
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
    }
    kill(child, SIGKILL);
    printf("no end: %#x\n", (unsigned)status);
    return 1;
}

int main(int argc, char **argv)
{
    int pairs = argc > 1 ? atoi(argv[1]) : 0;
    free(malloc(100)); /* the allocator starts at its own pace */
    if (argc > 2)
        return make_pairs(pairs);
    pid_t child = fork();
    if (child == 0)
        be_stepped(pairs);
    return step_to_the_end(child);
}
