/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * reader.h - a trace as one sequence of events, in the order of time, about numbered objects.
 *
 *     struct trace_file file;
 *     struct trace_reader reader;
 *     struct trace_event event;
 *
 *     if (!trace_open(&file, path))
 *         fail(file.message);
 *     trace_read(&reader, &file);
 *     while (trace_next(&reader, &event))
 *         ...
 *     trace_end(&reader);
 *     trace_close(&file);
 *
 * Nothing in a file can stop the reader but a header that is not ours: what is torn or damaged is
 * left out and counted. It allocates by mmap alone. Threads: one per object.
 */
#ifndef CAIRN_BENCH_TRACE_READER_H
#define CAIRN_BENCH_TRACE_READER_H

#include "bench/trace/codec.h"
#include "bench/trace/format.h"
#include "bench/trace/objects.h"
#include "bench/trace/region.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A thread's blocks are linked in the order of the file. */
struct trace_block_ref {
    uint64_t offset;
    uint32_t used_bytes;
    uint32_t next; /* + 1; 0: the last */
};

struct trace_thread {
    uint32_t number;        /* as recorded */
    uint32_t system_thread; /* of its first block */
    uint32_t first_block;   /* + 1 */
    uint32_t last_block;    /* + 1 */
    uint64_t events;        /* as its blocks state */
};

struct trace_file {
    const uint8_t *bytes;
    uint64_t file_bytes;
    struct trace_header header;
    struct region threads; /* of struct trace_thread */
    struct region blocks;  /* of struct trace_block_ref */
    uint32_t thread_count;
    uint32_t block_count;
    uint64_t open_blocks;    /* of threads that were alive at the end */
    uint64_t torn_blocks;    /* that end after the file does */
    uint64_t damaged_blocks; /* whose checksum is wrong: left out */
    uint64_t skipped_pages;  /* of the file, in which no block begins or lies */
    uint64_t used_bytes;     /* of all blocks' events */
    char message[512];       /* why trace_open failed: "path: what" */
};

enum trace_kind {
    TRACE_EVENT_ALLOC,
    TRACE_EVENT_FREE,
    TRACE_EVENT_RESIZE,
    TRACE_EVENT_UNKNOWN_FREE, /* of what was allocated before the recording, or lost: no object */
    TRACE_EVENT_FAILED,       /* returned NULL: no object */
};

struct trace_event {
    uint64_t ticks; /* since the recording began */
    uint64_t size_bytes;
    uint64_t old_size_bytes; /* freed or resized */
    uint64_t born_ticks;     /* of what is freed or resized */
    uint64_t address;        /* the new one; of what is freed, its own */
    uint32_t born_thread;    /* likewise */
    uint32_t thread;         /* index into file.threads */
    uint32_t object;
    uint8_t kind;
    uint8_t function;
    uint8_t align_log2;
    bool is_inferred; /* a free that was not recorded, but must have been */
};

/* Where a thread's reading stands: at `call`, or at the end. */
struct trace_cursor {
    struct trace_codec codec;
    struct trace_bytes in;
    struct trace_call call;
    uint64_t due_ticks; /* its place in the merge */
    uint32_t next_block;
    uint32_t lifted;  /* the object of a realloc that has begun */
    bool is_resizing; /* the call's beginning has been dealt with */
    bool is_overdue;  /* it did not fit and others were let pass */
};

struct trace_reader {
    const struct trace_file *file;
    struct region cursors; /* of struct trace_cursor, by thread */
    struct region heap;    /* of uint32_t: threads by due_ticks */
    uint32_t heap_count;
    uint64_t patience_ticks;
    struct objects objects;
    uint64_t events;
    uint64_t unknown_frees;
    uint64_t unknown_resizes; /* given as allocations */
    uint64_t inferred_frees;
    uint64_t bad_blocks; /* whose events make no sense from some point on */
};

/* False: not a trace, see file->message. */
bool trace_open(struct trace_file *file, const char *path);
void trace_close(struct trace_file *file);

const struct trace_thread *trace_thread_at(const struct trace_file *file, uint32_t idx);

void trace_read(struct trace_reader *reader, const struct trace_file *file);
bool trace_next(struct trace_reader *reader, struct trace_event *event);
void trace_end(struct trace_reader *reader);

const char *trace_function_name(unsigned function);

#endif
