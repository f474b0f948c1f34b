// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/pool.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/classes.h>
#include <cairn/source_laws.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

TEST(Pool, GivesBlocksAndTakesThemBack)
{
    PoolWorld world(48);
    void *a = cairn_pool_alloc(&world.pool);
    void *b = cairn_pool_alloc(&world.pool);

    EXPECT_EQ(a, world.at(0));
    EXPECT_EQ(b, world.at(48));
    EXPECT_TRUE(cairn_pool_is_allocated(&world.pool, a));
    cairn_pool_free(&world.pool, a);
    EXPECT_FALSE(cairn_pool_is_allocated(&world.pool, a));
    EXPECT_EQ(cairn_pool_alloc(&world.pool), a) << "the lowest free block is taken first";
    cairn_pool_free(&world.pool, a);
    cairn_pool_free(&world.pool, b);
}

TEST(Pool, TakesBatchesAscendingAndLowestFirst)
{
    PoolWorld world(64);

    EXPECT_EQ(world.take(256), 256u);
    for (size_t i = 0; i < 256; i++)
        ASSERT_EQ(world.block(i), world.at(i * 64));
    for (size_t i : {200, 3, 77, 64, 63}) {
        cairn_pool_free(&world.pool, world.block(i));
        world.out[i] = nullptr;
    }
    world.out.erase(std::remove(world.out.begin(), world.out.end(), nullptr), world.out.end());
    EXPECT_EQ(world.take(5), 5u);
    for (size_t i = 0; i < 5; i++) {
        const size_t lowest[] = {3, 63, 64, 77, 200};
        EXPECT_EQ(world.block(251 + i), world.at(lowest[i] * 64));
    }
    EXPECT_EQ(cairn_pool_stats(&world.pool).slab_count, 1u);
}

TEST(Pool, TakesNothingForACountOfZero)
{
    PoolWorld world(64);

    EXPECT_EQ(cairn_pool_take(&world.pool, nullptr, 0), 0u);
    cairn_pool_give(&world.pool, nullptr, 0);
    EXPECT_EQ(world.take_calls(), 0u);
}

TEST(Pool, RefusesBlocksWithoutAGeometry)
{
    SlabsWorld world;
    struct cairn_pool pool;

    for (size_t block : {0, 7, 12, 1 << 20})
        EXPECT_EQ(cairn_pool_init(&pool, &world.slabs, block, 1, 1, 0), -EINVAL);
}

TEST(Pool, KeepsTheLaws)
{
    for (size_t block : {8, 16, 48, 64, 1024, 1152, 20480, 32768}) {
        PoolWorld world(block, size_t{32} << 20, size_t{16384}, size_t{10000}, read_write);
        struct cairn_law_shape shape = {};

        shape.block_bytes = block;
        shape.align_bytes = world.pool.geometry.align_bytes;
        shape.block_count = 200;
        shape.seed = test_seed();
        EXPECT_EQ(cairn_laws_hold(cairn_pool_as_source(&world.pool), &shape), nullptr) << block;
        shape.block_bytes = block / 2 + 1;
        shape.align_bytes = 1;
        EXPECT_EQ(cairn_laws_hold(cairn_pool_as_source(&world.pool), &shape), nullptr) << block;
        world.check();
    }
}

TEST(Pool, ItsSourceServesNoLargerBlocksAndAlignments)
{
    PoolWorld world(48);
    struct cairn_source source = cairn_pool_as_source(&world.pool);
    void *block;

    EXPECT_EQ(cairn_source_take(source, 49, 8, &block, 1), 0u);
    EXPECT_EQ(cairn_source_take(source, 48, 32, &block, 1), 0u);
    EXPECT_EQ(cairn_source_take(source, 48, 16, &block, 1), 1u);
    cairn_source_give(source, 48, &block, 1);
}

/* Uses three slabs to the numbers given and says from which the next block comes. */
size_t slab_taken_from(const size_t (&used)[3])
{
    PoolWorld world(64);
    std::vector<void *> kept;
    size_t slab_idx;

    world.take(3 * 256);
    for (size_t i = 0; i < world.out.size(); i++) {
        if (i % 256 < used[i / 256])
            kept.push_back(world.out[i]);
        else
            cairn_pool_free(&world.pool, world.out[i]);
    }
    world.out = kept;
    world.take(1);
    slab_idx = static_cast<size_t>(static_cast<char *>(world.out.back()) - world.at(0)) / 16384;
    return slab_idx;
}

