// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// info.cc - says what a trace holds.
//
//     info [--events | --histogram] file
//
// Prints a JSON object on one line: times are seconds, sizes bytes.
//
// --events prints every event on a line of its own: the seconds since the recording began, the
// thread's number, the function, the object's number or '-', the size (of a free: of what it
// freed), and the alignment where one was asked for.
//
// --histogram prints each size that occurs, smallest first: how often it was allocated (or got by a
// realloc), and how many blocks of it lived when the sum of all live bytes was highest.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <utility>

#include "bench/trace/reader.h"

namespace {

constexpr unsigned kSizes = 65;     // 0, 1, 2-3, 4-7, ... by the number of bits
constexpr unsigned kLifetimes = 10; // under 100 ns, 1 us, ... 1 s, longer, never freed

struct SizeCounts {
    uint64_t allocations, live_at_peak;
};

struct Summary {
    uint64_t events, frees, cross_frees, failed, total_bytes;
    uint64_t live_bytes, live_blocks, peak_bytes, peak_blocks, peak_ns, last_ns;
    uint64_t calls[TRACE_FUNCTION_END];
    uint64_t blocks_of_size[kSizes], bytes_of_size[kSizes], blocks_of_lifetime[kLifetimes];
    std::map<uint64_t, SizeCounts> histogram;
    std::map<uint64_t, uint64_t> since_peak; // how many more blocks of a size live
};

double Seconds(uint64_t time_ns)
{
    return static_cast<double>(time_ns) / 1e9;
}

unsigned LifetimeOf(double seconds)
{
    double bound_s = 1e-7;
    unsigned decade = 0;
    for (; decade < kLifetimes - 2 && seconds >= bound_s; bound_s *= 10)
        decade++;
    return decade;
}

void CountBlock(Summary *sums, const Event &event)
{
    unsigned bits =
        event.size_bytes == 0 ? 0 : 64 - static_cast<unsigned>(__builtin_clzll(event.size_bytes));
    sums->blocks_of_size[bits]++;
    sums->bytes_of_size[bits] += event.size_bytes;
    sums->total_bytes += event.size_bytes;
    sums->since_peak[event.size_bytes]++;
    sums->histogram[event.size_bytes].allocations++;
}

void Count(Summary *sums, const Event &event)
{
    bool is_alloc = event.kind == kAlloc, is_free = event.kind == kFree;
    sums->last_ns = event.time_ns;
    sums->events += !event.is_inferred;
    sums->calls[event.function] += !event.is_inferred;
    sums->failed += event.kind == kFailed;
    if (event.object == kNoObject)
        return;
    if (!is_alloc)
        sums->since_peak[event.old_size_bytes]--;
    if (is_free) {
        sums->frees++;
        sums->cross_frees += event.born_thread != event.thread;
        sums->blocks_of_lifetime[LifetimeOf(Seconds(event.time_ns - event.born_ns))]++;
    } else {
        CountBlock(sums, event);
    }
    sums->live_bytes += event.size_bytes - event.old_size_bytes;
    sums->live_blocks += is_alloc - static_cast<uint64_t>(is_free);
    if (sums->live_bytes > sums->peak_bytes) {
        sums->peak_bytes = sums->live_bytes;
        sums->peak_blocks = sums->live_blocks;
        sums->peak_ns = event.time_ns;
        for (auto [size_bytes, change] : sums->since_peak)
            sums->histogram[size_bytes].live_at_peak += change;
        sums->since_peak.clear();
    }
}

void PrintNumbers(const char *name, const uint64_t *numbers, unsigned count)
{
    std::printf(", \"%s\": [", name);
    for (unsigned i = 0; i < count; i++)
        std::printf("%s%" PRIu64, i == 0 ? "" : ", ", numbers[i]);
    std::putchar(']');
}

// The arguments, of which any byte that is no plain letter is escaped.
void PrintCommand(const trace_header &header)
{
    std::string words(header.command, header.command_bytes);
    const char *separator = "";
    std::printf("{\"command\": [");
    for (size_t at = 0; at < words.size(); at += std::strlen(&words[at]) + 1, separator = ", ") {
        std::printf("%s\"", separator);
        for (const char *byte = &words[at]; *byte != '\0'; byte++)
            if (*byte < 0x20 || *byte == 0x7f || *byte == '"' || *byte == '\\')
                std::printf("\\u%04x", static_cast<unsigned char>(*byte));
            else
                std::putchar(*byte);
        std::putchar('"');
    }
    std::putchar(']');
}

void PrintSummary(const Trace &trace, const Summary &sums)
{
    const trace_header &header = trace.header;
    const char *separator = "";
    PrintCommand(header);
    std::printf(", \"calls\": {");
    for (unsigned function = 1; function < TRACE_FUNCTION_END; function++) {
        if (sums.calls[function] == 0)
            continue;
        std::printf("%s\"%s\": %" PRIu64, separator, FunctionName(function), sums.calls[function]);
        separator = ", ";
    }
    std::printf("}, \"started_unix\": %.3f, \"seconds\": %.9f, \"peak_seconds\": %.9f",
                static_cast<double>(header.start_unix_ns) / 1e9, Seconds(sums.last_ns),
                Seconds(sums.peak_ns));
    for (auto [name, number] : {std::pair<const char *, uint64_t>{"process", header.process},
                                {"threads", trace.thread_count},
                                {"events", sums.events},
                                {"event_bytes", trace.used_bytes},
                                {"total_bytes", sums.total_bytes},
                                {"peak_live_bytes", sums.peak_bytes},
                                {"peak_live_blocks", sums.peak_blocks},
                                {"end_live_bytes", sums.live_bytes},
                                {"end_live_blocks", sums.live_blocks},
                                {"frees", sums.frees},
                                {"cross_frees", sums.cross_frees},
                                {"failed", sums.failed},
                                {"unknown_frees", trace.unknown_frees},
                                {"unknown_resizes", trace.unknown_resizes},
                                {"inferred_frees", trace.inferred_frees},
                                {"lost_events", header.lost_events},
                                {"lost_room", header.lost_room},
                                {"open_blocks", trace.open_blocks},
                                {"torn_blocks", trace.torn_blocks},
                                {"damaged_blocks", trace.damaged_blocks},
                                {"bad_blocks", trace.bad_blocks},
                                {"skipped_pages", trace.skipped_pages}})
        std::printf(", \"%s\": %" PRIu64, name, number);
    PrintNumbers("blocks_by_bits_of_size", sums.blocks_of_size, kSizes);
    PrintNumbers("bytes_by_bits_of_size", sums.bytes_of_size, kSizes);
    PrintNumbers("blocks_by_lifetime", sums.blocks_of_lifetime, kLifetimes);
    std::puts("}");
}

// A table of classes is made of it, where nobody looks for the numbers of a summary.
void WarnOfDamage(const Trace &trace)
{
    uint64_t blocks = trace.damaged_blocks + trace.torn_blocks + trace.bad_blocks;

    if (blocks + trace.skipped_pages != 0)
        std::fprintf(stderr,
                     "info: warning: %" PRIu64 " damaged blocks and %" PRIu64
                     " pages of the recording are left out\n",
                     blocks, trace.skipped_pages);
}

void PrintHistogram(const Trace &trace, const Summary &sums)
{
    WarnOfDamage(trace);
    std::puts("# size_bytes allocations live_at_peak");
    for (const auto &[size_bytes, counts] : sums.histogram)
        std::printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", size_bytes, counts.allocations,
                    counts.live_at_peak);
}

