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
//
// pool: blocks of one size over a buffer, with no lock and no source.
//
//   pair    one block taken and given back
//   batch   many at once, per block
//   mixed   blocks come and go at random in a pool that is nine tenths full

#include <cairn/pagesource.h>
#include <cairn/pool.h>
#include <cairn/sizeclass.h>

#include <memory>
#include <random>
#include <vector>

#include "bench/components/memory.h"
#include "components/pagemap/pagemap_testing.h"

namespace {

constexpr size_t kGranuleBytes = 16384;

struct Set {
    Set()
    {
        Require(cairn_pagesource_init(&pages_, nullptr) == 0, "cairn_pagesource_init");
        Require(pagemap_testing::InitTree(&map_, kGranuleBytes, root_.base, empty_.base,
                                          cairn_pagesource_as_reserve_source(&pages_)) == 0,
                "cairn_pagemap_init");
        cairn_sizeclass_config config = {};
        config.pagemap = &map_;
        config.source = cairn_pagesource_as_source(&pages_);
        config.granule_bytes = kGranuleBytes;
        config.state_bytes =
            cairn_sizeclass_state_bytes(&cairn_classes_default, size_t{1} << 30, kGranuleBytes);
        state_ = std::make_unique<Memory>(config.state_bytes);
        config.state = state_->base;
        Require(cairn_sizeclass_init(&set_, &config) == 0, "cairn_sizeclass_init");
    }
    // Requires: every block was given back.
    ~Set()
    {
        cairn_sizeclass_fini(&set_);
        cairn_pagemap_fini(&map_);
        cairn_pagesource_fini(&pages_);
    }
    void Take(unsigned class_idx, void **blocks, size_t count)
    {
        Require(cairn_sizeclass_take(&set_, class_idx, blocks, count) == count,
                "cairn_sizeclass_take");
    }
    void Give(unsigned class_idx, void *const *blocks, size_t count)
    {
        cairn_sizeclass_give(&set_, class_idx, blocks, count);
    }
    void Pairs(State &state, unsigned class_idx, size_t batch)
    {
        void *blocks[64];
        for (auto _ : state) {
            Take(class_idx, blocks, batch);
            Keep(blocks);
            Give(class_idx, blocks, batch);
        }
        state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(batch));
    }

    cairn_pagesource pages_ = {};
    Memory root_{CAIRN_PAGEMAP_ROOT_BYTES(14)}, empty_{CAIRN_PAGEMAP_EMPTY_BYTES};
    cairn_pagemap map_ = {};
    std::unique_ptr<Memory> state_;
    cairn_sizeclass set_ = {};
};

void ClassOf(State &state)
{
    std::mt19937 random(1);
    std::vector<size_t> sizes(4096);
    for (size_t &size : sizes)
        size = random() % static_cast<unsigned>(Arg(state));
    size_t at = 0;
    for (auto _ : state)
        Keep(cairn_class_of(&cairn_classes_default, sizes[at++ % sizes.size()]));
}
BENCHMARK(ClassOf)->Name("sizeclass/class_of")->ArgName("max")->Arg(1024)->Arg(32768);

void Of(State &state)
{
    auto set = std::make_unique<Set>();
    unsigned class_idx = cairn_class_of(&cairn_classes_default, Arg(state));
    std::vector<void *> blocks(4096);
    set->Take(class_idx, blocks.data(), blocks.size());
    size_t at = 0;
    for (auto _ : state) {
        const void *block = blocks[at++ * 797 % blocks.size()];
        Keep(cairn_sizeclass_of(&set->set_, block, cairn_pagemap_tag(&set->map_, block)));
    }
    set->Give(class_idx, blocks.data(), blocks.size());
}
BENCHMARK(Of)->Name("sizeclass/of")->ArgName("bytes")->Arg(48)->Arg(1024);

// One block stays out, so that the slab stays.
void Batch(State &state)
{
    auto set = std::make_unique<Set>();
    unsigned class_idx = cairn_class_of(&cairn_classes_default, Arg(state));
    void *kept[1];
    set->Take(class_idx, kept, 1);
    set->Pairs(state, class_idx, Arg(state, 1));
    set->Give(class_idx, kept, 1);
}
BENCHMARK(Batch)
    ->Name("sizeclass/batch")
    ->ArgNames({"bytes", "batch"})
    ->Args({16, 1})
    ->Args({16, 32})
    ->Args({64, 32})
    ->Args({1024, 8})
    ->Args({32768, 4});

void Threads(State &state)
{
    Shared<Set>::object->Pairs(state, cairn_class_of(&cairn_classes_default, 64), 32);
}
BENCHMARK(Threads)->Name("sizeclass/threads")->Apply(Shared<Set>::Of)->Apply(BesideOthers);

