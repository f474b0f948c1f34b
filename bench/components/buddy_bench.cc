// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// buddy: one run taken and given, and a steady heap of runs of random lengths.

#include <benchmark/benchmark.h>
#include <cairn/buddy.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "bench/memory.h"

namespace {

constexpr size_t kGrainBytes = 16384;
constexpr size_t kRangeBytes = size_t{1} << 30;

class Buddy {
  public:
    Buddy() : range_(kRangeBytes)
    {
        cairn_buddy_config config = {};
        config.grain_bytes = kGrainBytes;
        config.base = range_.base();
        config.length_bytes = kRangeBytes;
        size_t state_bytes = cairn_buddy_state_bytes(&config);
        state_ = std::make_unique<Memory>(state_bytes);
        buddy_ = static_cast<cairn_buddy *>(state_->base());
        Require(cairn_buddy_init(buddy_, state_bytes, &config) == 0, "cairn_buddy_init");
    }
    cairn_buddy *get() const
    {
        return buddy_;
    }

  private:
    Memory range_;
    std::unique_ptr<Memory> state_;
    cairn_buddy *buddy_;
};

void BM_BuddyPair(benchmark::State &state)
{
    Buddy buddy;
    size_t bytes = static_cast<size_t>(state.range(0)) * kGrainBytes;
    for (auto _ : state) {
        void *run = cairn_buddy_alloc(buddy.get(), bytes, 1, nullptr);
        benchmark::DoNotOptimize(run);
        cairn_buddy_free(buddy.get(), run, bytes);
    }
}
BENCHMARK(BM_BuddyPair)->Arg(1)->Arg(5)->Arg(64)->Arg(1000);

void BM_BuddySteady(benchmark::State &state)
{
    Buddy buddy;
    std::mt19937 random(1);
    std::vector<std::pair<void *, size_t>> live(static_cast<size_t>(state.range(0)));
    for (auto _ : state) {
        auto &slot = live[random() % live.size()];
        if (slot.first != nullptr)
            cairn_buddy_free(buddy.get(), slot.first, slot.second);
        slot.second = (1 + random() % 32) * kGrainBytes;
        slot.first = cairn_buddy_alloc(buddy.get(), slot.second, 1, nullptr);
    }
    for (auto &slot : live)
        if (slot.first != nullptr)
            cairn_buddy_free(buddy.get(), slot.first, slot.second);
    state.counters["steps_max"] = static_cast<double>(cairn_buddy_stats(buddy.get()).steps_max);
}
BENCHMARK(BM_BuddySteady)->Arg(100)->Arg(1500);

} // namespace
