// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// buddy: runs of grains taken and given.
//
//   pair     one run in an empty range: a block of the top order is split down to it and merged
//            again. By order; and tail, where the run is no power of two and its rest goes back;
//   packed   the same where all around is in use: no split, no merge;
//   mixed    random runs of 1 to 32 grains come and go for long, at a given fullness;
//   resize   one run longer and shorter in place;
//   chunks   the last run of a chunk gives it back to the source, unless an empty one is kept;
//   purge    dirty free stretches found and handed to a callback that does nothing.
//
// largest_of_free is the largest free block over all free memory: 1 is not fragmented at all.

#include <benchmark/benchmark.h>
#include <cairn/buddy.h>
#include <cairn/pagesource.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "bench/components/memory.h"

namespace {

constexpr size_t kGrainBytes = 16384;
constexpr size_t kRangeBytes = size_t{256} << 20;
constexpr size_t kRangeGrains = kRangeBytes / kGrainBytes;

class Buddy {
  public:
    // Over a range of its own.
    Buddy() : range_(std::make_unique<Memory>(2 * kRangeBytes))
    {
        cairn_buddy_config config = {};
        uintptr_t start = reinterpret_cast<uintptr_t>(range_->base());
        config.base = reinterpret_cast<void *>((start + kRangeBytes - 1) & ~(kRangeBytes - 1));
        config.length_bytes = kRangeBytes;
        Init(&config);
    }
    Buddy(cairn_source source, size_t chunk_keep_count)
    {
        cairn_buddy_config config = {};
        config.source = source;
        config.chunk_bytes = size_t{2} << 20;
        config.chunk_count_max = 1024;
        config.chunk_keep_count = chunk_keep_count;
        Init(&config);
    }
    cairn_buddy *get() const
    {
        return buddy_;
    }
    void *Take(size_t grains) const
    {
        return cairn_buddy_alloc(buddy_, grains * kGrainBytes, 1, nullptr);
    }
    void Give(void *run, size_t grains) const
    {
        cairn_buddy_free(buddy_, run, grains * kGrainBytes);
    }

  private:
    void Init(cairn_buddy_config *config)
    {
        config->granule_bytes = kGrainBytes;
        size_t state_bytes = cairn_buddy_state_bytes(config);
        state_ = std::make_unique<Memory>(state_bytes);
        buddy_ = static_cast<cairn_buddy *>(state_->base());
        config->state_bytes = state_bytes;
        Require(cairn_buddy_init(buddy_, config) == 0, "cairn_buddy_init");
    }

    std::unique_ptr<Memory> range_;
    std::unique_ptr<Memory> state_;
    cairn_buddy *buddy_;
};

void Pairs(benchmark::State &state, const Buddy &buddy, size_t grains)
{
    for (auto _ : state) {
        void *run = buddy.Take(grains);
        Keep(run);
        buddy.Give(run, grains);
    }
    state.counters["steps_max"] = static_cast<double>(cairn_buddy_stats(buddy.get()).steps_max);
}

void Pair(benchmark::State &state)
{
    Buddy buddy;
    Pairs(state, buddy, size_t{1} << state.range(0));
}
BENCHMARK(Pair)->Name("buddy/pair")->ArgName("order")->Arg(0)->Arg(6)->Arg(12)->Arg(14);

void Tail(benchmark::State &state)
{
    Buddy buddy;
    Pairs(state, buddy, static_cast<size_t>(state.range(0)));
}
BENCHMARK(Tail)->Name("buddy/tail")->ArgName("grains")->Arg(5)->Arg(33)->Arg(1023);

void Packed(benchmark::State &state)
{
    Buddy buddy;
    size_t grains = size_t{1} << state.range(0);
    std::vector<void *> runs;
    for (void *run = buddy.Take(grains); run != nullptr; run = buddy.Take(grains))
        runs.push_back(run);
    buddy.Give(runs[runs.size() / 2], grains);
    Pairs(state, buddy, grains);
}
BENCHMARK(Packed)->Name("buddy/packed")->ArgName("order")->Arg(0)->Arg(6);

// Runs that come and go, a slot each.
class Mix {
  public:
    Mix(const Buddy &buddy, size_t slots) : buddy_(buddy), slots_(slots)
    {
    }
    void Step()
    {
        auto &slot = slots_[random_() % slots_.size()];
        if (slot.first != nullptr)
            buddy_.Give(slot.first, slot.second);
        slot.second = 1 + random_() % 32;
        slot.first = buddy_.Take(slot.second);
        refused_ += slot.first == nullptr;
    }
    size_t TakeRefused()
    {
        return std::exchange(refused_, 0);
    }

