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
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 1024, EXTRA_MOST = 16, STACK_BYTES = 256 << 10 };

static const char *program = "workload";

/* Writes all of it, or tells that it could not. */
static bool put(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t written = write(fd, text, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        left -= (size_t)written;
    }
    return true;
}

/* Of several threads that fail at once, one says so. */
void workload_fail(const char *format, ...)
{
    static bool has_failed;
    char message[LINE_BYTES];
    char line[LINE_BYTES + 64];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (__atomic_exchange_n(&has_failed, true, __ATOMIC_RELAXED))
        for (;;)
            pause();
    snprintf(line, sizeof(line), "%s: %s\n", program, message);
    put(STDERR_FILENO, line);
    _exit(1); /* other threads may be at work: nothing is torn down below them */
}

void workload_out_of_memory(void)
{
    workload_fail("out of memory");
}

/* Parameters. */

static unsigned suffix_shift(char suffix)
{
    switch (tolower((unsigned char)suffix)) {
    case 'k':
        return 10;
    case 'm':
        return 20;
    case 'g':
        return 30;
    default:
        return 0;
    }
}

/* Digits and perhaps k, m or g; true when that is all up to `end`, and it fits. */
static bool parse_number(const char *text, const char *end, uint64_t *number)
{
    uint64_t sum = 0;
    unsigned shift;

    if (text == end || !isdigit((unsigned char)*text))
        return false;
    for (; text < end && isdigit((unsigned char)*text); text++)
        if (__builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*text - '0'), &sum))
            return false;
    shift = text < end ? suffix_shift(*text) : 0;
    *number = sum << shift;
    return text + (shift != 0) == end && *number >> shift == sum;
}

static void read_number(const struct workload_parameter *parameter, const char *text,
                        const char *end, uint64_t *number)
{
    if (!parse_number(text, end, number))
        workload_fail("bad number: %s=%.*s", parameter->name, (int)(end - text), text);
    if (*number < parameter->least || *number > parameter->most)
        workload_fail("out of range: %s=%.*s: from %" PRIu64 " to %" PRIu64, parameter->name,
                      (int)(end - text), text, parameter->least, parameter->most);
}

static void read_list(const struct workload_parameter *parameter, const char *text)
{
    size_t count = 0;

    for (;; text++) {
        const char *end = strchrnul(text, ',');
        if (count == WORKLOAD_LIST_MOST)
            workload_fail("too many numbers: %s: at most %d", parameter->name, WORKLOAD_LIST_MOST);
        read_number(parameter, text, end, &parameter->value[count++]);
        text = end;
        if (*text == '\0')
            break;
    }
    *parameter->count = count;
}

static void join_words(char *text, size_t text_bytes, const char *const *words)
{
    size_t used = 0;

    for (size_t idx = 0; words[idx] != NULL && used < text_bytes; idx++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", idx == 0 ? "" : " | ",
                                 words[idx]);
}

static void read_word(const struct workload_parameter *parameter, const char *text)
{
    char known[LINE_BYTES / 4];

    for (size_t idx = 0; parameter->words[idx] != NULL; idx++) {
        if (strcmp(parameter->words[idx], text) == 0) {
            *parameter->value = idx;
            return;
        }
    }
    join_words(known, sizeof(known), parameter->words);
    workload_fail("unknown word: %s=%s: %s", parameter->name, text, known);
}

static void read_parameter(const struct workload_parameter *parameters, const char *argument)
{
    const char *name_end = strchrnul(argument, '=');
    size_t name_bytes = (size_t)(name_end - argument);

    while (parameters->name != NULL && (strncmp(parameters->name, argument, name_bytes) != 0 ||
                                        parameters->name[name_bytes] != '\0'))
        parameters++;
    if (parameters->name == NULL)
        workload_fail("unknown parameter: %.*s", (int)name_bytes, argument);
    if (*name_end == '\0')
        workload_fail("parameter without a value: %s", argument);
    if (parameters->words != NULL)
        read_word(parameters, name_end + 1);
    else if (parameters->count != NULL)
        read_list(parameters, name_end + 1);
    else
        read_number(parameters, name_end + 1, strchr(argument, '\0'), parameters->value);
}

static void print_value(const struct workload_parameter *parameter)
{
    char words[LINE_BYTES / 4];

    if (parameter->words != NULL) {
        join_words(words, sizeof(words), parameter->words);
        dprintf(STDOUT_FILENO, "  %s=%s   %s\n", parameter->name,
                parameter->words[*parameter->value], words);
        return;
    }
    dprintf(STDOUT_FILENO, "  %s=", parameter->name);
    for (size_t idx = 0; idx < (parameter->count != NULL ? *parameter->count : 1); idx++)
        dprintf(STDOUT_FILENO, "%s%" PRIu64, idx == 0 ? "" : ",", parameter->value[idx]);
    dprintf(STDOUT_FILENO, "   from %" PRIu64 " to %" PRIu64 "\n", parameter->least,
            parameter->most);
}

static void help(const char *about, const struct workload_parameter *parameters)
{
    dprintf(STDOUT_FILENO,
            "usage: %s [--about] [--help] [name=value ...]\n\n%s\n\n"
            "Numbers may end in k, m or g. The parameters, with their defaults:\n",
            program, about);
    for (; parameters->name != NULL; parameters++)
        print_value(parameters);
}

