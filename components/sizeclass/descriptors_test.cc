// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Descriptors that grow: pieces from a source behind a state block, or without one.

#include <cairn/slabs.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

using Sizes = std::vector<size_t>;

constexpr size_t unit = CAIRN_SLAB_UNIT_BYTES;
constexpr uint32_t units_end = uint32_t{1} << CAIRN_SLABS_UNIT_BITS;
constexpr size_t granule = 1024;
constexpr size_t memory = size_t{32} << 20;
constexpr size_t no_window = 0;

/* Slabs whose descriptors have 1, 2, 3, 5, 9 and 16 units. */
constexpr size_t bytes_of_slab[] = {1024, 4096, 8192, 16384, 32768, 65536};
constexpr uint8_t units_of_slab[] = {1, 2, 3, 5, 9, 16};
constexpr size_t shape_count = 6;

struct cairn_slab_geometry geometry_of(size_t shape)
{
    struct cairn_slab_geometry geometry = {};

    EXPECT_EQ(cairn_slab_geometry(&geometry, 8, bytes_of_slab[shape]), 0);
    EXPECT_EQ(geometry.slab_bytes, bytes_of_slab[shape]);
    return geometry;
}

struct GrowingWorld : Pieces, SlabsWorld {
    explicit GrowingWorld(size_t state_units)
        : SlabsWorld(memory, granule, state_units, no_access, no_window, as_source())
    {
    }
    ~GrowingWorld()
    {
        for (struct cairn_slab *slab : taken)
            cairn_slabs_give(&slabs, slab);
    }
    struct cairn_slab *take(size_t shape)
    {
        struct cairn_slab_geometry geometry = geometry_of(shape);
        struct cairn_slab *slab =
            cairn_slabs_take(&slabs, &geometry, static_cast<uint8_t>(shape + 1), 7);

        if (slab == nullptr)
            return nullptr;
        EXPECT_EQ(slab->unit_count, units_of_slab[shape]);
        taken.push_back(slab);
        return slab;
    }
    void take_many(size_t shape, size_t count)
    {
        for (size_t i = 0; i < count; i++)
            ASSERT_NE(take(shape), nullptr);
    }
    uint32_t id_of(const struct cairn_slab *slab) const
    {
        return cairn_slabs_id(&slabs, slab);
    }
    uint32_t unit_of(const struct cairn_slab *slab) const
    {
        return id_of(slab) % units_end;
    }

    std::vector<struct cairn_slab *> taken;
};

TEST(Descriptors, InitRefusesWhatCannotGrow)
{
    Pieces pieces;
    World world(memory, granule, 32, no_access, no_window, pieces.as_source());
    struct cairn_slabs slabs = {};
    const struct cairn_slabs_config good = slabs_config(world);
    struct cairn_slabs_config bad = good;
    struct cairn_source_ops ops = *good.descriptors.ops;

    bad.state_bytes = CAIRN_SLABS_GROWING_STATE_BYTES_MIN - 1;
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL);
    bad = good;
    bad.state = static_cast<char *>(bad.state) + 32;
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL);
    bad = good;
    bad.state = nullptr;
    bad.descriptors = {};
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL);
    for (unsigned traits :
         {0u, unsigned{CAIRN_SOURCE_ZEROED}, unsigned{CAIRN_SOURCE_THREAD_SAFE}}) {
        bad = good;
        ops.traits = traits;
        bad.descriptors.ops = &ops;
        EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL) << traits;
    }
    EXPECT_EQ(cairn_slabs_init(&slabs, &good), 0);
    cairn_slabs_fini(&slabs);
    EXPECT_TRUE(pieces.sizes.empty());
}

TEST(Descriptors, WithoutAStateTheFirstPieceHas64KiBAndEachNextDoublesTheUnits)
{
    GrowingWorld world(0);

    EXPECT_EQ(world.sizes, Sizes{});
    world.take_many(0, 1023);
    EXPECT_EQ(world.sizes, Sizes{65536});
    world.take_many(0, 1);
    EXPECT_EQ(world.sizes, (Sizes{65536, 65536}));
    world.take_many(0, 1024);
    EXPECT_EQ(world.sizes, (Sizes{65536, 65536, 131072}));
    cairn_slabs_check(&world.slabs);
}

