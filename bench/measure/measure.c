/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * measure.c - runs one program and says what it cost, in one line of JSON: see "measure" in
 * bench/README.md.
 *
 * The program has a process group of its own, and the standard streams of its caller. Measure
 * itself stays small: until its exec, the child has a copy of its memory.
 */

#include "bench/measure/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_OWN = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127, EXIT_BY_SIGNAL = 128 };

static const char how_called[] =
    "usage: measure [--preload LIBRARY] [--seconds LIMIT] [--report FILE] "
    "[--] program [arguments]\n";

struct launch_plan {
    char **program;       /* argument vector, looked up on PATH */
    const char *library;  /* the program's LD_PRELOAD; NULL: none */
    sigset_t signal_mask; /* of the program */
};

struct launch {
    pid_t pid;
    int go_fd;
    /* the exit status of measure, if the child did not become the program; else nothing */
    int failure_fd;
};

struct options {
    struct launch_plan plan;
    struct follow_limits limits;
    FILE *report;
};

static __attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("measure: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_OWN);
}

/* --- options --- */

/* ld.so splits LD_PRELOAD at spaces and colons, and resolves a relative path in the directory of
   the program. */
static const char *read_library(const char *argument)
{
    char *path = realpath(argument, NULL);

    if (path == NULL)
        fail("--preload: %s: %s", argument, strerror(errno));
    if (strpbrk(path, " :") != NULL)
        fail("--preload: %s: a path with a space or a colon cannot be preloaded", path);
    if (access(path, R_OK) != 0)
        fail("--preload: %s: %s", path, strerror(errno));
    return path;
}

static double read_seconds(const char *argument)
{
    char *end;
    double seconds = strtod(argument, &end);

    if (end == argument || *end != '\0' || !isfinite(seconds) || seconds <= 0 || seconds > INT_MAX)
        fail("--seconds: not a positive number: %s", argument);
    return seconds;
}

static void read_option(struct options *options, int option, char *argument)
{
    struct launch_plan *plan = &options->plan;

    switch (option) {
    case 'p':
        plan->library = read_library(argument);
        break;
    case 't':
        options->limits.seconds = read_seconds(argument);
        break;
    case 'r':
        options->report = fopen(argument, "we");
        if (options->report == NULL)
            fail("--report: %s: %s", argument, strerror(errno));
        break;
    case 'h':
        fputs(how_called, stdout);
        exit(0);
    default:
        exit(EXIT_OWN); /* getopt has said why */
    }
}