TEST(Pool, TakesFromTheFullestQuarterFirst)
{
    EXPECT_EQ(slab_taken_from({10, 100, 200}), 2u);
    EXPECT_EQ(slab_taken_from({10, 200, 100}), 1u);
    EXPECT_EQ(slab_taken_from({256, 64, 65}), 2u);
    EXPECT_EQ(slab_taken_from({256, 128, 129}), 2u);
    EXPECT_EQ(slab_taken_from({256, 192, 193}), 2u);
    EXPECT_EQ(slab_taken_from({256, 0, 1}), 2u);
}

TEST(Pool, TakesFromLowAddressesWithinAQuarter)
{
    EXPECT_EQ(slab_taken_from({200, 201, 202}), 0u);
    EXPECT_EQ(slab_taken_from({20, 10, 5}), 0u);
    EXPECT_EQ(slab_taken_from({256, 65, 128}), 1u);
}

TEST(Pool, KeepsOneEmptySlab)
{
    PoolWorld world(64);

    world.take(256);
    for (int round = 0; round < 20; round++) {
        world.take(1);
        world.give(1);
    }
    EXPECT_EQ(world.take_calls(), 2u) << "a block at the boundary took and gave slabs";
    world.give(256);
    EXPECT_EQ(world.bytes_taken(), 16384u);
    EXPECT_EQ(cairn_pool_stats(&world.pool).slab_count, 1u);
    EXPECT_EQ(cairn_pool_stats(&world.pool).free_count, 256u);
    EXPECT_EQ(cairn_pool_trim(&world.pool), 16384u);
    EXPECT_EQ(cairn_pool_trim(&world.pool), 0u);
    EXPECT_EQ(world.bytes_taken(), 0u);
}

TEST(Pool, OfTwoEmptySlabsTheHigherGoesBack)
{
    for (bool low_first : {false, true}) {
        PoolWorld world(64);

        world.take(512);
        if (!low_first)
            std::rotate(world.out.begin(), world.out.begin() + 256, world.out.end());
        world.give(256);
        world.give(256);
        world.take(1);
        EXPECT_EQ(world.out.back(), world.at(0));
    }
}

TEST(Pool, GivesStretchesOfSeveralSlabsInAnyOrder)
{
    PoolWorld world(4096);

    world.take(64);
    std::reverse(world.out.begin(), world.out.end());
    world.give(10);
    std::mt19937_64 random(test_seed());
    std::shuffle(world.out.begin(), world.out.end(), random);
    world.give(54);
    EXPECT_EQ(cairn_pool_stats(&world.pool).slab_count, 1u);
}

/* Blocks out by address; every step is compared with the pool. */
void run_model(size_t block_bytes, size_t granule_bytes, int steps, std::mt19937_64 &random)
{
    PoolWorld world(block_bytes, size_t{2} << 20, granule_bytes, size_t{300});
    std::set<void *> model;

    for (int step = 0; step < steps; step++) {
        size_t count = 1 + below(random, below(random, 4) == 0 ? 300 : 20);

        if (below(random, 100) < (step / 50 % 2 == 0 ? 70u : 30u)) {
            size_t before = world.out.size();

            world.take(count);
            for (size_t i = before; i < world.out.size(); i++) {
                ASSERT_TRUE(model.insert(world.out[i]).second) << "handed out twice";
                ASSERT_TRUE(cairn_pool_is_allocated(&world.pool, world.out[i]));
            }
        } else {
            count = std::min(count, world.out.size());
            for (size_t i = 0; i < count; i++)
                std::swap(world.out[world.out.size() - 1 - i],
                          world.out[below(random, world.out.size() - i)]);
            for (size_t i = world.out.size() - count; i < world.out.size(); i++)
                model.erase(world.out[i]);
            world.give(count);
        }
        ASSERT_EQ(model.size(), world.out.size());
    }
    /* Neighbours are a block apart at least, and aligned. */
    for (auto it = model.begin(); it != model.end() && std::next(it) != model.end(); ++it)
        ASSERT_GE(static_cast<char *>(*std::next(it)) - static_cast<char *>(*it),
                  static_cast<ptrdiff_t>(block_bytes));
    for (void *block : model)
        ASSERT_EQ(reinterpret_cast<uintptr_t>(block) % world.pool.geometry.align_bytes, 0u);
}

TEST(Pool, AgreesWithAModel)
{
    std::mt19937_64 random(test_seed());

    for (size_t granule : {1024, 4096, 16384, 65536})
        for (size_t block : {8, 16, 24, 80, 208, 1024, 1664})
            run_model(block, granule, 400, random);
    for (size_t block : {2304, 9216, 30720, 32768})
        run_model(block, 16384, 400, random);
}

