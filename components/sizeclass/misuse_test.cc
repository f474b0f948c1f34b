// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every pointer that is not a block, without a process for each: cairn_panic() is weak, and here it
// jumps back.

#include <cairn/sizeclass.h>

#include <algorithm>
#include <csetjmp>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

jmp_buf back;
const char *volatile panic_what;
const void *volatile panic_pointer;

} // namespace

extern "C" void cairn_panic(const char *what, const void *pointer, const char *)
{
    panic_what = what;
    panic_pointer = pointer;
    longjmp(back, 1);
}

namespace {

/* What cairn_pool_free() says of the pointer; "" when it takes it. */
std::string verdict_on(struct cairn_pool *pool, void *pointer)
{
    panic_what = "";
    if (setjmp(back) == 0)
        cairn_pool_free(pool, pointer);
    return panic_what;
}

/* With every second block out, gives every address of the slab and its surroundings back. */
void expect_only_blocks_out(struct cairn_slabs *slabs, size_t block_bytes)
{
    struct cairn_pool pool;
    std::vector<void *> blocks;
    char *base;
    size_t slab_bytes;
    size_t out_count = 0;

    ASSERT_EQ(cairn_pool_init(&pool, slabs, block_bytes, 1, 1, 0), 0);
    blocks.resize(pool.geometry.block_count);
    slab_bytes = pool.geometry.slab_bytes;
    ASSERT_EQ(cairn_pool_take(&pool, blocks.data(), blocks.size()), blocks.size());
    base = static_cast<char *>(blocks[0]);
    for (size_t i = 1; i < blocks.size(); i += 2)
        cairn_pool_free(&pool, blocks[i]);
    for (size_t offset = 0; offset < slab_bytes + 4096; offset++) {
        size_t block_idx = offset / block_bytes;
        bool starts = offset % block_bytes == 0 && block_idx < blocks.size();

        if (starts && block_idx % 2 == 0) {
            out_count++;
            continue;
        }
        ASSERT_EQ(verdict_on(&pool, base + offset), starts ? "double free"
                                                    : offset < slab_bytes
                                                        ? "not the start of a block"
                                                        : "pointer is not from this heap")
            << offset << " in a slab of " << block_bytes;
        ASSERT_FALSE(cairn_pool_is_allocated(&pool, base + offset));
    }
    cairn_pool_check(&pool);
    EXPECT_EQ(cairn_pool_stats(&pool).used_count, out_count) << "a refused pointer was counted";
    for (size_t i = 0; i < blocks.size(); i += 2)
        ASSERT_EQ(verdict_on(&pool, blocks[i]), "");
    ASSERT_EQ(verdict_on(&pool, blocks[0]), "double free") << "the slab is kept, and empty";
    cairn_pool_fini(&pool);
    ASSERT_EQ(cairn_slabs_find(slabs, base, 1), nullptr);
}

TEST(Misuse, EveryAddressOfEveryClassThatIsNoBlockOutIsRefused)
{
    SlabsWorld world(size_t{8} << 20, size_t{16384}, size_t{100});

    for (uint32_t block : default_sizes())
        expect_only_blocks_out(&world.slabs, block);
}

TEST(Misuse, TheSameWithTheSmallestAndTheLargestGranule)
{
    SlabsWorld small(size_t{1} << 20, size_t{1024}, size_t{100});
    SlabsWorld large(size_t{8} << 20, size_t{65536}, size_t{100});

    for (size_t block : {8, 48, 208, 1024, 2048})
        expect_only_blocks_out(&small.slabs, block);
    for (size_t block : {8, 48, 30720})
        expect_only_blocks_out(&large.slabs, block);
}

/* Gives four blocks of which one is bad, then the rest. */
void expect_batch_stops_at(struct cairn_pool *pool, size_t bad)
{
    void *blocks[4];
    void *batch[4];

    ASSERT_EQ(cairn_pool_take(pool, blocks, 4), 4u);
    for (size_t i = 0; i < 4; i++)
        batch[i] = static_cast<char *>(blocks[i]) + (i == bad ? 16 : 0);
    panic_what = "";
    if (setjmp(back) == 0)
        cairn_pool_give(pool, batch, 4);
    EXPECT_EQ(std::string(panic_what), "not the start of a block");
    for (size_t i = 0; i < 4; i++)
        EXPECT_EQ(cairn_pool_is_allocated(pool, blocks[i]), i >= bad);
    pool->used_count -= bad; /* nothing goes on after a panic, so nobody counted these */
    cairn_pool_give(pool, blocks + bad, 4 - bad);
    cairn_pool_check(pool);
}

TEST(Misuse, ABatchStopsAtTheFirstBadPointer)
{
    SlabsWorld world;
    struct cairn_pool pool;

    ASSERT_EQ(cairn_pool_init(&pool, &world.slabs, 64, 1, 1, 0), 0);
    for (size_t bad = 0; bad < 4; bad++)
        expect_batch_stops_at(&pool, bad);
    cairn_pool_fini(&pool);
}

using Batch = std::vector<void *>;

/* Gives the batch back, of which `bad` is refused with these words; then what is still out. */
void expect_refusal(struct cairn_pool *pool, const Batch &batch, size_t bad, const char *what,
                    const Batch &out)
{
    panic_what = "";
    if (setjmp(back) == 0)
        cairn_pool_give(pool, batch.data(), batch.size());
    ASSERT_EQ(std::string(panic_what), what);
    ASSERT_EQ(panic_pointer, batch[bad]);
    pool->used_count -= bad; /* see expect_batch_stops_at() */
    for (void *block : out) {
        bool came_before = std::find(batch.begin(), batch.begin() + static_cast<long>(bad),
                                     block) != batch.begin() + static_cast<long>(bad);

        ASSERT_EQ(cairn_pool_is_allocated(pool, block), !came_before);
        if (!came_before)
            cairn_pool_free(pool, block);
    }
    cairn_pool_check(pool);
}

/* Blocks 56 to 71 of a slab, across the end of a word, in five orders. */
std::vector<Batch> orders_across_a_word(const Batch &slab)
{
    Batch rising(slab.begin() + 56, slab.begin() + 72);
    Batch falling(rising.rbegin(), rising.rend());
    Batch apart;
    Batch zigzag;
    Batch runs = rising;

    for (size_t i = 0; i < 16; i++) {
        apart.push_back(rising[i * 7 % 16]);
        zigzag.push_back(rising[i ^ 1]);
    }
    std::rotate(runs.begin(), runs.begin() + 5, runs.end());
    return {rising, falling, apart, zigzag, runs};
}

/* The block given as number i again in the place of number j, for all i < j. */
TEST(Misuse, ABlockTwiceInABatchIsFoundInEveryOrder)
{
    SlabsWorld world;
    struct cairn_pool pool;
    Batch slab(256);

    ASSERT_EQ(cairn_pool_init(&pool, &world.slabs, 64, 1, 1, 0), 0);
    for (size_t order = 0; order < 5; order++) {
        for (size_t j = 1; j < 16; j++) {
            for (size_t i = 0; i < j; i++) {
                ASSERT_EQ(cairn_pool_take(&pool, slab.data(), 256), 256u);
                Batch batch = orders_across_a_word(slab)[order];

                batch[j] = batch[i];
                ASSERT_NO_FATAL_FAILURE(expect_refusal(&pool, batch, j, "double free", slab))
                    << "order " << order << ", " << i << " again after " << j;
            }
        }
    }
    cairn_pool_fini(&pool);
}

/* Forty blocks of eight slabs by turns, each a stretch of its own; one is bad, at each place. */
TEST(Misuse, ABadPointerAmongBlocksAloneInTheirSlabsIsRefused)
{
    SlabsWorld world;
    struct cairn_pool pool;
    struct cairn_pool other;
    Batch out(8 * 256);

    ASSERT_EQ(cairn_pool_init(&pool, &world.slabs, 64, 1, 2, 0), 0);
    ASSERT_EQ(cairn_pool_init(&other, &world.slabs, 64, 2, 2, 1), 0);
    for (size_t bad = 1; bad < 40; bad++) {
        ASSERT_EQ(cairn_pool_take(&pool, out.data(), out.size()), out.size());
        void *foreign = cairn_pool_alloc(&other);
        Batch good;

        for (size_t i = 0; i < 40; i++)
            good.push_back(out[i % 8 * 256 + i / 8 * 51]);
        const std::pair<void *, const char *> pointers[] = {
            {static_cast<char *>(good[bad]) + 8, "not the start of a block"},
            {good[bad - 1], "double free"},
            {foreign, "pointer is not from this pool"},
            {world.at(0) - 64, "pointer is not from this heap"},
            {world.at(world.memory_bytes - 64), "pointer is not from this heap"},
        };
        for (const auto &pointer : pointers) {
            Batch batch = good;

            batch[bad] = pointer.first;
            ASSERT_NO_FATAL_FAILURE(expect_refusal(&pool, batch, bad, pointer.second, out))
                << pointer.second << " at " << bad;
            ASSERT_EQ(cairn_pool_take(&pool, out.data(), out.size()), out.size());
        }
        cairn_pool_give(&pool, out.data(), out.size());
        cairn_pool_free(&other, foreign);
    }
    cairn_pool_fini(&other);
    cairn_pool_fini(&pool);
}

/* Runs of twelve that meet a block given back before, at each place, rising and falling. */
TEST(Misuse, ARunStopsAtABlockThatIsFree)
{
    SlabsWorld world;
    struct cairn_pool pool;
    Batch slab(256);

    ASSERT_EQ(cairn_pool_init(&pool, &world.slabs, 64, 1, 1, 0), 0);
    for (bool rises : {true, false}) {
        for (size_t first = 48; first <= 68; first++) {
            for (size_t bad = 0; bad < 12; bad++) {
                ASSERT_EQ(cairn_pool_take(&pool, slab.data(), 256), 256u);
                Batch batch(slab.begin() + static_cast<long>(first),
                            slab.begin() + static_cast<long>(first) + 12);
                Batch out = slab;

                if (!rises)
                    std::reverse(batch.begin(), batch.end());
                cairn_pool_free(&pool, batch[bad]);
                out.erase(std::find(out.begin(), out.end(), batch[bad]));
                ASSERT_NO_FATAL_FAILURE(expect_refusal(&pool, batch, bad, "double free", out))
                    << (rises ? "up from " : "down to ") << first << ", free is number " << bad;
            }
        }
    }
    cairn_pool_fini(&pool);
}

/* A run up to the last block of a slab goes on in the tail, and one down to the first below it. */
TEST(Misuse, ARunThatLeavesTheBlocksIsRefusedBehindTheLast)
{
    SlabsWorld world;

    for (size_t block_bytes : {size_t{48}, size_t{80}, size_t{208}}) {
        struct cairn_pool pool;
        Batch slab;

        ASSERT_EQ(cairn_pool_init(&pool, &world.slabs, block_bytes, 1, 1, 0), 0);
        const size_t count = pool.geometry.block_count;
        ASSERT_LT(count * block_bytes, pool.geometry.slab_bytes) << "no tail";
        for (size_t length : {1, 2, 3, 4, 5, 9}) {
            slab.resize(count);
            ASSERT_EQ(cairn_pool_take(&pool, slab.data(), count), count);
            Batch up(slab.end() - static_cast<long>(length), slab.end());
            Batch down(slab.rend() - static_cast<long>(length), slab.rend());

            for (size_t i = 0; i < 5; i++) {
                up.push_back(static_cast<char *>(slab[count - 1]) + block_bytes * (i + 1));
                down.push_back(static_cast<char *>(slab[0]) - block_bytes * (i + 1));
            }
            ASSERT_NO_FATAL_FAILURE(
                expect_refusal(&pool, up, length, "not the start of a block", slab));
            ASSERT_EQ(cairn_pool_take(&pool, slab.data(), count), count);
            ASSERT_NO_FATAL_FAILURE(
                expect_refusal(&pool, down, length, "pointer is not from this heap", slab));
        }
        cairn_pool_fini(&pool);
        cairn_slabs_check(&world.slabs);
    }
}

TEST(Misuse, ARunDoesNotGoOnIntoTheSlabOfAnotherPool)
{
    SlabsWorld world;
    struct cairn_pool pool;
    struct cairn_pool other;
    Batch slab(256);
    void *others;

    ASSERT_EQ(cairn_pool_init(&pool, &world.slabs, 64, 1, 2, 0), 0);
    ASSERT_EQ(cairn_pool_init(&other, &world.slabs, 64, 2, 2, 1), 0);
    ASSERT_EQ(cairn_pool_take(&pool, slab.data(), 256), 256u);
    others = cairn_pool_alloc(&other);
    ASSERT_EQ(others, static_cast<char *>(slab[255]) + 64) << "the slabs are not neighbours";
    Batch batch(slab.end() - 6, slab.end());
    batch.push_back(others);
    ASSERT_NO_FATAL_FAILURE(expect_refusal(&pool, batch, 6, "pointer is not from this pool", slab));
    ASSERT_TRUE(cairn_pool_is_allocated(&other, others));
    cairn_pool_free(&other, others);
    cairn_pool_fini(&other);
    cairn_pool_fini(&pool);
}

} // namespace
