// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// percpu: the CPU id by each way, a pair on a warm cache, by threads, and blocks that pass from one
// thread to another through the depot. The source is a counter that invents addresses: blocks are
// never touched by any layer.

#include <benchmark/benchmark.h>
#include <cairn/percpu.h>

#include <atomic>
#include <memory>

#include "bench/memory.h"

namespace {

constexpr uint32_t kBlockBytes[] = {64, 1024};

std::atomic<uintptr_t> g_next{uintptr_t{1} << 40};

size_t Take(void *, size_t block_bytes, size_t, void **blocks, size_t count)
{
    uintptr_t base = g_next.fetch_add(block_bytes * count);
    for (size_t idx = 0; idx < count; idx++)
        blocks[idx] = reinterpret_cast<void *>(base + idx * block_bytes);
    return count;
}

void Give(void *, size_t, void *const *, size_t)
{
}

const cairn_source_ops kOps = {"invented", CAIRN_SOURCE_THREAD_SAFE, Take, Give};

class Caches {
  public:
    Caches()
    {
        cairn_percpu_config config = {};
        config.block_bytes = kBlockBytes;
        config.class_count = 2;
        config.source = {&kOps, nullptr};
        config.state_bytes = cairn_percpu_state_bytes(&config);
        state_ = std::make_unique<Memory>(config.state_bytes);
        config.state = state_->base();
        Require(cairn_percpu_init(&percpu_, &config) == 0, "cairn_percpu_init");
    }
    cairn_percpu *get()
    {
        return &percpu_;
    }

  private:
    std::unique_ptr<Memory> state_;
    cairn_percpu percpu_ = {};
};

Caches *g_caches;

void BM_CpuId(benchmark::State &state)
{
    cairn_cpu cpu;
    cairn_cpu_init(&cpu, static_cast<cairn_cpu_way>(state.range(0)));
    state.SetLabel(cairn_cpu_way_name(cpu.way));
    for (auto _ : state)
        benchmark::DoNotOptimize(cairn_cpu_current(&cpu));
}
BENCHMARK(BM_CpuId)->Arg(CAIRN_CPU_LIBC_RSEQ)->Arg(CAIRN_CPU_GETCPU);

void BM_PercpuPair(benchmark::State &state)
{
    for (auto _ : state) {
        void *block = cairn_percpu_alloc(g_caches->get(), 0);
        benchmark::DoNotOptimize(block);
        cairn_percpu_free(g_caches->get(), 0, block);
    }
}
void SetUp(const benchmark::State &)
{
    g_caches = new Caches;
}
void TearDown(const benchmark::State &)
{
    cairn_percpu_fini(g_caches->get());
    delete g_caches;
}
BENCHMARK(BM_PercpuPair)
    ->Setup(SetUp)
    ->Teardown(TearDown)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();

// Many are taken, then all are given: each batch misses the cache and meets the depot.
void BM_PercpuBurst(benchmark::State &state)
{
    void *blocks[4096];
    for (auto _ : state) {
        for (void *&block : blocks)
            block = cairn_percpu_alloc(g_caches->get(), 1);
        for (void *block : blocks)
            cairn_percpu_free(g_caches->get(), 1, block);
    }
    state.SetItemsProcessed(state.iterations() * 4096);
}
BENCHMARK(BM_PercpuBurst)->Setup(SetUp)->Teardown(TearDown)->Threads(1)->Threads(2)->UseRealTime();

} // namespace
