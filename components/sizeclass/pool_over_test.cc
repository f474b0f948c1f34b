// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/pool.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/source_laws.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

/* Pages between two that trap; ranges within lie hard against one of them. */
class Guarded {
  public:
    explicit Guarded(size_t bytes)
        : bytes_(cairn_align_up(bytes + 64, 4096)), pages_(bytes_ + 8192, no_access)
    {
        if (mprotect(first(), bytes_, read_write) != 0)
            abort();
    }
    char *first() const
    {
        return pages_.base() + 4096;
    }
    char *last(size_t bytes) const
    {
        return first() + bytes_ - bytes;
    }

  private:
    size_t bytes_;
    Pages pages_;
};

/* The state in exactly the bytes it asked for, rounded down to its alignment, in front of a page
   that traps. */
class State {
  public:
    explicit State(size_t bytes) : bytes_(bytes), range_(bytes)
    {
    }
    char *at() const
    {
        return reinterpret_cast<char *>(
            cairn_align_down(reinterpret_cast<uintptr_t>(range_.last(bytes_)), 64));
    }
    bool kept_its_bounds() const
    {
        const char *end = range_.last(0);

        return std::all_of(range_.first(), at(), [](char c) { return c == 0; }) &&
               std::all_of(at() + bytes_, const_cast<char *>(end), [](char c) { return c == 0; });
    }

  private:
    size_t bytes_;
    Guarded range_;
};

/* A pool over memory of its own, with its state. */
struct Alone {
    Alone(size_t block, size_t memory_size, char *memory_at)
        : state_bytes(cairn_pool_alone_state_bytes(block, memory_size)), state(state_bytes),
          pool(cairn_pool_init_over(state.at(), state_bytes, block, memory_at, memory_size))
    {
    }
    ~Alone()
    {
        if (pool != nullptr)
            cairn_pool_fini_over(pool);
        EXPECT_TRUE(state.kept_its_bounds());
    }
    void check()
    {
        cairn_pool_check(pool);
        cairn_slabs_check(pool->slabs);
    }

    size_t state_bytes;
    State state;
    struct cairn_pool *pool;
};

TEST(PoolOver, AStaticBufferIsAllItNeeds)
{
    alignas(64) static char memory[1000];
    alignas(64) static char state[4096];
    struct cairn_pool *pool;
    void *a;
    void *b;

    ASSERT_LE(cairn_pool_alone_state_bytes(100, sizeof(memory)), sizeof(state));
    pool = cairn_pool_init_over(state, sizeof(state), 100, memory, sizeof(memory));
    ASSERT_EQ(static_cast<void *>(pool), state);
    a = cairn_pool_alloc(pool);
    b = cairn_pool_alloc(pool);
    EXPECT_EQ(a, memory);
    EXPECT_EQ(b, memory + 104);
    cairn_pool_free(pool, a);
    cairn_pool_free(pool, b);
    cairn_pool_fini_over(pool);
}

/* How many blocks the header lets one expect of aligned memory. */
size_t expected_blocks(size_t block, size_t memory)
{
    size_t ideal = memory / block;

    return ideal <= 7936 && memory <= CAIRN_SLAB_BYTES_MAX ? ideal : ideal - ideal / 32 - 1;
}

/* Takes all, writes all of it, checks, and gives it back in two orders. */
void use_all_of(Alone &alone, size_t block_bytes, char *memory, size_t memory_bytes)
{
    size_t rounded = cairn_align_up(block_bytes, 8);
    std::vector<void *> blocks(memory_bytes / rounded + 1);
    size_t taken = cairn_pool_take(alone.pool, blocks.data(), blocks.size());
    size_t natural = std::min<size_t>(rounded & (~rounded + 1), 32768);
    size_t align =
        std::max<size_t>(std::min<size_t>(natural, 16),
                         cairn_pow2_divisor(reinterpret_cast<uintptr_t>(memory) | natural));

    ASSERT_GE(taken, 1u);
    ASSERT_LT(taken, blocks.size());
    ASSERT_TRUE(reinterpret_cast<uintptr_t>(memory) % 4096 != 0 ||
                taken >= expected_blocks(rounded, memory_bytes))
        << taken << " of " << block_bytes << " in " << memory_bytes;
    for (size_t i = 0; i < taken; i++) {
        char *at = static_cast<char *>(blocks[i]);

        ASSERT_TRUE(at >= memory && at + rounded <= memory + memory_bytes);
        ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % align, 0u);
        ASSERT_TRUE(i == 0 || at >= static_cast<char *>(blocks[i - 1]) + rounded);
        memset(at, 0xee, rounded);
    }
    alone.check();
    for (size_t i = 0; i < taken; i += 2)
        cairn_pool_free(alone.pool, blocks[i]);
    alone.check();
    for (size_t i = 1; i < taken; i += 2)
        cairn_pool_free(alone.pool, blocks[i]);
    alone.check();
}

