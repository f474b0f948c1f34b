// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Batches in every order, across the ends of words and slabs: what is taken in sequences and given
// back in runs must come out as if each block had come for itself. What a run must refuse is in
// misuse_test.cc.

#include <cairn/classes.h>
#include <cairn/pool.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

using Batch = std::vector<void *>;

/* The same blocks in all the orders that a run could be taken for, and some that it could not. */
std::vector<Batch> orders_of(const Batch &rising, std::mt19937_64 &random)
{
    const auto half = static_cast<std::ptrdiff_t>(rising.size() / 2);
    Batch falling(rising.rbegin(), rising.rend());
    Batch rotated = rising;
    Batch valley = rising;
    Batch shuffled = rising;
    Batch every_second;

    std::rotate(rotated.begin(), rotated.begin() + half, rotated.end());
    std::reverse(valley.begin(), valley.begin() + half);
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    for (size_t parity : {1, 0})
        for (size_t i = parity; i < rising.size(); i += 2)
            every_second.push_back(rising[i]);
    return {rising, falling, rotated, valley, shuffled, every_second};
}

/* Gives the blocks of the batch back and takes as many again: the same, the lowest first. */
void expect_round_trip(PoolWorld &world, const Batch &batch)
{
    Batch taken(batch.size());
    Batch sorted = batch;

    std::sort(sorted.begin(), sorted.end());
    cairn_pool_give(&world.pool, batch.data(), batch.size());
    cairn_pool_check(&world.pool);
    cairn_slabs_check(&world.slabs);
    for (void *block : batch)
        ASSERT_FALSE(cairn_pool_is_allocated(&world.pool, block));
    ASSERT_EQ(cairn_pool_stats(&world.pool).used_count, world.out.size() - batch.size());
    ASSERT_EQ(cairn_pool_take(&world.pool, taken.data(), taken.size()), batch.size());
    std::sort(taken.begin(), taken.end());
    ASSERT_EQ(taken, sorted) << "other blocks were free than those that were given";
    world.check();
}

/* Every run of these lengths that begins at one of these places, in every order. Three slabs are
   out. */
void expect_round_trips(size_t block_bytes, const std::vector<size_t> &firsts,
                        const std::vector<size_t> &lengths)
{
    PoolWorld world(block_bytes, size_t{16} << 20);
    std::mt19937_64 random(test_seed());

    world.take(size_t{3} * world.pool.geometry.block_count);
    for (size_t first : firsts) {
        for (size_t length : lengths) {
            auto begin = world.out.begin() + static_cast<std::ptrdiff_t>(first);

            if (first + length > world.out.size())
                continue;
            for (const Batch &batch :
                 orders_of({begin, begin + static_cast<std::ptrdiff_t>(length)}, random))
                ASSERT_NO_FATAL_FAILURE(expect_round_trip(world, batch))
                    << length << " blocks of " << block_bytes << " from " << first;
        }
    }
}

TEST(Blocks, EveryRunOfSlabsOfSixteenGoesRoundInEveryOrder)
{
    std::vector<size_t> firsts;
    std::vector<size_t> lengths;

    for (size_t i = 0; i < 48; i++) {
        firsts.push_back(i);
        lengths.push_back(i + 1);
    }
    expect_round_trips(1024, firsts, lengths);
}

TEST(Blocks, RunsGoRoundAcrossTheEndsOfWords)
{
    expect_round_trips(64, {0, 1, 59, 60, 61, 62, 63, 64, 65, 127, 250, 255, 256, 300},
                       {1, 2, 3, 4, 5, 6, 8, 63, 64, 65, 128, 129, 256, 300});
}

TEST(Blocks, RunsGoRoundWhereTheLastWordIsNotFullAndASlabHasATail)
{
    /* 341 blocks of 48 bytes, the last word of 21, a tail of 16 bytes. */
    expect_round_trips(48, {0, 317, 319, 320, 330, 336, 337, 338, 340, 341, 661},
                       {1, 3, 4, 5, 7, 21, 22, 64, 85, 341, 362});
    expect_round_trips(8, {1980, 2040, 2047, 2048}, {4, 8, 64, 130});
}

