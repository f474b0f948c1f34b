// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// pool: blocks of one size over a buffer, with no lock and no source.
//
//   pair    one block taken and given back
//   batch   many at once, per block
//   mixed   blocks come and go at random in a pool that is nine tenths full

#include <cairn/pool.h>

#include <random>
#include <vector>

#include "bench/components/memory.h"

namespace {

constexpr size_t kMemoryBytes = size_t{4} << 20;

struct Pool {
    explicit Pool(size_t block_bytes)
        : memory(kMemoryBytes), state(cairn_pool_alone_state_bytes(block_bytes, kMemoryBytes)),
          pool(
              cairn_pool_init_over(state.base, state.bytes, block_bytes, memory.base, kMemoryBytes))
    {
        Require(pool != nullptr, "cairn_pool_init_over");
    }
    ~Pool()
    {
        cairn_pool_fini_over(pool);
    }
    Memory memory, state;
    cairn_pool *pool;
};

void Pair(State &state)
{
    Pool one(Arg(state));
    for (auto _ : state) {
        void *block = cairn_pool_alloc(one.pool);
        Keep(block);
        cairn_pool_free(one.pool, block);
    }
}
BENCHMARK(Pair)->Name("pool/pair")->ArgName("bytes")->Arg(64)->Arg(1500);

void Batch(State &state)
{
    Pool one(64);
    void *blocks[64];
    for (auto _ : state) {
        size_t taken = cairn_pool_take(one.pool, blocks, Arg(state));
        Keep(blocks);
        cairn_pool_give(one.pool, blocks, taken);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Batch)->Name("pool/batch")->ArgName("batch")->Arg(8)->Arg(64);

void Mixed(State &state)
{
    Pool one(Arg(state));
    std::mt19937 random(1);
    std::vector<void *> live(kMemoryBytes / Arg(state) * 9 / 10);
    size_t taken = cairn_pool_take(one.pool, live.data(), live.size());
    Require(taken == live.size(), "cairn_pool_take");
    for (auto _ : state) {
        void *&block = live[random() % live.size()];
        cairn_pool_free(one.pool, block);
        block = cairn_pool_alloc(one.pool);
    }
    cairn_pool_give(one.pool, live.data(), live.size());
    Tell(state, "blocks", live.size());
}
BENCHMARK(Mixed)->Name("pool/mixed")->ArgName("bytes")->Arg(64)->Arg(1500);

} // namespace
