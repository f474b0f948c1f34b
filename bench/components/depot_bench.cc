// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// depot: a batch of pointers moved in or out, per batch; items are pointers.
//
//   pair      taken and given back, in a depot that has enough
//   dry       taken from an empty depot: straight from the source
//   full      given to a full one: straight to the source
//   threads   pairs beside others, all of one class, and each in a class of its own

#include <benchmark/benchmark.h>
#include <cairn/depot.h>

#include <memory>

#include "bench/components/memory.h"

namespace {

constexpr unsigned kClasses = 8;
constexpr uint32_t kBlockBytes[kClasses] = {64, 64, 64, 64, 64, 64, 64, 64};
constexpr size_t kBatchMax = 64;

class Depot {
  public:
    Depot()
    {
        cairn_depot_config config = {};
        config.block_bytes = kBlockBytes;
        config.class_count = kClasses;
        config.source = Invented::Source();
        config.state_bytes = cairn_depot_state_bytes(&config);
        state_ = std::make_unique<Memory>(config.state_bytes);
        config.state = state_->base();
        Require(cairn_depot_init(&depot_, &config) == 0, "cairn_depot_init");
    }
    ~Depot()
    {
        cairn_depot_fini(&depot_);
    }
    cairn_depot *get()
    {
        return &depot_;
    }
    // Gives each class so many blocks of the source's.
    void Fill(size_t count)
    {
        void *block;
        for (unsigned class_idx = 0; class_idx < kClasses; class_idx++)
            for (size_t done = 0; done < count; done++) {
                Invented::Take(nullptr, kBlockBytes[class_idx], 16, &block, 1);
                cairn_depot_give(&depot_, class_idx, &block, 1);
            }
    }

  private:
    std::unique_ptr<Memory> state_;
    cairn_depot depot_;
};

void Pairs(benchmark::State &state, Depot *depot, unsigned class_idx, size_t batch)
{
    void *blocks[kBatchMax];
    for (auto _ : state) {
        size_t taken = cairn_depot_take(depot->get(), class_idx, blocks, batch);
        Keep(blocks);
        cairn_depot_give(depot->get(), class_idx, blocks, taken);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch));
}

void Pair(benchmark::State &state)
{
    Depot depot;
    depot.Fill(512);
    Pairs(state, &depot, 0, static_cast<size_t>(state.range(0)));
}
BENCHMARK(Pair)->Name("depot/pair")->ArgName("batch")->Arg(4)->Arg(16)->Arg(64);

void Dry(benchmark::State &state)
{
    Depot depot;
    void *blocks[kBatchMax];
    for (auto _ : state) {
        cairn_depot_take(depot.get(), 0, blocks, static_cast<size_t>(state.range(0)));
        Keep(blocks);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Dry)->Name("depot/dry")->ArgName("batch")->Arg(16)->Arg(64);

void Full(benchmark::State &state)
{
    Depot depot;
    void *blocks[kBatchMax];
    depot.Fill(1024);
    Invented::Take(nullptr, 64, 16, blocks, kBatchMax);
    for (auto _ : state)
        cairn_depot_give(depot.get(), 0, blocks, static_cast<size_t>(state.range(0)));
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Full)->Name("depot/full")->ArgName("batch")->Arg(64);

Depot *g_depot;

void Open(const benchmark::State &)
{
    g_depot = new Depot;
    g_depot->Fill(1024);
}
void Close(const benchmark::State &)
{
    delete g_depot;
}

void Threads(benchmark::State &state, bool is_shared)
{
    unsigned class_idx = is_shared ? 0 : static_cast<unsigned>(state.thread_index()) % kClasses;
    Pairs(state, g_depot, class_idx, 32);
}
void ByThreads(benchmark::internal::Benchmark *benchmark)
{
    benchmark->Setup(Open)->Teardown(Close)->Threads(1)->Threads(2)->Threads(8)->UseRealTime();
}
BENCHMARK_CAPTURE(Threads, _, true)->Name("depot/threads/one_class")->Apply(ByThreads);
BENCHMARK_CAPTURE(Threads, _, false)->Name("depot/threads/own_class")->Apply(ByThreads);

} // namespace
