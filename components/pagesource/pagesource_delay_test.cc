// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// Retention with a delay (retain_ms), against the fake kernel and its clock.

#include "model.h"

namespace {

class Delay : public PageSizes {
  protected:
    // Least: 6 pages. Most: 8 times that, or as much as is outstanding.
    struct cairn_pagesource_config Config()
    {
        struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_BRK);
        config.retain_ms = 100;
        return config;
    }
};

TEST_P(Delay, KeepsWhatWasFreedJustNow)
{
    Model model(page, Config());
    model.alloc(page, 1);
    uintptr_t block = model.alloc(40 * page, 1);
    model.fake.clock_ms = 1000;
    model.free(block);
    EXPECT_EQ(40 * page, model.stats().free_dirty_bytes);
    EXPECT_EQ(block, model.alloc(40 * page, 1)) << "and gives it out again as it is";
    model.verify();
    model.end();
}

TEST_P(Delay, GivesBackDownToTheLeastWhatLayIdleForTheTime)
{
    Model model(page, Config());
    model.alloc(page, 1);
    uintptr_t small = model.alloc(page, 1);
    uintptr_t large = model.alloc(40 * page, 1);
    model.fake.clock_ms = 1000;
    model.free(large);
    model.fake.clock_ms = 1099;
    model.free(small);
    EXPECT_EQ(41 * page, model.stats().free_dirty_bytes) << "not yet";
    small = model.alloc(page, 1);
    model.fake.clock_ms = 1100;
    model.free(small);
    EXPECT_EQ(6 * page, model.stats().free_dirty_bytes);
    model.verify();
    model.end();
}

TEST_P(Delay, KeepsWhatIsUsedAgainAndAgain)
{
    Model model(page, Config());
    model.alloc(page, 1);
    uintptr_t block = model.alloc(40 * page, 1);
    for (uint64_t now = 0; now < 2000; now += 50) {
        model.fake.clock_ms = now;
        model.free(block);
        EXPECT_EQ(40 * page, model.stats().free_dirty_bytes) << now;
        block = model.alloc(40 * page, 1);
    }
    model.verify();
    model.end();
}

TEST_P(Delay, GivesBackAtOnceWhatIsBeyondTheMost)
{
    Model model(page, Config());
    model.alloc(page, 1);
    uintptr_t block = model.alloc(200 * page, 1);
    model.free(block);
    EXPECT_LE(model.stats().free_dirty_bytes, 96 * page);
    EXPECT_GE(model.stats().free_dirty_bytes, 80 * page);
    model.verify();
    model.end();
}

TEST_P(Delay, MayKeepAsMuchAsIsOutstanding)
{
    Model model(page, Config());
    model.alloc(101 * page, 1);
    uintptr_t block = model.alloc(100 * page, 1);
    model.free(block);
    EXPECT_EQ(100 * page, model.stats().free_dirty_bytes);
    model.verify();
    model.end();
}

TEST_P(Delay, ATailThatWasCutOffStaysForTheBlockToGrowAgainUntilItsTime)
{
    for (auto policy : {CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK, CAIRN_PAGESOURCE_MMAP}) {
        struct cairn_pagesource_config config = Config();
        config.policy = policy;
        Model model(page, config);
        uintptr_t block = model.alloc(60 * page, 1);
        model.alloc(page, 1);
        model.fake.clock_ms = 1000;
        EXPECT_EQ(block, model.resize(block, 20 * page, 1, true));
        EXPECT_EQ(40 * page, model.stats().free_dirty_bytes);
        unsigned calls = model.fake.calls;
        EXPECT_EQ(block, model.resize(block, 60 * page, 1, true));
        EXPECT_EQ(calls, model.fake.calls) << "in place, without a call";
        EXPECT_EQ(block, model.resize(block, 20 * page, 1, true));
        model.fake.clock_ms = 1200;
        cairn_pagesource_tick(model.source.get());
        EXPECT_EQ(6 * page, model.stats().free_dirty_bytes);
        model.verify();
        model.end();
    }
}

TEST_P(Delay, TailsBeyondABoundStayOnlyWhereBlocksGrewAgain)
{
    struct cairn_pagesource_config config = Config();
    config.policy = CAIRN_PAGESOURCE_MMAP;
    config.retain_min_bytes = cairn_align_up(size_t{64} << 10, page);
    Model model(page, config);
    size_t base = config.retain_min_bytes;
    std::vector<uintptr_t> blocks;
    for (int idx = 0; idx < 10; idx++)
        blocks.push_back(model.alloc(10 * base, 1));
    for (uintptr_t block : blocks)
        EXPECT_EQ(block, model.resize(block, 6 * base, 1, true));
    EXPECT_LE(model.stats().free_dirty_bytes, 15 * base);
    EXPECT_EQ(60 * base, model.stats().outstanding_bytes);
    for (uintptr_t block : blocks)
        EXPECT_EQ(block, model.resize(block, 10 * base, 1, true)) << "addresses stay";
    for (uintptr_t block : blocks)
        EXPECT_EQ(block, model.resize(block, 6 * base, 1, true));
    EXPECT_EQ(40 * base, model.stats().free_dirty_bytes) << "they grow again";
    model.verify();
    model.end();
}

