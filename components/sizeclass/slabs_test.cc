// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/classes.h>
#include <cairn/slabs.h>

#include <cerrno>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "test_world.h"

using namespace cairn_test;

namespace {

constexpr size_t granules[] = {1024, 2048, 4096, 8192, 16384, 32768, 65536};
constexpr uint32_t blocks_max = 7936;

struct cairn_slab_geometry geometry_of(size_t block_bytes, size_t granule_bytes)
{
    struct cairn_slab_geometry geometry = {};

    EXPECT_EQ(cairn_slab_geometry(&geometry, block_bytes, granule_bytes), 0);
    return geometry;
}

TEST(Geometry, ExamplesOfSlabs)
{
    EXPECT_EQ(geometry_of(64, 16384).block_count, 256u);
    EXPECT_EQ(geometry_of(64, 16384).slab_bytes, 16384u);
    EXPECT_EQ(geometry_of(32768, 16384).slab_bytes, 4u * 32768u);
    EXPECT_EQ(geometry_of(32768, 16384).align_bytes, 32768u);
    EXPECT_EQ(geometry_of(48, 16384).align_bytes, 16u);
    EXPECT_EQ(geometry_of(8, 65536).block_count, blocks_max);
    EXPECT_EQ(geometry_of(65536, 65536).align_bytes, 32768u);
}

size_t waste_of(size_t slab_bytes, size_t block_bytes)
{
    return slab_bytes - std::min<size_t>(slab_bytes / block_bytes, blocks_max) * block_bytes;
}

/* The header's sentence, word for word: 0 when there is no slab. */
size_t slab_bytes_by_search(size_t block_bytes, size_t granule_bytes)
{
    size_t best = 0;

    for (size_t n = 1; n <= CAIRN_SLAB_GRANULES_MAX; n *= 2) {
        size_t slab = n * granule_bytes;

        if (slab / block_bytes >= CAIRN_SLAB_BLOCKS_MIN && waste_of(slab, block_bytes) * 16 <= slab)
            return slab;
    }
    for (size_t n = 1; n <= CAIRN_SLAB_GRANULES_MAX; n *= 2) {
        size_t slab = n * granule_bytes;

        if (slab / block_bytes < CAIRN_SLAB_BLOCKS_MIN)
            continue;
        if (best == 0 || waste_of(slab, block_bytes) * best < waste_of(best, block_bytes) * slab)
            best = slab;
    }
    return best;
}

void expect_geometry(size_t block_bytes, size_t granule_bytes)
{
    struct cairn_slab_geometry geometry = {};
    size_t slab_bytes = slab_bytes_by_search(block_bytes, granule_bytes);
    int error = cairn_slab_geometry(&geometry, block_bytes, granule_bytes);

    ASSERT_EQ(error, slab_bytes == 0 ? -EINVAL : 0) << block_bytes << " in " << granule_bytes;
    if (error != 0)
        return;
    ASSERT_EQ(geometry.slab_bytes, slab_bytes) << block_bytes << " in " << granule_bytes;
    ASSERT_EQ(geometry.block_bytes, block_bytes);
    ASSERT_EQ(geometry.block_count, std::min<size_t>(slab_bytes / block_bytes, blocks_max));
    ASSERT_EQ(block_bytes % geometry.align_bytes, 0u);
    ASSERT_TRUE(block_bytes % (geometry.align_bytes * 2) != 0 || geometry.align_bytes == 32768);
}

TEST(Geometry, IsTheSmallestSlabThatWastesLittle)
{
    for (size_t granule : granules)
        for (size_t block = 8; block <= 40000; block += 8)
            expect_geometry(block, granule);
}

TEST(Geometry, EveryClassHasASlabOfGranulesFrom16KiB)
{
    for (size_t granule : granules)
        for (uint32_t block : default_sizes())
            EXPECT_TRUE(slab_bytes_by_search(block, granule) != 0 || block > 2 * granule)
                << block << " in " << granule;
}

TEST(Geometry, RefusesWhatHasNoSlab)
{
    struct cairn_slab_geometry geometry = {};

    for (size_t block :
         {size_t{0}, size_t{4}, size_t{12}, size_t{16384} * 4 + 8, SIZE_MAX, SIZE_MAX - 7})
        EXPECT_EQ(cairn_slab_geometry(&geometry, block, 16384), -EINVAL) << block;
    for (size_t granule : {size_t{0}, size_t{8}, size_t{1000}, size_t{1} << 18, SIZE_MAX / 2 + 1})
        EXPECT_EQ(cairn_slab_geometry(&geometry, 64, granule), -EINVAL) << granule;
}

void expect_exact_indices(const struct cairn_slab_geometry &geometry)
{
    for (size_t offset = 0; offset < geometry.slab_bytes; offset++) {
        size_t block_idx = offset / geometry.block_bytes;

        ASSERT_EQ(cairn_slab_block_idx(&geometry, offset), block_idx) << offset;
        ASSERT_EQ(cairn_slab_is_block_start(&geometry, offset),
                  offset % geometry.block_bytes == 0 && block_idx < geometry.block_count)
            << offset << " of " << geometry.block_bytes;
    }
}

TEST(Geometry, TheReciprocalIsExactForEveryOffsetOfEveryClass)
{
    for (size_t granule : {1024, 16384, 65536})
        for (uint32_t block : default_sizes())
            if (slab_bytes_by_search(block, granule) != 0)
                expect_exact_indices(geometry_of(block, granule));
}

/* As many blocks as there could be, whatever a descriptor holds. */
struct cairn_slab_geometry geometry_to_the_limit(uint64_t block_bytes)
{
    struct cairn_slab_geometry geometry = {};
    uint64_t excess;

