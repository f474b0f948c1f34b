// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Traces for tests, event by event. The clock's tick is a nanosecond, and the recording begins at
// tick kStart.
#ifndef CAIRN_BENCH_TRACE_TRACE_WRITER_H
#define CAIRN_BENCH_TRACE_TRACE_WRITER_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

extern "C" {
#include "bench/trace/codec.h"
}

namespace cairn_test {

class TraceWriter {
  public:
    static constexpr uint64_t kStart = 1000000;

    // A block holds so many events of one thread.
    explicit TraceWriter(size_t events_per_block = 100) : events_per_block_(events_per_block)
    {
    }

    // Times are relative to kStart.
    TraceWriter &Call(uint32_t thread, trace_call call)
    {
        call.ticks += kStart;
        calls_[thread].push_back(call);
        return *this;
    }
    TraceWriter &Malloc(uint32_t thread, uint64_t ticks, uint64_t address, uint64_t size_bytes)
    {
        return Call(thread, {ticks, 0, size_bytes, address, 0, TRACE_MALLOC, 0, false});
    }
    TraceWriter &Free(uint32_t thread, uint64_t ticks, uint64_t address)
    {
        return Call(thread, {ticks, 0, 0, address, 0, TRACE_FREE, 0, false});
    }
    // An address of 0 is that of a call that failed.
    TraceWriter &Realloc(uint32_t thread, uint64_t ticks, uint64_t took_ticks, uint64_t old_address,
                         uint64_t address, uint64_t size_bytes)
    {
        return Call(thread, {ticks, took_ticks, size_bytes, address, old_address, TRACE_REALLOC, 0,
                             address == 0});
    }

    // The blocks of the threads take turns in the file.
    std::string Bytes(bool closed = true) const
    {
        std::string bytes = Header();
        bool wrote = true;
        for (size_t first = 0; wrote; first += events_per_block_) {
            wrote = false;
            for (const auto &[thread, calls] : calls_) {
                if (first >= calls.size())
                    continue;
                size_t count = std::min(events_per_block_, calls.size() - first);
                bytes += Block(thread, &calls[first], count, closed);
                wrote = true;
            }
        }
        return bytes;
    }

  private:
    static std::string Header()
    {
        const char command[] = "made\0for a \"test\"";
        trace_header header{};
        std::memcpy(header.magic, TRACE_MAGIC, sizeof header.magic);
        header.version = TRACE_VERSION;
        header.page_bytes = 4096;
        header.ticks_per_second = 1000000000;
        header.start_ticks = kStart;
        header.process = 4711;
        header.command_bytes = sizeof command;
        std::memcpy(header.command, command, sizeof command);
        header.header_checksum = trace_header_checksum(&header);
        return {reinterpret_cast<const char *>(&header), sizeof header};
    }

    static std::string Block(uint32_t thread, const trace_call *calls, size_t count, bool closed)
    {
        size_t most_bytes = sizeof(trace_block) + count * TRACE_LONGEST_EVENT;
        std::string bytes((most_bytes + TRACE_PAGE_BYTES - 1) / TRACE_PAGE_BYTES * TRACE_PAGE_BYTES,
                          '\0');
        auto *block = reinterpret_cast<trace_block *>(bytes.data());
        auto *first = reinterpret_cast<uint8_t *>(block + 1);
        uint8_t *at = first;
        trace_codec codec;
        trace_codec_reset(&codec, calls[0].ticks);
        for (size_t i = 0; i < count; i++)
            at = trace_encode(&codec, at, &calls[i]);
        block->magic = TRACE_BLOCK_MAGIC;
        block->capacity_bytes = static_cast<uint32_t>(bytes.size());
        block->thread = thread;
        block->start_ticks = calls[0].ticks;
        block->progress = uint64_t{count} << 32 | static_cast<uint64_t>(at - first);
        block->closed = closed;
        if (closed)
            block->checksum = trace_block_checksum(block);
        return bytes;
    }

    size_t events_per_block_;
    std::map<uint32_t, std::vector<trace_call>> calls_;
};

} // namespace cairn_test

#endif
