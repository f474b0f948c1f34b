/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * subject.c - a program to be measured, which does what its arguments say, one after the other.
 *
 *     subject touch 64 release sleep 10 exit 3
 *
 * A verb that starts a process or a thread hands it the verbs that follow.
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static char *own_path;
static void *touched;
static size_t touched_bytes;

static __attribute__((noreturn)) void perform(char **verbs);

static int pop_number(char ***verbs)
{
    return atoi(*(*verbs)++);
}

static void touch(int mebibytes)
{
    touched_bytes = (size_t)mebibytes << 20;
    touched = mmap(NULL, touched_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (touched == MAP_FAILED)
        abort();
    madvise(touched, touched_bytes, MADV_NOHUGEPAGE); /* a fault for each page */
    memset(touched, 1, touched_bytes);
}

static void *perform_in_thread(void *verbs)
{
    perform(verbs);
}

static void *do_nothing(void *unused)
{
    return unused;
}

static void *wait_forever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static pthread_t start_thread(void *(*run)(void *), void *argument)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run, argument) != 0)
        abort();
    return thread;
}

static void run_threads(int count)
{
    for (int idx = 0; idx < count; idx++)
        pthread_join(start_thread(do_nothing, NULL), NULL);
}

/* The argument vector of another copy of this program. */
static char **with_own_path(char **verbs)
{
    verbs[-1] = own_path;
    return verbs - 1;
}

static __attribute__((noreturn)) void exit_like(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child)
        abort();
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
}

static pid_t fork_and_perform(char **verbs)
{
    pid_t child = fork();

    if (child == 0)
        perform(verbs);
    return child;
}

static pid_t spawn(char **verbs)
{
    pid_t child;

    if (posix_spawn(&child, own_path, NULL, NULL, with_own_path(verbs), environ) != 0)
        abort();
    return child;
}

static long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void stop_and_be_continued(void)
{
    long begun_ms = now_ms();
    pid_t self = getpid();
    pid_t child = fork();

    if (child == 0) {
        usleep(60 * 1000);
        kill(self, SIGCONT);
        _exit(0);
    }
    raise(SIGSTOP);
    printf("stopped for %s\n", now_ms() - begun_ms >= 50 ? "long enough" : "too short a time");
    waitpid(child, NULL, 0);
}

static void tell_signal(int signal_number)
{
    printf("got %d\n", signal_number);
}

static void show_cpus(void)
{
    cpu_set_t cpus;

    sched_getaffinity(0, sizeof(cpus), &cpus);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &cpus))
            printf("cpu %zu\n", cpu);
}

static void show_variable(const char *name)
{
    const char *value = getenv(name);

    printf("%s=%s\n", name, value != NULL ? value : "(unset)");
}

static int is_verb(const char *verb, const char *name)
{
    return strcmp(verb, name) == 0;
}

/* The verbs that have a successor; false when the verb is another one. */
static int perform_simple(const char *verb, char ***rest)
{
    if (is_verb(verb, "touch"))
        touch(pop_number(rest));
    else if (is_verb(verb, "release"))
        munmap(touched, touched_bytes);
    else if (is_verb(verb, "sleep"))
        usleep((useconds_t)pop_number(rest) * 1000);
    else if (is_verb(verb, "threads"))
        run_threads(pop_number(rest));
    else if (is_verb(verb, "idle"))
        start_thread(wait_forever, NULL);
    else if (is_verb(verb, "handle"))
        signal(pop_number(rest), tell_signal);
    else if (is_verb(verb, "raise"))
        raise(pop_number(rest));
    else if (is_verb(verb, "stop"))
        stop_and_be_continued();
    else if (is_verb(verb, "cpus"))
        show_cpus();
    else if (is_verb(verb, "show"))
        show_variable(*(*rest)++);
    else
        return 0;
    return 1;
}

static __attribute__((noreturn)) void perform_last(const char *verb, char **rest)
{
    if (is_verb(verb, "exit"))
        exit(pop_number(&rest));
    if (is_verb(verb, "fork"))
        exit_like(fork_and_perform(rest));
    if (is_verb(verb, "spawn"))
        exit_like(spawn(rest));
    if (is_verb(verb, "exec")) {
        execv(own_path, with_own_path(rest));
        abort();
    }
    if (is_verb(verb, "in-thread")) { /* the first thread lives on */
        start_thread(perform_in_thread, rest);
        wait_forever(NULL);
    }
    if (is_verb(verb, "without-main")) { /* the first thread ends */
        start_thread(perform_in_thread, rest);
        pthread_exit(NULL);
    }
    fprintf(stderr, "subject: unknown verb: %s\n", verb);
    exit(98);
}

static __attribute__((noreturn)) void perform(char **verbs)
{
    while (*verbs != NULL) {
        const char *verb = *verbs++;

        if (!perform_simple(verb, &verbs))
            perform_last(verb, verbs);
        fflush(stdout);
    }
    exit(0);
}

int main(int argument_count, char **arguments)
{
    own_path = realpath("/proc/self/exe", NULL);
    if (own_path == NULL || argument_count < 1)
        return 97;
    perform(arguments + 1);
}
