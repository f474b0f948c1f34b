// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// arena: a heap in a buffer of 64 KiB (runs of grains only), 1 MiB and 64 MiB (pools over a buddy).
//
//   pair     a block taken and given back, by its size
//   mixed    random sizes below 1000 bytes come and go, half of the buffer in use
//   locked   pairs with the lock, beside others
//   reset    everything freed at once, after a hundred blocks

#include <cairn/arena_locked.h>

#include <random>
#include <vector>

#include "bench/components/memory.h"

namespace {

struct Arena {
    explicit Arena(const State &state)
        : buffer(Arg(state) << 10), arena(cairn_arena_init(buffer.base, buffer.bytes))
    {
        Require(arena != nullptr, "cairn_arena_init");
    }
    Memory buffer;
    cairn_arena *arena;
};

void Pair(State &state)
{
    Arena one(state);
    size_t bytes = Arg(state, 1);
    for (auto _ : state) {
        void *block = cairn_arena_alloc(one.arena, bytes);
        Keep(block);
        cairn_arena_free(one.arena, block);
    }
    Require(cairn_arena_stats(one.arena).failed_count == 0, "cairn_arena_alloc");
}
BENCHMARK(Pair)
    ->Name("arena/pair")
    ->ArgNames({"kib", "bytes"})
    ->ArgsProduct({{64, 1024, 65536}, {64, 1000, 20000}})
    ->Args({65536, 1000000});

void Mixed(State &state)
{
    Arena one(state);
    std::mt19937 random(1);
    std::vector<void *> live(one.buffer.bytes / 1024);
    auto step = [&] {
        void *&slot = live[random() % live.size()];
        cairn_arena_free(one.arena, slot);
        slot = cairn_arena_alloc(one.arena, random() % 1000);
    };
    for (size_t done = 0; done < 4 * live.size(); done++)
        step();
    for (auto _ : state)
        step();
    struct cairn_arena_stats stats = cairn_arena_stats(one.arena);
    TellRatio(state, "used_of_usable", stats.used_bytes, stats.usable_bytes);
    TellRatio(state, "largest_of_free", stats.largest_free_bytes,
              stats.usable_bytes - stats.used_bytes);
    Tell(state, "failed", stats.failed_count);
}
BENCHMARK(Mixed)->Name("arena/mixed")->ArgName("kib")->Arg(64)->Arg(1024)->Arg(65536);

void Reset(State &state)
{
    Arena one(state);
    for (auto _ : state) {
        for (size_t done = 0; done < 100; done++)
            Keep(cairn_arena_alloc(one.arena, 100));
        cairn_arena_reset(one.arena);
    }
}
BENCHMARK(Reset)->Name("arena/reset")->ArgName("kib")->Arg(1024)->Arg(65536);

struct LockedArena {
    LockedArena() : arena(cairn_arena_locked_init(buffer.base, buffer.bytes))
    {
        Require(arena != nullptr, "cairn_arena_locked_init");
    }
    Memory buffer{1 << 20};
    cairn_arena_locked *arena;
};

void Locked(State &state)
{
    cairn_arena_locked *arena = Shared<LockedArena>::object->arena;
    for (auto _ : state) {
        void *block = cairn_arena_locked_alloc(arena, 64);
        Keep(block);
        cairn_arena_locked_free(arena, block);
    }
}
BENCHMARK(Locked)->Name("arena/locked")->Apply(Shared<LockedArena>::Of)->Apply(BesideOthers);

} // namespace
