/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * workload.c - parameters, threads, the clock and the result of a workload. See workload.h.
 */

#include "bench/workloads/workload.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048, STACK_BYTES = 256 << 10 };

uint64_t ops, threads, live, min, max;
struct sizes sizes;

/* Of several threads that fail at once, one says so. */
void fail(const char *format, ...)
{
    static bool has_failed;
    char message[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (__atomic_exchange_n(&has_failed, true, __ATOMIC_RELAXED))
        for (;;)
            pause();
    dprintf(STDERR_FILENO, "%s: %s\n", program_invocation_short_name, message);
    _exit(1); /* other threads may be at work: nothing is torn down below them */
}

void out_of_memory(void)
{
    fail("out of memory");
}

/* ---- parameters ---- */

/* Digits and perhaps k, m or g; true when that is all, and it fits. */
static bool parse_number(const char *text, uint64_t *number)
{
    static const char suffixes[] = "kmg";
    const char *suffix;
    uint64_t sum = 0;
    unsigned shift;

    if (!isdigit((unsigned char)*text))
        return false;
    for (; isdigit((unsigned char)*text); text++)
        if (__builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
            return false;
    suffix = *text == '\0' ? NULL : strchr(suffixes, tolower((unsigned char)*text));
    shift = suffix == NULL ? 0 : 10 * (unsigned)(suffix - suffixes + 1);
    *number = sum << shift;
    return text[suffix != NULL] == '\0' && *number >> shift == sum;
}

static void read_number(const struct parameter *parameter, const char *text)
{
    if (!parse_number(text, parameter->value))
        fail("bad number: %s=%s", parameter->name, text);
    if (*parameter->value < parameter->least || *parameter->value > parameter->most)
        fail("out of range: %s=%s: from %" PRIu64 " to %" PRIu64, parameter->name, text,
             parameter->least, parameter->most);
}

/* "lifo | fifo | random" */
static const char *joined(const char *const *words)
{
    static char text[LINE_BYTES];

    text[0] = '\0';
    for (size_t idx = 0; words[idx] != NULL; idx++) {
        strcat(text, idx == 0 ? "" : " | ");
        strcat(text, words[idx]);
    }
    return text;
}

static void read_value(const struct parameter *parameter, const char *text)
{
    if (parameter->text != NULL)
        *parameter->text = text;
    else if (parameter->words == NULL)
        read_number(parameter, text);
    if (parameter->words == NULL)
        return;
    for (size_t idx = 0; parameter->words[idx] != NULL; idx++)
        if (strcmp(parameter->words[idx], text) == 0) {
            *parameter->value = idx;
            return;
        }
    fail("unknown word: %s=%s: %s", parameter->name, text, joined(parameter->words));
}

static void read_argument(const struct parameter *parameter, const char *argument)
{
    const char *name_end = strchrnul(argument, '=');
    size_t name_bytes = (size_t)(name_end - argument);

    while (parameter->name != NULL && (strncmp(parameter->name, argument, name_bytes) != 0 ||
                                       parameter->name[name_bytes] != '\0'))
        parameter++;
    if (parameter->name == NULL)
        fail("unknown parameter: %.*s", (int)name_bytes, argument);
    if (*name_end == '\0')
        fail("parameter without a value: %s", argument);
    read_value(parameter, name_end + 1);
}

static void help(const char *about, const struct parameter *parameter)
{
    printf("usage: %s [--about] [--help] [name=value ...]\n\n%s\n\n"
           "Numbers may end in k, m or g. The parameters, with their defaults:\n",
           program_invocation_short_name, about);
    for (; parameter->name != NULL; parameter++) {
        if (parameter->text != NULL) {
            printf("  %s=...\n", parameter->name);
            continue;
        }
        if (parameter->words != NULL) {
            printf("  %s=%s   %s\n", parameter->name, parameter->words[*parameter->value],
                   joined(parameter->words));
            continue;
        }
        printf("  %s=%" PRIu64 "   from %" PRIu64 " to %" PRIu64 "\n", parameter->name,
               *parameter->value, parameter->least, parameter->most);
    }
}

void begin(int argument_count, char **arguments, const char *about,
           const struct parameter *parameters)
{
    for (const struct parameter *parameter = parameters; parameter->name != NULL; parameter++)
        if (parameter->text == NULL)
            *parameter->value = parameter->preset;
    for (int idx = 1; idx < argument_count; idx++) {
        if (strcmp(arguments[idx], "--about") == 0)
            puts(about);
        else if (strcmp(arguments[idx], "--help") == 0)
            help(about, parameters);
        else {
            read_argument(parameters, arguments[idx]);
            continue;
        }
        exit(0);
    }
    if (max != 0)
        sizes = sizes_between(min, max);
}

/* ---- time and result ---- */

static uint64_t clock_started_ns, clock_sum_ns;
static char extras[LINE_BYTES];

uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void clock_start(void)
{
    clock_started_ns = now_ns();
}

void clock_stop(void)
{
    clock_sum_ns += now_ns() - clock_started_ns;
}

void extra(const char *name, uint64_t value)
{
    size_t used = strlen(extras);

    snprintf(extras + used, sizeof(extras) - used, "%s\"%s\": %" PRIu64,
             used == 0 ? ", \"extra\": {" : ", ", name, value);
}

int report(uint64_t ops_done)
{
    char line[LINE_BYTES + 128];
    int bytes = snprintf(line, sizeof(line),
                         "{\"ops\": %" PRIu64 ", \"seconds\": %" PRIu64 ".%09" PRIu64 "%s%s}\n",
                         ops_done, clock_sum_ns / 1000000000, clock_sum_ns % 1000000000, extras,
                         extras[0] == '\0' ? "" : "}");

    if (write(STDOUT_FILENO, line, (size_t)bytes) != bytes)
        fail("the result cannot be written: %s", strerror(errno));
    return 0;
}

int run(uint64_t count, void (*work)(size_t idx))
{
    run_threads(count, work);
    return report(ops);
}

/* ---- threads, which wait at a gate until all of them are there ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static uint64_t waiting_count;
static bool gate_is_open;
static void (*gated_work)(size_t idx);

static void *pass_gate(void *idx)
{
    pthread_mutex_lock(&gate);
    waiting_count++;
    pthread_cond_broadcast(&gate_changed);
    while (!gate_is_open)
        pthread_cond_wait(&gate_changed, &gate);
    pthread_mutex_unlock(&gate);
    gated_work((size_t)(uintptr_t)idx);
    return NULL;
}

/* The clock starts before the first thread can, whichever gets the CPU then. */
static void open_gate(uint64_t count)
{
    pthread_mutex_lock(&gate);
    while (waiting_count < count)
        pthread_cond_wait(&gate_changed, &gate);
    gate_is_open = true;
    clock_start();
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate);
}

void start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
    pthread_attr_t attributes;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    error = pthread_create(thread, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        fail("a thread cannot be started: %s", strerror(error));
}

void run_threads(uint64_t count, void (*work)(size_t idx))
{
    static pthread_t handles[THREADS_MOST];

    if (count == 1) {
        clock_start();
        work(0);
        clock_stop();
        return;
    }
    gated_work = work;
    for (size_t idx = 0; idx < count; idx++)
        start_thread(&handles[idx], pass_gate, (void *)(uintptr_t)idx);
    open_gate(count);
    for (size_t idx = 0; idx < count; idx++)
        pthread_join(handles[idx], NULL);
    clock_stop();
}

/* ---- tables and sizes ---- */

static void *mapped(size_t bytes, int flags)
{
    void *table =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

    if (table == MAP_FAILED)
        out_of_memory();
    return table;
}

void *new_table(size_t count, size_t bytes_each)
{
    return mapped(count * bytes_each, 0);
}

void *new_resident_table(size_t count, size_t bytes_each)
{
    return mapped((count + 1) * bytes_each, MAP_POPULATE);
}

void drop_table(void *table, size_t count, size_t bytes_each)
{
    munmap(table, count * bytes_each);
}

uint64_t number_in(const char *path, const char *label)
{
    char text[8192];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    const char *at;

    if (file >= 0)
        close(file);
    text[bytes > 0 ? bytes : 0] = '\0';
    at = strstr(text, label);
    return at == NULL ? 0 : strtoull(at + strlen(label), NULL, 10);
}

static unsigned log2_of(uint64_t number)
{
    return 63 - (unsigned)__builtin_clzll(number);
}

struct sizes sizes_between(uint64_t least, uint64_t most)
{
    if (least > most)
        fail("min is above max: %" PRIu64 " and %" PRIu64, least, most);
    /* a max that is a power of two ends the octave below it, and is not one of its own */
    return (struct sizes){least, most, log2_of(least),
                          most > least ? log2_of(most - 1) - log2_of(least) + 1 : 1};
}

uint64_t sizes_mean(void)
{
    uint64_t sum = 0;

    for (unsigned octave = 0; octave < sizes.octaves; octave++) {
        uint64_t low = UINT64_C(1) << (sizes.min_log2 + octave);
        uint64_t high = 2 * low;
        sum += (low < sizes.min ? sizes.min : low) + (high > sizes.max ? sizes.max : high);
    }
    return sum / 2 / sizes.octaves;
}