static void read_options(struct options *options, int argument_count, char **arguments)
{
    static const struct option known[] = {
        {"preload", required_argument, NULL, 'p'},
        {"seconds", required_argument, NULL, 't'},
        {"report", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    static char own_name[] = "measure";
    int option;

    arguments[0] = own_name; /* getopt's messages begin with it */
    while ((option = getopt_long(argument_count, arguments, "+", known, NULL)) != -1)
        read_option(options, option, optarg);
    if (arguments[optind] == NULL) {
        fputs(how_called, stderr);
        exit(EXIT_OWN);
    }
    options->plan.program = arguments + optind;
    options->limits.library = options->plan.library;
    if (options->report == NULL)
        options->report = stderr;
}

/* --- signals --- */

/*
 * Those that end measure wait until follow() takes them; one that the caller ignores stays ignored.
 * An ignored SIGCHLD would take the exit status of every child away.
 */
static void block_signals(struct options *options)
{
    static const int ending[] = {SIGHUP, SIGINT, SIGTERM};
    sigset_t blocked;

    sigemptyset(&options->limits.stops);
    for (size_t idx = 0; idx < sizeof(ending) / sizeof(ending[0]); idx++) {
        struct sigaction action;

        if (sigaction(ending[idx], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&options->limits.stops, ending[idx]);
    }
    blocked = options->limits.stops;
    sigaddset(&blocked, SIGCHLD);
    sigaddset(&blocked, SIGPIPE); /* a child that was killed before it could be let go */
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_BLOCK, &blocked, &options->plan.signal_mask);
}

/* --- from fork to exec: the child waits to be attached to, and says why it does not run --- */

static __attribute__((noreturn)) void give_up(int failure_fd, int status, const char *what)
{
    unsigned char told = (unsigned char)status;

    fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
    _exit(write(failure_fd, &told, 1) == 1 ? status : EXIT_OWN);
}

/* LD_PRELOAD is the library and nothing else: what measure itself was given would be measured
   too. */
static bool set_environment(const struct launch_plan *plan)
{
    return unsetenv("LD_PRELOAD") == 0 &&
           (plan->library == NULL || setenv("LD_PRELOAD", plan->library, 1) == 0);
}

/* A crash leaves no core file: its size would be the program's memory. */
static void prepare(const struct launch_plan *plan, int failure_fd)
{
    struct rlimit core = {.rlim_cur = 0, .rlim_max = 0};

    if (setrlimit(RLIMIT_CORE, &core) != 0 || !set_environment(plan) ||
        sigprocmask(SIG_SETMASK, &plan->signal_mask, NULL) != 0)
        give_up(failure_fd, EXIT_OWN, "the program cannot be prepared");
}

static __attribute__((noreturn)) void become_the_program(const struct launch_plan *plan, int go_fd,
                                                         int failure_fd)
{
    char go;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a measure that is killed takes the program with it */
    if (read(go_fd, &go, 1) != 1)
        _exit(EXIT_OWN); /* it was killed already */
    prepare(plan, failure_fd);
    execvp(plan->program[0], plan->program);
    give_up(failure_fd, errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE, plan->program[0]);
}

/* False when the system gives no process or no pipe: errno says why. */
static bool launch_start(struct launch *launch, const struct launch_plan *plan)
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
    setpgid(launch->pid, launch->pid); /* the second of the two calls fails harmlessly */
    close(go[0]);
    close(failure[1]);
    launch->go_fd = go[1];
    launch->failure_fd = failure[0];
    return true;
}

/* --- the report --- */

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

static void write_known(FILE *report, const char *name, long value)
{
    fprintf(report, value < 0 ? "\"%s\": null, " : "\"%s\": %ld, ", name, value);
}

/* The exit status of a program that a signal ended is the one that a shell would show: never 0. */
static void write_report(FILE *report, const struct follow_result *result)
{
    static const char *const answers[] = {
        [FOLLOW_UNKNOWN] = "null", [FOLLOW_NO] = "false", [FOLLOW_YES] = "true"};
    const struct rusage *usage = &result->usage;
    int signal_number = WIFSIGNALED(result->status) ? WTERMSIG(result->status) : 0;
    int exit_status =
        signal_number != 0 ? EXIT_BY_SIGNAL + signal_number : WEXITSTATUS(result->status);

    fprintf(report, "{\"wall_s\": %.6f, \"user_s\": %.6f, \"system_s\": %.6f, ", result->wall_s,
            seconds_of(usage->ru_utime), seconds_of(usage->ru_stime));
    write_known(report, "peak_kib", result->peak_kib);
    write_known(report, "final_kib", result->final_kib);
    fprintf(report, "\"minor_faults\": %ld, \"major_faults\": %ld, ", usage->ru_minflt,
            usage->ru_majflt);
    fprintf(report, "\"voluntary_switches\": %ld, \"involuntary_switches\": %ld, ", usage->ru_nvcsw,
            usage->ru_nivcsw);
    write_known(report, "processes", result->processes);
    fprintf(report, "\"exit\": %d, \"signal\": %d, \"timed_out\": %s, ", exit_status, signal_number,
            result->is_timed_out ? "true" : "false");
    fprintf(report, "\"memory_by\": \"%s\", \"preloaded\": %s}\n",
            result->is_peak_by_status ? "status" : "rusage", answers[result->preloaded]);
}

int main(int argument_count, char **arguments)
{
    struct options options = {.report = NULL};
    struct launch launch;
    unsigned char failed;
    struct follow_result result;

    read_options(&options, argument_count, arguments);
    block_signals(&options);
    if (!launch_start(&launch, &options.plan))
        fail("no process: %s", strerror(errno));
    result = follow(launch.pid, launch.go_fd, &options.limits);
    if (result.stopped_by != 0)
        return EXIT_BY_SIGNAL + result.stopped_by;
    if (read(launch.failure_fd, &failed, 1) == 1)
        return failed;
    write_report(options.report, &result);
    if (fflush(options.report) != 0 || ferror(options.report))
        fail("--report: %s", strerror(errno));
    return 0;
}