    geometry.block_bytes = static_cast<uint32_t>(block_bytes);
    geometry.block_count = static_cast<uint32_t>(CAIRN_SLAB_BYTES_MAX / block_bytes);
    geometry.reciprocal = UINT64_MAX / block_bytes + 1;
    geometry.reciprocal += cairn_is_pow2(block_bytes) ? 1 : 0;
    excess = geometry.reciprocal * block_bytes;
    geometry.start_bound = (geometry.block_count - 1) * excess + 1;
    return geometry;
}

TEST(Geometry, TheReciprocalIsExactAroundEveryMultipleUpToItsLimit)
{
    for (uint64_t block = 8; block <= CAIRN_SLAB_BYTES_MAX; block += block < 4096 ? 8 : 8 * 117) {
        struct cairn_slab_geometry geometry = geometry_to_the_limit(block);

        for (uint64_t offset = block; offset < 2 * CAIRN_SLAB_BYTES_MAX; offset += block) {
            ASSERT_EQ(cairn_slab_block_idx(&geometry, offset), offset / block);
            ASSERT_EQ(cairn_slab_block_idx(&geometry, offset - 1), (offset - 1) / block);
            ASSERT_EQ(cairn_slab_is_block_start(&geometry, offset),
                      offset / block < geometry.block_count)
                << offset << " of " << block;
            ASSERT_FALSE(cairn_slab_is_block_start(&geometry, offset - 1));
            ASSERT_FALSE(cairn_slab_is_block_start(&geometry, offset + 1));
        }
        ASSERT_TRUE(cairn_slab_is_block_start(&geometry, 0));
    }
}

TEST(Geometry, TheReciprocalIsThatOfTheTest)
{
    for (uint32_t block : default_sizes()) {
        struct cairn_slab_geometry geometry = geometry_of(block, 65536);

        EXPECT_EQ(geometry.reciprocal, geometry_to_the_limit(block).reciprocal) << block;
    }
}

TEST(Slabs, EveryByteOfASlabLeadsToItsDescriptor)
{
    SlabsWorld world;
    struct cairn_slab_geometry geometry = geometry_of(9216, 16384);
    struct cairn_slab *slab = cairn_slabs_take(&world.slabs, &geometry, 7, 42);
    const char *base;

    ASSERT_NE(slab, nullptr);
    base = reinterpret_cast<const char *>(slab->base);
    EXPECT_EQ(slab->pool_id, 42u);
    EXPECT_EQ(cairn_slab_free_count(slab), geometry.block_count);
    EXPECT_EQ(cairn_slabs_at(&world.slabs, cairn_slabs_id(&world.slabs, slab)), slab);
    for (size_t offset = 0; offset < geometry.slab_bytes; offset++)
        ASSERT_EQ(cairn_slabs_find(&world.slabs, base + offset, 7), slab);
    EXPECT_EQ(cairn_slabs_find(&world.slabs, base - 1, 7), nullptr);
    EXPECT_EQ(cairn_slabs_find(&world.slabs, base + geometry.slab_bytes, 7), nullptr);
    EXPECT_EQ(cairn_slabs_find(&world.slabs, nullptr, 7), nullptr);
    EXPECT_EQ(cairn_slabs_find(&world.slabs, base, 6), nullptr) << "a kind above is not a slab";
    cairn_slabs_check(&world.slabs);
    cairn_slabs_give(&world.slabs, slab);
    EXPECT_EQ(cairn_slabs_find(&world.slabs, base, 7), nullptr);
    EXPECT_EQ(world.bytes_taken(), 0u);
    cairn_slabs_check(&world.slabs);
}

TEST(Slabs, IdZeroIsNoSlab)
{
    SlabsWorld world;

    EXPECT_EQ(cairn_slabs_at(&world.slabs, 0), nullptr);
    EXPECT_EQ(cairn_slabs_id(&world.slabs, nullptr), 0u);
}

TEST(Slabs, AreAlignedForTheirBlocks)
{
    SlabsWorld world;
    std::vector<struct cairn_slab *> taken;

    for (int round = 0; round < 3; round++) {
        for (uint32_t block : default_sizes()) {
            struct cairn_slab_geometry geometry = geometry_of(block, 16384);

            taken.push_back(cairn_slabs_take(&world.slabs, &geometry, 1, 0));
            ASSERT_NE(taken.back(), nullptr);
            ASSERT_EQ(taken.back()->base % geometry.align_bytes, 0u);
            ASSERT_EQ(taken.back()->base % 16384, 0u);
        }
    }
    cairn_slabs_check(&world.slabs);
    for (struct cairn_slab *slab : taken)
        cairn_slabs_give(&world.slabs, slab);
    cairn_slabs_check(&world.slabs);
}

TEST(Slabs, AreAlignedForBlocksThatNeedMoreThanAGranule)
{
    SlabsWorld world;
    struct cairn_slab_geometry one_granule = geometry_of(64, 16384);
    struct cairn_slab_geometry large = geometry_of(32768, 16384);
    std::vector<struct cairn_slab *> taken;

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i <= round; i++)
            taken.push_back(cairn_slabs_take(&world.slabs, &one_granule, 1, 0));
        taken.push_back(cairn_slabs_take(&world.slabs, &large, 1, 0));
        ASSERT_NE(taken.back(), nullptr);
        EXPECT_EQ(taken.back()->base % 32768, 0u);
    }
    for (struct cairn_slab *slab : taken)
        cairn_slabs_give(&world.slabs, slab);
}

