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
    uintptr_t block = model.alloc(100 * page, 1);
    model.free(block);
    EXPECT_LE(model.stats().free_dirty_bytes, 48 * page);
    EXPECT_GE(model.stats().free_dirty_bytes, 40 * page);
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

INSTANTIATE_TEST_SUITE_P(Pages, Delay, testing::Values(4096, 16384, 65536));

} // namespace
