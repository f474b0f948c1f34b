// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Regions of metadata: guards, reservations, what a failed start leaves behind.

#include "model.h"

namespace {

constexpr size_t kKib = 1024;

class Metadata : public PageSizes {
  protected:
    static uintptr_t reserve(Model &model, size_t length)
    {
        return reinterpret_cast<uintptr_t>(cairn_pagesource_reserve(model.source.get(), length));
    }
    static void unreserve(Model &model, uintptr_t base, size_t length)
    {
        cairn_pagesource_unreserve(model.source.get(), reinterpret_cast<void *>(base), length);
    }
    static size_t region_count(Model &model)
    {
        size_t count = 0;
        for (uint32_t id = model.source->regions; id != 0; id = model.node(id)->links[1][1])
            count++;
        return count;
    }
};

TEST_P(Metadata, SmallReservationsShareARegionAndItsCalls)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    for (size_t length : {size_t{1}, size_t{64}, size_t{100}, page, size_t{5000}}) {
        uintptr_t base = reserve(model, length);
        ASSERT_NE(0u, base);
        EXPECT_EQ(0u, base % (length < page ? 64 : page));
        memset(reinterpret_cast<void *>(base), 1, length);
        model.verify();
        model.reserved.push_back({base, length});
    }
    EXPECT_EQ(1u, region_count(model));
    EXPECT_EQ((size_t{1} << 20) + 2 * page, model.stats().metadata_bytes);
    EXPECT_EQ(5165 + page, model.stats().reserved_bytes) << "what was asked for";
    EXPECT_EQ(2u, model.fake.calls) << "map and protect";
    EXPECT_EQ(1u, model.fake.marked.size());
    EXPECT_EQ(0u, model.stats().mapped_bytes);
    model.end();
}

TEST_P(Metadata, ALargeReservationHasARegionOfItsOwn)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    uintptr_t base = reserve(model, 700 * kKib - 1);
    EXPECT_EQ(0u, base % page);
    EXPECT_TRUE(model.fake.is_closed(base - page, page));
    uintptr_t end = (base + 700 * kKib + page - 1) / page * page;
    EXPECT_TRUE(model.fake.is_closed(end, page));
    EXPECT_DEATH(*model.word(base - 8) = 1, "");
    EXPECT_DEATH(*model.word(end) = 1, "");
    *model.word(base) = *model.word(end - 8) = 1;
    model.verify();
    unreserve(model, base, 700 * kKib - 1);
    EXPECT_EQ(0u, model.stats().metadata_bytes);
    EXPECT_EQ(0u, model.fake.mapped_bytes());
    model.verify();
    model.end();
}

TEST_P(Metadata, WhatIsGivenBackReadsAsZeroWhenItIsGivenOutAgain)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    for (size_t length : {size_t{640}, 2 * page}) {
        for (bool refuses : {false, true}) {
            uintptr_t base = reserve(model, length);
            memset(reinterpret_cast<void *>(base), 1, length);
            model.fake.refuses_purge = refuses;
            unreserve(model, base, length);
            model.fake.refuses_purge = false;
            ASSERT_EQ(base, reserve(model, length)) << "the best fit";
            for (size_t at = 0; at < length; at += 8)
                ASSERT_EQ(0u, *model.word(base + at));
            model.verify();
            unreserve(model, base, length);
        }
    }
    EXPECT_EQ(1u, region_count(model));
    EXPECT_EQ(0u, model.stats().reserved_bytes);
    model.end();
}

TEST_P(Metadata, ARegionThatCannotBeUnmappedServesAgain)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    uintptr_t base = reserve(model, 1024 * kKib);
    *model.word(base) = 1;
    model.fake.refuses_unmap = true;
    unreserve(model, base, 1024 * kKib);
    EXPECT_EQ(0u, model.stats().reserved_bytes);
    model.verify();
    EXPECT_EQ(base, reserve(model, 100 * kKib));
    EXPECT_EQ(0u, *model.word(base));
    uintptr_t next = (base + 100 * kKib + page - 1) / page * page;
    model.fake.refuses_map = true;
    EXPECT_EQ(next, reserve(model, 600 * kKib)) << "when there is no region for it";
    unreserve(model, base, 100 * kKib);
    unreserve(model, next, 600 * kKib);
    model.fake.refuses_map = false;
    model.fake.refuses_unmap = false;
    model.end();
}

TEST_P(Metadata, IsRefusedAsAWhole)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    for (size_t length : {size_t{0}, SIZE_MAX, SIZE_MAX / 2, model.fake.space_bytes})
        EXPECT_EQ(0u, reserve(model, length));
    for (size_t length : {size_t{100}, 700 * kKib}) {
        model.fake.refuses_protect = true;
        EXPECT_EQ(0u, reserve(model, length));
        EXPECT_EQ(0u, model.stats().metadata_bytes);
        model.fake.refuses_unmap = true;
        EXPECT_EQ(0u, reserve(model, length));
        EXPECT_GT(model.stats().metadata_bytes, 0u) << "still there, but closed";
        model.verify();
        model.fake.refuses_protect = model.fake.refuses_unmap = false;
        break;
    }
    model.fake.refuses_map = true;
    EXPECT_EQ(0u, reserve(model, 100));
    model.fake.refuses_map = false;
    EXPECT_EQ(0u, model.stats().reserved_bytes);
    model.end();
}

