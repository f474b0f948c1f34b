// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// ground: blocks above the size classes, as a malloc gets them: from the buddy up to 1 MiB, from
// pages above.
//
//   pair      a block taken, its first page touched, given back
//   threads   the same of 64 KiB, beside others
//   trim      a block taken, touched whole, given back, and all free memory to the kernel

#include <benchmark/benchmark.h>

#include "bench/components/memory.h"

extern "C" {
#include "composed/ground/ground.h"
}

namespace {

// A ground has no end: it lives as long as the process.
cairn_ground *TheGround()
{
    static cairn_ground ground = {};
    static const int error = [] {
        alignas(64) static char root[CAIRN_PAGEMAP_ROOT_BYTES(14)];
        alignas(64) static char empty[CAIRN_PAGEMAP_EMPTY_BYTES];
        cairn_ground_config config = {};
        config.map_root = root;
        config.map_empty = empty;
        config.policy = CAIRN_PAGESOURCE_MMAP; // the break belongs to this process's malloc
        return cairn_ground_init(&ground, &config);
    }();
    Require(error == 0, "cairn_ground_init");
    return &ground;
}

char *Take(cairn_ground *ground, size_t bytes)
{
    auto *block = static_cast<char *>(cairn_ground_alloc(ground, bytes, 16, nullptr));
    Require(block != nullptr, "cairn_ground_alloc");
    return block;
}

void Give(cairn_ground *ground, void *block)
{
    cairn_ground_free(ground, block, "bench");
    cairn_ground_settle(ground);
}

void Pair(benchmark::State &state)
{
    cairn_ground *ground = TheGround();
    size_t bytes = static_cast<size_t>(state.range(0)) << 10;
    Faults faults;
    for (auto _ : state) {
        char *block = Take(ground, bytes);
        block[0] = 1;
        Give(ground, block);
    }
    faults.Report(state);
}
BENCHMARK(Pair)->Name("ground/pair")->ArgName("kib")->Arg(48)->Arg(512)->Arg(2048)->Arg(16384);
BENCHMARK(Pair)
    ->Name("ground/threads")
    ->ArgName("kib")
    ->Arg(64)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();

void Trim(benchmark::State &state)
{
    cairn_ground *ground = TheGround();
    size_t bytes = static_cast<size_t>(state.range(0)) << 10;
    Faults faults;
    for (auto _ : state) {
        char *block = Take(ground, bytes);
        for (size_t at = 0; at < bytes; at += 4096)
            block[at] = 1;
        Give(ground, block);
        cairn_ground_trim(ground);
    }
    faults.Report(state);
}
BENCHMARK(Trim)->Name("ground/trim")->ArgName("kib")->Arg(64)->Arg(2048);

} // namespace