void PrintEvent(const Event &event)
{
    bool is_free = event.kind == kFree || event.kind == kUnknownFree;
    std::string object = event.object == kNoObject ? "-" : std::to_string(event.object);
    std::printf("%.9f %" PRIu32 " %s %s %" PRIu64, Seconds(event.time_ns), event.thread_number,
                FunctionName(event.function), object.c_str(),
                is_free ? event.old_size_bytes : event.size_bytes);
    if (trace_has_align(event.function))
        std::printf(" %" PRIu64, uint64_t{1} << event.align_log2);
    std::puts(event.is_inferred ? " inferred" : event.kind == kFailed ? " failed" : "");
}

} // namespace

int main(int argument_count, char **arguments)
{
    std::string option = argument_count == 3 ? arguments[1] : "";
    bool has_events = option == "--events", has_histogram = option == "--histogram";
    Summary sums = {};

    if (argument_count != 2 + has_events + has_histogram || arguments[argument_count - 1][0] == '-')
        return Usage("[--events | --histogram] file");
    return ReadTrace(
        arguments[argument_count - 1],
        [&](const Trace &, const Event &event) {
            has_events ? PrintEvent(event) : Count(&sums, event);
            return true;
        },
        [&](const Trace &trace) {
            sums.blocks_of_lifetime[kLifetimes - 1] = sums.live_blocks;
            if (has_histogram)
                PrintHistogram(trace, sums);
            else if (!has_events)
                PrintSummary(trace, sums);
            return 0;
        });
}
