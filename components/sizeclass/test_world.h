/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * test_world.h - what the tests of this component stand on: address space, a pagemap over it, a
 * source of slabs, and one of pieces for descriptors.
 *
 *     counted -> failing -> buffer -> a range of address space, PROT_NONE unless a test writes
 *     failing -> pieces -> the kernel
 *
 * Nothing may be read or written in the range: the library keeps no data there, and a touch is a
 * SIGSEGV.
 */

#ifndef CAIRN_SIZECLASS_TEST_WORLD_H
#define CAIRN_SIZECLASS_TEST_WORLD_H

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <vector>

#include <sys/mman.h>

#include <gtest/gtest.h>

#include "components/pagemap/pagemap_testing.h"
#include "components/source/source_testing.h"
#include <cairn/base/align.h>
#include <cairn/buffer.h>
#include <cairn/classes.h>
#include <cairn/counted.h>
#include <cairn/failing.h>
#include <cairn/pagemap.h>
#include <cairn/pool.h>

#include "tests/support/random.h"

namespace cairn_test {

inline const cairn_class_table &kClasses = cairn_classes_default;

/* The block sizes of the default table. */
inline std::vector<uint32_t> default_sizes()
{
    return {kClasses.block_bytes, kClasses.block_bytes + kClasses.count};
}

/* Zero pages, aligned to `align_bytes`; unmapped in the end. */
class Pages {
  public:
    Pages(size_t bytes, int protection, size_t align_bytes = 65536)
        : bytes_(cairn_align_up(bytes, 4096) + align_bytes)
    {
        void *mapped =
            mmap(nullptr, bytes_, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapped == MAP_FAILED)
            abort();
        mapped_ = static_cast<char *>(mapped);
        base_ = reinterpret_cast<char *>(
            cairn_align_up(reinterpret_cast<uintptr_t>(mapped_), align_bytes));
    }
    ~Pages()
    {
        munmap(mapped_, bytes_);
    }
    Pages(const Pages &) = delete;
    Pages &operator=(const Pages &) = delete;
    char *base() const
    {
        return base_;
    }

  private:
    size_t bytes_;
    char *mapped_;
    char *base_;
};

constexpr int no_access = PROT_NONE;
constexpr int read_write = PROT_READ | PROT_WRITE;

/* A source for descriptors, which remembers what it gave, and expects it back in the end. */
class Pieces {
  public:
    Pieces()
    {
        static const struct cairn_source_ops ops = {
            "pieces", CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE, take, give};

        source_testing::Init(&failing, {&ops, this});
    }
    ~Pieces()
    {
        EXPECT_TRUE(out.empty()) << "a piece was not given back";
        cairn_failing_fini(&failing);
    }
    Pieces(const Pieces &) = delete;
    Pieces &operator=(const Pieces &) = delete;
    struct cairn_source as_source()
    {
        return cairn_failing_as_source(&failing);
    }

    struct cairn_failing failing = {};
    std::vector<size_t> sizes; /* of all pieces taken, in order */
    std::map<void *, size_t> out;
    const struct cairn_lock *lock = nullptr; /* if set, it must be held during a take */

  private:
    static size_t take(void *self, size_t bytes, size_t align_bytes, void **blocks, size_t count)
    {
        Pieces *pieces = static_cast<Pieces *>(self);
        void *piece;

        EXPECT_EQ(count, 1u);
        EXPECT_EQ(align_bytes, size_t{CAIRN_SLAB_UNIT_BYTES});
        EXPECT_TRUE(pieces->lock == nullptr || cairn_lock_is_held(pieces->lock));
        piece =
            mmap(nullptr, bytes, read_write, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (piece == MAP_FAILED)
            return 0;
        pieces->sizes.push_back(bytes);
        pieces->out[piece] = bytes;
        blocks[0] = piece;
        return 1;
    }
    static void give(void *self, size_t bytes, void *const *blocks, size_t count)
    {
        Pieces *pieces = static_cast<Pieces *>(self);

        EXPECT_EQ(count, 1u);
        EXPECT_EQ(pieces->out.count(blocks[0]), 1u);
        EXPECT_EQ(pieces->out[blocks[0]], bytes);
        pieces->out.erase(blocks[0]);
        munmap(blocks[0], bytes);
    }
};

/* Memory, map and source; a state block for descriptors unless units are 0, and a source of them if
   one is given. */
struct World {
    explicit World(size_t memory = size_t{64} << 20, size_t granule = 16384, size_t units = 100000,
                   int protection = no_access, size_t window = 0,
                   struct cairn_source descriptor_source = {})
        : memory_bytes(memory), granule_bytes(granule), state_bytes(units * CAIRN_SLAB_UNIT_BYTES),
          descriptors(descriptor_source), pages(memory, protection), state(state_bytes, read_write),
          map_state(cairn_pagemap_window_state_bytes(memory, granule), read_write)
    {
        source_testing::Init(&buffer, pages.base(), memory);
        source_testing::Init(&failing, cairn_buffer_as_source(&buffer));
        source_testing::Init(&counted, cairn_failing_as_source(&failing));
        EXPECT_EQ(pagemap_testing::InitWindow(&map, pages.base(), window == 0 ? memory : window,
                                              granule, map_state.base(),
                                              cairn_pagemap_window_state_bytes(memory, granule)),
                  0);
    }
    ~World()
    {
        cairn_counted_fini(&counted);
        cairn_failing_fini(&failing);
        cairn_buffer_fini(&buffer);
        cairn_pagemap_fini(&map);
    }
    World(const World &) = delete;
    World &operator=(const World &) = delete;

