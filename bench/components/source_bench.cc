// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// source: what each adapter adds to a source that costs next to nothing (the row `bare`), per batch
// taken and given; and the buffer, a source of its own.

#include <cairn/buffer.h>
#include <cairn/counted.h>
#include <cairn/locked.h>

#include "bench/components/memory.h"
#include "components/source/source_testing.h"

namespace {

void Pairs(State &state, cairn_source source)
{
    void *blocks[64];
    size_t batch = Arg(state);
    for (auto _ : state) {
        size_t taken = cairn_source_take(source, 64, 16, blocks, batch);
        Keep(blocks);
        cairn_source_give(source, 64, blocks, taken);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}

void Bare(State &state)
{
    Pairs(state, Invented::Source());
}
BENCHMARK(Bare)->Name("source/bare")->ArgName("batch")->Arg(1)->Arg(32);

void Counted(State &state)
{
    cairn_counted counted;
    source_testing::Init(&counted, Invented::Source());
    Pairs(state, cairn_counted_as_source(&counted));
    cairn_counted_fini(&counted);
}
BENCHMARK(Counted)->Name("source/counted")->ArgName("batch")->Arg(1)->Arg(32);

struct LockedSource {
    LockedSource()
    {
        source_testing::Init(&locked, Invented::Source(), CAIRN_RANK_BUDDY);
    }
    ~LockedSource()
    {
        cairn_locked_fini(&locked);
    }
    cairn_locked locked;
};

void Locked(State &state)
{
    Pairs(state, cairn_locked_as_source(&Shared<LockedSource>::object->locked));
}
BENCHMARK(Locked)
    ->Name("source/locked")
    ->ArgName("batch")
    ->Arg(32)
    ->Apply(Shared<LockedSource>::Of)
    ->Apply(BesideOthers);

void Buffer(State &state)
{
    Memory memory(1 << 20);
    cairn_buffer buffer;
    source_testing::Init(&buffer, memory.base, memory.bytes);
    Pairs(state, cairn_buffer_as_source(&buffer));
    cairn_buffer_fini(&buffer);
}
BENCHMARK(Buffer)->Name("source/buffer")->ArgName("batch")->Arg(1)->Arg(32);

} // namespace
