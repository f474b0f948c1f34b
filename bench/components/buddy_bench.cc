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

#include <cairn/buddy.h>
#include <cairn/pagesource.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "bench/components/memory.h"

namespace {

constexpr size_t kGranuleBytes = 16384;
constexpr size_t kRangeBytes = size_t{256} << 20;
constexpr size_t kRangeGrains = kRangeBytes / kGranuleBytes;

struct Buddy {
    // Over a range of its own.
    Buddy() : range_(std::make_unique<Memory>(2 * kRangeBytes))
    {
        cairn_buddy_config config = {};
        config.base = range_->aligned(kRangeBytes);
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
    void *Take(size_t grains) const
    {
        return cairn_buddy_alloc(buddy_, grains * kGranuleBytes, 1, nullptr);
    }
    void Give(void *run, size_t grains) const
    {
        cairn_buddy_free(buddy_, run, grains * kGranuleBytes);
    }
    void Pairs(State &state, size_t grains) const
    {
        for (auto _ : state) {
            void *run = Take(grains);
            Keep(run);
            Give(run, grains);
        }
        Tell(state, "steps_max", cairn_buddy_stats(buddy_).steps_max);
    }

    void Init(cairn_buddy_config *config)
    {
        config->granule_bytes = kGranuleBytes;
        size_t state_bytes = cairn_buddy_state_bytes(config);
        state_ = std::make_unique<Memory>(state_bytes);
        buddy_ = static_cast<cairn_buddy *>(state_->base);
        config->state_bytes = state_bytes;
        Require(cairn_buddy_init(buddy_, config) == 0, "cairn_buddy_init");
    }

    std::unique_ptr<Memory> range_, state_;
    cairn_buddy *buddy_;
};

void Pair(State &state)
{
    Buddy().Pairs(state, size_t{1} << Arg(state));
}
BENCHMARK(Pair)->Name("buddy/pair")->ArgName("order")->Arg(0)->Arg(6)->Arg(12)->Arg(14);

void Tail(State &state)
{
    Buddy().Pairs(state, Arg(state));
}
BENCHMARK(Tail)->Name("buddy/tail")->ArgName("grains")->Arg(5)->Arg(33)->Arg(1023);

void Packed(State &state)
{
    Buddy buddy;
    size_t grains = size_t{1} << Arg(state);
    std::vector<void *> runs;
    for (void *run = buddy.Take(grains); run != nullptr; run = buddy.Take(grains))
        runs.push_back(run);
    buddy.Give(runs[runs.size() / 2], grains);
    buddy.Pairs(state, grains);
}
BENCHMARK(Packed)->Name("buddy/packed")->ArgName("order")->Arg(0)->Arg(6);

// Runs that come and go, a slot each.
void Mixed(State &state)
{
    constexpr size_t kMeanGrains = 16;
    Buddy buddy;
    std::mt19937 random(1);
    std::vector<std::pair<void *, size_t>> slots(kRangeGrains / kMeanGrains * Arg(state) / 100);
    size_t refused = 0;
    auto step = [&] {
        auto &slot = slots[random() % slots.size()];
        if (slot.first != nullptr)
            buddy.Give(slot.first, slot.second);
        slot.second = 1 + random() % 32;
        slot.first = buddy.Take(slot.second);
        refused += slot.first == nullptr;
    };
    for (size_t done = 0; done < 50 * slots.size(); done++)
        step();
    refused = 0;
    for (auto _ : state)
        step();
    struct cairn_buddy_stats stats = cairn_buddy_stats(buddy.buddy_);
    TellRatio(state, "used_of_held", stats.used_bytes, stats.held_bytes);
    TellRatio(state, "largest_of_free", stats.largest_free_bytes, stats.free_bytes);
    TellEach(state, "refused", refused);
    Tell(state, "steps_max", stats.steps_max);
}
BENCHMARK(Mixed)->Name("buddy/mixed")->ArgName("percent")->Arg(10)->Arg(50)->Arg(80)->Arg(95);

void Resize(State &state)
{
    Buddy buddy;
    size_t bytes = Arg(state) * kGranuleBytes;
    void *run = buddy.Take(Arg(state));
    for (auto _ : state) {
        bool grown = cairn_buddy_resize(buddy.buddy_, run, bytes, 2 * bytes);
        Require(grown && cairn_buddy_resize(buddy.buddy_, run, 2 * bytes, bytes),
                "cairn_buddy_resize");
    }
}
BENCHMARK(Resize)->Name("buddy/resize")->ArgName("grains")->Arg(1)->Arg(100);

void Chunks(State &state)
{
    cairn_pagesource pages;
    Require(cairn_pagesource_init(&pages, nullptr) == 0, "cairn_pagesource_init");
    {
        Buddy buddy(cairn_pagesource_as_source(&pages), Arg(state));
        buddy.Pairs(state, 1);
        cairn_buddy_fini(buddy.buddy_);
    }
    cairn_pagesource_fini(&pages);
}
BENCHMARK(Chunks)->Name("buddy/chunks")->ArgName("keep")->Arg(0)->Arg(1);

// Every second run of one grain is free and dirty.
void Purge(State &state)
{
    Buddy buddy;
    std::vector<void *> runs(2 * Arg(state));
    auto dirty = [&] {
        for (size_t at = 0; at < runs.size(); at += 2)
            runs[at] = buddy.Take(1);
        for (size_t at = 0; at < runs.size(); at += 2)
            buddy.Give(runs[at], 1);
    };
    for (void *&run : runs)
        run = buddy.Take(1);
    for (size_t at = 0; at < runs.size(); at += 2)
        buddy.Give(runs[at], 1);
    for (auto _ : state) {
        Keep(cairn_buddy_purge(
            buddy.buddy_, kGranuleBytes, [](void *, void *, size_t) { return 0; }, nullptr));
        state.PauseTiming();
        dirty();
        state.ResumeTiming();
    }
    Tell(state, "stretches", Arg(state));
}
BENCHMARK(Purge)->Name("buddy/purge")->ArgName("stretches")->Arg(1)->Arg(1000)->Arg(8000);

} // namespace
