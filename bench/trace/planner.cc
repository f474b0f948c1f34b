// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// planner.cc - the events of a trace to a plan (plan.h).
//
//     planner trace plan
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "bench/trace/plan.h"
#include "bench/trace/reader.h"

namespace {

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
    void Add(const Event &event, uint64_t page_bytes)
    {
        if (event.object == kNoObject) {
            plan_.skipped_calls++;
            return;
        }
        if (event.thread >= threads_.size())
            threads_.resize(event.thread + size_t{1});
        if (plan_.calls == 0)
            plan_.first_thread = event.thread;
        else if (threads_[event.thread].empty())
            threads_[last_thread_].push_back({event.thread, 0, PLAN_START});
        if (event.object >= turns_.size())
            turns_.resize(event.object + size_t{1});
        threads_[event.thread].push_back(
            {event.object, turns_[event.object]++, PackedOf(event, page_bytes)});
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
        for (const std::vector<plan_op> &own : threads_) {
            plan_thread planned = {plan_.op_count, own.size()};
            threads.append(reinterpret_cast<const char *>(&planned), sizeof planned);
            ops.append(reinterpret_cast<const char *>(own.data()), own.size() * sizeof(plan_op));
            plan_.op_count += own.size();
        }
        plan_.slot_count = static_cast<uint32_t>(turns_.size());
        return std::string(reinterpret_cast<const char *>(&plan_), sizeof plan_) + threads + ops;
    }

  private:
    plan plan_ = {};
    std::vector<std::vector<plan_op>> threads_;
    std::vector<uint32_t> turns_; // by slot
    uint32_t last_thread_ = 0;
};

} // namespace

int main(int argument_count, char **arguments)
{
    Planner planner;

    if (argument_count != 3 || arguments[1][0] == '-')
        return Usage("trace plan");
    return ReadTrace(
        arguments[1],
        [&](const Trace &trace, const Event &event) {
            planner.Add(event, trace.header.page_bytes);
            return true;
        },
        [&](const Trace &trace) {
            std::ofstream file(arguments[2], std::ios::binary);
            if ((file << planner.Bytes(trace.thread_count)).flush())
                return 0;
            std::fprintf(stderr, "planner: %s: cannot be written\n", arguments[2]);
            return 1;
        });
}
