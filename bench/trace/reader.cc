// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// reader.cc - finds the blocks of a trace, and puts the threads' calls in order.
//
//     thread 1   m ---- m ------- f ---------        a heap of the threads by the time of
//     thread 2   ---- f ---- m ----- m --- f -       their next call gives the calls in turn
//     thread 3   ---------- r======r ---------       (a realloc comes twice: it frees, it allocates)
//
// A call that does not fit what is known (a free where nothing lives, an allocation where something
// does) may have overtaken another thread's by a hair: clocks have steps. It lets those of the next
// microsecond pass; fits it still not, it is taken as it is, and counted.
#include "bench/trace/reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

extern "C" {
#include "bench/trace/codec.h"
}

namespace {

struct BlockRef {
    uint64_t offset;
    uint32_t used_bytes;
};

// A thread's blocks, and where its reading stands: at `call`, or at the end.
struct Thread {
    uint32_t number;
    std::vector<BlockRef> blocks;
    size_t next_block = 0;
    trace_codec codec = {};
    trace_bytes in = {};
    trace_call call = {};
    uint64_t due_ticks = 0;            // its place in the merge
    uint32_t lifted = TRACE_NO_OBJECT; // the object of a realloc that has begun
    bool is_resizing = false;          // the call's beginning has been dealt with
    bool is_overdue = false;           // it did not fit and others were let pass
};

struct Object {
    uint64_t address;
    uint64_t size_bytes;
    uint64_t born_ticks;
    uint32_t born_thread;
};

bool FreesOld(const trace_call &call)
{
    return trace_is_resize(call.function) && call.old_address != 0;
}

// realloc(p, 0) that gave NULL has freed p; one that failed has not.
bool IsFree(const trace_call &call)
{
    return trace_is_free(call.function) ||
           (FreesOld(call) && call.has_failed && call.size_bytes == 0);
}

uint64_t FreedAddress(const trace_call &call)
{
    return trace_is_free(call.function) ? call.address : call.old_address;
}

bool Refuse(trace_reader *reader, const char *path, const std::string &why)
{
    std::snprintf(reader->message, sizeof reader->message, "%.300s: %s", path, why.c_str());
    return false;
}

} // namespace

struct trace_state {
    trace_reader *reader;
    const uint8_t *bytes = nullptr;
    uint64_t file_bytes = 0;
    uint64_t patience_ticks = 0;
    trace_header header = {};
    std::vector<Thread> threads;
    std::map<uint32_t, uint32_t> thread_of_number;
    // By time, then by thread: the order does not depend on the heap's history.
    std::priority_queue<std::pair<uint64_t, uint32_t>, std::vector<std::pair<uint64_t, uint32_t>>,
                        std::greater<>>
        due;
    std::unordered_map<uint64_t, uint32_t> living; // by address
    std::vector<Object> objects;
    std::vector<std::vector<uint32_t>> unused; // numbers, by the thread that freed them

    ~trace_state()
    {
        if (bytes != nullptr)
            munmap(const_cast<uint8_t *>(bytes), file_bytes);
    }

    // ---- the file ----