/* At the beginning of its pages, at the end of them, and misaligned. */
void try_everywhere(const Guarded &pages, size_t block_bytes, size_t memory_bytes)
{
    for (char *memory : {pages.first(), pages.last(memory_bytes), pages.first() + 8}) {
        Alone alone(block_bytes, memory_bytes, memory);
        size_t rounded = cairn_align_up(block_bytes, 8);
        bool fits_surely = memory_bytes >= rounded + 15;

        ASSERT_EQ(alone.state_bytes != 0, memory_bytes >= rounded);
        ASSERT_TRUE(alone.pool != nullptr || !fits_surely) << block_bytes << " " << memory_bytes;
        if (alone.pool != nullptr)
            use_all_of(alone, block_bytes, memory, memory_bytes);
    }
}

TEST(PoolOver, UsesEverySizeOfMemoryUpTo600AndTouchesNothingOutside)
{
    Guarded pages(1024);

    for (size_t memory = 0; memory <= 600; memory += 1)
        for (size_t block : {1, 8, 24, 64, 100})
            try_everywhere(pages, block, memory);
}

TEST(PoolOver, UsesLargerMemoryOfOddSizes)
{
    for (size_t memory = 1000; memory <= size_t{1} << 20; memory = memory * 5 / 4 + 13) {
        Guarded pages(memory + 8);

        for (size_t block : {8, 16, 48, 200, 1024, 5000, 32768, 100000})
            try_everywhere(pages, block, memory);
    }
}

TEST(PoolOver, UsesMemoryOfManySlabs)
{
    Guarded pages(size_t{9} << 20);

    for (size_t block : {16, 64, 1000, 4096, 20000, 32768, 32776, 300000, 2000000, 2097152})
        try_everywhere(pages, block, (size_t{9} << 20) - 100);
}

TEST(PoolOver, HasASlabLessWhenTheAddressCostsOne)
{
    Guarded pages(size_t{4} << 20);
    char *memory = pages.last(size_t{4} << 20) - 8;
    Alone alone(65536, size_t{4} << 20, memory);

    ASSERT_NE(alone.pool, nullptr);
    use_all_of(alone, 65536, memory, size_t{4} << 20);
    try_everywhere(pages, 65536, size_t{4} << 20);
}

TEST(PoolOver, KeepsBlocksOfPowersOfTwoAligned)
{
    Pages pages(size_t{8} << 20, read_write);

    for (size_t block = 8; block <= 65536; block *= 2)
        for (size_t memory : {size_t{65536}, size_t{1} << 20, size_t{8} << 20}) {
            Alone alone(block, memory, pages.base());

            ASSERT_NE(alone.pool, nullptr);
            EXPECT_EQ(alone.pool->geometry.align_bytes, std::min<size_t>(block, 32768));
            use_all_of(alone, block, pages.base(), memory);
        }
}

TEST(PoolOver, LosesNoBlockOfAlignedMemoryInOneSlab)
{
    Pages pages(size_t{1} << 20, read_write);

    for (size_t count : {1, 2, 7, 100, 1000, 7936}) {
        Alone alone(40, 40 * count, pages.base());
        std::vector<void *> blocks(count + 1);

        ASSERT_NE(alone.pool, nullptr);
        EXPECT_EQ(cairn_pool_take(alone.pool, blocks.data(), count + 1), count);
        EXPECT_EQ(cairn_pool_stats(alone.pool).slab_count, 1u);
        cairn_pool_give(alone.pool, blocks.data(), count);
    }
}

TEST(PoolOver, ItsStateIsExact)
{
    Guarded memory(size_t{3} << 20);

    for (size_t memory_bytes : {100, 1000, 100000, 3000000}) {
        size_t state_bytes = cairn_pool_alone_state_bytes(24, memory_bytes);
        State state(state_bytes);

        EXPECT_EQ(
            cairn_pool_init_over(state.at(), state_bytes - 1, 24, memory.first(), memory_bytes),
            nullptr);
        EXPECT_EQ(
            cairn_pool_init_over(state.at() - 32, state_bytes, 24, memory.first(), memory_bytes),
            nullptr);
        EXPECT_LT(state_bytes, 1200 + memory_bytes / 6) << "of blocks of 24 bytes";
        EXPECT_TRUE(state.kept_its_bounds());
    }
}

