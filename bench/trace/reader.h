// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// reader.h - a trace as one sequence of events, in the order of time, about numbered objects.
//
// An object is a block from its allocation to its free; a realloc changes it. Its number is used
// again only by the thread that freed it: so a number never orders two threads that did not order
// themselves. Nothing in a file can stop the reader but a header that is not ours: what is torn or
// damaged is left out and counted.
#ifndef CAIRN_BENCH_TRACE_READER_H
#define CAIRN_BENCH_TRACE_READER_H

#include <cstdint>
#include <functional>

extern "C" {
#include "bench/trace/format.h"
}

constexpr uint32_t kNoObject = UINT32_MAX;

enum EventKind {
    kAlloc,
    kFree,
    kResize,
    kUnknownFree, // of what was allocated before the recording, or lost: no object
    kFailed,      // returned NULL: no object
};

struct Event {
    uint64_t time_ns;        // since the recording began
    uint64_t size_bytes;     // 0 of a free
    uint64_t old_size_bytes; // freed or resized; else 0
    uint64_t born_ns;        // of what is freed or resized
    uint32_t born_thread;    // likewise
    uint32_t thread;         // 0, 1, ... thread_count - 1
    uint32_t thread_number;  // as recorded: 1, 2, ...
    uint32_t object;
    EventKind kind;
    uint8_t function; // enum trace_function
    uint8_t align_log2;
    bool is_inferred; // a free that was not recorded, but must have been
};

struct Trace {
    trace_header header;
    uint32_t thread_count;
    uint64_t used_bytes;     // of all calls
    uint64_t open_blocks;    // of threads that were alive at the end
    uint64_t torn_blocks;    // that end after the file does
    uint64_t damaged_blocks; // whose checksum is wrong: left out
    uint64_t skipped_pages;  // of the file, in which no block begins or lies
    // Up to the last event that was read.
    uint64_t unknown_frees;
    uint64_t unknown_resizes; // given as allocations
    uint64_t inferred_frees;
    uint64_t bad_blocks; // whose calls make no sense from some point on
};

// Calls `visit` for each event until it returns false, then `finish`, and returns what that does:
// the exit status. 1 and a line on stderr where the file is no trace.
int ReadTrace(const char *path, const std::function<bool(const Trace &, const Event &)> &visit,
              const std::function<int(const Trace &)> &finish);

// A line on stderr that says how the program is called; its exit status.
int Usage(const char *arguments);

const char *FunctionName(unsigned function);

#endif
