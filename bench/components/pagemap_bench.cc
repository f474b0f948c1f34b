// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// pagemap: lookups of pointers at random, in each shape.
//
//   hit     the tag of an address that is ours, over a heap of 64 MiB and of 4 GiB: the second
//           meets the caches' limits;
//   miss    an address that is not ours: within reach of the table, and beyond it;
//   owner   tag and owner, as a refill needs it;
//   set     a run of granules marked and unmarked.

#include <cairn/pagemap.h>
#include <cairn/pagesource.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/components/memory.h"
#include "components/pagemap/pagemap_testing.h"

namespace {

constexpr size_t kGranuleBytes = 16384;
constexpr size_t kPointers = 4096;

using Pointers = std::vector<const void *>;

// A map of one shape over a heap that is all marked, but for its last quarter.
struct World {
    World(cairn_pagemap_shape shape, size_t heap_mib) : heap_(heap_mib << 20)
    {
        Require(cairn_pagesource_init(&pages_, nullptr) == 0, "cairn_pagesource_init");
        Require(Init(shape) == 0, "cairn_pagemap_init");
        base_ = static_cast<char *>(heap_.aligned(kGranuleBytes));
        granules_ = heap_.bytes / kGranuleBytes - 1;
        marked_ = granules_ / 4 * 3;
        Require(cairn_pagemap_set(&map_, base_, marked_, 1, 1) == 0, "cairn_pagemap_set");
    }
    ~World()
    {
        cairn_pagemap_clear(&map_, base_, marked_);
        cairn_pagemap_fini(&map_);
        cairn_pagesource_fini(&pages_);
    }
    // At random, into what is marked or into the rest.
    Pointers Some(bool is_marked) const
    {
        std::mt19937 random(1);
        Pointers pointers(kPointers);
        size_t first = is_marked ? 0 : marked_, count = is_marked ? marked_ : granules_ - marked_;
        for (auto &pointer : pointers)
            pointer = base_ + (first + random() % count) * kGranuleBytes + 48;
        return pointers;
    }
    void LookUp(State &state, const Pointers &pointers)
    {
        size_t at = 0;
        for (auto _ : state)
            Keep(cairn_pagemap_tag(&map_, pointers[at++ % kPointers]));
    }

    int Init(cairn_pagemap_shape shape)
    {
        if (shape == CAIRN_PAGEMAP_TREE)
            return pagemap_testing::InitTree(&map_, kGranuleBytes, root_.base, empty_.base,
                                             cairn_pagesource_as_reserve_source(&pages_));
        size_t bytes = cairn_pagemap_window_state_bytes(heap_.bytes, kGranuleBytes);
        window_ = std::make_unique<Memory>(bytes);
        return pagemap_testing::InitWindow(&map_, heap_.base, heap_.bytes, kGranuleBytes,
                                           window_->base, bytes);
    }

    Memory heap_, root_{CAIRN_PAGEMAP_ROOT_BYTES(14)}, empty_{CAIRN_PAGEMAP_EMPTY_BYTES};
    std::unique_ptr<Memory> window_;
    cairn_pagesource pages_;
    cairn_pagemap map_ = {};
    char *base_;
    size_t granules_, marked_;
};

void Hit(State &state, cairn_pagemap_shape shape)
{
    World world(shape, Arg(state));
    world.LookUp(state, world.Some(true));
}

void Miss(State &state, cairn_pagemap_shape shape)
{
    World world(shape, 64);
    world.LookUp(state, world.Some(false));
}

// Above all that a program can have: a wild pointer.
void MissBeyond(State &state, cairn_pagemap_shape shape)
{
    World world(shape, 64);
    world.LookUp(state, Pointers(kPointers, reinterpret_cast<void *>(~uintptr_t{0} << 20)));
}

void Owner(State &state, cairn_pagemap_shape shape)
{
    World world(shape, 64);
    Pointers pointers = world.Some(true);
    size_t at = 0;
    for (auto _ : state) {
        const void *pointer = pointers[at++ % kPointers];
        if (cairn_pagemap_tag(&world.map_, pointer) != 0)
            Keep(cairn_pagemap_owner(&world.map_, pointer));
    }
}

void Set(State &state, cairn_pagemap_shape shape)
{
    World world(shape, 64);
    size_t granules = Arg(state);
    void *unmarked = world.base_ + world.marked_ * kGranuleBytes;
    for (auto _ : state) {
        int error = cairn_pagemap_set(&world.map_, unmarked, granules, 2, 7);
        Keep(error);
        cairn_pagemap_clear(&world.map_, unmarked, granules);
    }
    Tell(state, "granules", granules);
}

const bool g_registered = [] {
    for (auto shape : {CAIRN_PAGEMAP_TREE, CAIRN_PAGEMAP_WINDOW}) {
        auto row = [shape](const char *what, void (*run)(State &, cairn_pagemap_shape)) {
            std::string name = std::string("pagemap/") + what +
                               (shape == CAIRN_PAGEMAP_TREE ? "/tree" : "/window");
            return benchmark::RegisterBenchmark(name.c_str(),
                                                [run, shape](State &state) { run(state, shape); });
        };
        row("hit", Hit)->ArgName("heap_mib")->Arg(64)->Arg(4096);
        row("miss", Miss);
        row("owner", Owner);
        row("set", Set)->ArgName("granules")->Arg(1)->Arg(64);
        if (shape == CAIRN_PAGEMAP_TREE) // refused before the shape matters
            row("miss_beyond", MissBeyond);
    }
    return true;
}();

} // namespace
