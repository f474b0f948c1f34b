// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Where it ends: a kernel that refuses, limits, contradictory configurations, and misuse.

#include "model.h"

#include <cerrno>

namespace {

class Limits : public PageSizes {};

// --- when the kernel refuses to take back --------------------------------------------------------

TEST_P(Limits, AFailedUnmapStaysFreeIsUsableAndIsTriedAgain)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    uintptr_t block = model.alloc(40 * page, 1);
    model.fake.refuses_unmap = true;
    model.free(block);
    EXPECT_EQ(40 * page, model.stats().unmap_pending_bytes);
    EXPECT_LE(model.stats().free_dirty_bytes, 6 * page) << "emptied instead";
    model.verify();
    EXPECT_EQ(block, model.alloc(40 * page, 1));
    EXPECT_EQ(0u, model.stats().unmap_pending_bytes);
    model.free(block);
    model.fake.refuses_unmap = false;
    cairn_pagesource_purge(model.source.get());
    EXPECT_EQ(0u, model.stats().mapped_bytes);
    EXPECT_EQ(0u, model.stats().unmap_pending_bytes);
    model.verify();
    model.end();
}

TEST_P(Limits, AKernelThatNeverPurgesCostsOneCallPerFree)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    std::vector<uintptr_t> blocks;
    for (size_t idx = 0; idx < 101; idx++)
        blocks.push_back(model.alloc(page, 1));
    model.fake.refuses_purge = true;
    for (size_t idx = 0; idx < 100; idx += 2) {
        size_t calls = model.fake.calls;
        model.free(blocks[idx]);
        EXPECT_LE(model.fake.calls, calls + 1);
    }
    EXPECT_EQ(50 * page, model.stats().free_dirty_bytes);
    model.verify();
    model.fake.refuses_purge = false;
    EXPECT_EQ(50 * page, cairn_pagesource_purge(model.source.get()));
    model.end();
}

TEST_P(Limits, AnUnmapThatWouldSplitAtTheMapLimitIsKept)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.map_threshold_max_bytes = 8 * page;
    Model model(page, config);
    model.fake.misaligns = false;
    std::vector<uintptr_t> blocks;
    for (size_t idx = 0; idx < 9; idx++)
        blocks.push_back(model.alloc(40 * page, 1));
    EXPECT_EQ(1u, model.fake.vma_count());
    model.fake.vma_limit = 2; // the first to be given back is retained
    for (size_t idx : {1, 3, 5, 7}) {
        model.free(blocks[idx]);
        model.verify();
    }
    EXPECT_EQ(80 * page, model.stats().unmap_pending_bytes);
    model.free(blocks[0]);
    model.free(blocks[4]);
    cairn_pagesource_purge(model.source.get());
    EXPECT_LE(model.stats().unmap_pending_bytes, 40 * page) << "with what is free beside it";
    model.verify();
    model.end();
}

// --- limits and refusals -------------------------------------------------------------------------

TEST_P(Limits, RefusesNonsenseWithoutACall)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    for (size_t length : {size_t{0}, SIZE_MAX, SIZE_MAX - page + 1, SIZE_MAX / 2, size_t{1} << 62})
        EXPECT_EQ(nullptr, cairn_pagesource_alloc(model.source.get(), length, 1, nullptr));
    for (size_t align : {size_t{0}, size_t{3}, page + 1, size_t{1} << 48, size_t{1} << 63})
        EXPECT_EQ(nullptr, cairn_pagesource_alloc(model.source.get(), page, align, nullptr));
    EXPECT_EQ(0u, model.fake.calls);
    model.end();
}

TEST_P(Limits, NeverHoldsMoreThanTheLimit)
{
    for (auto policy : {CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK, CAIRN_PAGESOURCE_MMAP}) {
        struct cairn_pagesource_config config = tiny(policy);
        config.limit_bytes = 30 * page;
        Model model(page, config);
        std::vector<uintptr_t> blocks;
        while (uintptr_t block = model.alloc(page, 1)) {
            blocks.push_back(block);
            model.verify();
        }
        EXPECT_EQ(30u, blocks.size());
        for (size_t idx = 0; idx < 30; idx++)
            model.free(blocks[idx]);
        ASSERT_NE(0u, model.alloc(30 * page, 1)) << "what is retained makes room";
        EXPECT_EQ(0u, model.alloc(page, 1));
        model.verify();
        EXPECT_EQ(30 * page, model.stats().held_peak_bytes);
        model.end();
    }
}