TEST_P(Metadata, ASmallReservationDoesWithLittleAddressSpace)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    model.fake.map_limit = 3 * page;
    uintptr_t base = reserve(model, 100);
    EXPECT_NE(0u, base);
    EXPECT_EQ(3 * page, model.stats().metadata_bytes);
    model.verify();
    unreserve(model, base, 100);
    EXPECT_EQ(0u, model.stats().metadata_bytes);
    model.end();
}

TEST_P(Metadata, HasTheAddressSpaceOfWhatIsFree)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.retain_min_bytes = 1024 * page;
    Model model(page, config);
    std::vector<uintptr_t> blocks;
    for (size_t idx = 0; idx < 4; idx++)
        blocks.push_back(model.alloc(200 * page, 1));
    for (uintptr_t block : blocks)
        model.free(block);
    EXPECT_EQ(800 * page, model.stats().free_bytes);
    model.fake.map_limit = model.fake.mapped_bytes();
    uintptr_t base = reserve(model, 300 * page);
    ASSERT_NE(0u, base);
    model.verify();
    EXPECT_EQ(0u, reserve(model, 900 * page));
    model.verify();
    unreserve(model, base, 300 * page);
    model.end();
}

TEST_P(Metadata, NoFailedStartLeavesAMappingBehind)
{
    for (size_t failing = 0; failing < 12; failing++) {
        Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
        for (int attempt = 0; attempt < 2; attempt++) {
            std::vector<std::pair<uintptr_t, size_t>> had;
            if (attempt == 0)
                model.fake.failing = {failing};
            for (size_t length : {size_t{4000}, 600 * kKib, size_t{9000}, 700 * kKib})
                if (uintptr_t base = reserve(model, length))
                    had.push_back({base, length});
            uintptr_t block = model.alloc(20 * page, 1);
            model.verify();
            model.fake.failing.clear();
            if (block != 0)
                model.free(block);
            for (auto &[base, length] : had)
                unreserve(model, base, length);
            struct cairn_pagesource_config config = model.source->config;
            model.end();
            ASSERT_EQ(0, cairn_pagesource_init(model.source.get(), &config));
        }
        model.end();
    }
}

TEST_P(Metadata, IsNeverBesideABlockWithoutAGuard)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_MMAP));
    model.fake.misaligns = false; // everything is stacked without a gap
    for (int idx = 0; idx < 300; idx++) {
        ASSERT_NE(0u, model.alloc(9 * page, 1));
        if (idx % 50 == 0) {
            size_t length = static_cast<size_t>(idx + 1) * kKib * 2;
            model.reserved.push_back({reserve(model, length), length});
        }
    }
    EXPECT_GT(model.stats().table_bytes, 0u);
    model.verify();
    model.end();
}

TEST_P(Metadata, RandomReservationsAgreeWithAModel)
{
    uint64_t seed = test_seed();
    std::mt19937_64 random(seed);
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    std::map<uintptr_t, size_t> held;
    size_t sum = 0;
    for (int step = 0; step < 500; step++) {
        if (random() % 8 == 0)
            model.fake.failing = {model.fake.calls + random() % 3};
        if (held.size() < 30 && random() % 2 == 0) {
            size_t length = random() % (size_t{1} << random() % 20) + 1;
            uintptr_t base = reserve(model, length);
            if (base == 0)
                continue;
            auto next = held.lower_bound(base);
            ASSERT_TRUE(next == held.end() || base + length <= next->first);
            ASSERT_TRUE(next == held.begin() ||
                        std::prev(next)->first + std::prev(next)->second <= base);
            for (size_t at = 0; at < length; at += 8)
                ASSERT_EQ(0, *reinterpret_cast<char *>(base + at)) << "seed " << seed;
            memset(reinterpret_cast<void *>(base), 0x5a, length);
            held[base] = length;
            sum += length;
        } else if (!held.empty()) {
            auto victim = std::next(held.begin(), static_cast<ptrdiff_t>(random() % held.size()));
            unreserve(model, victim->first, victim->second);
            sum -= victim->second;
            held.erase(victim);
        }
        ASSERT_EQ(sum, model.stats().reserved_bytes);
        if (step % 10 == 0)
            model.verify();
    }
    model.fake.failing.clear();
    for (auto &[base, length] : held)
        unreserve(model, base, length);
    model.end();
    if (HasFailure())
        FAIL() << "CAIRN_TEST_SEED=" << seed;
}

INSTANTIATE_TEST_SUITE_P(Pages, Metadata, testing::Values(4096, 16384, 65536));

} // namespace
