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
// One line for each size that occurs, smallest first. A realloc that returned a block counts as an
// allocation of its new size. live_at_peak: blocks of the size that were live when the sum of all
// live bytes was highest.

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>

#include "bench/trace/printer.h"

namespace {

struct Counts {
    uint64_t allocations = 0;
    uint64_t live = 0;
};

using Sizes = std::map<uint64_t, Counts>;

// Visits all events about objects, up to the number-th; returns the exit status.
template <typename Visit> int ForEach(const char *path, uint64_t number, Visit visit)
{
    return ReadTrace(
        path,
        [&](const trace_reader &, const trace_event &event) {
            if (event.object == TRACE_NO_OBJECT)
                return true;
            if (number-- == 0)
                return false;
            visit(event);
            return true;
        },
        [](const trace_reader &) { return 0; });
}

} // namespace

int main(int argument_count, char **arguments)
{
    Sizes sizes;
    uint64_t number = 0, live_bytes = 0, most_bytes = 0, peak = 0;
    auto count = [&](const trace_event &event) {
        number++;
        live_bytes += event.size_bytes - event.old_size_bytes;
        if (event.kind != TRACE_EVENT_FREE)
            sizes[event.size_bytes].allocations++;
        if (live_bytes > most_bytes) {
            most_bytes = live_bytes;
            peak = number;
        }
    };
    auto count_live = [&](const trace_event &event) {
        if (event.kind != TRACE_EVENT_ALLOC)
            sizes[event.old_size_bytes].live--;
        if (event.kind != TRACE_EVENT_FREE)
            sizes[event.size_bytes].live++;
    };

    if (argument_count != 2 || arguments[1][0] == '-')
        return Usage("file");
    if (ForEach(arguments[1], UINT64_MAX, count) != 0 ||
        ForEach(arguments[1], peak, count_live) != 0)
        return 1;
    std::puts("# size_bytes allocations live_at_peak");
    for (const auto &[size_bytes, counts] : sizes)
        std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", size_bytes, counts.allocations,
                    counts.live);
    return 0;
}
