/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* info_json.c - a summary for programs: one object on one line. Times are seconds, sizes bytes. */

#include "bench/trace/info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_string(const char *text, size_t bytes)
{
    putchar('"');
    for (size_t idx = 0; idx < bytes; idx++) {
        unsigned char byte = (unsigned char)text[idx];

        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20 || byte >= 0x7f)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void print_numbers(const char *name, const uint64_t *numbers, unsigned count)
{
    printf(", \"%s\": [", name);
    for (unsigned idx = 0; idx < count; idx++)
        printf("%s%" PRIu64, idx == 0 ? "" : ", ", numbers[idx]);
    putchar(']');
}

static void print_number(const char *name, uint64_t number)
{
    printf(", \"%s\": %" PRIu64, name, number);
}

static void print_json_command(const struct trace_file *file)
{
    const char *at = file->header.command;
    const char *end = at + file->header.command_bytes;

    printf("{\"command\": [");
    while (at < end) {
        size_t bytes = strnlen(at, (size_t)(end - at));

        print_string(at, bytes);
        at += bytes + 1;
        if (at < end)
            printf(", ");
    }
    printf("], \"seconds_per_tick\": %.12g", 1 / (double)file->header.ticks_per_second);
}

static void print_json_calls(const struct summary *summary)
{
    const char *separator = "";

    printf(", \"calls\": {");
    for (unsigned function = 1; function < TRACE_FUNCTION_END; function++) {
        if (summary->calls[function] == 0)
            continue;
        printf("%s\"%s\": %" PRIu64, separator, trace_function_name(function),
               summary->calls[function]);
        separator = ", ";
    }
    putchar('}');
}

void info_print_json(const struct trace_file *file, const struct summary *summary)
{
    print_json_command(file);
    print_json_calls(summary);
    printf(", \"seconds\": %.9f", info_seconds(file, summary->last_ticks));
    print_number("process", file->header.process);
    print_number("threads", file->thread_count);
    print_number("events", summary->events);
    print_number("event_bytes", file->used_bytes);
    print_number("total_bytes", summary->total_bytes);
    print_number("peak_live_bytes", summary->peak_bytes);
    print_number("peak_live_blocks", summary->peak_blocks);
    print_number("end_live_bytes", summary->live_bytes);
    print_number("end_live_blocks", summary->live_blocks);
    print_number("frees", summary->frees);
    print_number("cross_frees", summary->cross_frees);
    print_number("failed", summary->failed);
    print_number("unknown_frees", summary->unknown_frees);
    print_number("unknown_resizes", summary->unknown_resizes);
    print_number("inferred_frees", summary->inferred_frees);
    print_number("lost_events", file->header.lost_events);
    print_number("lost_room", file->header.lost_room);
    print_number("open_blocks", file->open_blocks);
    print_number("torn_blocks", file->torn_blocks);
    print_number("damaged_blocks", file->damaged_blocks);
    print_number("bad_blocks", summary->bad_blocks);
    print_number("skipped_pages", file->skipped_pages);
    print_numbers("blocks_by_bits_of_size", summary->blocks_of_size, SUMMARY_SIZES);
    print_numbers("blocks_by_lifetime", summary->blocks_of_lifetime, SUMMARY_LIFETIMES);
    printf("}\n");
}