/* Takes 600 blocks in batches and gives them back; counts what the failures did. */
void run_scenario(PoolWorld &world)
{
    for (int i = 0; i < 30; i++) {
        size_t before = world.out.size();
        size_t free_before = cairn_pool_stats(&world.pool).free_count;
        size_t taken = world.take(20);

        ASSERT_TRUE(taken == 20 || taken == free_before) << "a short take left blocks behind";
        ASSERT_EQ(world.out.size(), before + taken);
    }
    world.give(world.out.size());
}

/* A pool whose slabs lie on both sides of the border of two leaves. */
struct TreeWorld : Pieces {
    static constexpr size_t granule = 4096;
    static constexpr size_t leaf = granule << CAIRN_PAGEMAP_LEAF_SHIFT;
    static constexpr size_t memory = 128 * granule;

    TreeWorld()
    {
        struct cairn_slabs_config config = {};

        source_testing::Init(&buffer, border - memory / 2, memory);
        EXPECT_EQ(pagemap_testing::InitTree(&map, granule, root.base(), empty.base(), as_source()),
                  0);
        config.pagemap = &map;
        config.source = cairn_buffer_as_source(&buffer);
        config.granule_bytes = granule;
        config.state = state.base();
        config.state_bytes = 65536;
        EXPECT_EQ(cairn_slabs_init(&slabs, &config), 0);
        EXPECT_EQ(cairn_pool_init(&pool, &slabs, 64, 1, 1, 0), 0);
    }
    ~TreeWorld()
    {
        cairn_pool_fini(&pool);
        cairn_slabs_fini(&slabs);
        cairn_pagemap_fini(&map);
        cairn_buffer_fini(&buffer);
    }

    Pages space{3 * leaf, no_access};
    Pages root{CAIRN_PAGEMAP_ROOT_BYTES(12), read_write};
    Pages empty{CAIRN_PAGEMAP_EMPTY_BYTES, read_write};
    Pages state{65536, read_write};
    char *border = reinterpret_cast<char *>(
        cairn_align_up(reinterpret_cast<uintptr_t>(space.base()) + memory, leaf));
    struct cairn_buffer buffer = {};
    struct cairn_pagemap map = {};
    struct cairn_slabs slabs = {};
    struct cairn_pool pool = {};
};

TEST(Pool, BatchesMayMixSlabsOfTwoLeavesOfATree)
{
    TreeWorld world;
    std::mt19937_64 random(test_seed());
    std::vector<void *> out(128 * 64);

    for (int round = 0; round < 20; round++) {
        std::vector<void *> given;

        ASSERT_EQ(cairn_pool_take(&world.pool, out.data(), out.size()), out.size());
        EXPECT_EQ(world.sizes.size(), 2u) << "leaves";
        std::shuffle(out.begin(), out.end(), random);
        for (size_t part, i = 0; i < out.size(); i += part) {
            part = 1 + below(random, std::min<size_t>(100, out.size() - i));
            cairn_pool_give(&world.pool, out.data() + i, part);
            ASSERT_FALSE(cairn_pool_is_allocated(&world.pool, out[i + part - 1]));
            ASSERT_EQ(cairn_pool_stats(&world.pool).used_count, out.size() - i - part);
            if (i % 8 == 0)
                cairn_pool_check(&world.pool);
        }
    }
}

TEST(PoolDeathTest, APointerToNoLeafAmongBlocksOfTwoPanics)
{
    TreeWorld world;
    std::vector<void *> out(128 * 64);

    ASSERT_EQ(cairn_pool_take(&world.pool, out.data(), out.size()), out.size());
    for (char *pointer : {world.border + TreeWorld::leaf, world.border - TreeWorld::leaf - 8,
                          world.border + TreeWorld::memory, static_cast<char *>(nullptr),
                          reinterpret_cast<char *>(UINTPTR_MAX - 63)}) {
        void *batch[] = {out[0], out[100 * 64], pointer, out[64]};

        EXPECT_DEATH(cairn_pool_give(&world.pool, batch, 4), "pointer is not from this heap");
    }
    cairn_pool_give(&world.pool, out.data(), out.size());
}

TEST(Pool, SurvivesEveryFailureOfItsSource)
{
    for (uint64_t n = 0;; n++) {
        PoolWorld world(512);

        cairn_failing_plan(&world.failing, n, 2);
        run_scenario(world);
        if (cairn_failing_seen(&world.failing) <= n) {
            EXPECT_GT(n, 10u);
            break;
        }
    }
}

TEST(Pool, GivesWhatItHasWhenTheStateIsExhausted)
{
    PoolWorld world(64, size_t{1} << 20, size_t{16384}, size_t{4});

    EXPECT_EQ(world.take(10000), 3u * 256);
    EXPECT_EQ(world.take(1), 0u);
    world.give(1);
    EXPECT_EQ(world.take(10), 1u);
}

