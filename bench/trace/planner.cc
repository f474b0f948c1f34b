// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// planner.cc - the events of a trace to a plan (plan.h).
//
//     planner [--paced] trace plan
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "bench/trace/plan.h"
#include "bench/trace/reader.h"

namespace {

struct Thread {
    std::vector<plan_op> ops;
    uint64_t epoch = 0; // the last one, + 1
    uint64_t epoch_calls = 0;
};

uint64_t PackedOf(const Event &event, uint64_t page_bytes)
{
    bool is_page = event.function == TRACE_VALLOC || event.function == TRACE_PVALLOC;
    uint64_t size_bytes = event.size_bytes;
    uint64_t align_log2 = event.align_log2;
    uint64_t code = event.function == TRACE_CALLOC ? PLAN_CALLOC : PLAN_MALLOC;
    if (event.kind == kFree)
        code = PLAN_FREE;
    else if (event.kind == kResize)
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
    explicit Planner(bool is_paced) : is_paced_(is_paced)
    {
    }

    void Add(const Event &event, uint64_t page_bytes)
    {
        if (event.object == kNoObject) {
            plan_.skipped_calls++;
            return;
        }
        if (event.thread >= threads_.size())
            threads_.resize(event.thread + size_t{1});
        Introduce(event.thread);
        if (event.object >= turns_.size())
            turns_.resize(event.object + size_t{1});
        threads_[event.thread].ops.push_back(
            {event.object, turns_[event.object]++, PackedOf(event, page_bytes)});
        threads_[event.thread].epoch_calls++;
        last_thread_ = event.thread;
        plan_.calls++;
        plan_.end_live_bytes += event.size_bytes - event.old_size_bytes;
        plan_.peak_live_bytes = std::max(plan_.peak_live_bytes, plan_.end_live_bytes);
    }

    std::string Bytes(uint32_t thread_count)
    {
        threads_.resize(thread_count);
        plan_.magic = PLAN_MAGIC;
        plan_.thread_count = thread_count;
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
    Planner planner(is_paced);

    if (argument_count != 3 + is_paced || paths[0][0] == '-')
        return Usage("[--paced] trace plan");
    return ReadTrace(
        paths[0],
        [&](const Trace &trace, const Event &event) {
            planner.Add(event, trace.header.page_bytes);
            return true;
        },
        [&](const Trace &trace) {
            std::ofstream file(paths[1], std::ios::binary);
            if ((file << planner.Bytes(trace.thread_count)).flush())
                return 0;
            std::fprintf(stderr, "planner: %s: cannot be written\n", paths[1]);
            return 1;
        });
}