void workload_begin(const char *name, const char *about,
                    const struct workload_parameter *parameters, int argument_count,
                    char **arguments)
{
    program = name;
    for (int idx = 1; idx < argument_count; idx++) {
        if (strcmp(arguments[idx], "--about") == 0) {
            dprintf(STDOUT_FILENO, "%s\n", about);
            exit(0);
        }
        if (strcmp(arguments[idx], "--help") == 0) {
            help(about, parameters);
            exit(0);
        }
        read_parameter(parameters, arguments[idx]);
    }
}

/* Time and result. */

static uint64_t clock_started_ns;
static uint64_t clock_sum_ns;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void workload_clock_start(void)
{
    clock_started_ns = now_ns();
}

void workload_clock_stop(void)
{
    clock_sum_ns += now_ns() - clock_started_ns;
}

struct extra {
    const char *name;
    uint64_t value;
};

static struct extra extras[EXTRA_MOST];
static size_t extra_count;

void workload_extra(const char *name, uint64_t value)
{
    if (extra_count == EXTRA_MOST)
        workload_fail("too many extra numbers: %s", name);
    extras[extra_count++] = (struct extra){name, value};
}

static void format_extras(char *text, size_t text_bytes)
{
    size_t used = 0;

    for (size_t idx = 0; idx < extra_count && used < text_bytes; idx++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s\"%s\": %" PRIu64,
                                 idx == 0 ? ", \"extra\": {" : ", ", extras[idx].name,
                                 extras[idx].value);
    if (extra_count > 0 && used < text_bytes)
        snprintf(text + used, text_bytes - used, "}");
}

int workload_report(uint64_t ops)
{
    char extra[LINE_BYTES] = "";
    char line[LINE_BYTES + 128];

    format_extras(extra, sizeof(extra));
    snprintf(line, sizeof(line),
             "{\"ops\": %" PRIu64 ", \"seconds\": %" PRIu64 ".%09" PRIu64 "%s}\n", ops,
             clock_sum_ns / 1000000000, clock_sum_ns % 1000000000, extra);
    if (!put(STDOUT_FILENO, line))
        workload_fail("the result cannot be written: %s", strerror(errno));
    return 0;
}

/* The second number of statm, in pages. */
uint64_t workload_resident_kib(void)
{
    char text[256];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    char *resident;

    if (got <= 0)
        workload_fail("/proc/self/statm cannot be read: %s", strerror(errno));
    close(fd);
    text[got] = '\0';
    resident = strchrnul(text, ' ');
    return strtoull(resident, NULL, 10) * ((uint64_t)sysconf(_SC_PAGESIZE) / 1024);
}

/* Threads. They wait at a gate until all of them are there. */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static uint64_t waiting_count;
static bool gate_is_open;
static void (*gated_body)(size_t idx);

static void *pass_gate(void *idx)
{
    pthread_mutex_lock(&gate);
    waiting_count++;
    pthread_cond_broadcast(&gate_changed);
    while (!gate_is_open)
        pthread_cond_wait(&gate_changed, &gate);
    pthread_mutex_unlock(&gate);
    gated_body((size_t)(uintptr_t)idx);
    return NULL;
}

/* The clock starts before the first thread can, whoever gets the CPU then. */
static void open_gate(uint64_t count)
{
    pthread_mutex_lock(&gate);
    while (waiting_count < count)
        pthread_cond_wait(&gate_changed, &gate);
    gate_is_open = true;
    workload_clock_start();
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate);
}

void workload_thread_start(pthread_t *thread, void *(*body)(void *), void *argument)
{
    pthread_attr_t attributes;
    int error;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    error = pthread_create(thread, &attributes, body, argument);
    pthread_attr_destroy(&attributes);
    if (error != 0)
        workload_fail("a thread cannot be started: %s", strerror(error));
}

void workload_threads(uint64_t count, void (*body)(size_t idx))
{
    static pthread_t threads[WORKLOAD_THREADS_MOST];

    gated_body = body;
    if (count == 1) {
        workload_clock_start();
        body(0);
        workload_clock_stop();
        return;
    }
    for (size_t idx = 0; idx < count; idx++)
        workload_thread_start(&threads[idx], pass_gate, (void *)(uintptr_t)idx);
    open_gate(count);
    for (size_t idx = 0; idx < count; idx++)
        pthread_join(threads[idx], NULL);
    workload_clock_stop();
}

/* Tables. */

void *workload_table(size_t count, size_t bytes_each)
{
    void *table =
        mmap(NULL, count * bytes_each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (table == MAP_FAILED)
        workload_out_of_memory();
    return table;
}

void workload_table_drop(void *table, size_t count, size_t bytes_each)
{
    munmap(table, count * bytes_each);
}

/* Sizes. */

static unsigned log2_of(uint64_t number)
{
    return 63 - (unsigned)__builtin_clzll(number);
}

struct workload_sizes workload_sizes_between(uint64_t min, uint64_t max)
{
    if (min > max)
        workload_fail("min is above max: %" PRIu64 " and %" PRIu64, min, max);
    /* a max that is a power of two ends the octave below it, and is not one of its own */
    return (struct workload_sizes){min, max, log2_of(min),
                                   max > min ? log2_of(max - 1) - log2_of(min) + 1 : 1};
}

uint64_t workload_sizes_mean(const struct workload_sizes *sizes)
{
    uint64_t sum = 0;

    for (unsigned octave = 0; octave < sizes->octaves; octave++) {
        uint64_t low = UINT64_C(1) << (sizes->min_log2 + octave);
        uint64_t high = 2 * low;
        sum += (low < sizes->min ? sizes->min : low) + (high > sizes->max ? sizes->max : high);
    }
    return sum / 2 / sizes->octaves;
}