TEST_P(Limits, GivesRetainedMemoryBackBeforeItRefuses)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.retain_min_bytes = 100 * page;
    Model model(page, config);
    std::vector<uintptr_t> blocks;
    for (size_t idx = 0; idx < 4; idx++)
        blocks.push_back(model.alloc(10 * page, 1));
    model.fake.map_limit = 40 * page;
    for (uintptr_t block : blocks)
        model.free(block);
    EXPECT_EQ(40 * page, model.stats().free_bytes);
    EXPECT_NE(0u, model.alloc(35 * page, 1)) << "four holes of ten make none of thirty-five";
    model.verify();
    EXPECT_EQ(0u, model.alloc(6 * page, 1));
    model.verify();
    model.end();
}

TEST_P(Limits, NodesHaveTheAddressSpaceOfWhatIsFree)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.retain_min_bytes = 2048 * page;
    Model model(page, config);
    model.free(model.alloc(2000 * page, 1));
    EXPECT_EQ(2000 * page, model.stats().free_bytes);
    model.fake.map_limit = model.fake.mapped_bytes();
    for (size_t count = 0; count < 1000; count++)
        ASSERT_NE(0u, model.alloc(page, 1)) << count;
    model.verify();
    model.end();
}

TEST_P(Limits, NodesOutgrowTheStructAndNeverMove)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_AUTO);
    config.retain_min_bytes = 2048 * page;
    Model model(page, config);
    std::vector<uintptr_t> blocks;
    struct cairn_pagesource_node *first = nullptr;
    for (size_t idx = 0; idx < 1200; idx++) {
        blocks.push_back(model.alloc(page, 1));
        if (idx == 100)
            first = model.source->pieces[1];
    }
    EXPECT_EQ(first, model.source->pieces[1]);
    EXPECT_GT(model.stats().table_bytes, 0u);
    EXPECT_EQ(0u, model.stats().reserved_bytes);
    for (size_t idx = 0; idx < 1200; idx += 2)
        model.free(blocks[idx]);
    EXPECT_EQ(600u, model.stats().free_extent_count - (model.stats().free_bytes > 600 * page));
    model.verify();
    size_t bytes = model.stats().table_bytes;
    for (int round = 0; round < 3; round++)
        for (size_t idx = 0; idx < 1200; idx += 2)
            model.free(model.alloc(page, 1));
    EXPECT_EQ(bytes, model.stats().table_bytes) << "nodes are used again";
    model.end();
}

TEST_P(Limits, WithoutNodesGrowthIsRefusedButNeverTheFreeOfABlock)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_BRK);
    config.retain_min_bytes = 2048 * page;
    Model model(page, config);
    model.fake.refuses_map = true;
    std::vector<uintptr_t> blocks;
    while (uintptr_t block = model.alloc(page, 1))
        blocks.push_back(block);
    EXPECT_GT(blocks.size(), size_t{CAIRN_PAGESOURCE_INLINE_NODES} - 16);
    EXPECT_LT(blocks.size(), size_t{CAIRN_PAGESOURCE_INLINE_NODES});
    for (size_t idx = 0; idx < blocks.size(); idx += 2)
        model.free(blocks[idx]);
    model.verify();
    for (size_t idx = 1; idx < blocks.size(); idx += 2)
        model.free(blocks[idx]);
    EXPECT_EQ(1u, model.stats().free_extent_count);
    EXPECT_EQ(blocks[0], model.alloc(page, 1)) << "merging gave nodes back";
    model.end();
}

TEST_P(Limits, APartWithoutANodeIsEmptiedAndLost)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_AUTO);
    config.retain_min_bytes = 2048 * page;
    for (bool is_mapped : {true, false}) {
        Model model(page, config);
        model.fake.refuses_sbrk = is_mapped;
        uintptr_t block = model.alloc(100 * page, 1), other = model.alloc(10 * page, 1);
        model.fake.refuses_map = true;
        model.blocks.erase(block);
        std::vector<bool> is_given(100);
        size_t at = 1;
        for (; at < 100 && model.stats().lost_bytes == 0; at += 2) {
            model.give_part(block + at * page, page);
            is_given[at] = true;
        }
        ASSERT_LT(at, 100u);
        EXPECT_EQ(page, model.stats().lost_bytes);
        EXPECT_EQ(0u, *model.word(block + (at - 2) * page)) << "emptied";
        EXPECT_EQ(0u, model.resize(other, 5 * page, 1, true)) << "a shrinking says so instead";
        model.free(other);
        model.fake.refuses_map = false;
        for (size_t idx = 0; idx < 100; idx++)
            if (!is_given[idx])
                model.give_part(block + idx * page, page);
        EXPECT_EQ(page, model.stats().lost_bytes);
        model.verify();
        model.end();
    }
}

INSTANTIATE_TEST_SUITE_P(Pages, Limits, testing::Values(4096, 16384, 65536));

// --- init and misuse -----------------------------------------------------------------------------