TEST(Slabs, InitRefusesBadStateAndOtherGranules)
{
    World world;
    struct cairn_slabs slabs = {};
    struct cairn_slabs_config good = slabs_config(world);
    struct cairn_slabs_config bad = good;

    bad.state = static_cast<char *>(bad.state) + 32;
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL);
    bad = good;
    bad.state = nullptr;
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL);
    bad = good;
    bad.state_bytes = 127;
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL);
    bad = good;
    bad.granule_bytes = 8192;
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), -EINVAL);
    bad = good;
    bad.state_bytes = 128;
    EXPECT_EQ(cairn_slabs_init(&slabs, &bad), 0);
    cairn_slabs_fini(&slabs);
}

TEST(Slabs, AStateOfTwoUnitsHoldsOneSlab)
{
    SlabsWorld world(size_t{1} << 20, size_t{16384}, size_t{2});
    struct cairn_slab_geometry small = geometry_of(64, 16384);
    struct cairn_slab_geometry dense = geometry_of(8, 16384);
    struct cairn_slab *slab;

    EXPECT_EQ(cairn_slabs_take(&world.slabs, &dense, 1, 0), nullptr) << "needs five units";
    slab = cairn_slabs_take(&world.slabs, &small, 1, 0);
    ASSERT_NE(slab, nullptr);
    EXPECT_EQ(world.bytes_taken(), 16384u) << "memory without a descriptor was not given back";
    EXPECT_EQ(cairn_slabs_take(&world.slabs, &small, 1, 0), nullptr);
    EXPECT_EQ(world.bytes_taken(), 16384u);
    cairn_slabs_check(&world.slabs);
    cairn_slabs_give(&world.slabs, slab);
    slab = cairn_slabs_take(&world.slabs, &small, 1, 0);
    ASSERT_NE(slab, nullptr) << "a failure lost the descriptor";
    cairn_slabs_give(&world.slabs, slab);
}

