// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// planner.cc - the events of a trace to a plan (plan.h).
//
//     planner [--paced] trace plan
//
// Exit status: 0; 1 when the first file is no trace, or the second cannot be written; 2 for a wrong call.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "bench/trace/plan.h"
#include "bench/trace/reader.h"

extern "C" {
#include "bench/trace/codec.h"
}

namespace {

struct Thread {
    std::vector<plan_op> ops;
    uint64_t epoch = 0; // the last one, + 1
    uint64_t epoch_calls = 0;
};

uint64_t PackedOf(const trace_event &event, uint64_t page_bytes)
{
    bool is_page = event.function == TRACE_VALLOC || event.function == TRACE_PVALLOC;
    uint64_t size_bytes = event.size_bytes;
    uint64_t align_log2 = event.align_log2;
    uint64_t code = event.function == TRACE_CALLOC ? PLAN_CALLOC : PLAN_MALLOC;
    if (event.kind == TRACE_EVENT_FREE)
        code = PLAN_FREE;
    else if (event.kind == TRACE_EVENT_RESIZE)
        code = PLAN_RESIZE;
    else if (is_page || trace_has_align(event.function))
        code = PLAN_ALIGNED;
    if (is_page)
        align_log2 = static_cast<uint64_t>(__builtin_ctzll(page_bytes));
    if (event.function == TRACE_PVALLOC)
        size_bytes = (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
    size_bytes = std::min(size_bytes, ~uint64_t{0} >> PLAN_SIZE_SHIFT);
    return size_bytes << PLAN_SIZE_SHIFT | align_log2 << 8 | code;
}

class Planner {
  public:
    Planner(uint32_t thread_count, uint64_t page_bytes, bool is_paced)
        : page_bytes_(page_bytes), is_paced_(is_paced), threads_(thread_count)
    {
        plan_.magic = PLAN_MAGIC;
        plan_.thread_count = thread_count;
    }

    void Add(const trace_event &event)
    {
        if (event.object == TRACE_NO_OBJECT) {
            plan_.skipped_calls++;
            return;
        }
        Introduce(event.thread);
        if (event.object >= turns_.size())
            turns_.resize(event.object + size_t{1});
        threads_[event.thread].ops.push_back(
            {event.object, turns_[event.object]++, PackedOf(event, page_bytes_)});
        threads_[event.thread].epoch_calls++;
        last_thread_ = event.thread;
        plan_.calls++;
        plan_.end_live_bytes += event.size_bytes - event.old_size_bytes;
        plan_.peak_live_bytes = std::max(plan_.peak_live_bytes, plan_.end_live_bytes);
    }

    std::string Bytes()
    {
        std::string threads, ops;
        for (const Thread &thread : threads_) {
            plan_thread planned = {plan_.op_count, thread.ops.size(), thread.epoch_calls};
            threads.append(reinterpret_cast<const char *>(&planned), sizeof planned);
            ops.append(reinterpret_cast<const char *>(thread.ops.data()),
                       thread.ops.size() * sizeof(plan_op));
            plan_.op_count += thread.ops.size();
        }
        plan_.slot_count = static_cast<uint32_t>(turns_.size());
        return std::string(reinterpret_cast<const char *>(&plan_), sizeof plan_) + threads + ops;
    }

  private:
    // The call's thread begins here, or enters another epoch.
    void Introduce(uint32_t number)
    {
        Thread &thread = threads_[number];
        uint64_t epoch = plan_.calls / EPOCH_CALLS;
        if (thread.ops.empty() && plan_.calls == 0)
            plan_.first_thread = number;
        else if (thread.ops.empty())
            threads_[last_thread_].ops.push_back({number, 0, PLAN_START});
        if (!is_paced_ || thread.epoch == epoch + 1)
            return;
        thread.ops.push_back(
            {static_cast<uint32_t>(epoch), static_cast<uint32_t>(thread.epoch_calls), PLAN_EPOCH});
        thread.epoch = epoch + 1;
        thread.epoch_calls = 0;
        plan_.epoch_count = static_cast<uint32_t>(epoch + 1);
    }

    uint64_t page_bytes_;
    bool is_paced_;
    plan plan_ = {};
    std::vector<Thread> threads_;
    std::vector<uint32_t> turns_; // by slot
    uint32_t last_thread_ = 0;
};

} // namespace

int main(int argument_count, char **arguments)
{
    bool is_paced = argument_count == 4 && std::strcmp(arguments[1], "--paced") == 0;
    char **paths = arguments + argument_count - 2;
    trace_reader reader;
    trace_event event;

    if (argument_count != 3 + is_paced || paths[0][0] == '-') {
        std::fputs("usage: planner [--paced] trace plan\n", stderr);
        return 2;
    }
    if (!trace_open(&reader, paths[0])) {
        std::fprintf(stderr, "planner: %s\n", reader.message);
        return 1;
    }
    Planner planner(reader.thread_count, reader.header->page_bytes, is_paced);
    while (trace_next(&reader, &event))
        planner.Add(event);
    trace_close(&reader);
    std::ofstream file(paths[1], std::ios::binary);
    if (!(file << planner.Bytes()).flush()) {
        std::fprintf(stderr, "planner: %s: cannot be written\n", paths[1]);
        return 1;
    }
    return 0;
}
