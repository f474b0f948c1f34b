// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// sizeclass: from sizes to blocks.
//
//   class_of   the class of a random size
//   of         the class of a block, from its address: one tag, one multiplication
//   batch      blocks of a class taken and given back, per block
//   threads    the same beside others, in one class: its lock
//   carve      a fresh slab taken from pages, all its blocks taken and given, the slab given back
//   mixed      blocks come and go at random over many slabs; used_of_held says how well the fullest
//              slabs are filled first: live blocks over what the slabs hold
//   thinned    the same after nine of ten blocks were freed at random: do slabs become empty?

#include <benchmark/benchmark.h>
#include <cairn/pagesource.h>
#include <cairn/sizeclass.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "bench/components/memory.h"
#include "components/pagemap/pagemap_testing.h"

namespace {

constexpr size_t kGranuleBytes = 16384;

class Set {
  public:
    Set()
    {
        Require(cairn_pagesource_init(&pages_, nullptr) == 0, "cairn_pagesource_init");
        Require(pagemap_testing::InitTree(&map_, kGranuleBytes, map_root_.base(), map_empty_.base(),
                                          cairn_pagesource_as_reserve_source(&pages_)) == 0,
                "cairn_pagemap_init");
        cairn_sizeclass_config config = {};
        config.pagemap = &map_;
        config.source = cairn_pagesource_as_source(&pages_);
        config.granule_bytes = kGranuleBytes;
        config.state_bytes =
            cairn_sizeclass_state_bytes(&cairn_classes_default, size_t{1} << 30, kGranuleBytes);
        state_ = std::make_unique<Memory>(config.state_bytes);
        config.state = state_->base();
        Require(cairn_sizeclass_init(&set_, &config) == 0, "cairn_sizeclass_init");
    }
    // Requires: every block was given back.
    ~Set()
    {
        cairn_sizeclass_fini(&set_);
        cairn_pagemap_fini(&map_);
        cairn_pagesource_fini(&pages_);
    }
    cairn_sizeclass *get()
    {
        return &set_;
    }
    const cairn_pagemap *map() const
    {
        return &map_;
    }
    size_t Take(unsigned class_idx, void **blocks, size_t count)
    {
        size_t taken = cairn_sizeclass_take(&set_, class_idx, blocks, count);
        Require(taken == count, "cairn_sizeclass_take");
        return taken;
    }
    void Give(unsigned class_idx, void *const *blocks, size_t count)
    {
        cairn_sizeclass_give(&set_, class_idx, blocks, count);
    }

