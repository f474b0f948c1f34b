// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// source: what each adapter adds to a source that costs next to nothing (the row `bare`), per batch
// taken and given; and the buffer, a source of its own.

#include <benchmark/benchmark.h>
#include <cairn/buffer.h>
#include <cairn/counted.h>
#include <cairn/locked.h>

#include "components/source/source_testing.h"
#include "bench/components/memory.h"

namespace {

constexpr size_t kBlockBytes = 64;
constexpr size_t kBatchMax = 64;

void Pairs(benchmark::State &state, cairn_source source)
{
    void *blocks[kBatchMax];
    size_t batch = static_cast<size_t>(state.range(0));
    for (auto _ : state) {
        size_t taken = cairn_source_take(source, kBlockBytes, 16, blocks, batch);
        Keep(blocks);
        cairn_source_give(source, kBlockBytes, blocks, taken);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void Bare(benchmark::State &state)
{
    Pairs(state, Invented::Source());
}
BENCHMARK(Bare)->Name("source/bare")->ArgName("batch")->Arg(1)->Arg(32);

void Counted(benchmark::State &state)
{
    cairn_counted counted;
    source_testing::Init(&counted, Invented::Source());
    Pairs(state, cairn_counted_as_source(&counted));
    cairn_counted_fini(&counted);
}
BENCHMARK(Counted)->Name("source/counted")->ArgName("batch")->Arg(1)->Arg(32);

cairn_locked g_locked;

void OpenLocked(const benchmark::State &)
{
    source_testing::Init(&g_locked, Invented::Source(), CAIRN_RANK_BUDDY);
}
void CloseLocked(const benchmark::State &)
{
    cairn_locked_fini(&g_locked);
}
void Locked(benchmark::State &state)
{
    Pairs(state, cairn_locked_as_source(&g_locked));
}
BENCHMARK(Locked)
    ->Name("source/locked")
    ->ArgName("batch")
    ->Arg(32)
    ->Setup(OpenLocked)
    ->Teardown(CloseLocked)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();

void Buffer(benchmark::State &state)
{
    Memory memory(1 << 20);
    cairn_buffer buffer;
    source_testing::Init(&buffer, memory.base(), memory.bytes());
    Pairs(state, cairn_buffer_as_source(&buffer));
    cairn_buffer_fini(&buffer);
}
BENCHMARK(Buffer)->Name("source/buffer")->ArgName("batch")->Arg(1)->Arg(32);

} // namespace
