// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// pool: blocks of one size over a buffer, with no lock and no source.
//
//   pair    one block taken and given back
//   batch   many at once, per block
//   mixed   blocks come and go at random in a pool that is nine tenths full

#include <benchmark/benchmark.h>
#include <cairn/pool.h>

#include <random>
#include <vector>

#include "bench/components/memory.h"

namespace {

constexpr size_t kMemoryBytes = size_t{4} << 20;

class Pool {
  public:
    explicit Pool(size_t block_bytes)
        : memory_(kMemoryBytes), state_(cairn_pool_alone_state_bytes(block_bytes, kMemoryBytes)),
          pool_(cairn_pool_init_over(state_.base(), state_.bytes(), block_bytes, memory_.base(),
                                     kMemoryBytes))
    {
        Require(pool_ != nullptr, "cairn_pool_init_over");
    }
    ~Pool()
    {
        cairn_pool_fini_over(pool_);
    }
    cairn_pool *get() const
    {
        return pool_;
    }

  private:
    Memory memory_;
    Memory state_;
    cairn_pool *pool_;
};

void Pair(benchmark::State &state)
{
    Pool pool(static_cast<size_t>(state.range(0)));
    for (auto _ : state) {
        void *block = cairn_pool_alloc(pool.get());
        Keep(block);
        cairn_pool_free(pool.get(), block);
    }
}
BENCHMARK(Pair)->Name("pool/pair")->ArgName("bytes")->Arg(64)->Arg(1500);

void Batch(benchmark::State &state)
{
    Pool pool(64);
    void *blocks[64];
    size_t batch = static_cast<size_t>(state.range(0));
    for (auto _ : state) {
        size_t taken = cairn_pool_take(pool.get(), blocks, batch);
        Keep(blocks);
        cairn_pool_give(pool.get(), blocks, taken);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Batch)->Name("pool/batch")->ArgName("batch")->Arg(8)->Arg(64);

void Mixed(benchmark::State &state)
{
    size_t block_bytes = static_cast<size_t>(state.range(0));
    Pool pool(block_bytes);
    std::mt19937 random(1);
    std::vector<void *> live(kMemoryBytes / block_bytes * 9 / 10);
    size_t taken = cairn_pool_take(pool.get(), live.data(), live.size());
    Require(taken == live.size(), "cairn_pool_take");
    for (auto _ : state) {
        void *&block = live[random() % live.size()];
        cairn_pool_free(pool.get(), block);
        block = cairn_pool_alloc(pool.get());
    }
    cairn_pool_give(pool.get(), live.data(), live.size());
    state.counters["blocks"] = static_cast<double>(live.size());
}
BENCHMARK(Mixed)->Name("pool/mixed")->ArgName("bytes")->Arg(64)->Arg(1500);

} // namespace
