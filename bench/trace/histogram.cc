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
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "bench/trace/reader.h"

namespace {

struct Counts {
    uint64_t allocations = 0;
    uint64_t live_at_peak = 0;
};

std::map<uint64_t, Counts> sizes;
std::vector<std::pair<uint64_t, int>>
    changes; // since the peak: sizes of blocks, and one more or less
uint64_t live_bytes, peak_bytes;

bool Count(const Trace &, const Event &event)
{
    if (event.object == kNoObject)
        return true;
    live_bytes += event.size_bytes - event.old_size_bytes;
    if (event.kind != kAlloc)
        changes.emplace_back(event.old_size_bytes, -1);
    if (event.kind != kFree) {
        changes.emplace_back(event.size_bytes, 1);
        sizes[event.size_bytes].allocations++;
    }
    if (live_bytes > peak_bytes) {
        peak_bytes = live_bytes;
        for (auto [size_bytes, change] : changes)
            sizes[size_bytes].live_at_peak += static_cast<uint64_t>(change);
        changes.clear();
    }
    return true;
}

int Print(const Trace &)
{
    std::puts("# size_bytes allocations live_at_peak");
    for (const auto &[size_bytes, counts] : sizes)
        std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", size_bytes, counts.allocations,
                    counts.live_at_peak);
    return 0;
}

} // namespace

int main(int argument_count, char **arguments)
{
    if (argument_count != 2 || arguments[1][0] == '-')
        return Usage("file");
    return ReadTrace(arguments[1], Count, Print);
}
