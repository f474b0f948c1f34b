/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * stepper.c - runs a program of pairs instruction by instruction, and counts those of malloc and of
 * free: the excursions between two instructions of the program itself.
 *
 *     stepper COUNT program arguments...      {"malloc": [23, 23, ...], "free": [32, 32, ...]}
 *
 * Nothing is emulated: the program runs on the machine as it is, and so do the restartable
 * sequences of a malloc. Each step is an interruption, though, after which the kernel would start a
 * sequence anew, for ever. So the pointer to the sequence is cleared at each step, in the area that
 * the kernel says it reads: the process has one thread, held to one CPU, and nobody is there whom
 * the sequence would have to be kept from.
 *
 * Exit status: 0; 1 when the program did not get that far; 2 for a wrong call; 3 when it cannot be
 * stepped.
 */

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT_MOST = 10000, STEPS_MOST = 1000000, RSEQ_CS_AT = 8 };
enum { EXIT_PROGRAM = 1, EXIT_CALL = 2, EXIT_STEPPING = 3 };

static pid_t program;
static uint64_t code_low;
static uint64_t code_high;
static uint64_t rseq_area; /* 0: none is registered, or the kernel does not tell */

static __attribute__((noreturn)) void fail(int status, const char *what, const char *why)
{
    fprintf(stderr, "stepper: %s: %s\n", what, why);
    kill(program, SIGKILL);
    exit(status);
}

/* The program. */

/* One CPU for both: a step is then a switch between two neighbours, and no migration. */
static void hold_to_one_cpu(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
}

static void become(char **command)
{
    const char *library = getenv("STEPPER_PRELOAD");

    if (library != NULL)
        setenv("LD_PRELOAD", library, 1);
    setenv("PAIRS_STOP", "1", 1);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(EXIT_STEPPING);
    execv(command[0], command);
    _exit(127);
}

/* Waits until the program is stopped by SIGTRAP; any other way to stop is the end of it. */
static void await_trap(void)
{
    char status_text[32];
    int status;

    if (waitpid(program, &status, 0) != program)
        fail(EXIT_STEPPING, "the program cannot be waited for", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_STEPPING)
        fail(EXIT_STEPPING, "ptrace", "not allowed here");
    snprintf(status_text, sizeof(status_text), "exit status %d", WEXITSTATUS(status));
    if (WIFEXITED(status))
        fail(EXIT_PROGRAM, "the program ended early", status_text);
    if (WIFSIGNALED(status))
        fail(EXIT_PROGRAM, "the program ended early", strsignal(WTERMSIG(status)));
    if (WSTOPSIG(status) != SIGTRAP)
        fail(EXIT_PROGRAM, "the program was stopped by a signal", strsignal(WSTOPSIG(status)));
}

static void go_on(enum __ptrace_request how)
{
    if (ptrace(how, program, NULL, NULL) != 0)
        fail(EXIT_STEPPING, "the program cannot go on", strerror(errno));
    await_trap();
}

static uint64_t instruction(void)
{
    struct __ptrace_syscall_info info;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, program, (void *)sizeof(info), &info) <= 0)
        fail(EXIT_STEPPING, "the kernel does not tell the next instruction", strerror(errno));
    return info.instruction_pointer;
}

/* The mapping of the program's own file that can be executed. */
static void find_code(void)
{
    char path[64], exe[4096], line[4352];
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/exe", (int)program);
    ssize_t bytes = readlink(path, exe, sizeof(exe) - 1);
    exe[bytes > 0 ? bytes : 0] = '\0';
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)program);
    maps = fopen(path, "re");
    while (bytes > 0 && maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        const char *file = strchr(line, '/');
        if (file == NULL || strstr(line, " r-xp ") == NULL ||
            strncmp(file, exe, (size_t)bytes) != 0 || file[bytes] != '\n')
            continue;
        sscanf(line, "%" SCNx64 "-%" SCNx64, &code_low, &code_high);
    }
    if (maps != NULL)
        fclose(maps);
    if (code_high == 0)
        fail(EXIT_STEPPING, "/proc/PID/maps", "the program's code was not found");
}

static void find_rseq_area(void)
{
    struct __ptrace_rseq_configuration found;

    if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, program, (void *)sizeof(found), &found) > 0)
        rseq_area = found.rseq_abi_pointer;
}

/* Counting. */

static bool is_own(uint64_t at)
{
    return at >= code_low && at < code_high;
}

/* One instruction; returns the address of the next. */
static uint64_t step(void)
{
    go_on(PTRACE_SINGLESTEP);
    if (rseq_area != 0)
        ptrace(PTRACE_POKEDATA, program, (void *)(uintptr_t)(rseq_area + RSEQ_CS_AT), NULL);
    return instruction();
}

/* Goes on to the program's code, where it is at once or after some instructions of others. */
static unsigned steps_back(void)
{
    unsigned count = 0;

    for (uint64_t at = instruction(); !is_own(at); at = step())
        if (++count > STEPS_MOST)
            fail(EXIT_STEPPING, "a million instructions, and no end", "a restartable sequence?");
    return count;
}

static void step_out(void)
{
    while (is_own(step()))
        continue;
}

static void print(const char *name, const unsigned *counts, size_t count)
{
    printf("\"%s\": [", name);
    for (size_t idx = 0; idx < count; idx++)
        printf("%s%u", idx == 0 ? "" : ", ", counts[idx]);
    printf("]");
}

int main(int argument_count, char **arguments)
{
    static unsigned makes[COUNT_MOST], drops[COUNT_MOST];
    long count = argument_count > 2 ? strtol(arguments[1], NULL, 10) : 0;

    if (count < 1 || count > COUNT_MOST) {
        fprintf(stderr, "usage: stepper COUNT program arguments...   (COUNT from 1 to %d)\n",
                COUNT_MOST);
        return EXIT_CALL;
    }
    hold_to_one_cpu();
    program = fork();
    if (program == 0)
        become(arguments + 2);
    await_trap();       /* exec */
    go_on(PTRACE_CONT); /* warm: the program's own signal */
    find_code();
    find_rseq_area();
    steps_back(); /* out of raise() */
    for (long idx = 0; idx < count; idx++) {
        step_out();
        makes[idx] = steps_back();
        step_out();
        drops[idx] = steps_back();
    }
    kill(program, SIGKILL);
    printf("{");
    print("malloc", makes, (size_t)count);
    printf(", ");
    print("free", drops, (size_t)count);
    printf("}\n");
    return fflush(stdout) == 0 ? 0 : EXIT_PROGRAM;
}
