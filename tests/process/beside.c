/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * beside NEIGHBOUR FORKS PLUGIN: forks while other threads are inside the C library, or inside the
 * program's own locks, and want memory there. Fork takes some of these locks itself, in its middle:
 * a heap that has locked itself by then waits for ever. Every child must be able to use the heap.
 * Prints "FORKS forks"; a fork that takes 20 s is called a deadlock.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <iconv.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>

#include "tests/support/heap_use.h"

enum { DEADLOCK_SECONDS = 20, EXIT_HANDLERS_MAX = 100000 };

static const char *plugin;

/* ---- what neighbours do, once each ---- */

static void read_lines(FILE *file, int delimiter)
{
    char *line = NULL;
    size_t capacity = 0;

    rewind(file);
    while ((delimiter == '\n' ? getline(&line, &capacity, file)
                              : getdelim(&line, &capacity, delimiter, file)) > 0) {
        free(line);
        line = NULL;
        capacity = 0;
    }
    free(line);
}

static FILE *file_of_lines(char delimiter)
{
    FILE *file = tmpfile();

    for (int line = 0; file != NULL && line < 200; line++) {
        for (int word = 0; word < 40 * (line % 20 + 1); word++)
            fputs("0123456789", file);
        fputc(delimiter, file);
    }
    return file;
}

static void lines(void)
{
    static __thread FILE *file;

    file = file != NULL ? file : file_of_lines('\n');
    read_lines(file, '\n');
}

static void delimited(void)
{
    static __thread FILE *file;

    file = file != NULL ? file : file_of_lines(';');
    read_lines(file, ';');
}

static void flush(void)
{
    fflush(NULL);
}

static void print(void)
{
    static __thread FILE *file;

    file = file != NULL ? file : tmpfile();
    rewind(file);
    for (int line = 0; line < 50; line++)
        fprintf(file, "%*d%*.*f\n", 3000 + 100 * line, line, 2000, 1900, 1.0 / (line + 1));
}

static void print_to_memory(void)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);

    for (int line = 0; line < 300; line++)
        fprintf(stream, "%*d\n", 400, line);
    fclose(stream);
    free(text);
}

static void scan(void)
{
    char *word = NULL;
    char text[] = "neighbour 42";
    FILE *stream = fmemopen(text, sizeof(text), "r");

    if (fscanf(stream, "%ms", &word) == 1)
        free(word);
    fclose(stream);
}

static void load(void)
{
    void *object = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);

    if (object == NULL)
        use_leave("no plugin\n", 94);
    dlclose(object);
}

static void change_locale(void)
{
    locale_t locale = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);

    setlocale(LC_ALL, "C.UTF-8");
    setlocale(LC_ALL, "C");
    if (locale != (locale_t)0)
        freelocale(locale);
}

static void resolve(void)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "::1"};

    for (size_t idx = 0; idx < 3; idx++) {
        struct addrinfo *found = NULL;

        if (getaddrinfo(names[idx], "80", NULL, &found) == 0)
            freeaddrinfo(found);
    }
}

static void at_exit(void)
{
}

static void on_exit_too(int status, void *nothing)
{
    (void)status;
    (void)nothing;
}

static void register_at_exit(void)
{
    static int registered;

    if (registered >= EXIT_HANDLERS_MAX)
        usleep(100);
    else if (registered++ % 2 == 0)
        atexit(at_exit);
    else
        on_exit(on_exit_too, NULL);
}

static void run_a_command(void)
{
    char *line = NULL;
    size_t capacity = 0;
    FILE *command = popen("echo neighbour", "r");

    if (command == NULL)
        return;
    (void)!getline(&line, &capacity, command);
    free(line);
    pclose(command);
}

static void list(void)
{
    DIR *directory = opendir("/");

    while (directory != NULL && readdir(directory) != NULL)
        continue;
    closedir(directory);
}

static void convert(void)
{
    iconv_t conversion = iconv_open("UTF-16", "ISO-8859-1");

    if (conversion != (iconv_t)-1)
        iconv_close(conversion);
}

static void log_a_line(void)
{
    syslog(LOG_DEBUG | LOG_USER, "%*d", 3000, 1);
}

/* ---- a lock of the program, taken by its own handler of fork ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int has_mutex_handlers;

static void take_mutex(void)
{
    if (has_mutex_handlers)
        pthread_mutex_lock(&mutex);
}

static void release_mutex(void)
{
    if (has_mutex_handlers)
        pthread_mutex_unlock(&mutex);
}

static void allocate_under_mutex(void)
{
    pthread_mutex_lock(&mutex);
    use_heap(1, 60);
    pthread_mutex_unlock(&mutex);
    usleep(10);
}

/* Before the constructor of any library registers a handler: the prepare handler of the first comes
   last. */
static void register_first(int argc, char **argv, char **environment)
{
    (void)environment;
    has_mutex_handlers = argc > 1 && strcmp(argv[1], "mutex") == 0;
    pthread_atfork(take_mutex, release_mutex, release_mutex);
}

__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char **,
                                                                        char **) = register_first;

/* ---- the forks ---- */

enum { NEIGHBOURS_MAX = 3 };

static const struct neighbour {
    const char *name;
    void (*do_it[NEIGHBOURS_MAX])(void); /* a thread each */
} neighbours[] = {
    {"lines", {lines, delimited, flush}},
    {"print", {print, print_to_memory, flush}},
    {"scan", {scan, scan, flush}},
    {"load", {load, load}},
    {"locale", {change_locale}},
    {"resolve", {resolve, resolve}},
    {"exit", {register_at_exit}},
    {"command", {run_a_command, run_a_command}},
    {"list", {list, list}},
    {"convert", {convert, convert}},
    {"log", {log_a_line, log_a_line}},
    {"mutex", {allocate_under_mutex, allocate_under_mutex}},
};

static const struct neighbour *chosen;
static volatile int forks;

static void *do_until_told(void *number)
{
    while (!use_stop)
        chosen->do_it[(uintptr_t)number]();
    return NULL;
}

static void give_up(int number)
{
    (void)number;
    use_leave("deadlock\n", 95);
}

static void fork_once(void)
{
    int status = -1;
    pid_t child;

    alarm(DEADLOCK_SECONDS);
    child = fork();
    if (child == 0)
        use_as_child();
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
        use_leave("bad child\n", 96);
}

int main(int argc, char **argv)
{
    pthread_t threads[NEIGHBOURS_MAX];
    int count = 0;
    int wanted = argc == 4 ? atoi(argv[2]) : 0;

    for (size_t idx = 0; wanted > 0 && idx < sizeof(neighbours) / sizeof(neighbours[0]); idx++)
        if (strcmp(neighbours[idx].name, argv[1]) == 0)
            chosen = &neighbours[idx];
    if (chosen == NULL)
        return 2;
    plugin = argv[3];
    signal(SIGALRM, give_up);
    use_bequeath();
    while (count < NEIGHBOURS_MAX && chosen->do_it[count] != NULL)
        count++;
    use_start(threads, count, do_until_told);
    for (forks = 0; forks < wanted; forks++) {
        fork_once();
        usleep(200);
    }
    use_join(threads, count);
    alarm(DEADLOCK_SECONDS);
    use_end(&use_inherited);
    use_check_heap();
    printf("%d forks\n", forks);
    return 0;
}
