// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// backend: blocks above the size classes, as a malloc gets them: from the buddy up to 1 MiB, from
// pages above.
//
//   pair      a block taken, its first page touched, given back
//   threads   the same of 64 KiB, beside others
//   trim      a block taken, touched whole, given back, and all free memory to the kernel

#include <benchmark/benchmark.h>

#include "bench/components/memory.h"

extern "C" {
#include "composed/backend/backend.h"
}

namespace {

// A backend has no end: it lives as long as the process.
cairn_backend *TheBackend()
{
    static cairn_backend backend = {};
    static const int error = [] {
        alignas(64) static char root[CAIRN_PAGEMAP_ROOT_BYTES(14)];
        alignas(64) static char empty[CAIRN_PAGEMAP_EMPTY_BYTES];
        cairn_backend_config config = {};
        config.map_root = root;
        config.map_empty = empty;
        config.policy = CAIRN_PAGESOURCE_MMAP; // the break belongs to this process's malloc
        return cairn_backend_init(&backend, &config);
    }();
    Require(error == 0, "cairn_backend_init");
    return &backend;
}

char *Take(cairn_backend *backend, size_t bytes)
{
    auto *block = static_cast<char *>(cairn_backend_alloc(backend, bytes, 16, nullptr));
    Require(block != nullptr, "cairn_backend_alloc");
    return block;
}

void Give(cairn_backend *backend, void *block)
{
    cairn_backend_free(backend, block, "bench");
    cairn_backend_settle(backend);
}

void Pair(benchmark::State &state)
{
    cairn_backend *backend = TheBackend();
    size_t bytes = static_cast<size_t>(state.range(0)) << 10;
    Faults faults;
    for (auto _ : state) {
        char *block = Take(backend, bytes);
        block[0] = 1;
        Give(backend, block);
    }
    faults.Report(state);
}
BENCHMARK(Pair)->Name("backend/pair")->ArgName("kib")->Arg(48)->Arg(512)->Arg(2048)->Arg(16384);
BENCHMARK(Pair)
    ->Name("backend/threads")
    ->ArgName("kib")
    ->Arg(64)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();

void Trim(benchmark::State &state)
{
    cairn_backend *backend = TheBackend();
    size_t bytes = static_cast<size_t>(state.range(0)) << 10;
    Faults faults;
    for (auto _ : state) {
        char *block = Take(backend, bytes);
        for (size_t at = 0; at < bytes; at += 4096)
            block[at] = 1;
        Give(backend, block);
        cairn_backend_trim(backend);
    }
    faults.Report(state);
}
BENCHMARK(Trim)->Name("backend/trim")->ArgName("kib")->Arg(64)->Arg(2048);

} // namespace
