// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// pagesource: a block taken, touched on every page and given back, by policy and size. The
// crossover between brk and mmap on the machine at hand is where the rows of the two policies meet.

#include <benchmark/benchmark.h>
#include <cairn/pagesource.h>

#include "bench/memory.h"

namespace {

void Pair(benchmark::State &state, cairn_pagesource_policy policy, bool touch)
{
    cairn_pagesource pages;
    cairn_pagesource_config config = {};
    config.policy = policy;
    Require(cairn_pagesource_init(&pages, &config) == 0, "cairn_pagesource_init");
    size_t bytes = static_cast<size_t>(state.range(0)) << 10;
    for (auto _ : state) {
        auto *block = static_cast<char *>(cairn_pagesource_alloc(&pages, bytes, 4096, nullptr));
        Require(block != nullptr, "cairn_pagesource_alloc");
        for (size_t at = 0; touch && at < bytes; at += 4096)
            block[at] = 1;
        benchmark::DoNotOptimize(block);
        cairn_pagesource_free(&pages, block, bytes);
    }
    struct cairn_pagesource_stats stats = cairn_pagesource_stats(&pages);
    double calls = static_cast<double>(stats.map_calls + stats.unmap_calls + stats.brk_calls +
                                       stats.purge_calls);
    state.counters["syscalls_per_pair"] = calls / static_cast<double>(state.iterations());
    cairn_pagesource_fini(&pages);
}

void BM_PagesourceBrk(benchmark::State &state)
{
    Pair(state, CAIRN_PAGESOURCE_BRK, true);
}
void BM_PagesourceMmap(benchmark::State &state)
{
    Pair(state, CAIRN_PAGESOURCE_MMAP, true);
}
void BM_PagesourceAuto(benchmark::State &state)
{
    Pair(state, CAIRN_PAGESOURCE_AUTO, true);
}
void BM_PagesourceAutoUntouched(benchmark::State &state)
{
    Pair(state, CAIRN_PAGESOURCE_AUTO, false);
}
BENCHMARK(BM_PagesourceBrk)->Arg(64)->Arg(1024)->Arg(16384);
BENCHMARK(BM_PagesourceMmap)->Arg(64)->Arg(1024)->Arg(16384);
BENCHMARK(BM_PagesourceAuto)->Arg(64)->Arg(1024)->Arg(16384)->Arg(65536);
BENCHMARK(BM_PagesourceAutoUntouched)->Arg(64)->Arg(1024)->Arg(16384)->Arg(65536);

} // namespace