TEST_P(Delay, OneTickAfterASilenceGivesBackABurst)
{
    Model model(page, Config());
    model.alloc(page, 1);
    std::vector<uintptr_t> blocks;
    for (int idx = 0; idx < 8; idx++)
        blocks.push_back(model.alloc(5 * page, 1));
    model.fake.clock_ms = 1000;
    for (uintptr_t block : blocks)
        model.free(block);
    EXPECT_EQ(40 * page, model.stats().free_dirty_bytes);
    size_t calls = model.fake.calls;
    model.fake.clock_ms = 1099;
    cairn_pagesource_tick(model.source.get());
    EXPECT_EQ(calls, model.fake.calls) << "not yet";
    model.fake.clock_ms = 1250;
    cairn_pagesource_tick(model.source.get());
    EXPECT_EQ(6 * page, model.stats().free_dirty_bytes);
    model.fake.clock_ms = 1250 + 4 * 100;
    cairn_pagesource_tick(model.source.get());
    EXPECT_EQ(0u, model.stats().free_dirty_bytes) << "the least goes when it is old";
    EXPECT_EQ(UINT64_MAX, model.source->due_ms) << "nothing more to do";
    model.verify();
    model.end();
}

TEST_P(Delay, ATickDoesNothingWhereNothingIsDue)
{
    for (uint32_t retain_ms : {0u, 100u, UINT32_MAX}) {
        struct cairn_pagesource_config config = Config();
        config.retain_ms = retain_ms;
        Model model(page, config);
        model.fake.clock_ms = 1000;
        model.free(model.alloc(6 * page, 1));
        size_t dirty = model.stats().free_dirty_bytes, calls = model.fake.calls;
        model.fake.clock_ms = retain_ms == 100 ? 1099 : 100000;
        cairn_pagesource_tick(model.source.get());
        EXPECT_EQ(calls, model.fake.calls);
        EXPECT_EQ(dirty, model.stats().free_dirty_bytes);
        model.end();
    }
}

TEST_P(Delay, WithoutATimeAllIsKept)
{
    struct cairn_pagesource_config config = Config();
    config.retain_ms = UINT32_MAX;
    Model model(page, config);
    model.alloc(page, 1);
    model.free(model.alloc(5000 * page, 1));
    model.fake.clock_ms = 1000000;
    model.free(model.alloc(page, 1));
    EXPECT_GE(model.stats().free_dirty_bytes, 5000 * page);
    model.verify();
    model.end();
}

TEST_P(Delay, BoundsChangeWhileTheSourceIsInUse)
{
    Model model(page, Config());
    model.alloc(page, 1);
    model.free(model.alloc(40 * page, 1));
    EXPECT_EQ(40 * page, model.stats().free_dirty_bytes);
    struct cairn_pagesource_bounds bounds = {3 * page, 60 * page, 0};
    cairn_pagesource_set_bounds(model.source.get(), &bounds);
    model.free(model.alloc(page, 1));
    EXPECT_LE(model.stats().free_dirty_bytes, 3 * page) << "at once";
    EXPECT_EQ(0u, model.alloc(60 * page, 1)) << "beyond the limit";
    model.verify();
    bounds.limit_bytes = 0;
    cairn_pagesource_set_bounds(model.source.get(), &bounds);
    uintptr_t block = model.alloc(200 * page, 1);
    EXPECT_NE(0u, block);
    bounds.limit_bytes = 10 * page;
    cairn_pagesource_set_bounds(model.source.get(), &bounds);
    EXPECT_EQ(0u, model.alloc(page * 100, 1));
    model.verify();
    model.free(block);
    EXPECT_NE(0u, model.alloc(2 * page, 1)) << "there is room again";
    model.verify();
    model.end();
}

TEST_P(Delay, WhatHistoryRaisedGoesBackWhenIdle)
{
    for (auto policy : {CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK, CAIRN_PAGESOURCE_MMAP}) {
        struct cairn_pagesource_config config = Config();
        config.policy = policy;
        Model model(page, config);
        std::vector<uintptr_t> blocks;
        for (int idx = 0; idx < 40; idx++)
            blocks.push_back(model.alloc(24 * page, 1)); // above the border at first
        model.fake.clock_ms = 1000;
        for (size_t idx = 0; idx < 40; idx += 2)
            model.free(blocks[idx]);
        EXPECT_GT(model.stats().free_dirty_bytes, 20 * 24 * page * 3 / 4);
        model.fake.clock_ms = 1100;
        cairn_pagesource_tick(model.source.get());
        EXPECT_LE(model.stats().free_dirty_bytes, 20 * 24 * page / 8);
        model.verify();
        model.fake.clock_ms = 2000;
        model.free_all();
        model.fake.clock_ms = 2100;
        cairn_pagesource_tick(model.source.get());
        EXPECT_LE(model.stats().free_dirty_bytes, 6 * page);
        model.verify();
        model.end();
    }
}

TEST_P(Delay, ATickWhereTheKernelRefusesIsNotRepeatedForEver)
{
    Model model(page, Config());
    uintptr_t block = model.alloc(40 * page, 1);
    model.alloc(page, 1);
    model.fake.clock_ms = 1000;
    model.free(block);
    model.fake.refuses_purge = true;
    for (uint64_t now = 1100; now < 1200; now++) {
        model.fake.clock_ms = now;
        cairn_pagesource_tick(model.source.get());
    }
    EXPECT_LE(std::count(model.fake.log.begin(), model.fake.log.end(), "purge"), 2);
    model.fake.refuses_purge = false;
    model.verify();
    model.end();
}

TEST_P(Delay, WithoutAClockNothingDecays)
{
    Model model(page, Config());
    model.alloc(page, 1);
    model.free(model.alloc(40 * page, 1));
    cairn_pagesource_tick(model.source.get());
    EXPECT_EQ(40 * page, model.stats().free_dirty_bytes);
    model.end();
}

INSTANTIATE_TEST_SUITE_P(Pages, Delay, testing::Values(4096, 16384, 65536));

} // namespace
