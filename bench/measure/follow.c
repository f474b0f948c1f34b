/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * follow.c - stops each process of a program at its birth, its exec and its exit, and nowhere else.
 *
 *     fork, vfork   the child is attached to by the kernel: it is noted
 *     exec          new memory begins; the first one starts the clock
 *     exit          its memory is still whole: VmHWM and VmRSS are read
 *
 * Threads are not followed, for each birth and death of one would cost two stops, until the first
 * thread of a process ends before the others: by pthread_exit (then they are attached to, and the
 * last to end tells), or because another one calls exec (then the process is attached to again,
 * which only succeeds after the exec).
 *
 * A child that another thread forks, and memory that an exec threw away, are in ru_maxrss, which
 * knows the largest of all processes waited for. It counts where it is larger by more than the
 * kernel's inexactness.
 *
 * All signals are blocked and taken one by one between the stops, so that no handler can interrupt
 * anything.
 */

#include "bench/measure/follow.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIVING_MAX = 4096, ATTACH_EVERY_NS = 1000000 };

static const long process_options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC |
                                    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;

struct process {
    pid_t pid;
    long final_kib;   /* the last that was read; -1: nothing */
    bool is_detached; /* its first thread was killed, and it lives on in another one */
};

struct followed {
    const struct follow_limits *limits;
    struct follow_result result;
    struct process living[LIVING_MAX];
    size_t count;
    pid_t root;
    long inherited_kib; /* what ru_maxrss begins with */
    bool is_traced;
    bool is_final_unknown; /* a process lived on unseen */
    bool is_ended;
    double started_s;
    double paused_s; /* for which we held the first process at its exit */
    double deadline_s;
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* --- what /proc says of a process --- */

struct memory {
    long peak_kib; /* VmHWM; -1 when the memory is gone already */
    long now_kib;  /* VmRSS; likewise */
    long process;  /* to which the thread belongs */
    long threads;  /* that still live, this one included */
};

static FILE *open_of(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

static void read_field(const char *line, const char *name, long *value)
{
    size_t name_bytes = strlen(name);

    if (strncmp(line, name, name_bytes) == 0)
        sscanf(line + name_bytes, "%ld", value);
}

/* False when there is no such process (any more), or no /proc. */
static bool memory_read(pid_t pid, struct memory *memory)
{
    FILE *status = open_of(pid, "status");
    char line[256];

    *memory = (struct memory){.peak_kib = -1, .now_kib = -1};
    if (status == NULL)
        return false;
    while (fgets(line, sizeof(line), status) != NULL) {
        read_field(line, "VmHWM:", &memory->peak_kib);
        read_field(line, "VmRSS:", &memory->now_kib);
        read_field(line, "Tgid:", &memory->process);
        read_field(line, "Threads:", &memory->threads);
    }
    fclose(status);
    return memory->threads > 0;
}

/* Whether the file with this absolute path is mapped into the memory of the process. */
static bool is_mapped(pid_t pid, const char *path)
{
    FILE *maps = open_of(pid, "maps");
    char line[PATH_MAX + 128];
    bool is_found = false;

    if (maps == NULL)
        return false;
    while (!is_found && fgets(line, sizeof(line), maps) != NULL) {
        const char *file = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        is_found = file != NULL && strcmp(file, path) == 0;
    }
    fclose(maps);
    return is_found;
}

/* Whether the first thread of a stopped process is in this system call. */
static bool is_in_call(pid_t pid, long expected)
{
    FILE *call = open_of(pid, "syscall");
    long number = -1;

    if (call == NULL)
        return false;
    if (fscanf(call, "%ld", &number) != 1)
        number = -1;
    fclose(call);
    return number == expected;
}

/* --- what a stop tells --- */

static struct process *find(struct followed *f, long pid)
{
    for (size_t idx = 0; idx < f->count; idx++)
        if (f->living[idx].pid == pid)
            return &f->living[idx];
    return NULL;
}

/* A thread that was attached to is no process. */
static void note_birth(struct followed *f, pid_t pid)
{
    struct memory memory;

    if (find(f, pid) != NULL || (memory_read(pid, &memory) && memory.process != pid))
        return;
    f->result.processes++;
    if (f->count < LIVING_MAX)
        f->living[f->count++] = (struct process){.pid = pid, .final_kib = -1};
    else
        f->is_final_unknown = true; /* it would not be asked if it outlived the first one */
}

static void keep_larger(long *value, long other)
{
    if (other > *value)
        *value = other;
}

static void note_death(struct followed *f, struct process *process)
{
    if (process == NULL)
        return;
    keep_larger(&f->result.final_kib, process->final_kib);
    *process = f->living[--f->count];
}

static bool read_memory(struct followed *f, struct process *process, pid_t thread,
                        struct memory *memory)
{
    if (!memory_read(thread, memory))
        return false;
    keep_larger(&f->result.peak_kib, memory->peak_kib);
    if (memory->now_kib >= 0)
        process->final_kib = memory->now_kib;
    return true;
}

static bool attach(pid_t thread, long options)
{
    return ptrace(PTRACE_SEIZE, thread, NULL, options) == 0;
}

/* Until there is none that was born meanwhile; those born later are attached to by the kernel. */
static void attach_to_threads(pid_t pid)
{
    bool is_new = true;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    while (is_new) {
        DIR *threads = opendir(path);

        is_new = false;
        for (struct dirent *entry; threads != NULL && (entry = readdir(threads)) != NULL;)
            is_new |= attach(atoi(entry->d_name), process_options | PTRACE_O_TRACECLONE);
        if (threads != NULL)
            closedir(threads);
    }
}

/* Whether there are such still. */
static bool attach_to_detached(struct followed *f)
{
    bool is_left = false;

    for (size_t idx = 0; idx < f->count; idx++) {
        struct process *process = &f->living[idx];

        if (process->is_detached)
            process->is_detached = !attach(process->pid, process_options);
        is_left |= process->is_detached;
    }
    return is_left;
}

static void at_exit(struct followed *f, pid_t thread)
{
    double begun_s = now_s();
    struct process *process;
    struct memory memory;

    if (!memory_read(thread, &memory) || (process = find(f, memory.process)) == NULL)
        return;
    read_memory(f, process, thread, &memory);
    if (process->pid == f->root && f->limits->library != NULL && memory.now_kib >= 0)
        f->result.preloaded = is_mapped(thread, f->limits->library) ? FOLLOW_YES : FOLLOW_NO;
    if (thread == process->pid && memory.threads > 1 && is_in_call(thread, SYS_exit))
        attach_to_threads(thread);
    else if (thread == process->pid && memory.threads > 1)
        process->is_detached = !is_in_call(thread, SYS_exit_group);
    if (process->pid == f->root)
        f->paused_s += now_s() - begun_s;
}

static bool stops_a_group(int signal_number)
{
    return signal_number == SIGSTOP || signal_number == SIGTSTP || signal_number == SIGTTIN ||
           signal_number == SIGTTOU;
}

static void at_stop(struct followed *f, pid_t pid, int status)
{
    int signal_number = WSTOPSIG(status);
    int event = status >> 16;

    if (event == PTRACE_EVENT_STOP && stops_a_group(signal_number)) {
        ptrace(PTRACE_LISTEN, pid, NULL, 0L); /* stays stopped, until it is continued */
        return;
    }
    if (event == PTRACE_EVENT_EXIT)
        at_exit(f, pid);
    else if (event == PTRACE_EVENT_EXEC && pid == f->root && f->started_s == 0)
        f->started_s = now_s();
    else if (event == PTRACE_EVENT_STOP)
        note_birth(f, pid);
    ptrace(PTRACE_CONT, pid, NULL, event == 0 ? (long)signal_number : 0L);
}

static void at_end(struct followed *f, pid_t pid, int status, const struct rusage *usage)
{
    note_death(f, find(f, pid));
    if (pid != f->root)
        return;
    f->result.status = status;
    f->result.usage = *usage;
    f->result.wall_s = f->started_s > 0 ? now_s() - f->started_s - f->paused_s : 0;
    f->is_ended = true;
}

/* --- the loop --- */

static void handle_all(struct followed *f)
{
    struct rusage usage;
    pid_t pid;
    int status;

    while (!f->is_ended && (pid = wait4(-1, &status, __WALL | WNOHANG, &usage)) > 0) {
        if (WIFSTOPPED(status))
            at_stop(f, pid, status);
        else
            at_end(f, pid, status, &usage);
    }
}

static struct timespec longest_pause(struct followed *f)
{
    double left_s = f->deadline_s > 0 ? f->deadline_s - now_s() : 3600;
    struct timespec pause;

    if (attach_to_detached(f) && left_s > ATTACH_EVERY_NS * 1e-9)
        left_s = ATTACH_EVERY_NS * 1e-9;
    if (left_s < 0)
        left_s = 0;
    pause.tv_sec = (time_t)left_s;
    pause.tv_nsec = (long)((left_s - (double)pause.tv_sec) * 1e9);
    return pause;
}

/* Until there is something to handle, or the time is over. */
static void pause_for_signal(struct followed *f)
{
    struct timespec pause = longest_pause(f);
    sigset_t awaited = f->limits->stops;
    int signal_number;

    sigaddset(&awaited, SIGCHLD);
    signal_number = sigtimedwait(&awaited, NULL, &pause);
    if (signal_number > 0 && signal_number != SIGCHLD) {
        f->result.stopped_by = signal_number;
        kill(f->root, SIGKILL);
    }
    if (f->deadline_s > 0 && now_s() >= f->deadline_s) {
        f->result.is_timed_out = true;
        f->deadline_s = 0;
        kill(f->root, SIGKILL);
    }
}

/* What outlives the first process has not told its memory yet, and is killed like it. */
static void read_survivors(struct followed *f)
{
    struct memory memory;

    for (size_t idx = 0; idx < f->count; idx++) {
        read_memory(f, &f->living[idx], f->living[idx].pid, &memory);
        keep_larger(&f->result.final_kib, f->living[idx].final_kib);
        kill(f->living[idx].pid, SIGKILL);
    }
    kill(-f->root, SIGKILL);
}

/*
 * ru_maxrss is the larger of what the child inherited from us and the truth: where it is more than
 * the former, it is the truth. The kernel counts pages per CPU and sums them up at times, so that
 * the two differ a little even when both are.
 */
static void compare_with_rusage(struct followed *f)
{
    struct follow_result *result = &f->result;
    long by_rusage_kib = result->usage.ru_maxrss;
    long inexactness_kib = 1024 + result->peak_kib / 16;
    bool is_truth = by_rusage_kib > f->inherited_kib + 512;

    result->is_peak_by_status =
        result->peak_kib >= 0 && !(is_truth && by_rusage_kib > result->peak_kib + inexactness_kib);
    if (!result->is_peak_by_status)
        result->peak_kib = by_rusage_kib;
}

static void let_go(int go_fd)
{
    ssize_t written;

    do
        written = write(go_fd, "", 1);
    while (written < 0 && errno == EINTR);
    close(go_fd);
}

struct follow_result follow(pid_t child, int go_fd, const struct follow_limits *limits)
{
    struct followed f = {.limits = limits,
                         .result = {.peak_kib = -1, .final_kib = -1, .processes = 0},
                         .root = child};
    struct memory before = {.peak_kib = 0};

    memory_read(child, &before);
    f.inherited_kib = before.peak_kib;
    f.is_traced = ptrace(PTRACE_SEIZE, child, NULL, process_options) == 0;
    note_birth(&f, child);
    if (limits->seconds > 0)
        f.deadline_s = now_s() + limits->seconds;
    if (!f.is_traced)
        f.started_s = now_s();
    let_go(go_fd);
    while (handle_all(&f), !f.is_ended)
        pause_for_signal(&f);
    read_survivors(&f);
    compare_with_rusage(&f);
    if (!f.is_traced)
        f.result.processes = -1;
    if (!f.is_traced || f.is_final_unknown)
        f.result.final_kib = -1;
    return f.result;
}
