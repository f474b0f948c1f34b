/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Runs a launched program to its end, and reads the memory of each of its processes at its last
   moment. */
#ifndef CAIRN_BENCH_MEASURE_FOLLOW_H_
#define CAIRN_BENCH_MEASURE_FOLLOW_H_

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

struct follow_limits {
    double seconds;      /* 0: none */
    const char *library; /* absolute path of what should be mapped at the end; NULL: nothing */
    sigset_t stops;      /* signals to measure that end the program; they and SIGCHLD are blocked */
};

enum follow_answer { FOLLOW_UNKNOWN, FOLLOW_NO, FOLLOW_YES };

struct follow_result {
    double wall_s;
    int status;                   /* of the first process, as wait4 gives it */
    struct rusage usage;          /* of the first process and the children that it waited for */
    long peak_kib;                /* of the largest process */
    long final_kib;               /* likewise; -1: not known */
    long processes;               /* -1: not known */
    bool is_peak_by_status;       /* else ru_maxrss */
    enum follow_answer preloaded; /* was the library mapped when the first process ended? */
    bool is_timed_out;
    int stopped_by; /* the signal to measure that ended it; 0: none */
};

/* Lets the child go, which waits for a byte in the pipe. What the program leaves running is killed
   in the end. */
struct follow_result follow(pid_t child, int go_fd, const struct follow_limits *limits);

#endif
