/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * reader.h - a trace as one sequence of events, in the order of time, about numbered objects.
 *
 *     struct trace_reader reader;
 *     struct trace_event event;
 *
 *     if (!trace_open(&reader, path))
 *         fail(reader.message);
 *     while (trace_next(&reader, &event))
 *         ...
 *     trace_close(&reader);
 *
 * An object is a block from its allocation to its free; a realloc changes it. Its number is used
 * again only by the thread that freed it: so a number never orders two threads that did not order
 * themselves. Nothing in a file can stop the reader but a header that is not ours: what is torn or
 * damaged is left out and counted. Threads: one per reader.
 */
#ifndef CAIRN_BENCH_TRACE_READER_H
#define CAIRN_BENCH_TRACE_READER_H

#include "bench/trace/format.h"

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRACE_NO_OBJECT UINT32_MAX

enum trace_kind {
    TRACE_EVENT_ALLOC,
    TRACE_EVENT_FREE,
    TRACE_EVENT_RESIZE,
    TRACE_EVENT_UNKNOWN_FREE, /* of what was allocated before the recording, or lost: no object */
    TRACE_EVENT_FAILED,       /* returned NULL: no object */
};

struct trace_event {
    uint64_t ticks;          /* since the recording began */
    uint64_t size_bytes;     /* 0 of a free */
    uint64_t old_size_bytes; /* freed or resized; else 0 */
    uint64_t born_ticks;     /* of what is freed or resized */
    uint32_t born_thread;    /* likewise */
    uint32_t thread;         /* 0, 1, ... thread_count - 1 */
    uint32_t thread_number;  /* as recorded: 1, 2, ... */
    uint32_t object;
    uint8_t kind;     /* enum trace_kind */
    uint8_t function; /* enum trace_function */
    uint8_t align_log2;
    bool is_inferred; /* a free that was not recorded, but must have been */
};

struct trace_reader {
    const struct trace_header *header;
    uint32_t thread_count;
    uint64_t used_bytes;     /* of all events */
    uint64_t open_blocks;    /* of threads that were alive at the end */
    uint64_t torn_blocks;    /* that end after the file does */
    uint64_t damaged_blocks; /* whose checksum is wrong: left out */
    uint64_t skipped_pages;  /* of the file, in which no block begins or lies */
    /* Up to the last event that was read. */
    uint64_t unknown_frees;
    uint64_t unknown_resizes; /* given as allocations */
    uint64_t inferred_frees;
    uint64_t bad_blocks; /* whose events make no sense from some point on */
    char message[512];   /* why trace_open failed: "path: what" */
    struct trace_state *state;
};

/* False: not a trace, see reader->message; there is nothing to close then. */
bool trace_open(struct trace_reader *reader, const char *path);
bool trace_next(struct trace_reader *reader, struct trace_event *event);
void trace_close(struct trace_reader *reader);

const char *trace_function_name(unsigned function);

#ifdef __cplusplus
}
#endif

#endif