TEST(PageSource, InitRejectsWhatContradictsItself)
{
    static struct cairn_pagesource source;
    struct cairn_pagesource_config config = {};

    config.policy = static_cast<enum cairn_pagesource_policy>(3);
    EXPECT_EQ(-EINVAL, cairn_pagesource_init(&source, &config));
    for (size_t cairn_pagesource_config::*field :
         {&cairn_pagesource_config::map_threshold_bytes,
          &cairn_pagesource_config::map_threshold_max_bytes,
          &cairn_pagesource_config::growth_min_bytes, &cairn_pagesource_config::growth_max_bytes,
          &cairn_pagesource_config::retain_min_bytes, &cairn_pagesource_config::limit_bytes}) {
        config = {};
        config.*field = 4097;
        EXPECT_EQ(-EINVAL, cairn_pagesource_init(&source, &config));
        config.*field = 8192;
        EXPECT_EQ(0, cairn_pagesource_init(&source, &config));
        config.*field = size_t{1} << 30;
        EXPECT_EQ(0, cairn_pagesource_init(&source, &config)) << "a default gives way";
    }
    config = {};
    config.map_threshold_bytes = 8192;
    config.map_threshold_max_bytes = 4096;
    EXPECT_EQ(-EINVAL, cairn_pagesource_init(&source, &config));
    config = {};
    config.growth_min_bytes = 8192;
    config.growth_max_bytes = 4096;
    EXPECT_EQ(-EINVAL, cairn_pagesource_init(&source, &config));
    config = {};
    config.growth_max_bytes = size_t{1} << 50;
    EXPECT_EQ(-EINVAL, cairn_pagesource_init(&source, &config));
}

TEST(PageSourceDeath, StopsAtMisuse)
{
    testing::FLAGS_gtest_death_test_style = "fast";
    for (auto policy : {CAIRN_PAGESOURCE_BRK, CAIRN_PAGESOURCE_MMAP}) {
        Model model(4096, Model::tiny(policy, 4096));
        struct cairn_pagesource *source = model.source.get();
        uintptr_t base = model.alloc(3 * 4096, 1);
        uintptr_t other = model.alloc(4096, 1);
        auto at = [base](size_t offset) { return reinterpret_cast<void *>(base + offset); };

        EXPECT_DEATH(cairn_pagesource_free(source, at(1), 4096), "not page-aligned.*_free");
        EXPECT_DEATH(cairn_pagesource_free(source, nullptr, 4096), "not page-aligned");
        EXPECT_DEATH(cairn_pagesource_free(source, at(0), 0), "length is not of a block");
        EXPECT_DEATH(cairn_pagesource_free(source, at(0), SIZE_MAX), "length is not of a block");
        EXPECT_DEATH(cairn_pagesource_free(source, at(0), 5 * 4096), "not of this page source");
        cairn_pagesource_free(source, at(4096), 4096);
        for (size_t offset : {0, 4096})
            EXPECT_DEATH(cairn_pagesource_free(source, at(offset), 3 * 4096), "already free");
        EXPECT_DEATH(cairn_pagesource_resize(source, at(0), 2 * 4096, 4096, 1, true),
                     "already free.*_resize");
        EXPECT_DEATH(cairn_pagesource_resize(source, at(7), 4096, 2 * 4096, 1, true),
                     "not page-aligned");
        EXPECT_DEATH(cairn_pagesource_resize(source, at(0), 0, 4096, 1, true), "length is not");
        EXPECT_DEATH(cairn_pagesource_fini(source), "blocks outstanding");
        EXPECT_DEATH(cairn_pagesource_unreserve(source, at(0), 4096), "not reserved");
        EXPECT_DEATH((void)cairn_pagesource_purge_range(source, at(1), 4096), "whole pages");
        void *reserved = cairn_pagesource_reserve(source, 4096);
        EXPECT_DEATH(cairn_pagesource_unreserve(source, at(4096), 4096), "not reserved");
        EXPECT_DEATH(cairn_pagesource_unreserve(source, reserved, 8192), "length is not");
        EXPECT_DEATH(cairn_pagesource_unreserve(source, reserved, 0), "length is not");
        EXPECT_DEATH(cairn_pagesource_unreserve(source, static_cast<char *>(reserved) + 64, 4096),
                     "length is not");
        EXPECT_DEATH(cairn_pagesource_unmap_past(source, at(1), 4096), "not page-aligned");
        EXPECT_DEATH(cairn_pagesource_unmap_past(source, at(0), 4096), "not of this page source");
        cairn_pagesource_free(source, at(0), 4096);
        cairn_pagesource_free(source, at(2 * 4096), 4096);
        model.blocks.erase(base);
        model.free(other);
        EXPECT_DEATH(cairn_pagesource_fini(source), "with reservations");
        cairn_pagesource_unreserve(source, reserved, 4096);
        model.end();
    }
}

} // namespace
