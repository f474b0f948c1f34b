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

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

constexpr uint64_t kPatienceNs = 1000;

struct BlockRef {
    const trace_block *block;
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
    uint32_t lifted = kNoObject; // the object of a realloc that has begun
    bool is_overdue = false;     // the call did not fit, and others were let pass
};

struct Object {
    uint64_t size_bytes;
    uint64_t born_ns;
    uint64_t address;
    uint32_t born_thread;
};

class Reader {
  public:
    Reader() = default;
    Reader(const Reader &) = delete;
    ~Reader()
    {
        if (bytes_ != nullptr)
            munmap(const_cast<uint8_t *>(bytes_), file_bytes_);
    }

    // Why the file is no trace, or nothing.
    std::string Open(const char *path)
    {
        std::string why = Map(path);
        if (why.empty())
            why = CheckHeader();
        if (!why.empty())
            return why;
        for (uint64_t offset = TRACE_PAGE_BYTES; offset < file_bytes_;)
            offset += TakeBlock(bytes_ + offset, file_bytes_ - offset);
        trace_.thread_count = static_cast<uint32_t>(threads_.size());
        unused_.resize(threads_.size());
        for (uint32_t thread = 0; thread < threads_.size(); thread++)
            Advance(thread, 0);
        return "";
    }

    const Trace &trace() const
    {
        return trace_;
    }

    bool Next(Event *event)
    {
        while (!due_.empty()) {
            auto [time_ns, number] = due_.top();
            Thread &thread = threads_[number];
            const trace_call &call = thread.call;
            bool does_fit = Fits(call);
            if (!does_fit && !thread.is_overdue) {
                due_.pop();
                thread.is_overdue = true;
                due_.emplace(time_ns + kPatienceNs, number);
                continue;
            }
            *event = {};
            event->time_ns =
                time_ns > trace_.header.start_ns ? time_ns - trace_.header.start_ns : 0;
            event->size_bytes = call.size_bytes;
            event->thread = number;
            event->thread_number = thread.number;
            event->object = kNoObject;
            event->function = call.function;
            event->align_log2 = call.align_log2;
            if (!does_fit && !trace_is_free(call.function)) {
                // Something lives where it allocates: a free was lost. The call itself comes next.
                event->is_inferred = true;
                event->function = TRACE_FREE;
                trace_.inferred_frees++;
                GiveFree(event, Lifted(call.address));
                return true;
            }
            due_.pop();
            bool is_event = Give(event, &thread);
            Advance(number, time_ns);
            if (is_event)
                return true;
        }
        return false;
    }

  private:
    // ---- the file ----

