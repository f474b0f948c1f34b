// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// arena: a pair, and a steady heap of random sizes, in buffers of several sizes.

#include <benchmark/benchmark.h>
#include <cairn/arena.h>

#include <random>
#include <vector>

#include "bench/memory.h"

namespace {

void BM_ArenaPair(benchmark::State &state)
{
    Memory buffer(1 << 20);
    cairn_arena *arena = cairn_arena_init(buffer.base(), buffer.bytes());
    Require(arena != nullptr, "cairn_arena_init");
    size_t bytes = static_cast<size_t>(state.range(0));
    for (auto _ : state) {
        void *block = cairn_arena_alloc(arena, bytes);
        benchmark::DoNotOptimize(block);
        cairn_arena_free(arena, block);
    }
}
BENCHMARK(BM_ArenaPair)->Arg(64)->Arg(1000)->Arg(20000);

void BM_ArenaSteady(benchmark::State &state)
{
    Memory buffer(static_cast<size_t>(state.range(0)) << 10);
    cairn_arena *arena = cairn_arena_init(buffer.base(), buffer.bytes());
    Require(arena != nullptr, "cairn_arena_init");
    std::mt19937 random(1);
    std::vector<void *> live(buffer.bytes() / 1024);
    for (auto _ : state) {
        void *&slot = live[random() % live.size()];
        cairn_arena_free(arena, slot);
        slot = cairn_arena_alloc(arena, random() % 1000);
    }
}
BENCHMARK(BM_ArenaSteady)->Arg(64)->Arg(1024)->Arg(65536);

} // namespace
