// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// histogram.cc - the sizes that a recorded program asked for.
//
//     histogram file
//
//     # size_bytes allocations live_at_peak
//     16 1204 88
//     24 977 512
//
// One line for each size that occurs, smallest first. A realloc that returned a block counts as an allocation of
// its new size. live_at_peak: blocks of the size that were live when the sum of all live bytes was highest.
// Exit status: 0; 1 when the file is no trace; 2 for a wrong call.

extern "C" {
#include "bench/trace/reader.h"
}

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>

namespace {

struct Counts {
    uint64_t allocations = 0;
    uint64_t live = 0;
};

using Sizes = std::map<uint64_t, Counts>;

bool Allocates(const trace_event &event)
{
    return event.kind == TRACE_EVENT_ALLOC || event.kind == TRACE_EVENT_RESIZE;
}

bool Frees(const trace_event &event)
{
    return event.kind == TRACE_EVENT_FREE || event.kind == TRACE_EVENT_RESIZE;
}

// Calls `visit(event)` for each event until it returns false.
template <typename Visit> void ForEachEvent(const trace_file &file, Visit visit)
{
    trace_reader reader;
    trace_event event;

    trace_read(&reader, &file);
    while (trace_next(&reader, &event) && visit(event))
        continue;
    trace_end(&reader);
}

// Counts all allocations; returns the number of the event after which the most bytes are live.
uint64_t CountAllocations(const trace_file &file, Sizes &sizes)
{
    uint64_t number = 0, live_bytes = 0, peak_bytes = 0, peak_number = 0;

    ForEachEvent(file, [&](const trace_event &event) {
        number++;
        if (Frees(event))
            live_bytes -= event.old_size_bytes;
        if (Allocates(event)) {
            sizes[event.size_bytes].allocations++;
            live_bytes += event.size_bytes;
        }
        if (live_bytes > peak_bytes) {
            peak_bytes = live_bytes;
            peak_number = number;
        }
        return true;
    });
    return peak_number;
}

void CountLive(const trace_file &file, uint64_t last_number, Sizes &sizes)
{
    uint64_t number = 0;

    ForEachEvent(file, [&](const trace_event &event) {
        if (number++ == last_number)
            return false;
        if (Frees(event))
            sizes[event.old_size_bytes].live--;
        if (Allocates(event))
            sizes[event.size_bytes].live++;
        return true;
    });
}

} // namespace

int main(int argument_count, char **arguments)
{
    trace_file file;
    Sizes sizes;

    if (argument_count != 2 || arguments[1][0] == '-') {
        bool is_help = argument_count == 2 && std::strcmp(arguments[1], "--help") == 0;
        std::fputs("usage: histogram file\n", is_help ? stdout : stderr);
        return is_help ? 0 : 2;
    }
    if (!trace_open(&file, arguments[1])) {
        std::fprintf(stderr, "histogram: %s\n", file.message);
        return 1;
    }
    CountLive(file, CountAllocations(file, sizes), sizes);
    std::puts("# size_bytes allocations live_at_peak");
    for (const auto &[size_bytes, counts] : sizes)
        std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", size_bytes, counts.allocations,
                    counts.live);
    trace_close(&file);
    return 0;
}
