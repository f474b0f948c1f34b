// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Traces for tests, event by event. The clock's tick is a nanosecond, and the recording begins at tick kStart.
#ifndef CAIRN_BENCH_TRACE_TRACE_WRITER_H
#define CAIRN_BENCH_TRACE_TRACE_WRITER_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include "bench/trace/codec.h"
#include "bench/trace/format.h"
}

namespace cairn_test {

class TraceWriter {
  public:
    static constexpr uint64_t kStart = 1000000;

    // A block holds so many events of one thread.
    explicit TraceWriter(unsigned events_per_block = 100) : events_per_block_(events_per_block)
    {
    }

    // Times are relative to kStart.
    void Malloc(uint32_t thread, uint64_t ticks, uint64_t address, uint64_t size_bytes);
    void Free(uint32_t thread, uint64_t ticks, uint64_t address);
    void Realloc(uint32_t thread, uint64_t ticks, uint64_t took_ticks, uint64_t old_address,
                 uint64_t address, uint64_t size_bytes);
    void Call(uint32_t thread, trace_call call);

    // The blocks of the threads take turns in the file.
    std::string Bytes(bool closed = true) const;
    void Write(const std::string &path, bool closed = true) const;

  private:
    unsigned events_per_block_;
    std::map<uint32_t, std::vector<trace_call>> calls_;
};

} // namespace cairn_test

#endif
