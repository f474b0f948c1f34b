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

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>

#include "bench/trace/reader.h"

namespace {

struct Counts {
    uint64_t allocations = 0;
    uint64_t live = 0;
};

using Sizes = std::map<uint64_t, Counts>;

// Calls `visit(event)` for each event until it returns false. A realloc both frees and allocates.
template <typename Visit> bool ForEachEvent(const char *path, Visit visit)
{
    trace_reader reader;
    trace_event event;

    if (!trace_open(&reader, path)) {
        std::fprintf(stderr, "histogram: %s\n", reader.message);
        return false;
    }
    while (trace_next(&reader, &event))
        if (event.object != TRACE_NO_OBJECT && !visit(event))
            break;
    trace_close(&reader);
    return true;
}

// Counts all allocations; `peak` becomes the number of the event after which the most bytes are live.
bool CountAllocations(const char *path, Sizes &sizes, uint64_t &peak)
{
    uint64_t number = 0, live_bytes = 0, most_bytes = 0;

    return ForEachEvent(path, [&](const trace_event &event) {
        number++;
        live_bytes += event.size_bytes - event.old_size_bytes;
        if (event.kind != TRACE_EVENT_FREE)
            sizes[event.size_bytes].allocations++;
        if (live_bytes > most_bytes) {
            most_bytes = live_bytes;
            peak = number;
        }
        return true;
    });
}

bool CountLive(const char *path, Sizes &sizes, uint64_t peak)
{
    uint64_t number = 0;

    return ForEachEvent(path, [&](const trace_event &event) {
        if (number++ == peak)
            return false;
        if (event.kind != TRACE_EVENT_ALLOC)
            sizes[event.old_size_bytes].live--;
        if (event.kind != TRACE_EVENT_FREE)
            sizes[event.size_bytes].live++;
        return true;
    });
}

} // namespace

int main(int argument_count, char **arguments)
{
    Sizes sizes;
    uint64_t peak = 0;

    if (argument_count != 2 || arguments[1][0] == '-') {
        std::fputs("usage: histogram file\n", stderr);
        return 2;
    }
    if (!CountAllocations(arguments[1], sizes, peak) || !CountLive(arguments[1], sizes, peak))
        return 1;
    std::puts("# size_bytes allocations live_at_peak");
    for (const auto &[size_bytes, counts] : sizes)
        std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", size_bytes, counts.allocations,
                    counts.live);
    return 0;
}
