// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#include "bench/trace/trace_writer.h"

#include <cstring>

#include "tests/support/process.h"

namespace cairn_test {
namespace {

std::string Header()
{
    const char command[] = "made\0for a test";
    trace_header header{};
    std::memcpy(header.magic, TRACE_MAGIC, sizeof header.magic);
    header.version = TRACE_VERSION;
    header.page_bytes = 4096;
    header.ticks_per_second = 1000000000;
    header.start_ticks = TraceWriter::kStart;
    header.process = 4711;
    header.command_bytes = sizeof command;
    std::memcpy(header.command, command, sizeof command);
    header.header_checksum = trace_header_checksum(&header);
    return {reinterpret_cast<const char *>(&header), sizeof header};
}

std::string Block(uint32_t thread, const trace_call *calls, size_t count, bool closed)
{
    std::string bytes(sizeof(trace_block) + count * TRACE_LONGEST_EVENT, '\0');
    bytes.resize((bytes.size() + TRACE_PAGE_BYTES - 1) / TRACE_PAGE_BYTES * TRACE_PAGE_BYTES);
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
    block->system_thread = 5000 + thread;
    block->start_ticks = calls[0].ticks;
    block->progress = uint64_t{count} << 32 | static_cast<uint64_t>(at - first);
    block->closed = closed;
    if (closed)
        block->checksum = trace_block_checksum(block);
    return bytes;
}

} // namespace

void TraceWriter::Call(uint32_t thread, trace_call call)
{
    call.ticks += kStart;
    calls_[thread].push_back(call);
}

void TraceWriter::Malloc(uint32_t thread, uint64_t ticks, uint64_t address, uint64_t size_bytes)
{
    trace_call call{};
    call.function = TRACE_MALLOC;
    call.ticks = ticks;
    call.address = address;
    call.size_bytes = size_bytes;
    Call(thread, call);
}

void TraceWriter::Free(uint32_t thread, uint64_t ticks, uint64_t address)
{
    trace_call call{};
    call.function = TRACE_FREE;
    call.ticks = ticks;
    call.address = address;
    Call(thread, call);
}

void TraceWriter::Realloc(uint32_t thread, uint64_t ticks, uint64_t took_ticks,
                          uint64_t old_address, uint64_t address, uint64_t size_bytes)
{
    trace_call call{};
    call.function = TRACE_REALLOC;
    call.ticks = ticks;
    call.took_ticks = took_ticks;
    call.old_address = old_address;
    call.address = address;
    call.size_bytes = size_bytes;
    call.has_failed = address == 0;
    Call(thread, call);
}

std::string TraceWriter::Bytes(bool closed) const
{
    std::string bytes = Header();
    bool wrote = true;
    for (size_t first = 0; wrote; first += events_per_block_) {
        wrote = false;
        for (const auto &[thread, calls] : calls_) {
            if (first >= calls.size())
                continue;
            size_t rest = calls.size() - first;
            bytes += Block(thread, &calls[first],
                           rest < events_per_block_ ? rest : events_per_block_, closed);
            wrote = true;
        }
    }
    return bytes;
}

void TraceWriter::Write(const std::string &path, bool closed) const
{
    WriteFile(path, Bytes(closed));
}

} // namespace cairn_test