TEST(Descriptors, OfAStateTheLargestPowerOfTwoIsUsedBeforeTheSource)
{
    for (size_t state_units : {32, 33, 63}) {
        GrowingWorld world(state_units);

        world.take_many(0, 31);
        EXPECT_EQ(world.sizes, Sizes{});
        world.take_many(0, 33);
        EXPECT_EQ(world.sizes, (Sizes{32 * unit, 64 * unit}));
        cairn_slabs_check(&world.slabs);
    }
}

TEST(Descriptors, StayWhereTheyAreAndAreFoundAfterEachGrowth)
{
    GrowingWorld world(32);
    std::vector<uint32_t> ids;

    for (size_t i = 0; i < 5000; i++) {
        struct cairn_slab *slab = world.take(0);

        ASSERT_NE(slab, nullptr);
        ids.push_back(world.id_of(slab));
        ASSERT_EQ(ids.back() % units_end, i + 1);
        ASSERT_EQ((i + 1) >> ids.back() / units_end, 1u) << "the logarithm is above the unit";
    }
    for (size_t i = 0; i < ids.size(); i++) {
        struct cairn_slab *slab = world.taken[i];
        const char *base = reinterpret_cast<const char *>(slab->base);

        ASSERT_EQ(cairn_slabs_at(&world.slabs, ids[i]), slab);
        ASSERT_EQ(cairn_slabs_find(&world.slabs, base + slab->slab_bytes - 1, 1), slab);
    }
    EXPECT_EQ(world.sizes.size(), 8u);
    cairn_slabs_check(&world.slabs);
}

TEST(Descriptors, WhatIsLeftOfAPieceBecomesOneFreeDescriptor)
{
    GrowingWorld world(32);

    world.take_many(0, 22);
    world.take_many(5, 1);
    EXPECT_EQ(world.unit_of(world.taken.back()), 32u) << "it begins the second piece";
    EXPECT_EQ(world.slabs.free_units[9] % units_end, 23u);
    EXPECT_EQ(world.slabs.unit_top, 48u);
    cairn_slabs_check(&world.slabs);
    world.take_many(4, 1);
    EXPECT_EQ(world.unit_of(world.taken.back()), 23u);
    EXPECT_EQ(world.slabs.unit_top, 48u);
    cairn_slabs_check(&world.slabs);
}

TEST(Descriptors, EveryRestBeforeEverySize)
{
    for (size_t fill = 15; fill < 32; fill++) {
        for (size_t shape = 0; shape < shape_count; shape++) {
            GrowingWorld world(32);
            bool fits = fill + units_of_slab[shape] <= 32;

            world.take_many(0, fill - 1);
            world.take_many(shape, 1);
            ASSERT_EQ(world.unit_of(world.taken.back()), fits ? fill : 32u);
            ASSERT_EQ(world.sizes.size(), fits ? 0u : 1u);
            cairn_slabs_check(&world.slabs);
        }
    }
}

TEST(Descriptors, ThePieceIsTakenUnderTheLockOfTheDirectory)
{
    GrowingWorld world(0);

    world.lock = &world.slabs.lock;
    world.take_many(0, 1);
    EXPECT_EQ(world.sizes.size(), 1u);
}

/* What a refused take must leave as it was. */
void expect_refused(GrowingWorld &world, size_t shape)
{
    const struct cairn_slabs before = world.slabs;
    uint64_t bytes_before = world.bytes_taken();

    ASSERT_EQ(world.take(shape), nullptr);
    EXPECT_EQ(world.slabs.unit_count, before.unit_count);
    EXPECT_EQ(world.slabs.unit_top, before.unit_top);
    EXPECT_EQ(world.slabs.slab_count, before.slab_count);
    EXPECT_EQ(world.slabs.slab_bytes, before.slab_bytes);
    EXPECT_EQ(memcmp(world.slabs.free_units, before.free_units, sizeof(before.free_units)), 0);
    EXPECT_EQ(world.bytes_taken(), bytes_before);
    cairn_slabs_check(&world.slabs);
}

