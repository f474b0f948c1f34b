// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/sizeclass.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/source_laws.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

struct cairn_sizeclass_config set_config(World &world)
{
    struct cairn_sizeclass_config config = {};

    config.pagemap = &world.map;
    config.source = world.source();
    config.granule_bytes = world.granule_bytes;
    config.state = world.state_or_null();
    config.state_bytes = world.state_bytes;
    config.descriptors = world.descriptors;
    return config;
}

/* A world and a full set; what is out by class. */
struct SetWorld : World {
    template <typename... Args> explicit SetWorld(Args... args) : World(args...)
    {
        struct cairn_sizeclass_config config = set_config(*this);

        EXPECT_EQ(cairn_sizeclass_init(&set, &config), 0);
    }
    ~SetWorld()
    {
        for (unsigned i = 0; i < kClasses.count; i++)
            give(i, out[i].size());
        cairn_sizeclass_check(&set);
        cairn_sizeclass_fini(&set);
    }
    size_t take(unsigned class_idx, size_t count)
    {
        std::vector<void *> blocks(count);
        size_t taken = cairn_sizeclass_take(&set, class_idx, blocks.data(), count);

        out[class_idx].insert(out[class_idx].end(), blocks.begin(),
                              blocks.begin() + static_cast<long>(taken));
        return taken;
    }
    void give(unsigned class_idx, size_t count)
    {
        std::vector<void *> &blocks = out[class_idx];

        cairn_sizeclass_give(&set, class_idx, blocks.data() + blocks.size() - count, count);
        blocks.resize(blocks.size() - count);
    }
    unsigned class_of(const void *pointer)
    {
        return cairn_sizeclass_of(&set, pointer, cairn_pagemap_tag(&map, pointer));
    }

    struct cairn_sizeclass set = {};
    std::vector<void *> out[CAIRN_CLASS_COUNT_MAX];
};

TEST(Sizeclass, GivesBlocksOfTheClassAskedFor)
{
    SetWorld world;
    unsigned class_idx = cairn_class_of(&kClasses, 100);
    void *blocks[32];

    ASSERT_EQ(cairn_sizeclass_take(&world.set, class_idx, blocks, 32), 32u);
    EXPECT_EQ(world.class_of(blocks[7]), class_idx);
    EXPECT_TRUE(cairn_sizeclass_is_allocated(&world.set, blocks[7]));
    EXPECT_EQ(cairn_sizeclass_stats(&world.set).used_bytes, 32u * 112);
    cairn_sizeclass_give(&world.set, class_idx, blocks, 32);
    EXPECT_FALSE(cairn_sizeclass_is_allocated(&world.set, blocks[7]));
    EXPECT_FALSE(cairn_sizeclass_is_allocated(&world.set, &world));
    EXPECT_EQ(world.class_of(blocks[7]), class_idx) << "the slab is kept";
    EXPECT_EQ(cairn_sizeclass_trim(&world.set), 16384u);
    EXPECT_EQ(world.class_of(blocks[7]), kClasses.count);
}

TEST(Sizeclass, InitRefusesWhatItCannotServe)
{
    World world;
    World small(size_t{1} << 20, size_t{1024});
    auto set = std::make_unique<struct cairn_sizeclass>();
    struct cairn_sizeclass_config config = set_config(world);

    config.class_count = kClasses.count + 1;
    EXPECT_EQ(cairn_sizeclass_init(set.get(), &config), -EINVAL);
    config = set_config(world);
    config.state_bytes = 64;
    EXPECT_EQ(cairn_sizeclass_init(set.get(), &config), -EINVAL);
    config = set_config(world);
    config.granule_bytes = 4096;
    EXPECT_EQ(cairn_sizeclass_init(set.get(), &config), -EINVAL);
    config = set_config(small);
    EXPECT_EQ(cairn_sizeclass_init(set.get(), &config), -EINVAL) << "no slab for 32 KiB";
    config.class_count = cairn_class_of(&kClasses, 4096) + 1;
    EXPECT_EQ(cairn_sizeclass_init(set.get(), &config), 0);
    cairn_sizeclass_fini(set.get());
    config.class_count = cairn_class_of(&kClasses, 4096) + 2;
    EXPECT_EQ(cairn_sizeclass_init(set.get(), &config), -EINVAL);
}

