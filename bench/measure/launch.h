/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* A child that is about to become the program. It waits for launch_go(), so that its parent can attach to it first. */
#ifndef CAIRN_BENCH_MEASURE_LAUNCH_H_
#define CAIRN_BENCH_MEASURE_LAUNCH_H_

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct launch_plan {
    char **program;      /* argument vector, looked up on PATH */
    const char *library; /* the program's LD_PRELOAD; NULL: none */
    char **settings;     /* "NAME=VALUE" */
    size_t setting_count;
    cpu_set_t cpus;
    bool is_pinned;       /* to `cpus` */
    sigset_t signal_mask; /* of the program */
};

struct launch {
    pid_t pid;
    int go_fd;
    int failure_fd;
};

struct launch_failure {
    bool is_program; /* the program itself; else what was to be prepared for it */
    int error;
};

/* False when the system gives no process or no pipe: errno says why. */
bool launch_start(struct launch *launch, const struct launch_plan *plan);

void launch_go(struct launch *launch);

/* To be asked when the child has ended: whether it did so without becoming the program. */
bool launch_failed(struct launch *launch, struct launch_failure *failure);

#endif