/* Fills six pieces, of which the n-th take fails three times. Returns how many takes there were. */
uint64_t survive_failure(size_t state_units, uint64_t n)
{
    GrowingWorld world(state_units);
    size_t want_pieces = state_units == 0 ? 3 : 6;
    size_t refusals = 0;

    cairn_failing_plan(&world.Pieces::failing, n, 3);
    for (size_t i = 0; world.sizes.size() < want_pieces; i++) {
        size_t shape = i * 5 % shape_count;
        bool grows = world.slabs.free_units[units_of_slab[shape]] == 0 &&
                     world.slabs.unit_count - world.slabs.unit_top < units_of_slab[shape];

        for (int again = 0; grows && again < 3 && world.sizes.size() == n; again++, refusals++)
            expect_refused(world, shape);
        EXPECT_NE(world.take(shape), nullptr);
        if (::testing::Test::HasFailure())
            break;
    }
    EXPECT_EQ(refusals, n < want_pieces ? 3u : 0u);
    cairn_slabs_check(&world.slabs);
    return cairn_failing_seen(&world.Pieces::failing);
}

TEST(Descriptors, SurviveEveryFailureOfTheirSource)
{
    for (size_t state_units : {0, 32})
        for (uint64_t n = 0; survive_failure(state_units, n) > n && !HasFailure(); n++)
            ASSERT_LT(n, 10u);
}

TEST(Descriptors, OtherSizesGoOnWhileTheSourceRefuses)
{
    GrowingWorld world(32);

    world.take_many(0, 22);
    cairn_failing_plan(&world.Pieces::failing, 0, UINT64_MAX);
    expect_refused(world, 5);
    world.take_many(4, 1);
    expect_refused(world, 0);
    cairn_slabs_give(&world.slabs, world.taken.front());
    world.taken.erase(world.taken.begin());
    world.take_many(0, 1);
    cairn_failing_plan(&world.Pieces::failing, 0, 0);
    world.take_many(5, 1);
}

/* Random takes and gives of all shapes against a map of the slabs out. */
TEST(Descriptors, AgreeWithAModelOverManyPieces)
{
    GrowingWorld world(32);
    std::mt19937_64 random(test_seed());
    std::map<uintptr_t, std::pair<uint32_t, size_t>> model; /* base: id, shape */

    for (int step = 0; step < 4000; step++) {
        size_t shape = below(random, shape_count);
        std::vector<struct cairn_slab *> &taken = world.taken;

        cairn_failing_plan(&world.Pieces::failing, 0, below(random, 4) == 0 ? 1 : 0);
        if (below(random, 100) < (step % 1000 < 700 ? 75u : 25u)) {
            struct cairn_slab *slab = world.take(shape);

            if (slab != nullptr) {
                ASSERT_TRUE(model.insert({slab->base, {world.id_of(slab), shape}}).second);
            }
        } else if (!taken.empty()) {
            std::swap(taken[below(random, taken.size())], taken.back());
            ASSERT_EQ(model.erase(taken.back()->base), 1u);
            cairn_slabs_give(&world.slabs, taken.back());
            taken.pop_back();
        }
        if (step % 20 == 0)
            cairn_slabs_check(&world.slabs);
        for (int look = 0; look < 4; look++) {
            uintptr_t address = reinterpret_cast<uintptr_t>(world.at(below(random, memory)));
            auto next = model.upper_bound(address);
            struct cairn_slab *slab =
                cairn_slabs_find(&world.slabs, reinterpret_cast<void *>(address), shape_count);

            if (next == model.begin() ||
                address - std::prev(next)->first >= bytes_of_slab[std::prev(next)->second.second]) {
                ASSERT_EQ(slab, nullptr);
            } else {
                ASSERT_EQ(slab, cairn_slabs_at(&world.slabs, std::prev(next)->second.first));
            }
        }
    }
    EXPECT_GE(world.sizes.size(), 5u);
}