TEST(PoolOver, RefusesWhatHoldsNoBlock)
{
    EXPECT_EQ(cairn_pool_alone_state_bytes(0, 1000), 0u);
    EXPECT_EQ(cairn_pool_alone_state_bytes(100, 0), 0u);
    EXPECT_EQ(cairn_pool_alone_state_bytes(100, 103), 0u);
    EXPECT_NE(cairn_pool_alone_state_bytes(100, 104), 0u);
    EXPECT_EQ(cairn_pool_alone_state_bytes((1 << 21) + 1, size_t{1} << 30), 0u);
    EXPECT_EQ(cairn_pool_alone_state_bytes(SIZE_MAX, SIZE_MAX), 0u);
    EXPECT_EQ(cairn_pool_alone_state_bytes(8, SIZE_MAX), 0u) << "more descriptors than ids";
    EXPECT_EQ(cairn_pool_init_over(nullptr, 0, 0, nullptr, 0), nullptr);
}

TEST(PoolOver, NeverTouchesTheMemory)
{
    Pages pages(size_t{4} << 20, no_access);
    Alone alone(48, size_t{4} << 20, pages.base());
    std::vector<void *> blocks(100000);
    size_t taken = cairn_pool_take(alone.pool, blocks.data(), blocks.size());

    EXPECT_GT(taken, 80000u);
    cairn_pool_give(alone.pool, blocks.data(), taken);
    alone.check();
}

TEST(PoolOver, KeepsTheLaws)
{
    Pages pages(size_t{4} << 20, read_write);

    for (size_t block : {8, 24, 4096, 40000}) {
        for (size_t memory : {size_t{3000} + block * 20, size_t{4} << 20}) {
            Alone alone(block, memory, pages.base());
            struct cairn_law_shape shape = {};

            shape.block_bytes = block;
            shape.align_bytes = block & (~block + 1);
            shape.block_count = 20;
            shape.seed = test_seed();
            EXPECT_EQ(cairn_laws_hold(cairn_pool_as_source(alone.pool), &shape), nullptr) << block;
        }
    }
}

TEST(PoolOver, AgreesWithAModel)
{
    std::mt19937_64 random(test_seed());
    Pages pages(size_t{1} << 20, no_access);

    for (int round = 0; round < 60; round++) {
        size_t block = 1 + below(random, 50000) / (1 + below(random, 5000));
        Alone alone(block, (size_t{1} << 20) - below(random, 5000),
                    pages.base() + below(random, 5000));
        std::vector<void *> out;
        std::set<void *> model;

        ASSERT_NE(alone.pool, nullptr);
        for (int step = 0; step < 200; step++) {
            if (below(random, 2) == 0) {
                void *taken[100];
                size_t count = cairn_pool_take(alone.pool, taken, 1 + below(random, 100));

                for (size_t i = 0; i < count; i++)
                    ASSERT_TRUE(model.insert(taken[i]).second);
                out.insert(out.end(), taken, taken + count);
            } else {
                std::shuffle(out.begin(), out.end(), random);
                size_t count = std::min(out.size(), below(random, 100));
                for (size_t i = out.size() - count; i < out.size(); i++)
                    model.erase(out[i]);
                cairn_pool_give(alone.pool, out.data() + out.size() - count, count);
                out.resize(out.size() - count);
            }
            alone.check();
        }
        cairn_pool_give(alone.pool, out.data(), out.size());
    }
}

TEST(PoolOverDeathTest, MisuseStopsTheProgram)
{
    Pages pages(8192, no_access);
    Alone alone(100, 1000, pages.base());
    char *block = static_cast<char *>(cairn_pool_alloc(alone.pool));

    ASSERT_EQ(block, pages.base());
    EXPECT_DEATH(cairn_pool_free(alone.pool, block + 100), "not the start of a block");
    EXPECT_DEATH(cairn_pool_free(alone.pool, block + 104), "double free");
    EXPECT_DEATH(cairn_pool_free(alone.pool, block + 9 * 104), "not the start of a block")
        << "the tail of the last granule";
    EXPECT_DEATH(cairn_pool_free(alone.pool, block + 1008), "pointer is not from this heap");
    EXPECT_DEATH(cairn_pool_free(alone.pool, block - 1), "pointer is not from this heap");
    EXPECT_DEATH(cairn_pool_fini_over(alone.pool), "fini of a pool with blocks out");
    cairn_pool_free(alone.pool, block);
}

} // namespace
