// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include "bench/simulate/watched.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

namespace handovers {
namespace {

constexpr uintptr_t kBase = uintptr_t{1} << 40;
constexpr uintptr_t kStep = 16;

// The figures would be wrong, so there are none.
void Require(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "handovers: %s\n", what);
    exit(1);
}

void *Zeroed(size_t bytes)
{
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    Require(memory != MAP_FAILED, "out of memory");
    return memory;
}

Traffic Sum(const std::vector<Lock> &locks)
{
    Traffic sum;
    for (const Lock &lock : locks) {
        sum.acquisitions += lock.traffic().acquisitions;
        sum.handovers += lock.traffic().handovers;
    }
    return sum;
}

} // namespace

bool operator==(const Traffic &one, const Traffic &other)
{
    return one.acquisitions == other.acquisitions && one.handovers == other.handovers;
}

size_t Blocks::Take(void **blocks, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        if (free_.empty()) {
            free_.push_back(is_out_.size());
            is_out_.push_back(false);
        }
        size_t number = free_.back();
        free_.pop_back();
        is_out_[number] = true;
        blocks[at] = reinterpret_cast<void *>(kBase + number * kStep);
    }
    return count;
}

void Blocks::Give(void *const *blocks, size_t count)
{
    for (size_t at = 0; at < count; at++) {
        size_t number = (reinterpret_cast<uintptr_t>(blocks[at]) - kBase) / kStep;
        Require(number < is_out_.size() && is_out_[number], "a block came back that was not out");
        is_out_[number] = false;
        free_.push_back(number);
    }
}

WatchedCaches::WatchedCaches(unsigned shards, const std::vector<uint32_t> &block_bytes)
    : block_bytes_(block_bytes), blocks_(block_bytes.size()), source_locks_(block_bytes.size()),
      depot_locks_(block_bytes.size()),
      shard_locks_(shards), ops_{"counted", CAIRN_SOURCE_THREAD_SAFE, Take, Give}
{
    cairn_percpu_config config = {};
    config.block_bytes = block_bytes_.data();
    config.class_count = static_cast<unsigned>(block_bytes_.size());
    config.shard_count = shards;
    config.mode = CAIRN_PERCPU_LOCK;
    config.source = {&ops_, this};
    state_bytes_ = cairn_percpu_state_bytes(&config);
    state_ = Zeroed(state_bytes_);
    config.state = state_;
    config.state_bytes = state_bytes_;
    Require(cairn_percpu_init(&percpu_, &config) == 0, "cairn_percpu_init failed");
    const cairn_cpu_config cpu = {CAIRN_CPU_CALLBACK, CurrentCpu, this};
    Require(cairn_cpu_init(&percpu_.cpu, &cpu) == 0, "cairn_cpu_init failed");
}

WatchedCaches::~WatchedCaches()
{
    munmap(state_, state_bytes_);
}

int WatchedCaches::CurrentCpu(void *self)
{
    return static_cast<int>(static_cast<WatchedCaches *>(self)->cpu_);
}

unsigned WatchedCaches::ClassOf(size_t block_bytes) const
{
    unsigned class_idx = 0;
    while (class_idx < block_bytes_.size() && block_bytes_[class_idx] != block_bytes)
        class_idx++;
    Require(class_idx < block_bytes_.size(), "the source was asked for a size that nobody has");
    return class_idx;
}

size_t WatchedCaches::Take(void *self, size_t block_bytes, size_t, void **blocks, size_t count)
{
    auto *caches = static_cast<WatchedCaches *>(self);
    unsigned class_idx = caches->ClassOf(block_bytes);
    caches->source_locks_[class_idx].Take(caches->cpu_);
    return caches->blocks_[class_idx].Take(blocks, count);
}

void WatchedCaches::Give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    auto *caches = static_cast<WatchedCaches *>(self);
    unsigned class_idx = caches->ClassOf(block_bytes);
    caches->source_locks_[class_idx].Take(caches->cpu_);
    caches->blocks_[class_idx].Give(blocks, count);
}

WatchedCaches::Sight WatchedCaches::Look(unsigned shard, unsigned class_idx) const
{
    return {cairn_percpu_level(&percpu_, shard, class_idx),
            cairn_depot_count(&percpu_.depot, class_idx),
            source_locks_[class_idx].traffic().acquisitions};
}

// The shard that the next operation will use.
unsigned WatchedCaches::Begin(unsigned cpu)
{
    cpu_ = cpu;
    return cpu % static_cast<unsigned>(shard_locks_.size());
}

void WatchedCaches::NoteDepot(unsigned class_idx, const Sight &before, const Sight &after)
{
    if (after.depot_count != before.depot_count)
        depot_locks_[class_idx].Take(cpu_);
}

void *WatchedCaches::Alloc(unsigned cpu, unsigned class_idx)
{
    unsigned shard = Begin(cpu);
    Sight before = Look(shard, class_idx);
    void *block = cairn_percpu_alloc(&percpu_, class_idx);
    Sight after = Look(shard, class_idx);

    Require(block != nullptr, "the source is dry");
    shard_locks_[shard].Take(cpu);
    NoteDepot(class_idx, before, after);
    if (before.array.count > 0) {
        Require(after.array.count == before.array.count - 1,
                "an allocation did not come from the array that the CPU stands for");
        return block;
    }
    Require(after.depot_count < before.depot_count || after.source_calls > before.source_calls,
            "an allocation from an empty array was not refilled");
    shard_locks_[shard].Take(cpu);
    return block;
}

void WatchedCaches::Free(unsigned cpu, unsigned class_idx, void *block)
{
    unsigned shard = Begin(cpu);
    Sight before = Look(shard, class_idx);
    cairn_percpu_free(&percpu_, class_idx, block);
    Sight after = Look(shard, class_idx);

    Require(after.array.count == before.array.count + 1 ||
                (before.array.count > 0 && before.array.count == before.array.limit),
            "a block was not freed to the array that the CPU stands for");
    shard_locks_[shard].Take(cpu);
    NoteDepot(class_idx, before, after);
}

void WatchedCaches::ForgetTraffic()
{
    for (std::vector<Lock> *locks : {&shard_locks_, &depot_locks_, &source_locks_})
        for (Lock &lock : *locks)
            lock.Forget();
}

Traffic WatchedCaches::Shards() const
{
    return Sum(shard_locks_);
}

Traffic WatchedCaches::Depot(unsigned class_idx) const
{
    return depot_locks_[class_idx].traffic();
}

Traffic WatchedCaches::Source() const
{
    return Sum(source_locks_);
}

size_t WatchedCaches::Finish()
{
    size_t outstanding = 0;
    cairn_percpu_fini(&percpu_);
    for (const Blocks &blocks : blocks_)
        outstanding += blocks.outstanding();
    return outstanding;
}

} // namespace handovers
