// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// sizeclass: the class of a size, batches from a set over a buddy, and a pool alone over a buffer.

#include <benchmark/benchmark.h>
#include <cairn/pagesource.h>
#include <cairn/pool.h>
#include <cairn/sizeclass.h>

#include <memory>
#include <random>
#include <vector>

#include "bench/memory.h"

namespace {

constexpr size_t kGranuleBytes = 16384;

void BM_ClassOf(benchmark::State &state)
{
    std::mt19937 random(1);
    std::vector<size_t> sizes(4096);
    for (size_t &size : sizes)
        size = random() % static_cast<unsigned>(state.range(0));
    size_t at = 0;
    for (auto _ : state)
        benchmark::DoNotOptimize(cairn_class_of(sizes[at++ % sizes.size()]));
}
BENCHMARK(BM_ClassOf)->Arg(1024)->Arg(32768);

class Set {
  public:
    Set()
    {
        Require(cairn_pagesource_init(&pages_, nullptr) == 0, "cairn_pagesource_init");
        Require(cairn_pagemap_init(&map_, kGranuleBytes,
                                   cairn_pagesource_as_reserve_source(&pages_)) == 0,
                "cairn_pagemap_init");
        cairn_sizeclass_config config = {};
        config.pagemap = &map_;
        config.source = cairn_pagesource_as_source(&pages_);
        config.granule_bytes = kGranuleBytes;
        config.state_bytes = cairn_sizeclass_state_bytes(size_t{1} << 30, kGranuleBytes);
        state_ = std::make_unique<Memory>(config.state_bytes);
        config.state = state_->base();
        Require(cairn_sizeclass_init(&set_, &config) == 0, "cairn_sizeclass_init");
    }
    cairn_sizeclass *get()
    {
        return &set_;
    }

  private:
    cairn_pagesource pages_ = {};
    cairn_pagemap map_ = {};
    std::unique_ptr<Memory> state_;
    cairn_sizeclass set_ = {};
};

// Per block: the time is divided by the batch.
void BM_SizeclassBatch(benchmark::State &state)
{
    auto set = std::make_unique<Set>();
    unsigned class_idx = cairn_class_of(static_cast<size_t>(state.range(0)));
    size_t batch = static_cast<size_t>(state.range(1));
    void *blocks[256];
    void *kept[1];
    Require(cairn_sizeclass_take(set->get(), class_idx, kept, 1) == 1, "cairn_sizeclass_take");
    for (auto _ : state) {
        size_t taken = cairn_sizeclass_take(set->get(), class_idx, blocks, batch);
        benchmark::DoNotOptimize(blocks);
        cairn_sizeclass_give(set->get(), class_idx, blocks, taken);
    }
    cairn_sizeclass_give(set->get(), class_idx, kept, 1);
    state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(BM_SizeclassBatch)
    ->Args({16, 1})
    ->Args({16, 32})
    ->Args({16, 64})
    ->Args({64, 32})
    ->Args({1024, 8})
    ->Args({32768, 4});

void BM_PoolAlone(benchmark::State &state)
{
    size_t block_bytes = static_cast<size_t>(state.range(0));
    Memory memory(1 << 20);
    Memory bookkeeping(cairn_pool_alone_state_bytes(block_bytes, memory.bytes()));
    cairn_pool *pool = cairn_pool_init_over(bookkeeping.base(), bookkeeping.bytes(), block_bytes,
                                            memory.base(), memory.bytes());
    Require(pool != nullptr, "cairn_pool_init_over");
    for (auto _ : state) {
        void *block = cairn_pool_alloc(pool);
        benchmark::DoNotOptimize(block);
        cairn_pool_free(pool, block);
    }
    cairn_pool_fini_over(pool);
}
BENCHMARK(BM_PoolAlone)->Arg(64)->Arg(1500);

} // namespace
