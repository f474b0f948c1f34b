// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// backend: blocks above the size classes, as a malloc gets them: from the buddy up to 1 MiB, from
// pages above.
//
//   pair      a block taken, its first page touched, given back
//   threads   the same of 64 KiB, beside others
//   trim      a block taken, touched whole, given back, and all free memory to the kernel

#include <cairn/stack.h>

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
        config.bounds.decay_ms = CAIRN_BACKEND_RETAIN_MS;
        config.runs = &cairn_stack_runs;
        config.class_count = cairn_classes_default.count;
        config.map_root = root;
        config.map_empty = empty;
        config.policy = CAIRN_PAGESOURCE_MMAP; // the break belongs to this process's malloc
        return cairn_backend_init(&backend, &config);
    }();
    Require(error == 0, "cairn_backend_init");
    return &backend;
}

// A block taken, touched at each so many bytes, and given back.
void Use(cairn_backend *backend, size_t bytes, size_t step_bytes)
{
    auto *block = static_cast<char *>(cairn_backend_alloc(backend, bytes, 16, nullptr));
    Require(block != nullptr, "cairn_backend_alloc");
    for (size_t at = 0; at < bytes; at += step_bytes)
        block[at] = 1;
    cairn_backend_free(backend, block, "bench");
    cairn_backend_settle(backend);
}

void Pair(State &state)
{
    cairn_backend *backend = TheBackend();
    size_t bytes = Arg(state) << 10;
    Faults faults(state);
    for (auto _ : state)
        Use(backend, bytes, bytes);
}
BENCHMARK(Pair)->Name("backend/pair")->ArgName("kib")->Arg(48)->Arg(512)->Arg(2048)->Arg(16384);
BENCHMARK(Pair)->Name("backend/threads")->ArgName("kib")->Arg(64)->Apply(BesideOthers);

void Trim(State &state)
{
    cairn_backend *backend = TheBackend();
    size_t bytes = Arg(state) << 10;
    Faults faults(state);
    for (auto _ : state) {
        Use(backend, bytes, 4096);
        cairn_backend_trim(backend);
    }
}
BENCHMARK(Trim)->Name("backend/trim")->ArgName("kib")->Arg(64)->Arg(2048);

} // namespace
