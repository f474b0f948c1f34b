/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* info_text.c - a summary for people. */

#include "bench/trace/info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BAR_COLUMNS = 30 };

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

/* "12 B", "3.4 KiB", ... in a buffer that lives until the fourth call after this one. */
static const char *human(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    static char texts[4][32];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    double amount = (double)bytes;
    int unit = -1;

    for (; amount >= 1024 && unit < 5; unit++)
        amount /= 1024;
    if (unit < 0)
        snprintf(text, sizeof(texts[0]), "%" PRIu64 " B", bytes);
    else
        snprintf(text, sizeof(texts[0]), "%.*f %s", amount < 10 ? 1 : 0, amount, units[unit]);
    return text;
}

static void print_bar(double fraction)
{
    int columns = (int)(fraction * BAR_COLUMNS + 0.5);

    for (int column = 0; column < columns; column++)
        putchar('#');
    putchar('\n');
}

static void print_command(const struct trace_file *file)
{
    const char *at = file->header.command;
    const char *end = at + file->header.command_bytes;
    time_t started = (time_t)(file->header.start_unix_ns / 1000000000u);
    char text[64] = "";
    struct tm broken_down;

    printf("program    ");
    for (; at < end; at += strnlen(at, (size_t)(end - at)) + 1)
        printf("%.*s ", (int)(end - at), at);
    if (localtime_r(&started, &broken_down) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &broken_down);
    printf("\nprocess    %" PRIu32 ", started %s\n", file->header.process, text);
}

static void print_calls(const struct summary *summary)
{
    printf("calls     ");
    for (unsigned function = 1; function < TRACE_FUNCTION_END; function++)
        if (summary->calls[function] != 0)
            printf(" %s %" PRIu64, trace_function_name(function), summary->calls[function]);
    if (summary->failed != 0)
        printf(" (%" PRIu64 " returned NULL)", summary->failed);
    putchar('\n');
}

static void print_totals(const struct trace_file *file, const struct summary *summary)
{
    printf("recorded   %.3f s, threads: %" PRIu32 ", events: %" PRIu64 " of %.2f bytes each\n",
           info_seconds(file, summary->last_ticks), file->thread_count, summary->events,
           share(file->used_bytes, summary->events));
    print_calls(summary);
    printf("asked for  %s in all\n", human(summary->total_bytes));
    printf("live       at most %s, blocks: %" PRIu64 ", after %.3f s\n", human(summary->peak_bytes),
           summary->peak_blocks, info_seconds(file, summary->peak_ticks));
    printf("in the end %s, blocks: %" PRIu64 "\n", human(summary->live_bytes),
           summary->live_blocks);
    printf("frees      %" PRIu64
           ", of which %.2f %% by another thread than the one that allocated\n",
           summary->frees, 100 * share(summary->cross_frees, summary->frees));
}

static void print_sizes(const struct summary *summary)
{
    uint64_t blocks = 0;

    for (unsigned bits = 0; bits < SUMMARY_SIZES; bits++)
        blocks += summary->blocks_of_size[bits];
    printf("\nsize of a block          blocks          bytes   share of blocks\n");
    for (unsigned bits = 0; bits < SUMMARY_SIZES; bits++) {
        uint64_t count = summary->blocks_of_size[bits];
        uint64_t from_bytes = bits == 0 ? 0 : (uint64_t)1 << (bits - 1);

        if (count == 0)
            continue;
        printf("from %9s   %14" PRIu64 " %14s   ", human(from_bytes), count,
               human(summary->bytes_of_size[bits]));
        print_bar(share(count, blocks));
    }
}

static void print_lifetimes(const struct summary *summary)
{
    static const char *const names[SUMMARY_LIFETIMES] = {
        "under 100 ns", "under 1 us",   "under 10 us", "under 100 us", "under 1 ms",
        "under 10 ms",  "under 100 ms", "under 1 s",   "longer",       "never freed",
    };
    uint64_t blocks = 0;

    for (unsigned idx = 0; idx < SUMMARY_LIFETIMES; idx++)
        blocks += summary->blocks_of_lifetime[idx];
    printf("\nlifetime                 blocks   share of blocks\n");
    for (unsigned idx = 0; idx < SUMMARY_LIFETIMES; idx++) {
        uint64_t count = summary->blocks_of_lifetime[idx];

        printf("%-14s   %14" PRIu64 "   ", names[idx], count);
        print_bar(share(count, blocks));
    }
}

static void note(const char *what, uint64_t count, const char *means)
{
    if (count != 0)
        printf("note       %s: %" PRIu64 " (%s)\n", what, count, means);
}

static void print_notes(const struct trace_file *file, const struct summary *summary)
{
    const struct trace_header *header = &file->header;

    note("lost events", header->lost_events, "within signal handlers, or for lack of room");
    note("lack of room", header->lost_room, "times: the disk was full, or the file gone");
    note("torn blocks", file->torn_blocks, "they end after the file does; the rest is used");
    note("damaged blocks", file->damaged_blocks, "their checksum is wrong; left out");
    note("bad blocks", summary->bad_blocks,
         "they make no sense from some byte on; left out from there");
    note("skipped pages", file->skipped_pages, "no block begins there");
    note("unknown frees", summary->unknown_frees,
         "of what was allocated before the recording began");
    note("unknown reallocs", summary->unknown_resizes, "likewise; taken as allocations");
    note("missing frees", summary->inferred_frees, "the address was used again, so there was one");
}

void info_print_text(const struct trace_file *file, const struct summary *summary)
{
    print_command(file);
    print_totals(file, summary);
    print_notes(file, summary);
    print_sizes(summary);
    print_lifetimes(summary);
}