  private:
    cairn_pagesource pages_ = {};
    Memory map_root_{CAIRN_PAGEMAP_ROOT_BYTES(14)};
    Memory map_empty_{CAIRN_PAGEMAP_EMPTY_BYTES};
    cairn_pagemap map_ = {};
    std::unique_ptr<Memory> state_;
    cairn_sizeclass set_ = {};
};

void ClassOf(benchmark::State &state)
{
    std::mt19937 random(1);
    std::vector<size_t> sizes(4096);
    for (size_t &size : sizes)
        size = random() % static_cast<unsigned>(state.range(0));
    size_t at = 0;
    for (auto _ : state)
        Keep(cairn_class_of(&cairn_classes_default, sizes[at++ % sizes.size()]));
}
BENCHMARK(ClassOf)->Name("sizeclass/class_of")->ArgName("max")->Arg(1024)->Arg(32768);

void Of(benchmark::State &state)
{
    auto set = std::make_unique<Set>();
    unsigned class_idx =
        cairn_class_of(&cairn_classes_default, static_cast<size_t>(state.range(0)));
    std::vector<void *> blocks(4096);
    set->Take(class_idx, blocks.data(), blocks.size());
    size_t at = 0;
    for (auto _ : state) {
        const void *block = blocks[at++ * 797 % blocks.size()];
        Keep(cairn_sizeclass_of(set->get(), block, cairn_pagemap_tag(set->map(), block)));
    }
    set->Give(class_idx, blocks.data(), blocks.size());
}
BENCHMARK(Of)->Name("sizeclass/of")->ArgName("bytes")->Arg(48)->Arg(1024);

// One block stays out, so that the slab stays.
void Batch(benchmark::State &state)
{
    auto set = std::make_unique<Set>();
    unsigned class_idx =
        cairn_class_of(&cairn_classes_default, static_cast<size_t>(state.range(0)));
    size_t batch = static_cast<size_t>(state.range(1));
    void *blocks[64];
    void *kept[1];
    set->Take(class_idx, kept, 1);
    for (auto _ : state) {
        size_t taken = cairn_sizeclass_take(set->get(), class_idx, blocks, batch);
        Keep(blocks);
        set->Give(class_idx, blocks, taken);
    }
    set->Give(class_idx, kept, 1);
    state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(Batch)
    ->Name("sizeclass/batch")
    ->ArgNames({"bytes", "batch"})
    ->Args({16, 1})
    ->Args({16, 32})
    ->Args({64, 32})
    ->Args({1024, 8})
    ->Args({32768, 4});

Set *g_set;

void Open(const benchmark::State &)
{
    g_set = new Set;
}
void Close(const benchmark::State &)
{
    delete g_set;
}
void Threads(benchmark::State &state)
{
    void *blocks[32];
    unsigned class_idx = cairn_class_of(&cairn_classes_default, 64);
    for (auto _ : state) {
        g_set->Take(class_idx, blocks, 32);
        g_set->Give(class_idx, blocks, 32);
    }
    state.SetItemsProcessed(state.iterations() * 32);
}
BENCHMARK(Threads)
    ->Name("sizeclass/threads")
    ->Setup(Open)
    ->Teardown(Close)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();

void Carve(benchmark::State &state)
{
    auto set = std::make_unique<Set>();
    unsigned class_idx =
        cairn_class_of(&cairn_classes_default, static_cast<size_t>(state.range(0)));
    const struct cairn_slab_geometry &geometry = set->get()->geometry[class_idx];
    std::vector<void *> blocks(geometry.block_count);
    for (auto _ : state) {
        set->Take(class_idx, blocks.data(), blocks.size());
        set->Give(class_idx, blocks.data(), blocks.size());
        cairn_sizeclass_trim(set->get());
    }
    state.counters["blocks"] = static_cast<double>(geometry.block_count);
    state.counters["slab_bytes"] = static_cast<double>(geometry.slab_bytes);
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(blocks.size()));
}
BENCHMARK(Carve)
    ->Name("sizeclass/carve")
    ->ArgName("bytes")
    ->Arg(16)
    ->Arg(64)
    ->Arg(1024)
    ->Arg(32768);

// Blocks of one class, each in a slot or not.
class Mix {
  public:
    Mix(Set *set, unsigned class_idx, size_t slots)
        : set_(set), class_idx_(class_idx), slots_(slots)
    {
        set_->Take(class_idx_, slots_.data(), slots);
    }
    ~Mix()
    {
        for (void *&slot : slots_)
            Free(slot);
    }
    // Frees all but one in ten.
    void Thin()
    {
        for (void *&slot : slots_)
            if (random_() % 10 != 0)
                Free(slot);
        live_of_ten_ = 1;
    }
    // One block leaves, one comes, in another place; about as many stay in use.
    void Step()
    {
        void *&slot = slots_[random_() % slots_.size()];
        bool is_wanted = random_() % 10 < live_of_ten_;
        Free(slot);
        if (is_wanted)
            set_->Take(class_idx_, &slot, 1);
    }

  private:
    void Free(void *&slot)
    {
        if (slot != nullptr)
            set_->Give(class_idx_, &slot, 1);
        slot = nullptr;
    }

    Set *set_;
    unsigned class_idx_;
    std::vector<void *> slots_;
    unsigned live_of_ten_ = 9;
    std::mt19937 random_{1};
};

void Mixed(benchmark::State &state, bool is_thinned)
{
    constexpr size_t kSlots = 50000;
    auto set = std::make_unique<Set>();
    unsigned class_idx =
        cairn_class_of(&cairn_classes_default, static_cast<size_t>(state.range(0)));
    Mix mix(set.get(), class_idx, kSlots);
    if (is_thinned)
        mix.Thin();
    for (size_t done = 0; done < 4 * kSlots; done++)
        mix.Step();
    for (auto _ : state)
        mix.Step();
    struct cairn_pool_stats stats = cairn_sizeclass_class_stats(set->get(), class_idx);
    state.counters["slabs"] = static_cast<double>(stats.slab_count);
    state.counters["used_of_held"] =
        Ratio(stats.used_count * stats.block_bytes, stats.slab_count * stats.slab_bytes);
}
BENCHMARK_CAPTURE(Mixed, _, false)->Name("sizeclass/mixed")->ArgName("bytes")->Arg(64)->Arg(1024);
BENCHMARK_CAPTURE(Mixed, _, true)->Name("sizeclass/thinned")->ArgName("bytes")->Arg(64)->Arg(1024);

} // namespace
