/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * launch.c - from fork to exec.
 *
 *     parent  fork ----- attach ----- go ---------------- nothing to read: the program runs
 *     child     \- own group, waits ---\- prepare, exec --- or: why not
 *
 * Both pipes close at exec.
 */

#include "bench/measure/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_NOT_LAUNCHED = 127 };

static __attribute__((noreturn)) void give_up(int failure_fd, bool is_program)
{
    struct launch_failure failure = {.is_program = is_program, .error = errno};
    ssize_t written = write(failure_fd, &failure, sizeof(failure));

    _exit(written == (ssize_t)sizeof(failure) ? EXIT_NOT_LAUNCHED : EXIT_NOT_LAUNCHED + 1);
}

/* LD_PRELOAD is the library and nothing else: what measure itself was given would be measured too. */
static bool set_environment(const struct launch_plan *plan)
{
    if (unsetenv("LD_PRELOAD") != 0)
        return false;
    if (plan->library != NULL && setenv("LD_PRELOAD", plan->library, 1) != 0)
        return false;
    for (size_t idx = 0; idx < plan->setting_count; idx++)
        if (putenv(plan->settings[idx]) != 0)
            return false;
    return true;
}

/* A crash leaves no core file: its size would be the program's memory. */
static bool prepare(const struct launch_plan *plan)
{
    struct rlimit core;

    if (getrlimit(RLIMIT_CORE, &core) != 0)
        return false;
    core.rlim_cur = 0;
    return setrlimit(RLIMIT_CORE, &core) == 0 &&
           (!plan->is_pinned || sched_setaffinity(0, sizeof(plan->cpus), &plan->cpus) == 0) &&
           set_environment(plan) && sigprocmask(SIG_SETMASK, &plan->signal_mask, NULL) == 0;
}

static __attribute__((noreturn)) void become_the_program(const struct launch_plan *plan, int go_fd,
                                                         int failure_fd)
{
    char go;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a measure that is killed takes the program with it */
    if (read(go_fd, &go, 1) != 1)
        _exit(EXIT_NOT_LAUNCHED); /* it was killed already */
    if (!prepare(plan))
        give_up(failure_fd, false);
    execvp(plan->program[0], plan->program);
    give_up(failure_fd, true);
}

bool launch_start(struct launch *launch, const struct launch_plan *plan)
{
    int go[2];
    int failure[2];

    if (pipe2(go, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0)
        return false;
    launch->pid = fork();
    if (launch->pid < 0)
        return false;
    if (launch->pid == 0) {
        close(go[1]);
        become_the_program(plan, go[0], failure[1]);
    }
    setpgid(launch->pid, launch->pid); /* whoever is first; the other one's fails harmlessly */
    close(go[0]);
    close(failure[1]);
    launch->go_fd = go[1];
    launch->failure_fd = failure[0];
    return true;
}

void launch_go(struct launch *launch)
{
    ssize_t written;

    do
        written = write(launch->go_fd, "", 1);
    while (written < 0 && errno == EINTR);
    close(launch->go_fd);
}

bool launch_failed(struct launch *launch, struct launch_failure *failure)
{
    ssize_t got = read(launch->failure_fd, failure, sizeof(*failure));

    close(launch->failure_fd);
    return got == (ssize_t)sizeof(*failure);
}