TEST(Blocks, ABatchMayMixSlabsAndRuns)
{
    PoolWorld world(64);
    Batch batch;

    world.take(4 * 256);
    for (size_t i = 0; i < 256; i++)
        for (size_t slab : {3, 0, 2, 1})
            if (i % 32 < 8 || slab != 2)
                batch.push_back(world.out[slab * 256 + (slab == 1 ? 255 - i : i)]);
    expect_round_trip(world, batch);
    std::stable_sort(batch.begin(), batch.end(), [&](void *a, void *b) {
        return (static_cast<char *>(a) - world.at(0)) / 2048 % 3 <
               (static_cast<char *>(b) - world.at(0)) / 2048 % 3;
    });
    expect_round_trip(world, batch);
}

TEST(Blocks, TakesTheLowestFirstWhateverTheHolesAre)
{
    PoolWorld world(64);
    std::mt19937_64 random(test_seed());

    world.take(256);
    for (int round = 0; round < 2000; round++) {
        std::set<void *> holes;
        Batch batch;
        Batch taken(256);
        size_t count = 1 + below(random, 100);

        while (holes.size() < count) {
            size_t first = below(random, 256);

            for (size_t i = first; i < std::min<size_t>(256, first + 1 + below(random, 40)); i++)
                holes.insert(world.out[i]);
        }
        batch.assign(holes.begin(), holes.end());
        std::shuffle(batch.begin(), batch.end(), random);
        cairn_pool_give(&world.pool, batch.data(), batch.size());
        for (size_t part, i = 0; i < batch.size(); i += part) {
            part = 1 + below(random, batch.size() - i);
            ASSERT_EQ(cairn_pool_take(&world.pool, taken.data() + i, part), part);
            cairn_slabs_check(&world.slabs);
        }
        taken.resize(batch.size());
        ASSERT_EQ(taken, Batch(holes.begin(), holes.end()));
        world.check();
    }
}

/* The list of pool.h's picture: 0 to 3 by quarters used, 4 when full, 5 when empty. */
unsigned list_by_picture(uint32_t free_count, uint32_t block_count)
{
    double used = 1.0 - static_cast<double>(free_count) / block_count;

    if (free_count == block_count || free_count == 0)
        return free_count == 0 ? 4 : 5;
    return used > 0.75 ? 3 : used > 0.5 ? 2 : used > 0.25 ? 1 : 0;
}

/* A slab stays on its list as long as the bounds say so: no longer and no shorter. */
void expect_bounds(const struct cairn_pool *pool)
{
    const uint32_t block_count = pool->geometry.block_count;

    for (uint32_t before = 0; before <= block_count; before++) {
        const unsigned list = list_by_picture(before, block_count);

        if (before < block_count) {
            ASSERT_EQ(before + 1 >= pool->free_bounds[list],
                      list_by_picture(before + 1, block_count) != list)
                << "give: " << before << " of " << block_count;
        }
        if (before > 0) {
            ASSERT_EQ(before - 1 < pool->free_bounds[list + 1],
                      list_by_picture(before - 1, block_count) != list)
                << "take: " << before << " of " << block_count;
        }
    }
}

TEST(Blocks, ASlabLeavesItsListExactlyWhenItsQuarterChanges)
{
    SlabsWorld world;

    for (uint32_t block : default_sizes()) {
        struct cairn_pool pool;

        ASSERT_EQ(cairn_pool_init(&pool, &world.slabs, block, 1, 1, 0), 0);
        ASSERT_NO_FATAL_FAILURE(expect_bounds(&pool));
        cairn_pool_fini(&pool);
    }
}

TEST(Blocks, ASlabLeavesItsListExactlyAlsoWhenItHoldsFewBlocks)
{
    Pages memory(40 * 64, read_write);
    Pages state(65536, read_write);

    for (size_t count = 1; count <= 40; count++) {
        memset(state.base(), 0, 65536);
        struct cairn_pool *pool =
            cairn_pool_init_over(state.base(), 65536, 64, memory.base(), count * 64);

        ASSERT_NE(pool, nullptr);
        ASSERT_EQ(pool->geometry.block_count, count);
        ASSERT_NO_FATAL_FAILURE(expect_bounds(pool));
        cairn_pool_fini_over(pool);
    }
}

} // namespace
