/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * run.c - runs any program on a stack of cairn.
 *
 *     run [--stack=cairn|reference|system] [--stats] [--prove] [--conf=key:value,...] [--] program [arguments]
 *
 * The library of the stack is appended to LD_PRELOAD, so that a profiler which is preloaded already
 * stays in front. The program runs in the directory of the caller (`bazel run` starts in another
 * one) and in place of this process, so that signals, job control and the exit status are its own.
 * With --prove it runs as a child instead: when it ends, its mappings are read, and a program in
 * which the library took no effect (static, set-user-id) is an error.
 *
 * Exit status: the program's; 125 for a wrong call, a missing library, or a proof that failed; 126
 * and 127 as in a shell.
 */

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_OWN = 125, EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct stack {
    const char *name;
    const char *library; /* from the directory of this program; NULL: the C library's own malloc */
};

static const struct stack stacks[] = {
    {"cairn", "../../composed/malloc/libcairn.so"},
    {"reference", "../../composed/reference/libcairn_reference.so"},
    {"system", NULL},
};

enum { STACK_COUNT = sizeof(stacks) / sizeof(stacks[0]) };

struct options {
    const struct stack *stack;
    const char *conf;
    bool stats;
    bool prove;
    char **program;
};

static __attribute__((format(printf, 1, 2), noreturn)) void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("run: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_OWN);
}

static void usage(FILE *stream)
{
    fputs("usage: run [--stack=cairn|reference|system] [--stats] [--prove] [--conf=key:value,...]\n"
          "           [--] program [arguments]\n"
          "\n"
          "  --stack   which malloc the program gets (cairn)\n"
          "  --stats   print the malloc's statistics on stderr at exit\n"
          "  --prove   check that the library was in effect, and say so on stderr\n"
          "  --conf    options for the malloc, see <cairn/malloc.h>\n",
          stream);
}

static const struct stack *find_stack(const char *name)
{
    for (size_t idx = 0; idx < STACK_COUNT; idx++)
        if (strcmp(name, stacks[idx].name) == 0)
            return &stacks[idx];
    fail("there is no stack '%s'; it is cairn, reference or system", name);
}