TEST(Sizeclass, ServesTheClassesAnnouncedOnly)
{
    World world(size_t{1} << 20, size_t{1024});
    auto set = std::make_unique<struct cairn_sizeclass>();
    struct cairn_sizeclass_config config = set_config(world);
    struct cairn_source source;
    void *block;

    config.class_count = 10;
    ASSERT_EQ(cairn_sizeclass_init(set.get(), &config), 0);
    source = cairn_sizeclass_as_source(set.get());
    EXPECT_EQ(cairn_source_take(source, 145, 1, &block, 1), 0u);
    EXPECT_EQ(cairn_source_take(source, 8, 256, &block, 1), 0u);
    ASSERT_EQ(cairn_source_take(source, 144, 16, &block, 1), 1u);
    EXPECT_EQ(cairn_sizeclass_of(set.get(), block, cairn_pagemap_tag(&world.map, block)), 9u);
    for (uint16_t kind = 11; kind <= 255; kind++)
        EXPECT_EQ(cairn_sizeclass_of(set.get(), block, kind), set->class_count);
    EXPECT_EQ(cairn_sizeclass_of(set.get(), block, 0), set->class_count);
    cairn_source_give(source, 144, &block, 1);
    cairn_sizeclass_check(set.get());
    cairn_sizeclass_fini(set.get());
}

/* Every address of the first slab of a class: a block's class where one begins, none elsewhere. */
void expect_starts_only(SetWorld &world, unsigned class_idx)
{
    struct cairn_slab_geometry geometry = world.set.geometry[class_idx];
    char *base;

    ASSERT_EQ(world.take(class_idx, geometry.block_count), geometry.block_count);
    base = static_cast<char *>(world.out[class_idx][0]);
    for (size_t offset = 0; offset < geometry.slab_bytes; offset++) {
        bool starts = offset % geometry.block_bytes == 0 &&
                      offset / geometry.block_bytes < geometry.block_count;

        ASSERT_EQ(world.class_of(base + offset), starts ? class_idx : kClasses.count) << offset;
    }
    world.give(class_idx, geometry.block_count);
}

TEST(Sizeclass, RecognisesEveryStartAndNoOtherAddressOfEveryClass)
{
    for (size_t granule : {16384, 65536}) {
        SetWorld world(size_t{128} << 20, granule);

        for (unsigned i = 0; i < kClasses.count; i++)
            expect_starts_only(world, i);
    }
}

TEST(Sizeclass, KeepsTheLaws)
{
    SetWorld world(size_t{64} << 20, size_t{16384}, size_t{4000}, read_write);
    struct cairn_law_shape shape = {};

    shape.seed = test_seed();
    for (size_t block : {1, 8, 9, 48, 64, 100, 1000, 1024, 5000, 32768})
        for (size_t align : {1, 16, 64, 4096}) {
            shape.block_bytes = block;
            shape.align_bytes = align;
            shape.block_count = 100;
            EXPECT_EQ(cairn_laws_hold(cairn_sizeclass_as_source(&world.set), &shape), nullptr)
                << block << " aligned to " << align;
        }
    cairn_sizeclass_check(&world.set);
}

TEST(Sizeclass, ItsSourceServesNothingLarger)
{
    SetWorld world;
    struct cairn_source source = cairn_sizeclass_as_source(&world.set);
    void *block;

    EXPECT_EQ(cairn_source_take(source, 32769, 1, &block, 1), 0u);
    EXPECT_EQ(cairn_source_take(source, 1, 65536, &block, 1), 0u);
    EXPECT_EQ(cairn_source_take(source, SIZE_MAX, 1, &block, 1), 0u);
    EXPECT_EQ(world.take_calls(), 0u);
}

TEST(Sizeclass, ItsSourceTakesMixedAlignmentsBack)
{
    SetWorld world;
    struct cairn_source source = cairn_sizeclass_as_source(&world.set);
    void *blocks[60];

    for (size_t i = 0; i < 60; i++)
        ASSERT_EQ(cairn_source_take(source, 40, size_t{8} << i % 10, &blocks[i], 1), 1u);
    for (size_t i = 0; i < 60; i++)
        ASSERT_EQ(reinterpret_cast<uintptr_t>(blocks[i]) % (size_t{8} << i % 10), 0u);
    cairn_source_give(source, 40, blocks, 60);
    EXPECT_EQ(cairn_sizeclass_stats(&world.set).used_bytes, 0u);
    cairn_sizeclass_check(&world.set);
}

TEST(Sizeclass, ItsExactSourceServesEveryClassAndTakesItBack)
{
    SetWorld world;
    struct cairn_source source = cairn_sizeclass_as_exact_source(&world.set);
    void *blocks[10];

    for (unsigned class_idx = 0; class_idx < kClasses.count; class_idx++) {
        size_t bytes = kClasses.block_bytes[class_idx];
        ASSERT_EQ(cairn_source_take(source, bytes, 8, blocks, 10), 10u);
        for (void *block : blocks)
            ASSERT_EQ(world.class_of(block), class_idx);
        cairn_source_give(source, bytes, blocks, 10);
    }
    EXPECT_EQ(cairn_sizeclass_stats(&world.set).used_bytes, 0u);
    cairn_sizeclass_check(&world.set);
}

