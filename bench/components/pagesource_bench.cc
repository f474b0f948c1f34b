// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// pagesource: a block taken and given back, by policy and size.
//
//   retained    what was given back is there for the next taking: the usual case;
//   fresh       everything goes back to the kernel each time: what a mapping or a move of the break
//               costs. Where the rows of brk and mmap meet is this machine's crossover;
//   untouched   fresh, but no page is written: the difference is the cost of touching;
//   resize      a block taken, doubled and given back: in place, or by moving its pages;
//   threads     a page taken and given back beside others: one lock for all.
//
// syscalls and faults are per iteration.

#include <benchmark/benchmark.h>
#include <cairn/pagesource.h>

#include "bench/components/memory.h"

namespace {

constexpr size_t kPageBytes = 4096;

class Pages {
  public:
    explicit Pages(cairn_pagesource_policy policy)
    {
        cairn_pagesource_config config = {};
        config.policy = policy;
        Require(cairn_pagesource_init(&pages_, &config) == 0, "cairn_pagesource_init");
    }
    ~Pages()
    {
        cairn_pagesource_fini(&pages_);
    }
    cairn_pagesource *get()
    {
        return &pages_;
    }
    void *Take(size_t bytes)
    {
        void *block = cairn_pagesource_alloc(&pages_, bytes, kPageBytes, nullptr);
        Require(block != nullptr, "cairn_pagesource_alloc");
        return block;
    }
    // System calls since there were `before`, per iteration.
    void ReportSyscalls(benchmark::State &state, uint64_t before)
    {
        state.counters["syscalls"] = benchmark::Counter(static_cast<double>(Syscalls() - before),
                                                        benchmark::Counter::kAvgIterations);
    }
    uint64_t Syscalls()
    {
        struct cairn_pagesource_stats stats = cairn_pagesource_stats(&pages_);
        return stats.map_calls + stats.unmap_calls + stats.brk_calls + stats.purge_calls +
               stats.remap_calls;
    }

  private:
    cairn_pagesource pages_;
};

void Touch(void *block, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += kPageBytes)
        static_cast<char *>(block)[at] = 1;
    Keep(block);
}

enum Way { kRetained, kFresh, kUntouched };

void Once(Pages &pages, size_t bytes, Way way)
{
    void *block = pages.Take(bytes);
    if (way != kUntouched)
        Touch(block, bytes);
    cairn_pagesource_free(pages.get(), block, bytes);
    if (way != kRetained)
        cairn_pagesource_purge(pages.get());
}

// Twice before it counts: the border between brk and mmap moves when a block is freed.
void Pair(benchmark::State &state, cairn_pagesource_policy policy, Way way)
{
    Pages pages(policy);
    size_t bytes = static_cast<size_t>(state.range(0)) << 10;
    Once(pages, bytes, way);
    Once(pages, bytes, way);
    uint64_t syscalls = pages.Syscalls();
    Faults faults;
    for (auto _ : state)
        Once(pages, bytes, way);
    faults.Report(state);
    pages.ReportSyscalls(state, syscalls);
    state.counters["pages"] = static_cast<double>(bytes / kPageBytes);
}

void Sizes(benchmark::internal::Benchmark *benchmark)
{
    benchmark->ArgName("kib")->Arg(4)->Arg(64)->Arg(1024)->Arg(4096)->Arg(32768);
}

BENCHMARK_CAPTURE(Pair, _, CAIRN_PAGESOURCE_BRK, kRetained)
    ->Name("pagesource/retained/brk")
    ->Apply(Sizes);
BENCHMARK_CAPTURE(Pair, _, CAIRN_PAGESOURCE_MMAP, kRetained)
    ->Name("pagesource/retained/mmap")
    ->Apply(Sizes);
BENCHMARK_CAPTURE(Pair, _, CAIRN_PAGESOURCE_AUTO, kRetained)
    ->Name("pagesource/retained/auto")
    ->Apply(Sizes);
BENCHMARK_CAPTURE(Pair, _, CAIRN_PAGESOURCE_BRK, kFresh)
    ->Name("pagesource/fresh/brk")
    ->Apply(Sizes);
BENCHMARK_CAPTURE(Pair, _, CAIRN_PAGESOURCE_MMAP, kFresh)
    ->Name("pagesource/fresh/mmap")
    ->Apply(Sizes);
BENCHMARK_CAPTURE(Pair, _, CAIRN_PAGESOURCE_AUTO, kFresh)
    ->Name("pagesource/fresh/auto")
    ->Apply(Sizes);
BENCHMARK_CAPTURE(Pair, _, CAIRN_PAGESOURCE_AUTO, kUntouched)
    ->Name("pagesource/untouched/auto")
    ->Apply(Sizes);

// What follows the block is free, or taken so that it has to move.
void Resize(benchmark::State &state, bool is_blocked)
{
    Pages pages(CAIRN_PAGESOURCE_MMAP);
    size_t bytes = static_cast<size_t>(state.range(0)) << 10;
    Once(pages, 4 * bytes, kRetained);
    uint64_t syscalls = pages.Syscalls();
    Faults faults;
    for (auto _ : state) {
        void *block = pages.Take(bytes);
        void *next = is_blocked ? pages.Take(bytes) : nullptr;
        void *larger =
            cairn_pagesource_resize(pages.get(), block, bytes, 2 * bytes, kPageBytes, true);
        Require(larger != nullptr, "cairn_pagesource_resize");
        cairn_pagesource_free(pages.get(), larger, 2 * bytes);
        if (is_blocked)
            cairn_pagesource_free(pages.get(), next, bytes);
    }
    faults.Report(state);
    pages.ReportSyscalls(state, syscalls);
}
BENCHMARK_CAPTURE(Resize, _, false)
    ->Name("pagesource/resize/in_place")
    ->ArgName("kib")
    ->Arg(64)
    ->Arg(4096);
BENCHMARK_CAPTURE(Resize, _, true)
    ->Name("pagesource/resize/moved")
    ->ArgName("kib")
    ->Arg(64)
    ->Arg(4096);

void Threads(benchmark::State &state)
{
    static Pages pages(CAIRN_PAGESOURCE_MMAP);
    for (auto _ : state) {
        void *block = pages.Take(kPageBytes);
        cairn_pagesource_free(pages.get(), block, kPageBytes);
    }
}
BENCHMARK(Threads)->Name("pagesource/threads")->Threads(1)->Threads(2)->Threads(8)->UseRealTime();

} // namespace
