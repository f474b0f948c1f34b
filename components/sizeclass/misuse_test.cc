// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Every pointer that is not a block, without a process for each: cairn_panic() is weak, and here it
// jumps back.

#include <cairn/sizeclass.h>

#include <csetjmp>
#include <string>

#include <gtest/gtest.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

jmp_buf back;
const char *volatile panic_what;

} // namespace

extern "C" void cairn_panic(const char *what, const void *, const char *)
{
    panic_what = what;
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
        ASSERT_FALSE(cairn_pool_is_out(&pool, base + offset));
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

    for (uint32_t block : cairn_class_block_bytes)
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
        EXPECT_EQ(cairn_pool_is_out(pool, blocks[i]), i >= bad);
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

} // namespace
