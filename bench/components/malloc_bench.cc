// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// malloc: whatever this process runs on. Compare by preloading:
//     bazel run //bench:all -- --benchmark_filter=Malloc
//     bazel run //composed:run -- bazel-bin/bench/all --benchmark_filter=Malloc

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <random>
#include <vector>

namespace {

void BM_MallocPair(benchmark::State &state)
{
    size_t bytes = static_cast<size_t>(state.range(0));
    for (auto _ : state) {
        void *block = malloc(bytes);
        benchmark::DoNotOptimize(block);
        free(block);
    }
}
BENCHMARK(BM_MallocPair)->Arg(64)->Arg(1000)->Arg(40000)->Arg(2000000);

void BM_MallocSteady(benchmark::State &state)
{
    std::mt19937 random(static_cast<unsigned>(state.thread_index()) + 1);
    std::vector<void *> live(1000);
    for (auto _ : state) {
        void *&slot = live[random() % live.size()];
        free(slot);
        slot = malloc(random() % static_cast<unsigned>(state.range(0)));
        benchmark::DoNotOptimize(slot);
    }
    for (void *block : live)
        free(block);
}
BENCHMARK(BM_MallocSteady)->Arg(1000)->Arg(30000)->Threads(1)->Threads(4)->UseRealTime();

} // namespace