TEST(Sizeclass, ItsExactSourceRefusesABlockOfAnotherClass)
{
    SetWorld world;
    struct cairn_source source = cairn_sizeclass_as_exact_source(&world.set);
    void *block;

    ASSERT_EQ(cairn_source_take(source, 64, 8, &block, 1), 1u);
    EXPECT_DEATH(cairn_source_give(source, 128, &block, 1), "not from this pool");
    cairn_source_give(source, 64, &block, 1);
}

TEST(Sizeclass, StatsAddUp)
{
    SetWorld world;
    struct cairn_pool_stats stats;

    world.take(3, 10);
    world.take(72, 9);
    stats = cairn_sizeclass_class_stats(&world.set, 72);
    EXPECT_EQ(stats.block_bytes, 32768u);
    EXPECT_EQ(stats.slab_count, 3u);
    EXPECT_EQ(stats.used_count, 9u);
    EXPECT_EQ(stats.free_count, 3u);
    EXPECT_EQ(cairn_sizeclass_stats(&world.set).slab_count, 4u);
    EXPECT_EQ(cairn_sizeclass_stats(&world.set).slab_bytes, 16384u + 3 * 131072u);
    EXPECT_EQ(cairn_sizeclass_stats(&world.set).used_bytes, 480u + 9 * 32768u);
    EXPECT_EQ(cairn_sizeclass_stats(&world.set).slab_bytes, world.bytes_taken());
}

void expect_agrees_with_a_model(SetWorld &world)
{
    std::mt19937_64 random(test_seed());
    std::set<void *> model;

    for (int step = 0; step < 3000; step++) {
        unsigned class_idx = static_cast<unsigned>(below(random, kClasses.count));
        std::vector<void *> &out = world.out[class_idx];
        size_t count = 1 + below(random, 64);

        if (below(random, 100) < (step / 300 % 2 == 0 ? 65u : 35u)) {
            size_t before = out.size();

            world.take(class_idx, count);
            for (size_t i = before; i < out.size(); i++) {
                ASSERT_TRUE(model.insert(out[i]).second) << "handed out twice";
                ASSERT_EQ(world.class_of(out[i]), class_idx);
            }
        } else {
            std::shuffle(out.begin(), out.end(), random);
            count = std::min(count, out.size());
            for (size_t i = out.size() - count; i < out.size(); i++)
                ASSERT_EQ(model.erase(out[i]), 1u);
            world.give(class_idx, count);
        }
        if (step % 10 == 0)
            cairn_sizeclass_check(&world.set);
    }
    for (void *block : model)
        ASSERT_TRUE(cairn_sizeclass_is_allocated(&world.set, block));
}

TEST(Sizeclass, AgreesWithAModel)
{
    SetWorld world(size_t{32} << 20, size_t{16384}, size_t{3000});

    expect_agrees_with_a_model(world);
}

TEST(Sizeclass, AgreesWithAModelWhileItsDescriptorsGrow)
{
    Pieces pieces;
    SetWorld world(size_t{32} << 20, size_t{16384}, size_t{32}, no_access, size_t{0},
                   pieces.as_source());

    expect_agrees_with_a_model(world);
    EXPECT_GE(pieces.sizes.size(), 3u);
}

TEST(Sizeclass, NeedsNoStateWithASourceOfDescriptors)
{
    Pieces pieces;
    SetWorld world(size_t{32} << 20, size_t{16384}, size_t{0}, no_access, size_t{0},
                   pieces.as_source());

    EXPECT_TRUE(pieces.sizes.empty()) << "init took a piece";
    for (unsigned i = 0; i < kClasses.count; i++)
        ASSERT_EQ(world.take(i, 40), 40u);
    EXPECT_EQ(pieces.sizes, std::vector<size_t>{65536});
}