  private:
    const Buddy &buddy_;
    std::vector<std::pair<void *, size_t>> slots_;
    std::mt19937 random_{1};
    size_t refused_ = 0;
};

void Mixed(benchmark::State &state)
{
    constexpr size_t kMeanGrains = 16;
    Buddy buddy;
    size_t slots = kRangeGrains / kMeanGrains * static_cast<size_t>(state.range(0)) / 100;
    Mix mix(buddy, slots);
    for (size_t done = 0; done < 50 * slots; done++)
        mix.Step();
    mix.TakeRefused();
    for (auto _ : state)
        mix.Step();
    struct cairn_buddy_stats stats = cairn_buddy_stats(buddy.get());
    state.counters["used_of_held"] = Ratio(stats.used_bytes, stats.held_bytes);
    state.counters["largest_of_free"] = Ratio(stats.largest_free_bytes, stats.free_bytes);
    state.counters["refused"] = benchmark::Counter(static_cast<double>(mix.TakeRefused()),
                                                   benchmark::Counter::kAvgIterations);
    state.counters["steps_max"] = static_cast<double>(stats.steps_max);
}
BENCHMARK(Mixed)->Name("buddy/mixed")->ArgName("percent")->Arg(10)->Arg(50)->Arg(80)->Arg(95);

void Resize(benchmark::State &state)
{
    Buddy buddy;
    size_t bytes = static_cast<size_t>(state.range(0)) * kGrainBytes;
    void *run = buddy.Take(static_cast<size_t>(state.range(0)));
    for (auto _ : state) {
        bool grown = cairn_buddy_resize(buddy.get(), run, bytes, 2 * bytes);
        Require(grown && cairn_buddy_resize(buddy.get(), run, 2 * bytes, bytes),
                "cairn_buddy_resize");
    }
}
BENCHMARK(Resize)->Name("buddy/resize")->ArgName("grains")->Arg(1)->Arg(100);

void Chunks(benchmark::State &state)
{
    cairn_pagesource pages;
    Require(cairn_pagesource_init(&pages, nullptr) == 0, "cairn_pagesource_init");
    {
        Buddy buddy(cairn_pagesource_as_source(&pages), static_cast<size_t>(state.range(0)));
        Pairs(state, buddy, 1);
        cairn_buddy_fini(buddy.get());
    }
    cairn_pagesource_fini(&pages);
}
BENCHMARK(Chunks)->Name("buddy/chunks")->ArgName("keep")->Arg(0)->Arg(1);

int Emptied(void *, void *, size_t)
{
    return 0;
}

// Every second run of one grain is free and dirty.
void Purge(benchmark::State &state)
{
    Buddy buddy;
    size_t stretches = static_cast<size_t>(state.range(0));
    std::vector<void *> runs(2 * stretches);
    for (void *&run : runs)
        run = buddy.Take(1);
    for (size_t at = 0; at < runs.size(); at += 2)
        buddy.Give(runs[at], 1);
    for (auto _ : state) {
        Keep(cairn_buddy_purge(buddy.get(), kGrainBytes, Emptied, nullptr));
        state.PauseTiming();
        for (size_t at = 0; at < runs.size(); at += 2)
            runs[at] = buddy.Take(1);
        for (size_t at = 0; at < runs.size(); at += 2)
            buddy.Give(runs[at], 1);
        state.ResumeTiming();
    }
    state.counters["stretches"] = static_cast<double>(stretches);
}
BENCHMARK(Purge)->Name("buddy/purge")->ArgName("stretches")->Arg(1)->Arg(1000)->Arg(8000);

} // namespace