    bool Map(const char *path)
    {
        int descriptor = open(path, O_RDONLY | O_CLOEXEC);
        struct stat status;
        void *mapping = MAP_FAILED;
        if (descriptor < 0)
            return Refuse(reader, path, std::strerror(errno));
        if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
            mapping = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE,
                           descriptor, 0);
        close(descriptor);
        if (mapping == MAP_FAILED)
            return Refuse(reader, path, "is not a trace (no regular file, or an empty one)");
        bytes = static_cast<const uint8_t *>(mapping);
        file_bytes = static_cast<uint64_t>(status.st_size);
        return true;
    }

    bool CheckHeader(const char *path)
    {
        size_t known_bytes = file_bytes < sizeof header ? file_bytes : sizeof header;
        std::memcpy(&header, bytes, known_bytes);
        if (std::memcmp(header.magic, TRACE_MAGIC, sizeof header.magic) != 0)
            return Refuse(reader, path,
                          "is not a trace (its first bytes are not '" TRACE_MAGIC "')");
        if (known_bytes < sizeof header)
            return Refuse(reader, path, "is cut off within its header");
        if (header.version != TRACE_VERSION)
            return Refuse(reader, path,
                          "is of version " + std::to_string(header.version) +
                              ", and this program reads version " + std::to_string(TRACE_VERSION));
        if (header.command_bytes > TRACE_COMMAND_BYTES ||
            header.header_checksum != trace_header_checksum(&header) ||
            header.ticks_per_second == 0 || header.page_bytes == 0)
            return Refuse(reader, path, "is damaged: the checksum of its header is wrong");
        patience_ticks = header.ticks_per_second / 1000000 + 1;
        return true;
    }

    // Takes the block if it is sound; returns where the next one may begin.
    uint64_t TakeBlock(uint64_t offset)
    {
        auto *block = reinterpret_cast<const trace_block *>(bytes + offset);
        uint64_t rest_bytes = file_bytes - offset;
        if (rest_bytes < sizeof *block || block->magic != TRACE_BLOCK_MAGIC ||
            block->capacity_bytes < TRACE_PAGE_BYTES ||
            block->capacity_bytes % TRACE_PAGE_BYTES != 0 || block->capacity_bytes > 1u << 30 ||
            trace_used_bytes(block) > block->capacity_bytes - sizeof *block) {
            reader->skipped_pages++;
            return offset + TRACE_PAGE_BYTES;
        }
        uint32_t used_bytes = trace_used_bytes(block);
        if (used_bytes > rest_bytes - sizeof *block) {
            reader->torn_blocks++;
            used_bytes = static_cast<uint32_t>(rest_bytes - sizeof *block);
        } else if (block->closed != 0 && block->checksum != trace_block_checksum(block)) {
            reader->damaged_blocks++;
            return offset + block->capacity_bytes;
        }
        reader->open_blocks += block->closed == 0;
        reader->used_bytes += used_bytes;
        auto [place, is_new] =
            thread_of_number.emplace(block->thread, static_cast<uint32_t>(threads.size()));
        if (is_new)
            threads.push_back(Thread{block->thread, {}});
        threads[place->second].blocks.push_back({offset, used_bytes});
        return offset + block->capacity_bytes;
    }

    void Begin()
    {
        for (uint64_t offset = TRACE_PAGE_BYTES; offset < file_bytes;)
            offset = TakeBlock(offset);
        reader->header = &header;
        reader->thread_count = static_cast<uint32_t>(threads.size());
        unused.resize(threads.size());
        for (uint32_t thread = 0; thread < threads.size(); thread++)
            Advance(thread, 0);
    }

    // ---- one thread's calls ----

    // Reads the thread's next call, which is not due before the one that it follows.
    void Advance(uint32_t number, uint64_t least_ticks)
    {
        Thread &thread = threads[number];
        thread.is_resizing = thread.is_overdue = false;
        thread.lifted = TRACE_NO_OBJECT;
        for (;;) {
            if (thread.in.at != thread.in.end) {
                if (trace_decode(&thread.codec, &thread.in, &thread.call))
                    return Defer(number, std::max(thread.call.ticks, least_ticks));
                reader->bad_blocks++;
            }
            if (thread.next_block == thread.blocks.size())
                return;
            const BlockRef &ref = thread.blocks[thread.next_block++];
            auto *block = reinterpret_cast<const trace_block *>(bytes + ref.offset);
            auto *first = reinterpret_cast<const uint8_t *>(block + 1);
            thread.in = {first, first + ref.used_bytes, false};
            trace_codec_reset(&thread.codec, block->start_ticks);
        }
    }

    void Defer(uint32_t thread, uint64_t due_ticks)
    {
        threads[thread].due_ticks = due_ticks;
        due.emplace(due_ticks, thread);
    }

    // ---- objects ----

    uint32_t Find(uint64_t address) const
    {
        auto found = living.find(address);
        return found == living.end() ? TRACE_NO_OBJECT : found->second;
    }

    uint32_t NewObject(uint32_t thread)
    {
        std::vector<uint32_t> &own = unused[thread];
        if (own.empty()) {
            objects.emplace_back();
            return static_cast<uint32_t>(objects.size() - 1);
        }
        uint32_t number = own.back();
        own.pop_back();
        return number;
    }

    void Place(uint32_t object, uint64_t address)
    {
        objects[object].address = address;
        living[address] = object;
    }

    // ---- calls to events ----

    // Whether the address that the call frees, or fills, is as it must be for that.
    bool Fits(const Thread &thread) const
    {
        const trace_call &call = thread.call;
        if (IsFree(call) || (FreesOld(call) && !thread.is_resizing))
            return Find(FreedAddress(call)) != TRACE_NO_OBJECT;
        return call.has_failed || Find(call.address) == TRACE_NO_OBJECT;
    }

    // The old block's address is free for others from now on, until the call ends.
    void BeginResize(Thread &thread)
    {
        thread.is_resizing = true;
        thread.is_overdue = false;
        thread.lifted = Find(thread.call.old_address);
        if (thread.lifted == TRACE_NO_OBJECT)
            reader->unknown_resizes++;
        else
            living.erase(thread.call.old_address);
    }

    void TellObject(trace_event *event, uint32_t number) const
    {
        const Object &object = objects[number];
        event->object = number;
        event->old_size_bytes = object.size_bytes;
        event->born_ticks = object.born_ticks;
        event->born_thread = object.born_thread;
    }

    void GiveFree(trace_event *event, uint64_t address)
    {
        uint32_t number = Find(address);
        event->size_bytes = 0;
        event->kind = TRACE_EVENT_UNKNOWN_FREE;
        if (number == TRACE_NO_OBJECT) {
            reader->unknown_frees++;
            return;
        }
        event->kind = TRACE_EVENT_FREE;
        TellObject(event, number);
        living.erase(address);
        unused[event->thread].push_back(number);
    }

    void Give(trace_event *event, const Thread &thread)
    {
        const trace_call &call = thread.call;
        if (IsFree(call)) {
            GiveFree(event, FreedAddress(call));
        } else if (call.has_failed) {
            event->kind = TRACE_EVENT_FAILED;
            if (thread.lifted != TRACE_NO_OBJECT && Find(call.old_address) == TRACE_NO_OBJECT)
                Place(thread.lifted, call.old_address);
        } else if (thread.lifted != TRACE_NO_OBJECT) {
            event->kind = TRACE_EVENT_RESIZE;
            TellObject(event, thread.lifted);
            objects[thread.lifted].size_bytes = call.size_bytes;
            Place(thread.lifted, call.address);
        } else {
            event->kind = TRACE_EVENT_ALLOC;
            event->object = NewObject(event->thread);
            objects[event->object] = {0, call.size_bytes, event->ticks, event->thread};
            Place(event->object, call.address);
        }
    }

    bool Next(trace_event *event)
    {
        while (!due.empty()) {
            auto [ticks, number] = due.top();
            Thread &thread = threads[number];
            bool does_fit = Fits(thread);
            if (!does_fit && !thread.is_overdue) {
                due.pop();
                thread.is_overdue = true;
                Defer(number, ticks + patience_ticks);
                continue;
            }
            if (FreesOld(thread.call) && !IsFree(thread.call) && !thread.is_resizing) {
                due.pop();
                BeginResize(thread);
                Defer(number, ticks + thread.call.took_ticks);
                continue;
            }
            *event = {};
            event->ticks = ticks > header.start_ticks ? ticks - header.start_ticks : 0;
            event->size_bytes = thread.call.size_bytes;
            event->thread = number;
            event->thread_number = thread.number;
            event->object = TRACE_NO_OBJECT;
            event->function = thread.call.function;
            event->align_log2 = thread.call.align_log2;
            if (!does_fit && !IsFree(thread.call)) {
                // Something lives where it allocates: a free was lost. The call itself comes next.
                event->is_inferred = true;
                event->function = TRACE_FREE;
                reader->inferred_frees++;
                GiveFree(event, thread.call.address);
                return true;
            }
            due.pop();
            Give(event, thread);
            Advance(number, ticks);
            return true;
        }
        return false;
    }
};

bool trace_open(struct trace_reader *reader, const char *path)
{
    *reader = {};
    reader->state = new trace_state;
    reader->state->reader = reader;
    if (!reader->state->Map(path) || !reader->state->CheckHeader(path)) {
        trace_close(reader);
        return false;
    }
    reader->state->Begin();
    return true;
}

bool trace_next(struct trace_reader *reader, struct trace_event *event)
{
    return reader->state->Next(event);
}

void trace_close(struct trace_reader *reader)
{
    delete reader->state;
    reader->state = nullptr;
    reader->header = nullptr;
}

const char *trace_function_name(unsigned function)
{
    // clang-format off
    static const char *const names[TRACE_FUNCTION_END] = {
        "nothing", "malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc",
        "memalign", "valloc", "pvalloc", "free", "free_sized", "free_aligned_sized", "cfree"};
    // clang-format on
    return names[function < TRACE_FUNCTION_END ? function : 0];
}
