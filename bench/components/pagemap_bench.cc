// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// pagemap: lookups of pointers at random, in each shape.
//
//   hit     the tag of an address that is ours, over a heap of 64 MiB and of 4 GiB: the second
//           meets the caches' limits;
//   miss    an address that is not ours: within reach of the table, and beyond it;
//   owner   tag and owner, as a refill needs it;
//   set     a run of granules marked and unmarked.

#include <benchmark/benchmark.h>
#include <cairn/pagemap.h>
#include <cairn/pagesource.h>

#include <memory>
#include <random>
#include <vector>

#include "bench/components/memory.h"
#include "components/pagemap/pagemap_testing.h"

namespace {

constexpr size_t kGranuleBytes = 16384;

// A map of one shape over a heap that is all marked, but for its last quarter.
class World {
  public:
    World(cairn_pagemap_shape shape, size_t heap_bytes) : heap_(heap_bytes)
    {
        Require(cairn_pagesource_init(&pages_, nullptr) == 0, "cairn_pagesource_init");
        Require(Init(shape) == 0, "cairn_pagemap_init");
        uintptr_t start = reinterpret_cast<uintptr_t>(heap_.base());
        base_ = (start + kGranuleBytes - 1) & ~(kGranuleBytes - 1);
        granules_ = heap_bytes / kGranuleBytes - 1;
        marked_ = granules_ / 4 * 3;
        Require(cairn_pagemap_set(&map_, At(0), marked_, 1, 1) == 0, "cairn_pagemap_set");
    }
    ~World()
    {
        cairn_pagemap_clear(&map_, At(0), marked_);
        cairn_pagemap_fini(&map_);
        cairn_pagesource_fini(&pages_);
    }
    cairn_pagemap *map()
    {
        return &map_;
    }
    void *At(size_t granule) const
    {
        return reinterpret_cast<void *>(base_ + granule * kGranuleBytes);
    }
    void *Unmarked() const
    {
        return At(marked_);
    }
    std::vector<const void *> Pointers(size_t first, size_t count) const
    {
        std::mt19937 random(1);
        std::vector<const void *> pointers(4096);
        for (auto &pointer : pointers)
            pointer = static_cast<char *>(At(first + random() % count)) + 48;
        return pointers;
    }
    size_t marked() const
    {
        return marked_;
    }
    size_t unmarked() const
    {
        return granules_ - marked_;
    }

  private:
    int Init(cairn_pagemap_shape shape)
    {
        if (shape == CAIRN_PAGEMAP_TREE)
            return pagemap_testing::InitTree(&map_, kGranuleBytes, root_.base(), empty_.base(),
                                             cairn_pagesource_as_reserve_source(&pages_));
        size_t bytes = cairn_pagemap_window_state_bytes(heap_.bytes(), kGranuleBytes);
        window_ = std::make_unique<Memory>(bytes);
        return pagemap_testing::InitWindow(&map_, heap_.base(), heap_.bytes(), kGranuleBytes,
                                           window_->base(), bytes);
    }

    Memory heap_;
    Memory root_{CAIRN_PAGEMAP_ROOT_BYTES(14)};
    Memory empty_{CAIRN_PAGEMAP_EMPTY_BYTES};
    std::unique_ptr<Memory> window_;
    cairn_pagesource pages_;
    cairn_pagemap map_ = {};
    uintptr_t base_;
    size_t granules_;
    size_t marked_;
};

void LookUp(benchmark::State &state, World &world, const std::vector<const void *> &pointers)
{
    size_t at = 0;
    for (auto _ : state)
        Keep(cairn_pagemap_tag(world.map(), pointers[at++ % 4096]));
}

void Hit(benchmark::State &state, cairn_pagemap_shape shape)
{
    World world(shape, static_cast<size_t>(state.range(0)) << 20);
    LookUp(state, world, world.Pointers(0, world.marked()));
}

void Miss(benchmark::State &state, cairn_pagemap_shape shape)
{
    World world(shape, size_t{64} << 20);
    LookUp(state, world, world.Pointers(world.marked(), world.unmarked()));
}

// Above all that a program can have: a wild pointer.
void MissBeyond(benchmark::State &state, cairn_pagemap_shape shape)
{
    World world(shape, size_t{64} << 20);
    std::vector<const void *> pointers(4096, reinterpret_cast<void *>(~uintptr_t{0} << 20));
    LookUp(state, world, pointers);
}

void Owner(benchmark::State &state, cairn_pagemap_shape shape)
{
    World world(shape, size_t{64} << 20);
    std::vector<const void *> pointers = world.Pointers(0, world.marked());
    size_t at = 0;
    for (auto _ : state) {
        const void *pointer = pointers[at++ % pointers.size()];
        if (cairn_pagemap_tag(world.map(), pointer) != 0)
            Keep(cairn_pagemap_owner(world.map(), pointer));
    }
}

void Set(benchmark::State &state, cairn_pagemap_shape shape)
{
    World world(shape, size_t{64} << 20);
    size_t granules = static_cast<size_t>(state.range(0));
    for (auto _ : state) {
        int error = cairn_pagemap_set(world.map(), world.Unmarked(), granules, 2, 7);
        Keep(error);
        cairn_pagemap_clear(world.map(), world.Unmarked(), granules);
    }
    state.counters["granules"] = static_cast<double>(granules);
}

struct Named {
    const char *name;
    cairn_pagemap_shape shape;
};
constexpr Named kShapes[] = {{"tree", CAIRN_PAGEMAP_TREE}, {"window", CAIRN_PAGEMAP_WINDOW}};

benchmark::internal::Benchmark *Register(const char *what, const Named &one,
                                         void (*run)(benchmark::State &, cairn_pagemap_shape))
{
    std::string name = std::string("pagemap/") + what + "/" + one.name;
    cairn_pagemap_shape shape = one.shape;
    return benchmark::RegisterBenchmark(
        name.c_str(), [run, shape](benchmark::State &state) { run(state, shape); });
}

const bool g_registered = [] {
    for (const Named &one : kShapes) {
        Register("hit", one, Hit)->ArgName("heap_mib")->Arg(64)->Arg(4096);
        Register("miss", one, Miss);
        Register("owner", one, Owner);
        Register("set", one, Set)->ArgName("granules")->Arg(1)->Arg(64);
    }
    // Refused before the shape matters.
    Register("miss_beyond", kShapes[0], MissBeyond);
    return true;
}();

} // namespace