TEST(Slabs, ADrySourceChangesNothing)
{
    SlabsWorld world;
    struct cairn_slab_geometry geometry = geometry_of(64, 16384);

    cairn_failing_plan(&world.failing, 0, 3);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(cairn_slabs_take(&world.slabs, &geometry, 1, 0), nullptr);
        EXPECT_EQ(world.slabs.slab_count, 0u);
        cairn_slabs_check(&world.slabs);
    }
    EXPECT_EQ(world.slabs.unit_top, 1u) << "failures used descriptors up";
}

TEST(Slabs, MemoryOutsideTheMapGoesBackToTheSource)
{
    SlabsWorld world(size_t{1} << 20, size_t{16384}, size_t{100}, no_access, size_t{16384} * 2);
    struct cairn_slab_geometry geometry = geometry_of(64, 16384);
    struct cairn_slab *first = cairn_slabs_take(&world.slabs, &geometry, 1, 0);
    struct cairn_slab *second = cairn_slabs_take(&world.slabs, &geometry, 1, 0);

    ASSERT_NE(first, nullptr);
    ASSERT_NE(second, nullptr);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(cairn_slabs_take(&world.slabs, &geometry, 1, 0), nullptr);
        EXPECT_EQ(world.bytes_taken(), 2u * 16384);
        cairn_slabs_check(&world.slabs);
    }
    EXPECT_EQ(world.slabs.unit_top, 4u) << "failures used descriptors up";
    cairn_slabs_give(&world.slabs, first);
    cairn_slabs_give(&world.slabs, second);
}

TEST(Slabs, DescriptorsAreUsedAgainByTheirUnitCount)
{
    SlabsWorld world;
    struct cairn_slab_geometry one = geometry_of(64, 16384);
    struct cairn_slab_geometry five = geometry_of(8, 16384);
    uint32_t top = 0;

    for (int round = 0; round < 50; round++) {
        struct cairn_slab *a = cairn_slabs_take(&world.slabs, &one, 1, 0);
        struct cairn_slab *b = cairn_slabs_take(&world.slabs, &five, 2, 1);

        ASSERT_NE(a, nullptr);
        ASSERT_NE(b, nullptr);
        EXPECT_EQ(a->unit_count, 1u);
        EXPECT_EQ(b->unit_count, 5u);
        EXPECT_EQ(cairn_slab_free_count(b), 2048u);
        cairn_slabs_check(&world.slabs);
        cairn_slabs_give(&world.slabs, a);
        cairn_slabs_give(&world.slabs, b);
        if (round == 0)
            top = world.slabs.unit_top;
    }
    EXPECT_EQ(world.slabs.unit_top, top);
    EXPECT_EQ(top, 7u);
}