    struct cairn_source source()
    {
        return cairn_counted_as_source(&counted);
    }
    uint64_t bytes_taken() const
    {
        return cairn_counted_counts(&counted).bytes_outstanding;
    }
    uint64_t take_calls() const
    {
        return cairn_counted_counts(&counted).take_calls;
    }
    char *at(size_t offset) const
    {
        return pages.base() + offset;
    }
    void *state_or_null() const
    {
        return state_bytes == 0 ? nullptr : state.base();
    }

    size_t memory_bytes;
    size_t granule_bytes;
    size_t state_bytes;
    struct cairn_source descriptors;
    Pages pages;
    Pages state;
    Pages map_state;
    struct cairn_buffer buffer = {};
    struct cairn_failing failing = {};
    struct cairn_counted counted = {};
    struct cairn_pagemap map = {};
};

inline struct cairn_slabs_config slabs_config(World &world)
{
    struct cairn_slabs_config config = {};

    config.pagemap = &world.map;
    config.source = world.source();
    config.granule_bytes = world.granule_bytes;
    config.state = world.state_or_null();
    config.state_bytes = world.state_bytes;
    config.descriptors = world.descriptors;
    return config;
}

/* A world with a directory. */
struct SlabsWorld : World {
    template <typename... Args> explicit SlabsWorld(Args... args) : World(args...)
    {
        struct cairn_slabs_config config = slabs_config(*this);

        EXPECT_EQ(cairn_slabs_init(&slabs, &config), 0);
    }
    ~SlabsWorld()
    {
        cairn_slabs_fini(&slabs);
    }

    struct cairn_slabs slabs = {};
};

/* A world, a directory, and a pool over both. */
struct PoolWorld : SlabsWorld {
    template <typename... Args>
    explicit PoolWorld(size_t block_bytes, Args... args) : SlabsWorld(args...)
    {
        EXPECT_EQ(cairn_pool_init(&pool, &slabs, block_bytes, 3, 9, 5), 0);
    }
    ~PoolWorld()
    {
        give(cairn_pool_stats(&pool).used_count);
        cairn_pool_fini(&pool);
    }
    /* Takes onto `out`; how many it were. */
    size_t take(size_t count)
    {
        std::vector<void *> blocks(count);
        size_t taken = cairn_pool_take(&pool, blocks.data(), count);

        out.insert(out.end(), blocks.begin(), blocks.begin() + static_cast<long>(taken));
        check();
        return taken;
    }
    /* Gives the last `count` of `out` back. */
    void give(size_t count)
    {
        ASSERT_LE(count, out.size());
        cairn_pool_give(&pool, out.data() + out.size() - count, count);
        out.resize(out.size() - count);
        check();
    }
    void check()
    {
        cairn_pool_check(&pool);
        cairn_slabs_check(&slabs);
        ASSERT_EQ(cairn_pool_stats(&pool).used_count, out.size());
    }
    char *block(size_t idx) const
    {
        return static_cast<char *>(out[idx]);
    }

    struct cairn_pool pool = {};
    std::vector<void *> out;
};

/* 0 ... bound - 1. */
inline size_t below(std::mt19937_64 &random, size_t bound)
{
    return static_cast<size_t>(random() % bound);
}

} // namespace cairn_test

#endif
