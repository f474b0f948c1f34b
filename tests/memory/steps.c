/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * steps COUNT: how many instructions it takes to free one of COUNT outstanding blocks of 1 to 3 MB
 * and to take another, by going through them one by one. Prints the mean of some pairs; exit code
 * 77: that is not allowed.
 */
#include "tests/memory/self.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { PAIRS = 15, COUNT_MOST = 100000 };

static char *blocks[COUNT_MOST];
static uint64_t state = 99;

static size_t some(size_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % below;
}

static void replace_one(size_t count)
{
    size_t idx = some(count);

    free(blocks[idx]);
    blocks[idx] = malloc(1100000 + some(1900000));
}

/* The child: it stops before the pairs and after them. */
static void work(size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        self_expect((blocks[idx] = malloc(1100000 + some(1900000))) != NULL, "no memory");
    for (size_t round = 0; round < count; round++)
        replace_one(count);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(77);
    raise(SIGSTOP);
    for (int pair = 0; pair < PAIRS; pair++)
        replace_one(count);
    raise(SIGSTOP);
    _exit(0);
}

static bool is_stopped_by(pid_t child, int number)
{
    int status;

    self_expect(waitpid(child, &status, 0) == child, "waitpid");
    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    return WIFSTOPPED(status) && WSTOPSIG(status) == number;
}

int main(int argument_count, char **arguments)
{
    size_t count = argument_count == 2 ? strtoul(arguments[1], NULL, 0) : 0;
    size_t steps = 0;
    pid_t child;

    if (count == 0 || count > COUNT_MOST)
        return 2;
    child = fork();
    if (child == 0)
        work(count);
    self_expect(is_stopped_by(child, SIGSTOP), "the child did not begin");
    do {
        self_expect(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0, "ptrace");
        steps++;
    } while (is_stopped_by(child, SIGTRAP));
    kill(child, SIGKILL);
    printf("%zu\n", steps / PAIRS);
    return 0;
}