    std::string Map(const char *path)
    {
        int descriptor = open(path, O_RDONLY | O_CLOEXEC);
        struct stat status;
        void *mapping = MAP_FAILED;
        if (descriptor < 0)
            return std::strerror(errno);
        if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0)
            mapping = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE,
                           descriptor, 0);
        close(descriptor);
        if (mapping == MAP_FAILED)
            return "is not a trace (no regular file, or an empty one)";
        bytes_ = static_cast<const uint8_t *>(mapping);
        file_bytes_ = static_cast<uint64_t>(status.st_size);
        return "";
    }

    std::string CheckHeader()
    {
        trace_header &header = trace_.header;
        size_t known_bytes = std::min(file_bytes_, sizeof header);
        std::memcpy(&header, bytes_, known_bytes);
        if (std::memcmp(header.magic, TRACE_MAGIC, sizeof header.magic) != 0)
            return "is not a trace (its first bytes are not '" TRACE_MAGIC "')";
        if (known_bytes < sizeof header)
            return "is cut off within its header";
        if (header.version != TRACE_VERSION)
            return "is of version " + std::to_string(header.version) +
                   ", and this program reads version " + std::to_string(TRACE_VERSION);
        if (header.command_bytes > TRACE_COMMAND_BYTES ||
            header.header_checksum != trace_header_checksum(&header) || header.page_bytes == 0)
            return "is damaged: the checksum of its header is wrong";
        return "";
    }

    // Takes the block if it is sound; returns how far it is to the next one.
    uint64_t TakeBlock(const uint8_t *at, uint64_t rest_bytes)
    {
        auto *block = reinterpret_cast<const trace_block *>(at);
        if (rest_bytes < sizeof *block || block->magic != TRACE_BLOCK_MAGIC ||
            block->capacity_bytes < TRACE_PAGE_BYTES ||
            block->capacity_bytes % TRACE_PAGE_BYTES != 0 || block->capacity_bytes > 1u << 30 ||
            block->used_bytes > block->capacity_bytes - sizeof *block) {
            trace_.skipped_pages++;
            return TRACE_PAGE_BYTES;
        }
        uint32_t used_bytes = static_cast<uint32_t>(
            std::min<uint64_t>(block->used_bytes, rest_bytes - sizeof *block));
        if (used_bytes < block->used_bytes) {
            trace_.torn_blocks++;
        } else if (block->closed != 0 && block->checksum != trace_block_checksum(block)) {
            trace_.damaged_blocks++;
            return block->capacity_bytes;
        }
        trace_.open_blocks += block->closed == 0;
        trace_.used_bytes += used_bytes;
        auto [place, is_new] =
            thread_of_number_.emplace(block->thread, static_cast<uint32_t>(threads_.size()));
        if (is_new)
            threads_.push_back(Thread{block->thread, {}});
        threads_[place->second].blocks.push_back({block, used_bytes});
        return block->capacity_bytes;
    }

    // ---- one thread's calls ----

    // Reads the thread's next call, which is not due before the one that it follows.
    void Advance(uint32_t number, uint64_t least_ns)
    {
        Thread &thread = threads_[number];
        thread.is_overdue = false;
        for (;;) {
            if (thread.in.at != thread.in.end) {
                if (trace_decode(&thread.codec, &thread.in, &thread.call)) {
                    due_.emplace(std::max(thread.call.time_ns, least_ns), number);
                    return;
                }
                trace_.bad_blocks++;
            }
            if (thread.next_block == thread.blocks.size())
                return;
            const BlockRef &ref = thread.blocks[thread.next_block++];
            auto *first = reinterpret_cast<const uint8_t *>(ref.block + 1);
            thread.in = {first, first + ref.used_bytes, false};
            thread.codec = {ref.block->start_ns, 0};
        }
    }

    // ---- objects ----

    // Whether the address that the call frees, or fills, is as it must be for that.
    bool Fits(const trace_call &call) const
    {
        bool is_living = living_.count(call.address) != 0;
        return trace_is_free(call.function) ? is_living : call.address == 0 || !is_living;
    }

    // The object at an address, which is free for others from now on.
    uint32_t Lifted(uint64_t address)
    {
        auto found = living_.find(address);
        if (found == living_.end())
            return kNoObject;
        uint32_t object = found->second;
        living_.erase(found);
        return object;
    }

    void Place(uint32_t object, uint64_t address)
    {
        objects_[object].address = address;
        living_[address] = object;
    }

    uint32_t NewObject(uint32_t thread)
    {
        std::vector<uint32_t> &own = unused_[thread];
        if (own.empty()) {
            objects_.emplace_back();
            return static_cast<uint32_t>(objects_.size() - 1);
        }
        uint32_t number = own.back();
        own.pop_back();
        return number;
    }

    // ---- calls to events ----

    void TellObject(Event *event, uint32_t number) const
    {
        const Object &object = objects_[number];
        event->object = number;
        event->old_size_bytes = object.size_bytes;
        event->born_ns = object.born_ns;
        event->born_thread = object.born_thread;
    }

    void GiveFree(Event *event, uint32_t object)
    {
        event->size_bytes = 0;
        event->kind = object == kNoObject ? kUnknownFree : kFree;
        trace_.unknown_frees += object == kNoObject;
        if (object == kNoObject)
            return;
        TellObject(event, object);
        unused_[event->thread].push_back(object);
    }

    // False: it is the first half of a realloc.
    bool Give(Event *event, Thread *thread)
    {
        const trace_call &call = thread->call;
        uint32_t old = call.has_old ? std::exchange(thread->lifted, kNoObject) : kNoObject;
        if (call.function == TRACE_RELEASE) {
            thread->lifted = Lifted(call.address);
            return false;
        }
        if (trace_is_free(call.function)) {
            GiveFree(event, Lifted(call.address));
            return true;
        }
        if (call.address == 0 && call.size_bytes == 0 && call.has_old) {
            GiveFree(event, old); // realloc(p, 0)
            return true;
        }
        trace_.unknown_resizes += call.has_old && old == kNoObject;
        if (call.address == 0) {
            event->kind = kFailed;
            if (old != kNoObject && living_.count(objects_[old].address) == 0)
                Place(old, objects_[old].address);
            return true;
        }
        event->kind = old != kNoObject ? kResize : kAlloc;
        if (old != kNoObject) {
            TellObject(event, old);
            objects_[old].size_bytes = call.size_bytes;
        } else {
            event->object = NewObject(event->thread);
            objects_[event->object] = {call.size_bytes, event->time_ns, 0, event->thread};
        }
        Place(event->object, call.address);
        return true;
    }

    Trace trace_ = {};
    const uint8_t *bytes_ = nullptr;
    uint64_t file_bytes_ = 0;
    std::vector<Thread> threads_;
    std::map<uint32_t, uint32_t> thread_of_number_;
    // By time, then by thread: the order does not depend on the heap's history.
    std::priority_queue<std::pair<uint64_t, uint32_t>, std::vector<std::pair<uint64_t, uint32_t>>,
                        std::greater<>>
        due_;
    std::unordered_map<uint64_t, uint32_t> living_; // by address
    std::vector<Object> objects_;
    std::vector<std::vector<uint32_t>> unused_; // numbers, by the thread that freed them
};

} // namespace

int ReadTrace(const char *path, const std::function<bool(const Trace &, const Event &)> &visit,
              const std::function<int(const Trace &)> &finish)
{
    Reader reader;
    Event event;
    std::string why = reader.Open(path);
    if (!why.empty()) {
        std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, why.c_str());
        return 1;
    }
    while (reader.Next(&event) && visit(reader.trace(), event))
        continue;
    return finish(reader.trace());
}

int Usage(const char *arguments)
{
    std::fprintf(stderr, "usage: %s %s\n", program_invocation_short_name, arguments);
    return 2;
}

const char *FunctionName(unsigned function)
{
    // clang-format off
    static const char *const names[TRACE_FUNCTION_END] = {
        "nothing", "malloc", "calloc", "realloc", "reallocarray", "posix_memalign", "aligned_alloc",
        "memalign", "valloc", "pvalloc", "free", "free_sized", "free_aligned_sized", "cfree"};
    // clang-format on
    return names[function < TRACE_RELEASE ? function : 0];
}