size_t resident_pages(char *base, size_t pages)
{
    std::vector<unsigned char> in_core(pages);

    EXPECT_EQ(mincore(base, pages * 4096, in_core.data()), 0);
    return static_cast<size_t>(
        std::count_if(in_core.begin(), in_core.end(), [](unsigned char c) { return c & 1; }));
}

TEST(Pool, TouchesNoPageThatNoBlockWasUsedIn)
{
    PoolWorld world(64, size_t{1} << 20, size_t{16384}, size_t{100}, read_write);

    EXPECT_EQ(world.take(100), 100u);
    EXPECT_EQ(resident_pages(world.at(0), 256), 0u) << "taking touched a block";
    for (void *block : world.out)
        memset(block, 1, 64);
    EXPECT_EQ(resident_pages(world.at(0), 256), 2u);
    for (int round = 0; round < 10; round++) {
        world.give(50);
        world.take(50);
        for (void *block : world.out)
            memset(block, 1, 64);
    }
    EXPECT_EQ(resident_pages(world.at(0), 256), 2u) << "blocks used before are used again";
}

TEST(Pool, SharesADirectoryWithOthers)
{
    PoolWorld world(64);
    struct cairn_pool other;
    void *block;

    ASSERT_EQ(cairn_pool_init(&other, &world.slabs, 80, 4, 9, 6), 0);
    block = cairn_pool_alloc(&other);
    world.take(100);
    EXPECT_TRUE(cairn_pool_is_allocated(&other, block));
    EXPECT_FALSE(cairn_pool_is_allocated(&world.pool, block));
    EXPECT_FALSE(cairn_pool_is_allocated(&other, world.out[0]));
    cairn_pool_check(&other);
    EXPECT_DEATH(cairn_pool_free(&world.pool, block), "pointer is not from this pool");
    cairn_pool_free(&other, block);
    cairn_pool_fini(&other);
}

TEST(PoolDeathTest, MisuseStopsTheProgramWithOneLine)
{
    PoolWorld world(64);
    std::vector<void *> twice;
    char *block;

    world.take(200);
    block = world.block(10);
    twice = {block, block};
    EXPECT_DEATH(
        cairn_pool_free(&world.pool, block + 8),
        "^cairn: not the start of a block \\(pointer 0x[0-9a-f]+\\) in cairn_pool_give\n$");
    EXPECT_DEATH(cairn_pool_free(&world.pool, block + 1), "not the start of a block");
    EXPECT_DEATH(cairn_pool_free(&world.pool, world.at(250 * 64)), "double free");
    EXPECT_DEATH(cairn_pool_give(&world.pool, twice.data(), 2), "double free");
    EXPECT_DEATH(
        {
            cairn_pool_free(&world.pool, block);
            cairn_pool_free(&world.pool, block);
        },
        "^cairn: double free \\(pointer 0x[0-9a-f]+\\) in cairn_pool_give\n$");
    EXPECT_DEATH(cairn_pool_free(&world.pool, &world), "pointer is not from this heap");
    EXPECT_DEATH(cairn_pool_free(&world.pool, nullptr), "pointer is not from this heap");
    EXPECT_DEATH(cairn_pool_free(&world.pool, world.at(16384)), "pointer is not from this heap");
    EXPECT_DEATH(cairn_pool_fini(&world.pool), "fini of a pool with blocks out");
}

TEST(PoolDeathTest, CheckSeesWhatIsBroken)
{
    PoolWorld world(64);
    struct cairn_slab *slab;

    world.take(300);
    slab = cairn_slabs_find(&world.slabs, world.out[299], 9);
    EXPECT_DEATH(
        {
            slab->free_words[3] ^= 1;
            cairn_pool_check(&world.pool);
        },
        "free_count");
    EXPECT_DEATH(
        {
            slab->list_idx = 2;
            cairn_pool_check(&world.pool);
        },
        "list_idx");
    EXPECT_DEATH(
        {
            slab->prev_id = 1;
            cairn_pool_check(&world.pool);
        },
        "prev_id");
    EXPECT_DEATH(
        {
            world.pool.used_count++;
            cairn_pool_check(&world.pool);
        },
        "used_count");
    EXPECT_DEATH(
        {
            world.pool.slab_count++;
            cairn_pool_check(&world.pool);
        },
        "slab_count");
    EXPECT_DEATH(
        {
            world.pool.lists[0] = 0;
            cairn_pool_check(&world.pool);
        },
        "on_lists");
    EXPECT_DEATH(
        {
            world.pool.empty_id = 1;
            cairn_pool_check(&world.pool);
        },
        "empty_id");
}

} // namespace
