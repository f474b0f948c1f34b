// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// depot: a batch of pointers moved in or out, per batch; items are pointers.
//
//   pair      taken and given back, in a depot that has enough
//   dry       taken from an empty depot: straight from the source
//   full      given to a full one: straight to the source
//   threads   pairs beside others, all of one class, and each in a class of its own

#include <cairn/depot.h>

#include <memory>

#include "bench/components/memory.h"

namespace {

constexpr unsigned kClasses = 8;
constexpr uint32_t kBlockBytes[kClasses] = {64, 64, 64, 64, 64, 64, 64, 64};

class Depot {
  public:
    // Each class has so many blocks of the source's.
    explicit Depot(size_t count = 1024)
    {
        cairn_depot_config config = {};
        config.block_bytes = kBlockBytes;
        config.class_count = kClasses;
        config.source = Invented::Source();
        config.state_bytes = cairn_depot_state_bytes(&config);
        state_ = std::make_unique<Memory>(config.state_bytes);
        config.state = state_->base;
        Require(cairn_depot_init(&depot_, &config) == 0, "cairn_depot_init");
        void *block;
        for (unsigned class_idx = 0; class_idx < kClasses; class_idx++)
            for (size_t done = 0; done < count; done++) {
                Invented::Take(nullptr, kBlockBytes[class_idx], 16, &block, 1);
                cairn_depot_give(&depot_, class_idx, &block, 1);
            }
    }
    ~Depot()
    {
        cairn_depot_fini(&depot_);
    }
    // Batches of one class: taken, given, or both.
    void Move(State &state, unsigned class_idx, size_t batch, bool takes, bool gives)
    {
        void *blocks[64];
        Invented::Take(nullptr, kBlockBytes[0], 16, blocks, 64);
        for (auto _ : state) {
            size_t count = takes ? cairn_depot_take(&depot_, class_idx, blocks, batch) : batch;
            Keep(blocks);
            if (gives)
                cairn_depot_give(&depot_, class_idx, blocks, count);
        }
        state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch));
    }

  private:
    std::unique_ptr<Memory> state_;
    cairn_depot depot_;
};

void Alone(State &state, size_t count, bool takes, bool gives)
{
    Depot(count).Move(state, 0, Arg(state), takes, gives);
}
BENCHMARK_CAPTURE(Alone, _, 512, true, true)
    ->Name("depot/pair")
    ->ArgName("batch")
    ->Arg(4)
    ->Arg(16)
    ->Arg(64);
BENCHMARK_CAPTURE(Alone, _, 0, true, false)->Name("depot/dry")->ArgName("batch")->Arg(16)->Arg(64);
BENCHMARK_CAPTURE(Alone, _, 1024, false, true)->Name("depot/full")->ArgName("batch")->Arg(64);

void Threads(State &state, bool is_shared)
{
    unsigned class_idx = is_shared ? 0 : static_cast<unsigned>(state.thread_index()) % kClasses;
    Shared<Depot>::object->Move(state, class_idx, 32, true, true);
}
void ByThreads(benchmark::internal::Benchmark *row)
{
    row->Apply(Shared<Depot>::Of)->Apply(BesideOthers);
}
BENCHMARK_CAPTURE(Threads, _, true)->Name("depot/threads/one_class")->Apply(ByThreads);
BENCHMARK_CAPTURE(Threads, _, false)->Name("depot/threads/own_class")->Apply(ByThreads);

} // namespace
