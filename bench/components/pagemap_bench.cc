// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// pagemap: a lookup in the flat and in the two-level shape, over a heap of 64 MiB and of 4 GiB.

#include <benchmark/benchmark.h>
#include <cairn/pagemap.h>
#include <cairn/pagesource.h>

#include <random>
#include <vector>

#include "bench/memory.h"

namespace {

constexpr size_t kGranuleBytes = 16384;

void Lookup(benchmark::State &state, bool two_level)
{
    cairn_pagesource pages;
    cairn_pagemap map = {};
    Require(cairn_pagesource_init(&pages, nullptr) == 0, "cairn_pagesource_init");
    cairn_source tables = cairn_pagesource_as_reserve_source(&pages);
    Require((two_level ? cairn_pagemap_init_two_level(&map, kGranuleBytes, tables)
                       : cairn_pagemap_init(&map, kGranuleBytes, tables)) == 0,
            "cairn_pagemap_init");
    Memory heap(static_cast<size_t>(state.range(0)) << 20);
    uintptr_t base =
        (reinterpret_cast<uintptr_t>(heap.base()) + kGranuleBytes - 1) & ~(kGranuleBytes - 1);
    size_t granules = heap.bytes() / kGranuleBytes - 1;
    Require(cairn_pagemap_set(&map, reinterpret_cast<void *>(base), granules, 1, 1) == 0,
            "cairn_pagemap_set");
    std::mt19937 random(1);
    std::vector<const void *> pointers(4096);
    for (auto &pointer : pointers)
        pointer = reinterpret_cast<void *>(base + random() % granules * kGranuleBytes);
    size_t at = 0;
    for (auto _ : state)
        benchmark::DoNotOptimize(cairn_pagemap_tag(&map, pointers[at++ % pointers.size()]));
    cairn_pagemap_clear(&map, reinterpret_cast<void *>(base), granules);
    cairn_pagemap_fini(&map);
    cairn_pagesource_fini(&pages);
}

void BM_PagemapFlat(benchmark::State &state)
{
    Lookup(state, false);
}
void BM_PagemapTwoLevel(benchmark::State &state)
{
    Lookup(state, true);
}
BENCHMARK(BM_PagemapFlat)->Arg(64)->Arg(4096);
BENCHMARK(BM_PagemapTwoLevel)->Arg(64)->Arg(4096);

} // namespace
