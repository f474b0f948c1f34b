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

#include <cairn/pagesource.h>

#include <cstring>
#include <string>

#include "bench/components/memory.h"

namespace {

constexpr size_t kPageBytes = 4096;

enum Way { kRetained, kFresh, kUntouched };

struct Pages {
    explicit Pages(cairn_pagesource_policy policy = CAIRN_PAGESOURCE_MMAP)
    {
        cairn_pagesource_config config = {};
        config.policy = policy;
        Require(cairn_pagesource_init(&pages_, &config) == 0, "cairn_pagesource_init");
    }
    ~Pages()
    {
        cairn_pagesource_fini(&pages_);
    }
    void *Take(size_t bytes)
    {
        void *block = cairn_pagesource_alloc(&pages_, bytes, kPageBytes, nullptr);
        Require(block != nullptr, "cairn_pagesource_alloc");
        return block;
    }
    void Once(size_t bytes, Way way)
    {
        auto *block = static_cast<char *>(Take(bytes));
        for (size_t at = 0; way != kUntouched && at < bytes; at += kPageBytes)
            block[at] = 1;
        Keep(block);
        cairn_pagesource_free(&pages_, block, bytes);
        if (way != kRetained)
            cairn_pagesource_purge(&pages_);
    }
    uint64_t Syscalls()
    {
        struct cairn_pagesource_stats stats = cairn_pagesource_stats(&pages_);
        return stats.map_calls + stats.unmap_calls + stats.brk_calls + stats.purge_calls +
               stats.remap_calls;
    }

    cairn_pagesource pages_;
};

// Twice before it counts: the border between brk and mmap moves when a block is freed.
void Pair(State &state, cairn_pagesource_policy policy, Way way)
{
    Pages pages(policy);
    size_t bytes = Arg(state) << 10;
    pages.Once(bytes, way);
    pages.Once(bytes, way);
    uint64_t before = pages.Syscalls();
    {
        Faults faults(state);
        for (auto _ : state)
            pages.Once(bytes, way);
    }
    TellEach(state, "syscalls", pages.Syscalls() - before);
    Tell(state, "pages", bytes / kPageBytes);
}

// A block becomes twice as long, as a caller has it: by a copy where the source says so.
void *Longer(Pages &pages, void *block, size_t bytes)
{
    void *longer =
        cairn_pagesource_resize(&pages.pages_, block, bytes, 2 * bytes, kPageBytes, true);
    if (longer != nullptr)
        return longer;
    longer = pages.Take(2 * bytes);
    std::memcpy(longer, block, bytes);
    cairn_pagesource_free(&pages.pages_, block, bytes);
    return longer;
}

// What follows the block is free, or taken so that it has to move.
void Resize(State &state, bool is_blocked)
{
    Pages pages;
    size_t bytes = Arg(state) << 10;
    pages.Once(4 * bytes, kRetained);
    uint64_t before = pages.Syscalls();
    Faults faults(state);
    for (auto _ : state) {
        void *block = pages.Take(bytes);
        void *next = is_blocked ? pages.Take(bytes) : nullptr;
        void *longer = Longer(pages, block, bytes);
        Require(longer != nullptr, "no memory");
        cairn_pagesource_free(&pages.pages_, longer, 2 * bytes);
        if (is_blocked)
            cairn_pagesource_free(&pages.pages_, next, bytes);
    }
    TellEach(state, "syscalls", pages.Syscalls() - before);
}
void Kib(benchmark::internal::Benchmark *row)
{
    row->ArgName("kib")->Arg(64)->Arg(4096);
}
BENCHMARK_CAPTURE(Resize, _, false)->Name("pagesource/resize/in_place")->Apply(Kib);
BENCHMARK_CAPTURE(Resize, _, true)->Name("pagesource/resize/moved")->Apply(Kib);

void Threads(State &state)
{
    for (auto _ : state) {
        void *block = Shared<Pages>::object->Take(kPageBytes);
        cairn_pagesource_free(&Shared<Pages>::object->pages_, block, kPageBytes);
    }
}
BENCHMARK(Threads)->Name("pagesource/threads")->Apply(Shared<Pages>::Of)->Apply(BesideOthers);

const bool g_registered = [] {
    auto row = [](const char *name, cairn_pagesource_policy policy, Way way) {
        benchmark::RegisterBenchmark((std::string("pagesource/") + name).c_str(),
                                     [=](State &state) { Pair(state, policy, way); })
            ->ArgName("kib")
            ->ArgsProduct({{4, 64, 1024, 4096, 32768}});
    };
    row("retained/brk", CAIRN_PAGESOURCE_BRK, kRetained);
    row("retained/mmap", CAIRN_PAGESOURCE_MMAP, kRetained);
    row("retained/auto", CAIRN_PAGESOURCE_AUTO, kRetained);
    row("fresh/brk", CAIRN_PAGESOURCE_BRK, kFresh);
    row("fresh/mmap", CAIRN_PAGESOURCE_MMAP, kFresh);
    row("fresh/auto", CAIRN_PAGESOURCE_AUTO, kFresh);
    row("untouched/auto", CAIRN_PAGESOURCE_AUTO, kUntouched);
    return true;
}();

} // namespace
