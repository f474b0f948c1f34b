/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* summary.c - one pass over the events. */

#include "bench/trace/summary.h"

#include <string.h>

static unsigned bits_of(uint64_t number)
{
    return number == 0 ? 0 : 64 - (unsigned)__builtin_clzll(number);
}

static unsigned lifetime_of(const struct trace_file *file, uint64_t ticks)
{
    double seconds = (double)ticks / (double)file->header.ticks_per_second;
    double bound_s = 1e-7;
    unsigned decade = 0;

    for (; decade < SUMMARY_LIFETIMES - 2 && seconds >= bound_s; bound_s *= 10)
        decade++;
    return decade;
}

static void count_size(struct summary *summary, uint64_t size_bytes)
{
    summary->blocks_of_size[bits_of(size_bytes)]++;
    summary->bytes_of_size[bits_of(size_bytes)] += size_bytes;
    summary->total_bytes += size_bytes;
}

static void count_live(struct summary *summary, const struct trace_event *event)
{
    summary->live_bytes += event->size_bytes - event->old_size_bytes;
    summary->live_blocks += event->kind == TRACE_EVENT_ALLOC;
    if (summary->live_bytes <= summary->peak_bytes)
        return;
    summary->peak_bytes = summary->live_bytes;
    summary->peak_blocks = summary->live_blocks;
    summary->peak_ticks = event->ticks;
}

static void count_free(struct summary *summary, const struct trace_file *file,
                       const struct trace_event *event)
{
    summary->frees++;
    summary->cross_frees += event->born_thread != event->thread;
    summary->blocks_of_lifetime[lifetime_of(file, event->ticks - event->born_ticks)]++;
    summary->live_bytes -= event->old_size_bytes;
    summary->live_blocks--;
}

static void count(struct summary *summary, const struct trace_file *file,
                  const struct trace_event *event)
{
    summary->last_ticks = event->ticks;
    if (!event->is_inferred) {
        summary->events++;
        summary->calls[event->function]++;
    }
    switch ((enum trace_kind)event->kind) {
    case TRACE_EVENT_ALLOC:
        count_size(summary, event->size_bytes);
        count_live(summary, event);
        break;
    case TRACE_EVENT_RESIZE:
        summary->resizes++;
        count_size(summary, event->size_bytes);
        count_live(summary, event);
        break;
    case TRACE_EVENT_FREE:
        count_free(summary, file, event);
        break;
    case TRACE_EVENT_FAILED:
        summary->failed++;
        break;
    case TRACE_EVENT_UNKNOWN_FREE:
        break;
    }
}

void summarize(struct summary *summary, const struct trace_file *file)
{
    struct trace_reader reader;
    struct trace_event event;

    memset(summary, 0, sizeof(*summary));
    trace_read(&reader, file);
    while (trace_next(&reader, &event))
        count(summary, file, &event);
    summary->blocks_of_lifetime[SUMMARY_LIFETIMES - 1] = summary->live_blocks;
    summary->unknown_frees = reader.unknown_frees;
    summary->unknown_resizes = reader.unknown_resizes;
    summary->inferred_frees = reader.inferred_frees;
    summary->bad_blocks = reader.bad_blocks;
    trace_end(&reader);
}
