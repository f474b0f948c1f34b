/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * follow.c - stops each process of a program at its birth, its exec and its exit, and nowhere else.
 *
 *     fork, vfork   the child is attached to by the kernel: it is noted in the table
 *     exec          new memory begins; the first one starts the clock
 *     exit          its memory is still whole: VmHWM and VmRSS are read
 *
 * Threads are not followed, for each birth and death of one would cost two stops. What that leaves unseen:
 *
 *  - The first thread ends alone, by pthread_exit. Then the remaining ones are attached to, and the last of them to
 *    end tells.
 *  - The first thread is killed because another one calls exec: the new program is not attached to. Until we have
 *    attached to it, we try every millisecond.
 *  - A child that another thread forks, and memory that an exec threw away: they are in ru_maxrss, which knows the
 *    largest of all processes waited for. It counts where it is larger by more than the kernel's inexactness.
 *
 * All signals are blocked and taken one by one between the stops, so that no handler can interrupt anything.
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

enum { ATTACH_EVERY_NS = 1000 * 1000 };

static const long process_options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC |
                                    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;

struct process {
    pid_t pid;
    long final_kib;   /* the last that was read; -1: nothing */
    bool is_detached; /* its first thread was killed, and it may live on in another one */
};

struct followed {
    const struct follow_limits *limits;
    struct follow_result result;
    struct process *processes;
    size_t count;
    size_t capacity;
    pid_t root;
    long inherited_kib; /* what ru_maxrss begins with */
    bool is_traced;
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

/* Any thread of it may be named: its first one may have ended before the others. */
struct memory {
    pid_t process; /* to which the thread belongs */
    long peak_kib; /* VmHWM; -1 when the memory is gone already */
    long now_kib;  /* VmRSS; likewise */
    long threads;  /* that still live, this one included */
};

static FILE *open_of(pid_t thread, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, name);
    return fopen(path, "re");
}

static void read_field(const char *line, const char *name, long *value)
{
    size_t name_bytes = strlen(name);

    if (strncmp(line, name, name_bytes) == 0)
        sscanf(line + name_bytes, "%ld", value);
}

/* False when there is no such thread (any more), or no /proc. */
static bool memory_read(pid_t thread, struct memory *memory)
{
    FILE *status = open_of(thread, "status");
    long process = 0;
    char line[256];

    *memory = (struct memory){.peak_kib = -1, .now_kib = -1};
    if (status == NULL)
        return false;
    while (fgets(line, sizeof(line), status) != NULL) {
        read_field(line, "Tgid:", &process);
        read_field(line, "VmHWM:", &memory->peak_kib);
        read_field(line, "VmRSS:", &memory->now_kib);
        read_field(line, "Threads:", &memory->threads);
    }
    fclose(status);
    memory->process = (pid_t)process;
    return process > 0;
}

/* Whether the file with this absolute path is mapped into the memory of the thread. */
static bool is_mapped(pid_t thread, const char *path)
{
    FILE *maps = open_of(thread, "maps");
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

/* Whether a stopped thread is in this system call. */
static bool is_in_call(pid_t thread, long expected)
{
    FILE *call = open_of(thread, "syscall");
    long number = -1;

    if (call == NULL)
        return false;
    if (fscanf(call, "%ld", &number) != 1)
        number = -1;
    fclose(call);
    return number == expected;
}

/* --- the table of processes --- */

static struct process *find(struct followed *f, pid_t pid)
{
    for (size_t idx = 0; idx < f->count; idx++)
        if (f->processes[idx].pid == pid)
            return &f->processes[idx];
    return NULL;
}

static void note_birth(struct followed *f, pid_t pid)
{
    if (f->count == f->capacity) {
        size_t capacity = f->capacity == 0 ? 16 : f->capacity * 2;
        struct process *larger = realloc(f->processes, capacity * sizeof(*larger));

        if (larger == NULL)
            return; /* it runs on, unmeasured */
        f->processes = larger;
        f->capacity = capacity;
    }
    f->processes[f->count++] = (struct process){.pid = pid, .final_kib = -1};
    f->result.processes++;
}

static void keep_larger(long *value, long other)
{
    if (other > *value)
        *value = other;
}

static void note_death(struct followed *f, struct process *process)
{
    keep_larger(&f->result.final_kib, process->final_kib);
    *process = f->processes[--f->count];
}

/* --- attaching --- */

static bool attach(pid_t thread, long options)
{
    return ptrace(PTRACE_SEIZE, thread, NULL, options) == 0;
}

static size_t attach_to_threads_once(pid_t process)
{
    char path[64];
    const struct dirent *entry;
    size_t attached = 0;
    DIR *threads;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)process);
    threads = opendir(path);
    if (threads == NULL)
        return 0;
    while ((entry = readdir(threads)) != NULL) {
        pid_t thread = (pid_t)atoi(entry->d_name);

        if (thread > 0 && thread != process)
            attached += attach(thread, process_options | PTRACE_O_TRACECLONE);
    }
    closedir(threads);
    return attached;
}