void Carve(State &state)
{
    auto set = std::make_unique<Set>();
    unsigned class_idx = cairn_class_of(&cairn_classes_default, Arg(state));
    const struct cairn_slab_geometry &geometry = set->set_.geometry[class_idx];
    std::vector<void *> blocks(geometry.block_count);
    for (auto _ : state) {
        set->Take(class_idx, blocks.data(), blocks.size());
        set->Give(class_idx, blocks.data(), blocks.size());
        cairn_sizeclass_trim(&set->set_);
    }
    Tell(state, "blocks", geometry.block_count);
    Tell(state, "slab_bytes", geometry.slab_bytes);
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(blocks.size()));
}
BENCHMARK(Carve)->Name("sizeclass/carve")->ArgName("bytes")->ArgsProduct({{16, 64, 1024, 32768}});

// Blocks of one class, each in a slot or not. One leaves, one comes, in another place; about as
// many stay in use: nine in ten slots, or one.
void Mixed(State &state, bool is_thinned)
{
    constexpr size_t kSlots = 50000;
    auto set = std::make_unique<Set>();
    unsigned class_idx = cairn_class_of(&cairn_classes_default, Arg(state));
    std::vector<void *> slots(kSlots);
    std::mt19937 random(1);
    auto drop = [&](void *&slot) {
        if (slot != nullptr)
            set->Give(class_idx, &slot, 1);
        slot = nullptr;
    };
    auto step = [&] {
        void *&slot = slots[random() % kSlots];
        bool is_wanted = random() % 10 < (is_thinned ? 1 : 9);
        drop(slot);
        if (is_wanted)
            set->Take(class_idx, &slot, 1);
    };
    set->Take(class_idx, slots.data(), kSlots);
    for (void *&slot : slots)
        if (is_thinned && random() % 10 != 0)
            drop(slot);
    for (size_t done = 0; done < 4 * kSlots; done++)
        step();
    for (auto _ : state)
        step();
    struct cairn_pool_stats stats = cairn_sizeclass_class_stats(&set->set_, class_idx);
    Tell(state, "slabs", stats.slab_count);
    TellRatio(state, "used_of_held", stats.used_count * stats.block_bytes,
              stats.slab_count * stats.slab_bytes);
    for (void *&slot : slots)
        drop(slot);
}
BENCHMARK_CAPTURE(Mixed, _, false)->Name("sizeclass/mixed")->ArgName("bytes")->Arg(64)->Arg(1024);
BENCHMARK_CAPTURE(Mixed, _, true)->Name("sizeclass/thinned")->ArgName("bytes")->Arg(64)->Arg(1024);

// ---- the pool alone ----

constexpr size_t kMemoryBytes = size_t{4} << 20;

struct Pool {
    explicit Pool(size_t block_bytes)
        : memory(kMemoryBytes), state(cairn_pool_alone_state_bytes(block_bytes, kMemoryBytes)),
          pool(
              cairn_pool_init_over(state.base, state.bytes, block_bytes, memory.base, kMemoryBytes))
    {
        Require(pool != nullptr, "cairn_pool_init_over");
    }
    ~Pool()
    {
        cairn_pool_fini_over(pool);
    }
    Memory memory, state;
    cairn_pool *pool;
};

void PoolPair(State &state)
{
    Pool one(Arg(state));
    for (auto _ : state) {
        void *block = cairn_pool_alloc(one.pool);
        Keep(block);
        cairn_pool_free(one.pool, block);
    }
}
BENCHMARK(PoolPair)->Name("pool/pair")->ArgName("bytes")->Arg(64)->Arg(1500);

void PoolBatch(State &state)
{
    Pool one(64);
    void *blocks[64];
    for (auto _ : state) {
        size_t taken = cairn_pool_take(one.pool, blocks, Arg(state));
        Keep(blocks);
        cairn_pool_give(one.pool, blocks, taken);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(PoolBatch)->Name("pool/batch")->ArgName("batch")->Arg(8)->Arg(64);

void PoolMixed(State &state)
{
    Pool one(Arg(state));
    std::mt19937 random(1);
    std::vector<void *> live(kMemoryBytes / Arg(state) * 9 / 10);
    size_t taken = cairn_pool_take(one.pool, live.data(), live.size());
    Require(taken == live.size(), "cairn_pool_take");
    for (auto _ : state) {
        void *&block = live[random() % live.size()];
        cairn_pool_free(one.pool, block);
        block = cairn_pool_alloc(one.pool);
    }
    cairn_pool_give(one.pool, live.data(), live.size());
    Tell(state, "blocks", live.size());
}
BENCHMARK(PoolMixed)->Name("pool/mixed")->ArgName("bytes")->Arg(64)->Arg(1500);

} // namespace