/* The pieces are address space only, so all 2^27 units can be had. */
TEST(Descriptors, EndWithTheLastUnitOf27Bits)
{
    GrowingWorld world(0);

    while (world.slabs.unit_count != units_end) {
        world.slabs.unit_top = world.slabs.unit_count; /* as if they had been used */
        if (world.take(0) == nullptr)
            GTEST_SKIP() << "no address space for " << world.slabs.unit_count << " units";
    }
    EXPECT_EQ(world.id_of(world.taken.back()), 26 * units_end + units_end / 2);
    EXPECT_EQ(world.sizes.back(), size_t{1} << 32);
    world.slabs.unit_top = units_end - 2;
    world.take_many(0, 2);
    EXPECT_EQ(world.id_of(world.taken.back()), 27 * units_end - 1);
    EXPECT_EQ(world.take(0), nullptr);
    EXPECT_EQ(world.sizes.size(), 18u) << "asked for units that have no ids";
    for (struct cairn_slab *slab : world.taken)
        ASSERT_EQ(cairn_slabs_find(&world.slabs, reinterpret_cast<void *>(slab->base), 1), slab);
}

TEST(DescriptorsThreads, AreFoundWithoutALockWhileAnotherThreadGrows)
{
    constexpr size_t slab_count = 20000;
    GrowingWorld world(32);
    std::vector<uintptr_t> bases(slab_count);
    std::atomic<size_t> published{0};
    std::vector<std::thread> finders;

    for (uint64_t seed = 0; seed < 2; seed++)
        finders.emplace_back([&, seed] {
            std::mt19937_64 random(seed);

            for (size_t count = 0; count < slab_count;) {
                count = published.load(std::memory_order_acquire);
                if (count == 0)
                    continue;
                uintptr_t base = bases[below(random, 2) == 0 ? count - 1 : below(random, count)];
                struct cairn_slab *slab =
                    cairn_slabs_find(&world.slabs, reinterpret_cast<void *>(base + 100), 1);

                ASSERT_NE(slab, nullptr);
                ASSERT_EQ(slab->base, base);
            }
        });
    for (size_t i = 0; i < slab_count; i++) {
        struct cairn_slab *slab = world.take(0);

        bases[i] = slab == nullptr ? 0 : slab->base;
        published.store(i + 1, std::memory_order_release);
    }
    for (std::thread &finder : finders)
        finder.join();
    EXPECT_EQ(world.sizes.size(), 10u);
    cairn_slabs_check(&world.slabs);
}

TEST(DescriptorsDeathTest, CheckSeesWhatIsBroken)
{
    GrowingWorld world(32);
    struct cairn_slabs *slabs = &world.slabs;

    world.take_many(0, 40);
    cairn_slabs_check(slabs);
    EXPECT_DEATH(
        {
            slabs->piece_bases[6] = slabs->piece_bases[5];
            cairn_slabs_check(slabs);
        },
        "piece_bases");
    EXPECT_DEATH(
        {
            slabs->piece_bases[2] += 8;
            cairn_slabs_check(slabs);
        },
        "piece_bases");
    EXPECT_DEATH(
        {
            slabs->unit_count--;
            cairn_slabs_check(slabs);
        },
        "unit_count");
    EXPECT_DEATH(
        {
            world.taken[30]->unit_count = 2; /* unit 31, the last of its piece */
            cairn_slabs_check(slabs);
        },
        "cairn_slabs_lookup");
    EXPECT_DEATH(
        {
            ASSERT_EQ(cairn_pagemap_set(&world.map, reinterpret_cast<void *>(world.taken[3]->base),
                                        1, 1, world.id_of(world.taken[4])),
                      0);
            cairn_slabs_check(slabs);
        },
        "invariant broken");
}

} // namespace