/* Random takes and gives of all classes against a map of what is out. */
TEST(Slabs, AgreeWithAModel)
{
    SlabsWorld world(size_t{8} << 20, size_t{16384}, size_t{200});
    std::mt19937_64 random(test_seed());
    std::vector<std::pair<struct cairn_slab *, uint32_t>> out;
    size_t out_bytes = 0;

    for (int step = 0; step < 5000; step++) {
        if (below(random, 100) < 55) {
            uint32_t pool_id = static_cast<uint32_t>(below(random, kClasses.count));
            struct cairn_slab_geometry geometry = geometry_of(kClasses.block_bytes[pool_id], 16384);
            struct cairn_slab *slab = cairn_slabs_take(&world.slabs, &geometry,
                                                       static_cast<uint8_t>(pool_id + 1), pool_id);

            if (slab != nullptr) {
                out.emplace_back(slab, pool_id);
                out_bytes += geometry.slab_bytes;
            }
        } else if (!out.empty()) {
            std::swap(out[below(random, out.size())], out.back());
            out_bytes -= out.back().first->slab_bytes;
            cairn_slabs_give(&world.slabs, out.back().first);
            out.pop_back();
        }
        ASSERT_EQ(world.slabs.slab_bytes, out_bytes);
        ASSERT_EQ(world.bytes_taken(), out_bytes);
        ASSERT_EQ(world.slabs.slab_count, out.size());
        cairn_slabs_check(&world.slabs);
    }
    for (auto &pair : out) {
        ASSERT_EQ(pair.first->pool_id, pair.second);
        cairn_slabs_give(&world.slabs, pair.first);
    }
}

TEST(SlabsDeathTest, GivingASlabWithBlocksOutPanics)
{
    SlabsWorld world;
    struct cairn_slab_geometry geometry = geometry_of(64, 16384);
    struct cairn_slab *slab = cairn_slabs_take(&world.slabs, &geometry, 1, 0);

    ASSERT_NE(slab, nullptr);
    slab->free_room++;
    EXPECT_DEATH(cairn_slabs_give(&world.slabs, slab), "give of a slab with blocks out");
    EXPECT_DEATH(cairn_slabs_check(&world.slabs), "invariant broken: free_count");
    slab->free_room--;
    EXPECT_DEATH(cairn_slabs_fini(&world.slabs), "fini of a directory with slabs taken");
    cairn_slabs_give(&world.slabs, slab);
    EXPECT_DEATH(cairn_slabs_give(&world.slabs, slab), "give of a slab that is not taken");
}

TEST(SlabsDeathTest, CheckSeesWhatIsBroken)
{
    SlabsWorld world;
    struct cairn_slab_geometry geometry = geometry_of(96, 16384);
    struct cairn_slab *slab = cairn_slabs_take(&world.slabs, &geometry, 1, 0);

    ASSERT_NE(slab, nullptr);
    EXPECT_DEATH(
        {
            slab->first_word = 1;
            cairn_slabs_check(&world.slabs);
        },
        "first_word");
    EXPECT_DEATH(
        {
            slab->free_words[2] |= uint64_t{1} << 63;
            cairn_slabs_check(&world.slabs);
        },
        "invariant broken");
    EXPECT_DEATH(
        {
            slab->base += 16384;
            cairn_slabs_check(&world.slabs);
        },
        "cairn_slabs_find");
    EXPECT_DEATH(
        {
            world.slabs.slab_count++;
            cairn_slabs_check(&world.slabs);
        },
        "slab_count");
    EXPECT_DEATH(
        {
            world.slabs.slab_bytes++;
            cairn_slabs_check(&world.slabs);
        },
        "slab_bytes");
    EXPECT_DEATH(
        {
            world.slabs.unit_top++;
            cairn_slabs_check(&world.slabs);
        },
        "unit_count");
    cairn_slabs_give(&world.slabs, slab);
    EXPECT_DEATH(
        {
            world.slabs.free_units[1] = 0;
            cairn_slabs_check(&world.slabs);
        },
        "count_listed");
}

} // namespace