/* A thread that was born meanwhile is found in the next pass; those born later are attached to by the kernel. */
static void attach_to_threads(pid_t process)
{
    while (attach_to_threads_once(process) > 0)
        continue;
}

static bool has_detached(const struct followed *f)
{
    for (size_t idx = 0; idx < f->count; idx++)
        if (f->processes[idx].is_detached)
            return true;
    return false;
}

static void attach_again(struct followed *f)
{
    for (size_t idx = f->count; idx-- > 0;) {
        struct process *process = &f->processes[idx];

        if (!process->is_detached)
            continue;
        if (attach(process->pid, process_options))
            process->is_detached = false;
        else if (errno == ESRCH && process->pid != f->root)
            note_death(f, process);
    }
}

/* --- what a stop tells --- */

static void read_memory(struct followed *f, struct process *process, const struct memory *memory)
{
    keep_larger(&f->result.peak_kib, memory->peak_kib);
    if (memory->now_kib >= 0)
        process->final_kib = memory->now_kib;
}

static void at_exit(struct followed *f, pid_t thread)
{
    double begun_s = now_s();
    struct memory memory;
    struct process *process;

    if (!memory_read(thread, &memory) || (process = find(f, memory.process)) == NULL)
        return;
    read_memory(f, process, &memory);
    if (process->pid == f->root && f->limits->library != NULL && memory.now_kib >= 0)
        f->result.preloaded = is_mapped(thread, f->limits->library) ? FOLLOW_YES : FOLLOW_NO;
    if (thread == process->pid && memory.threads > 1) {
        if (is_in_call(thread, SYS_exit))
            attach_to_threads(thread);
        else
            process->is_detached = true;
    }
    if (process->pid == f->root)
        f->paused_s += now_s() - begun_s;
}

static void at_exec(struct followed *f, pid_t pid)
{
    ptrace(PTRACE_SETOPTIONS, pid, NULL, process_options); /* no longer its threads */
    if (pid == f->root && f->started_s == 0)
        f->started_s = now_s();
}

/* The first stop of what the kernel attached to: a process, or a thread of one whose threads are followed. */
static void at_birth(struct followed *f, pid_t thread)
{
    struct memory memory;

    if (find(f, thread) == NULL && memory_read(thread, &memory) && memory.process == thread)
        note_birth(f, thread);
}

static bool stops_a_group(int signal_number)
{
    return signal_number == SIGSTOP || signal_number == SIGTSTP || signal_number == SIGTTIN ||
           signal_number == SIGTTOU;
}

static void at_stop(struct followed *f, pid_t thread, int status)
{
    int signal_number = WSTOPSIG(status);
    int event = status >> 16;

    if (event == PTRACE_EVENT_STOP && stops_a_group(signal_number)) {
        ptrace(PTRACE_LISTEN, thread, NULL, 0L); /* stays stopped, until it is continued */
        return;
    }
    if (event == PTRACE_EVENT_EXIT)
        at_exit(f, thread);
    else if (event == PTRACE_EVENT_EXEC)
        at_exec(f, thread);
    else if (event == PTRACE_EVENT_STOP)
        at_birth(f, thread);
    ptrace(PTRACE_CONT, thread, NULL, event == 0 ? (long)signal_number : 0L);
}

static void at_end(struct followed *f, pid_t pid, int status, const struct rusage *usage)
{
    struct process *process = find(f, pid);

    if (process != NULL)
        note_death(f, process);
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

static struct timespec longest_pause(const struct followed *f)
{
    double left_s = f->deadline_s > 0 ? f->deadline_s - now_s() : 3600;
    struct timespec pause = {.tv_nsec = ATTACH_EVERY_NS};

    if (has_detached(f))
        return pause;
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
    attach_again(f);
}

/* What outlives the first process has not told its memory yet, and is killed like it. */
static void read_survivors(struct followed *f)
{
    struct memory memory;

    while (f->count > 0) {
        struct process *survivor = &f->processes[f->count - 1];

        if (memory_read(survivor->pid, &memory))
            read_memory(f, survivor, &memory);
        kill(survivor->pid, SIGKILL);
        note_death(f, survivor);
    }
    kill(-f->root, SIGKILL);
}

/*
 * ru_maxrss is the larger of what the child inherited from us and the truth: where it is more than the former, it is the
 * truth. The kernel counts pages per CPU and sums them up at times, so that the two differ a little even when both are.
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
    f.is_traced = attach(child, process_options);
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
    free(f.processes);
    return f.result;
}