static struct options read_options(int argument_count, char **arguments)
{
    static const struct option known[] = {
        {"stack", required_argument, NULL, 's'}, {"conf", required_argument, NULL, 'c'},
        {"stats", no_argument, NULL, 't'},       {"prove", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    struct options options = {.stack = &stacks[0]};
    int option;

    opterr = 0;
    /* "+": the first word that is no option is the program; what follows is the program's. */
    while ((option = getopt_long(argument_count, arguments, "+", known, NULL)) != -1) {
        switch (option) {
        case 's':
            options.stack = find_stack(optarg);
            break;
        case 'c':
            options.conf = optarg;
            break;
        case 't':
            options.stats = true;
            break;
        case 'p':
            options.prove = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            fail("option '%s' is wrong or has no value; try --help", arguments[optind - 1]);
        }
    }
    options.program = arguments + optind;
    if (*options.program == NULL) {
        usage(stderr);
        exit(EXIT_OWN);
    }
    return options;
}

/* The absolute path of a stack's library: it lies where Bazel builds it, seen from this program. */
static void find_library(char path[PATH_MAX], const char *library)
{
    char own[PATH_MAX];
    char joined[2 * PATH_MAX];
    ssize_t own_bytes = readlink("/proc/self/exe", own, sizeof(own) - 1);
    char *slash;

    if (own_bytes < 0)
        fail("/proc/self/exe cannot be read: %s", strerror(errno));
    own[own_bytes] = '\0';
    slash = strrchr(own, '/');
    *slash = '\0';
    snprintf(joined, sizeof(joined), "%s/%s", own, library);
    if (realpath(joined, path) == NULL || access(path, R_OK) != 0)
        fail("library %s is missing: build //composed:run again", joined);
    if (strpbrk(path, " :") != NULL)
        fail("library %s cannot be preloaded: its path has a space or a colon", path);
}

/* variable = "old<separator>added", or "added" when it was not set. */
static void append_variable(const char *variable, char separator, const char *added)
{
    const char *old = getenv(variable);
    char *joined = NULL;

    if (old == NULL || *old == '\0') {
        setenv(variable, added, 1);
        return;
    }
    if (asprintf(&joined, "%s%c%s", old, separator, added) < 0)
        fail("out of memory");
    setenv(variable, joined, 1);
    free(joined);
}

static void prepare(const struct options *options, char library[PATH_MAX])
{
    const char *directory = getenv("BUILD_WORKING_DIRECTORY");

    if (options->stack->library != NULL) {
        find_library(library, options->stack->library);
        append_variable("LD_PRELOAD", ':', library);
    }
    if (options->conf != NULL)
        append_variable("CAIRN_CONF", ',', options->conf);
    if (options->stats)
        append_variable("CAIRN_CONF", ',', "stats:1");
    if (directory != NULL && chdir(directory) != 0)
        fail("directory %s cannot be entered: %s", directory, strerror(errno));
    unsetenv("BUILD_WORKING_DIRECTORY");
    unsetenv("BUILD_WORKSPACE_DIRECTORY");
}

static __attribute__((noreturn)) void execute(char **program)
{
    execvp(program[0], program);
    fprintf(stderr, "run: %s: %s\n", program[0], strerror(errno));
    _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static bool is_mapped(pid_t process, const char *library)
{
    char path[64];
    char line[PATH_MAX + 128];
    bool is_found = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%d/maps", (int)process);
    maps = fopen(path, "r");
    if (maps == NULL)
        return false;
    while (!is_found && fgets(line, sizeof(line), maps) != NULL)
        is_found = strstr(line, library) != NULL;
    fclose(maps);
    return is_found;
}

/* Follows the program to its end; true when the library was mapped at that moment. */
static bool follow(pid_t process, const char *library, int *status)
{
    bool was_mapped = false;

    while (waitpid(process, status, 0) == process && WIFSTOPPED(*status)) {
        int signal_number = WSTOPSIG(*status);
        int event = *status >> 16;

        if (event == PTRACE_EVENT_EXIT)
            was_mapped = is_mapped(process, library);
        if (event != 0 || signal_number == SIGTRAP)
            signal_number = 0;
        ptrace(PTRACE_CONT, process, NULL, (long)signal_number);
    }
    return was_mapped;
}

/* The child waits in raise() until its parent watches it. */
static pid_t start_watched(char **program)
{
    pid_t process = fork();
    int status;

    if (process < 0)
        fail("fork: %s", strerror(errno));
    if (process == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            fail("--prove needs ptrace, which is not allowed here: %s", strerror(errno));
        raise(SIGSTOP);
        execute(program);
    }
    if (waitpid(process, &status, 0) != process || !WIFSTOPPED(status))
        exit(EXIT_OWN);
    ptrace(PTRACE_SETOPTIONS, process, NULL,
           (long)(PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL));
    ptrace(PTRACE_CONT, process, NULL, 0L);
    return process;
}

static int run_and_prove(const struct options *options, const char *library)
{
    int status = 0;
    pid_t process;
    bool was_mapped;

    process = start_watched(options->program);
    signal(SIGINT, SIG_IGN); /* the terminal sends it to the program, too; its end is ours */
    was_mapped = follow(process, library, &status);
    if (!was_mapped)
        fail("%s did NOT run on %s: is it static or set-user-id?", options->program[0], library);
    fprintf(stderr, "run: %s (process %d) ran on %s\n", options->program[0], (int)process, library);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argument_count, char **arguments)
{
    struct options options = read_options(argument_count, arguments);
    char library[PATH_MAX] = "";

    prepare(&options, library);
    if (options.prove && options.stack->library != NULL)
        return run_and_prove(&options, library);
    execute(options.program);
}
