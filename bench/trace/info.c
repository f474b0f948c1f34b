/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * info.c - says what a trace holds.
 *
 *     info [--json | --events] file
 *
 * --events prints every event on a line of its own: the seconds since the recording began, the
 * thread's number, the function, the object's number or '-', the size (of a free: of what it freed),
 * and the alignment where one was asked for.
 * Exit status: 0; 1 when the file is no trace; 2 for a wrong call.
 */

#include "bench/trace/info.h"
#include "bench/trace/reader.h"
#include "bench/trace/summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_NO_TRACE = 1, EXIT_WRONG_CALL = 2 };

static int usage(FILE *stream, int status)
{
    fputs("usage: info [--json | --events] file\n", stream);
    return status;
}

static void print_event(const struct trace_file *file, const struct trace_event *event)
{
    bool is_free = event->kind == TRACE_EVENT_FREE || event->kind == TRACE_EVENT_UNKNOWN_FREE;

    printf("%.9f %" PRIu32 " %s ", info_seconds(file, event->ticks),
           trace_thread_at(file, event->thread)->number, trace_function_name(event->function));
    if (event->object == OBJECT_NONE)
        putchar('-');
    else
        printf("%" PRIu32, event->object);
    printf(" %" PRIu64, is_free ? event->old_size_bytes : event->size_bytes);
    if (trace_has_align(event->function))
        printf(" %" PRIu64, UINT64_C(1) << event->align_log2);
    puts(event->is_inferred ? " inferred" : event->kind == TRACE_EVENT_FAILED ? " failed" : "");
}

static void print_events(const struct trace_file *file)
{
    struct trace_reader reader;
    struct trace_event event;

    trace_read(&reader, file);
    while (trace_next(&reader, &event))
        print_event(file, &event);
    trace_end(&reader);
}

int main(int argument_count, char **arguments)
{
    const char *mode = argument_count == 3 ? arguments[1] : "--text";
    struct trace_file file;
    struct summary summary;

    if (argument_count == 2 && strcmp(arguments[1], "--help") == 0)
        return usage(stdout, 0);
    if (argument_count < 2 || argument_count > 3 || arguments[argument_count - 1][0] == '-')
        return usage(stderr, EXIT_WRONG_CALL);
    if (strcmp(mode, "--json") != 0 && strcmp(mode, "--events") != 0 &&
        strcmp(mode, "--text") != 0) {
        fprintf(stderr, "info: unknown option: %s\n", mode);
        return EXIT_WRONG_CALL;
    }
    if (!trace_open(&file, arguments[argument_count - 1])) {
        fprintf(stderr, "info: %s\n", file.message);
        return EXIT_NO_TRACE;
    }
    if (strcmp(mode, "--events") == 0) {
        print_events(&file);
    } else {
        summarize(&summary, &file);
        (strcmp(mode, "--json") == 0 ? info_print_json : info_print_text)(&file, &summary);
    }
    trace_close(&file);
    return 0;
}
