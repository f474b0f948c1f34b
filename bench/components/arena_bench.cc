// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// arena: a heap in a buffer of 64 KiB (runs of grains only), 1 MiB and 64 MiB (pools over a buddy).
//
//   pair     a block taken and given back, by its size
//   mixed    random sizes below 1000 bytes come and go, half of the buffer in use
//   locked   pairs with the lock, beside others
//   reset    everything freed at once, after a hundred blocks

#include <benchmark/benchmark.h>
#include <cairn/arena_locked.h>

#include <random>
#include <vector>

#include "bench/components/memory.h"

namespace {

class Arena {
  public:
    explicit Arena(int64_t kib)
        : buffer_(static_cast<size_t>(kib) << 10),
          arena_(cairn_arena_init(buffer_.base(), buffer_.bytes()))
    {
        Require(arena_ != nullptr, "cairn_arena_init");
    }
    cairn_arena *get() const
    {
        return arena_;
    }
    size_t bytes() const
    {
        return buffer_.bytes();
    }

  private:
    Memory buffer_;
    cairn_arena *arena_;
};

void Pair(benchmark::State &state)
{
    Arena arena(state.range(0));
    size_t bytes = static_cast<size_t>(state.range(1));
    for (auto _ : state) {
        void *block = cairn_arena_alloc(arena.get(), bytes);
        Keep(block);
        cairn_arena_free(arena.get(), block);
    }
    Require(cairn_arena_stats(arena.get()).failed_count == 0, "cairn_arena_alloc");
}
BENCHMARK(Pair)
    ->Name("arena/pair")
    ->ArgNames({"kib", "bytes"})
    ->ArgsProduct({{64, 1024, 65536}, {64, 1000, 20000}})
    ->Args({65536, 1000000});

void Mixed(benchmark::State &state)
{
    Arena arena(state.range(0));
    std::mt19937 random(1);
    std::vector<void *> live(arena.bytes() / 1024);
    auto step = [&] {
        void *&slot = live[random() % live.size()];
        cairn_arena_free(arena.get(), slot);
        slot = cairn_arena_alloc(arena.get(), random() % 1000);
    };
    for (size_t done = 0; done < 4 * live.size(); done++)
        step();
    for (auto _ : state)
        step();
    struct cairn_arena_stats stats = cairn_arena_stats(arena.get());
    state.counters["used_of_usable"] = Ratio(stats.used_bytes, stats.usable_bytes);
    state.counters["largest_of_free"] =
        Ratio(stats.largest_free_bytes, stats.usable_bytes - stats.used_bytes);
    state.counters["failed"] = static_cast<double>(stats.failed_count);
}
BENCHMARK(Mixed)->Name("arena/mixed")->ArgName("kib")->Arg(64)->Arg(1024)->Arg(65536);

void Reset(benchmark::State &state)
{
    Arena arena(state.range(0));
    for (auto _ : state) {
        for (size_t done = 0; done < 100; done++)
            Keep(cairn_arena_alloc(arena.get(), 100));
        cairn_arena_reset(arena.get());
    }
}
BENCHMARK(Reset)->Name("arena/reset")->ArgName("kib")->Arg(1024)->Arg(65536);

Memory *g_buffer;
cairn_arena_locked *g_arena;

void Open(const benchmark::State &)
{
    g_buffer = new Memory(1 << 20);
    g_arena = cairn_arena_locked_init(g_buffer->base(), g_buffer->bytes());
    Require(g_arena != nullptr, "cairn_arena_locked_init");
}
void Close(const benchmark::State &)
{
    delete g_buffer;
}
void Locked(benchmark::State &state)
{
    for (auto _ : state) {
        void *block = cairn_arena_locked_alloc(g_arena, 64);
        Keep(block);
        cairn_arena_locked_free(g_arena, block);
    }
}
BENCHMARK(Locked)
    ->Name("arena/locked")
    ->Setup(Open)
    ->Teardown(Close)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();

} // namespace