/* Fills all memory with slabs of one class, gives everything back, goes on with another. */
void expect_state_suffices(size_t memory_bytes, size_t granule_bytes, std::mt19937_64 &random)
{
    size_t units =
        cairn_sizeclass_state_bytes(&kClasses, memory_bytes, granule_bytes) / CAIRN_SLAB_UNIT_BYTES;
    SetWorld world(memory_bytes, granule_bytes, units);

    for (int round = 0; round < 120; round++) {
        unsigned class_idx = static_cast<unsigned>(below(random, round < 40 ? 20 : kClasses.count));
        struct cairn_slab_geometry geometry = world.set.geometry[class_idx];
        uint64_t refused = cairn_counted_counts(&world.counted).short_takes;

        while (world.take(class_idx, geometry.block_count) == geometry.block_count)
            continue;
        ASSERT_EQ(cairn_counted_counts(&world.counted).short_takes, refused + 1)
            << "it was not the memory that ran out";
        if (round % 3 != 0)
            world.give(class_idx, world.out[class_idx].size());
        else
            for (unsigned i = 0; i < kClasses.count; i++)
                world.give(i, world.out[i].size() / 2 * (1 + below(random, 2)));
        cairn_sizeclass_trim(&world.set);
        for (unsigned i = 0; round % 3 == 2 && i < kClasses.count; i++)
            world.give(i, world.out[i].size());
        cairn_sizeclass_trim(&world.set);
        cairn_sizeclass_check(&world.set);
    }
}

TEST(Sizeclass, TheStateItAsksForSufficesForAnyOrderOfClasses)
{
    std::mt19937_64 random(test_seed());

    expect_state_suffices(size_t{4} << 20, 16384, random);
    expect_state_suffices(size_t{8} << 20, 65536, random);
}

TEST(Sizeclass, TheStateItAsksForIsAFewPercentOfTheMemory)
{
    for (size_t granule : {1024, 4096, 16384, 65536}) {
        size_t state_bytes = cairn_sizeclass_state_bytes(&kClasses, size_t{1} << 30, granule);

        EXPECT_LT(state_bytes, (size_t{1} << 30) / 15) << granule;
        EXPECT_GT(state_bytes, (size_t{1} << 30) / 50) << granule;
        EXPECT_GE(cairn_sizeclass_state_bytes(&kClasses, 0, granule), 128u);
    }
}

TEST(Sizeclass, SurvivesEveryFailureOfItsSource)
{
    for (uint64_t n = 0;; n++) {
        SetWorld world(size_t{16} << 20, size_t{16384}, size_t{1000});

        cairn_failing_plan(&world.failing, n, n % 2 == 0 ? 1 : 5);
        for (unsigned i = 0; i < kClasses.count; i += 9) {
            size_t used_before = cairn_sizeclass_stats(&world.set).used_bytes;
            size_t taken = world.take(i, 30);

            ASSERT_EQ(cairn_sizeclass_stats(&world.set).used_bytes,
                      used_before + taken * kClasses.block_bytes[i]);
            cairn_sizeclass_check(&world.set);
        }
        if (cairn_failing_seen(&world.failing) <= n) {
            EXPECT_GT(n, 8u);
            break;
        }
    }
}

TEST(SizeclassDeathTest, MisuseStopsTheProgram)
{
    SetWorld world;
    struct cairn_source source = cairn_sizeclass_as_source(&world.set);
    void *block;
    void *inner;

    world.take(5, 10);
    world.take(6, 10);
    block = world.out[5][3];
    inner = static_cast<char *>(block) + 16;
    EXPECT_DEATH(cairn_sizeclass_give(&world.set, 6, &block, 1), "pointer is not from this pool");
    EXPECT_DEATH(cairn_sizeclass_give(&world.set, 5, &inner, 1), "not the start of a block");
    EXPECT_DEATH(cairn_source_give(source, 8, &inner, 1),
                 "^cairn: not the start of a block of this heap \\(pointer 0x[0-9a-f]+\\) in "
                 "cairn_sizeclass_as_source\n$");
    EXPECT_DEATH(cairn_source_give(source, 81, &block, 1), "larger size than it has");
    EXPECT_DEATH(
        {
            cairn_sizeclass_give(&world.set, 5, &block, 1);
            cairn_sizeclass_give(&world.set, 5, &block, 1);
        },
        "double free");
    EXPECT_DEATH(cairn_sizeclass_fini(&world.set), "fini of a pool with blocks out");
}

TEST(SizeclassDeathTest, CheckSeesASlabOfNobody)
{
    SetWorld world;
    struct cairn_slab *slab;

    world.take(20, 10);
    slab = cairn_slabs_find(&world.set.slabs, world.out[20][0], 255);
    EXPECT_DEATH(
        {
            slab->pool_id = 99;
            cairn_sizeclass_check(&world.set);
        },
        "invariant broken");
    EXPECT_DEATH(
        {
            world.set.geometry[3].reciprocal++;
            cairn_sizeclass_check(&world.set);
        },
        "geometry");
}

} // namespace
