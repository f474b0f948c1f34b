// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// watched.h - the real caches of components/percpu on CPUs that are only numbers, with every lock
// that they take counted.
//
//     operation on CPU 17 -> cairn_percpu, whose CPU id is asked of a callback that says "17"
//                              |  shard 17 % shards      acquisitions, handovers
//                              |  depot of the class     acquisitions, handovers
//                              |  source of the class    calls, handovers
//                              v
//                            a source of addresses at which nothing lies
//
// A handover is a lock taken by another CPU than the one that held it last: the cache line of the
// lock, and what it guards, must cross the machine. It is what more CPUs cost, and it can be
// counted without having them.
//
// Method. Nothing inside the caches is changed or hooked. One thread runs everything, so what an
// operation did can be read from what it changed:
//   shard   each operation takes the lock of its shard once; an allocation that finds the array
//           empty takes it again to put the rest of the batch in;
//   depot   taking its lock and moving at least one block are the same thing when nobody is beside,
//           for an empty line is not locked to take from nor a full one to give to: so the lock was
//           taken exactly when the number of waiting blocks changed;
//   source  sees its own calls; below it, each class has a lock of its own (components/sizeclass).
// Each operation is compared with this description and a difference stops the program. In a build
// with assertions, exact_test.cc also counts the locks themselves, and finds the same numbers.
//
// What it cannot say. No times: a handover costs 20 ns or 200, by machine. No waiting: operations
// do not overlap, so no lock is ever found held, nobody spins, and nobody turns to a neighbour's
// shard; a handover is the chance of that, not the event. A thread is never moved between reading
// its CPU and taking the lock. What the blocks' own memory costs when it crosses is not seen.
//
// Mode. Locks are counted in lock mode. Restartable sequences have no shard locks: there, both
// shard counts are 0, and depot and source are those of shards == cpus, since the arrays are the
// same.

#ifndef CAIRN_BENCH_SIMULATE_WATCHED_H
#define CAIRN_BENCH_SIMULATE_WATCHED_H

#include <cairn/percpu.h>

#include <cstdint>
#include <vector>

namespace handovers {

struct Traffic {
    uint64_t acquisitions = 0;
    uint64_t handovers = 0;
};

bool operator==(const Traffic &one, const Traffic &other);

// A lock that remembers which CPU held it last. The first one to take it gets it from nobody.
class Lock {
  public:
    void Take(unsigned cpu)
    {
        traffic_.acquisitions++;
        if (is_known_ && cpu != last_)
            traffic_.handovers++;
        is_known_ = true;
        last_ = cpu;
    }
    const Traffic &traffic() const
    {
        return traffic_;
    }
    // Begins to count anew; who held it last stays known.
    void Forget()
    {
        traffic_ = {};
    }

  private:
    Traffic traffic_;
    bool is_known_ = false;
    unsigned last_ = 0;
};

// Addresses of blocks that do not exist, each handed out to one at a time.
class Blocks {
  public:
    size_t Take(void **blocks, size_t count);
    void Give(void *const *blocks, size_t count);
    size_t outstanding() const
    {
        return is_out_.size() - free_.size();
    }

  private:
    std::vector<bool> is_out_;
    std::vector<size_t> free_;
};

class WatchedCaches {
  public:
    WatchedCaches(unsigned shards, const std::vector<uint32_t> &block_bytes);
    ~WatchedCaches();
    WatchedCaches(const WatchedCaches &) = delete;
    WatchedCaches &operator=(const WatchedCaches &) = delete;

    void *Alloc(unsigned cpu, unsigned class_idx);
    void Free(unsigned cpu, unsigned class_idx, void *block);

    // Counts begin anew, with the caches as they are.
    void ForgetTraffic();

    Traffic Shards() const;
    Traffic Depot(unsigned class_idx) const;
    Traffic Source() const;

    // Gives everything that is cached to the source, and checks that nothing was broken on the way.
    // Returns the blocks that are still out. Nothing else may be called afterwards.
    size_t Finish();

  private:
    struct Sight {
        struct cairn_percpu_level array;
        size_t depot_count;
        uint64_t source_calls;
    };

    Sight Look(unsigned shard, unsigned class_idx) const;
    unsigned Begin(unsigned cpu);
    void NoteDepot(unsigned class_idx, const Sight &before, const Sight &after);
    unsigned ClassOf(size_t block_bytes) const;
    static size_t Take(void *self, size_t block_bytes, size_t, void **blocks, size_t count);
    static void Give(void *self, size_t block_bytes, void *const *blocks, size_t count);
    static int CurrentCpu(void *self);

    std::vector<uint32_t> block_bytes_;
    std::vector<Blocks> blocks_; // by class, as all that follow but the shards
    std::vector<Lock> source_locks_;
    std::vector<Lock> depot_locks_;
    std::vector<Lock> shard_locks_;
    unsigned cpu_ = 0;
    void *state_;
    size_t state_bytes_;
    cairn_source_ops ops_;
    cairn_percpu percpu_ = {};
};

} // namespace handovers

#endif
