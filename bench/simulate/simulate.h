// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// simulate.h - threads of a workload on simulated CPUs, one operation at a time.
//
//     CPU 0:  thread 0, thread 4      each step: one CPU, by turns or at random, lets the thread
//     CPU 1:  thread 1, thread 5      that runs on it do one operation (an allocation or a free);
//     ...                             after a slice of operations, or when it has to wait, the next
//                                     thread of that CPU runs
//
// Shapes:
//   churn     every thread allocates and frees blocks of its own, at random, of every class;
//   pipeline  even threads allocate, their odd neighbours free: a bounded queue for each pair;
//   exchange  every thread allocates for the mailbox of any thread, and frees what is in its own;
//   migrate   churn, and now and then a thread moves to another CPU.
//
// A thread that has to wait (queue full or empty) does nothing, and that is not an operation.
// Everything is decided by the plan: the same plan gives the same counts on any machine.

#ifndef CAIRN_BENCH_SIMULATE_SIMULATE_H
#define CAIRN_BENCH_SIMULATE_SIMULATE_H

#include <cstdint>
#include <vector>

#include "bench/simulate/watched.h"

namespace handovers {

enum class Shape { kChurn, kPipeline, kExchange, kMigrate };
enum class Turns { kInOrder, kAtRandom };

const char *NameOf(Shape shape);

struct Plan {
    Shape shape = Shape::kChurn;
    Turns turns = Turns::kAtRandom;
    unsigned cpus = 1;
    unsigned threads = 1; // pipeline: an even number
    unsigned shards = 1;
    uint64_t warm_up = 0; // operations before counting begins
    uint64_t operations = 1000;
    unsigned blocks_per_thread = 64; // churn: live at most; pipeline, exchange: waiting at most
    unsigned slice = 100;            // operations until another thread of the CPU runs
    unsigned migrations_per_1000 = 10;
    uint64_t seed = 1;
    std::vector<uint32_t> block_bytes = {32, 64, 256, 1024};
};

struct Counts {
    uint64_t operations = 0;
    uint64_t migrations = 0;
    Traffic shards;
    Traffic source;
    std::vector<Traffic> depot; // by class
    Traffic DepotSum() const;
    uint64_t blocks_lost = 0; // after every thread has freed its blocks: 0, or there is a bug
};

Counts Simulate(const Plan &plan);

} // namespace handovers

#endif
