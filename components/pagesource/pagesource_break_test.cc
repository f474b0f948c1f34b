// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The data segment, shared with other users of sbrk: every order of their calls and ours.

#include "model.h"

namespace {

class Break : public testing::TestWithParam<size_t> {
  protected:
    struct cairn_pagesource_config tiny() const
    {
        return Model::tiny(CAIRN_PAGESOURCE_BRK, page);
    }

    // What was outstanding above the break is not ours to look at any more.
    static void lose(Model &model)
    {
        for (auto &[base, block] : model.blocks)
            block.is_lost = block.is_lost || !model.fake.is_backed(base, block.length) ||
                            base + block.length > (model.fake.now() & ~(model.page - 1));
    }

    intptr_t pages(int count) const
    {
        return count * static_cast<intptr_t>(page);
    }
    size_t page = GetParam();
};

TEST_P(Break, OtherUsersSplitTheDataSegment)
{
    Model model(page, tiny());
    uintptr_t first = model.alloc(4 * page, 1);
    model.fake.other_sbrk(100);
    uintptr_t second = model.alloc(page, 1);
    EXPECT_EQ(first + 5 * page, second) << "from the next whole page on";
    EXPECT_EQ(2u, model.source->segment_count);
    model.verify();
    model.free(second);
    cairn_pagesource_purge(model.source.get());
    EXPECT_EQ(second, model.fake.now()) << "down to the other user's last page";
    EXPECT_EQ(1u, model.source->segment_count);
    model.free(first);
    cairn_pagesource_purge(model.source.get());
    EXPECT_EQ(second, model.fake.now()) << "and not below it";
    EXPECT_EQ(4 * page, model.stats().brk_bytes);
    EXPECT_EQ(0u, model.stats().free_dirty_bytes) << "but emptied";
    model.verify();
    model.end();
}

TEST_P(Break, IsNotLoweredWhileAnotherUserIsOnTop)
{
    Model model(page, tiny());
    uintptr_t block = model.alloc(40 * page, 1);
    model.fake.other_sbrk(1);
    uintptr_t top = model.fake.now();
    model.free(block);
    EXPECT_EQ(top, model.fake.now());
    EXPECT_EQ(40 * page, model.stats().brk_bytes);
    EXPECT_LE(model.stats().free_dirty_bytes, 6 * page);
    model.verify();
    model.fake.other_sbrk(-1);
    cairn_pagesource_purge(model.source.get());
    EXPECT_EQ(model.fake.floor() + page, model.fake.now()) << "once the other user is gone";
    model.verify();
    model.end();
    EXPECT_EQ(model.fake.floor(), model.fake.now()) << "the guard goes last";
}

TEST_P(Break, MapsOnceThereIsNoRoomForAnotherSegment)
{
    Model model(page, tiny());
    for (int idx = 0; idx < CAIRN_PAGESOURCE_SEGMENTS + 4; idx++) {
        ASSERT_NE(0u, model.alloc(10 * page, 1));
        model.fake.other_sbrk(pages(1));
        model.verify();
    }
    EXPECT_EQ(size_t{CAIRN_PAGESOURCE_SEGMENTS}, model.source->segment_count);
    EXPECT_GT(model.stats().mapped_bytes, 0u);
    uintptr_t top = model.fake.now();
    ASSERT_NE(0u, model.alloc(30 * page, 1));
    EXPECT_EQ(top, model.fake.now()) << "the break is not moved in vain";
    model.end();
}

TEST_P(Break, ForgetsFreeMemoryThatAnotherUserTookAway)
{
    Model model(page, tiny());
    uintptr_t first = model.alloc(2 * page, 1);
    EXPECT_EQ(2 * page, model.stats().free_bytes);
    model.fake.other_sbrk(-pages(1));
    uintptr_t second = model.alloc(page, 1);
    EXPECT_EQ(first + 2 * page, second);
    EXPECT_EQ(3 * page, model.stats().brk_bytes);
    model.verify();
    EXPECT_EQ(second + page, model.alloc(page, 1)) << "the break is still of use";
    EXPECT_EQ(UINTPTR_MAX, model.source->lost_base);
    model.verify();
    model.end();
    EXPECT_EQ(model.fake.floor(), model.fake.now());
}

TEST_P(Break, APartOfAnotherUsersPageIsNotOurs)
{
    Model model(page, tiny());
    uintptr_t first = model.alloc(2 * page, 1);
    model.fake.other_sbrk(-100);
    uintptr_t second = model.alloc(2 * page, 1);
    EXPECT_EQ(first + 4 * page, second) << "neither across nor into the page that was cut";
    EXPECT_EQ(2u, model.source->segment_count);
    model.verify();
    model.end();
}

TEST_P(Break, OutstandingMemoryTakenAwayEndsTheUseOfTheBreak)
{
    Model model(page, tiny());
    uintptr_t first = model.alloc(2 * page, 1);
    uintptr_t second = model.alloc(6 * page, 1);
    model.free(first);
    model.fake.other_sbrk(-pages(4));
    lose(model);
    uintptr_t third = model.alloc(8 * page, 1);
    EXPECT_EQ(8 * page, model.stats().mapped_bytes) << "not over addresses that others may use";
    EXPECT_EQ(first, model.alloc(page, 1)) << "what is left of ours is still good";
    model.verify();
    EXPECT_EQ(8 * page, model.stats().brk_bytes);
    model.free(second);
    EXPECT_EQ(4 * page, model.stats().brk_bytes) << "the lost half is only counted";
    model.verify();
    uintptr_t top = model.fake.now();
    model.free(third);
    model.free_all();
    cairn_pagesource_purge(model.source.get());
    EXPECT_EQ(top, model.fake.now());
    model.verify();
    model.end();
}

TEST_P(Break, MayBeLoweredAgainAndAgain)
{
    Model model(page, tiny());
    for (int idx = 0; idx < 10; idx++)
        ASSERT_NE(0u, model.alloc(2 * page, 1));
    for (int idx = 0; idx < 20; idx++) {
        model.fake.other_sbrk(-pages(1));
        lose(model);
        ASSERT_NE(0u, model.alloc(page, 1));
        model.verify();
        if (idx % 3 == 0)
            model.free(std::prev(model.blocks.end())->first);
        model.verify();
    }
    model.end();
}

TEST_P(Break, AnotherUserMayBeQuickerThanOurGrowth)
{
    Model model(page, tiny());
    model.fake.before_sbrk = [&] { model.fake.other_sbrk(pages(3) + 8); };
    uintptr_t block = model.alloc(4 * page, 4 * page);
    EXPECT_NE(0u, block);
    model.verify();
    EXPECT_GT(model.stats().brk_bytes, 0u) << "what came from elsewhere is kept";
    EXPECT_GT(model.stats().mapped_bytes, 0u);
    EXPECT_NE(0u, model.alloc(4 * page, 1));
    model.verify();
    model.end();
}

TEST_P(Break, AnotherUserMayTakeTheLastSegment)
{
    Model model(page, tiny());
    for (int idx = 0; idx + 1 < CAIRN_PAGESOURCE_SEGMENTS; idx++) {
        ASSERT_NE(0u, model.alloc(4 * page, 1));
        model.fake.other_sbrk(pages(1));
    }
    ASSERT_NE(0u, model.alloc(4 * page, 1));
    size_t held = model.stats().brk_bytes;
    model.fake.before_sbrk = [&] { model.fake.other_sbrk(8); };
    ASSERT_NE(0u, model.alloc(20 * page, 1));
    EXPECT_EQ(held, model.stats().brk_bytes) << "no segment to record it: left unused";
    EXPECT_GT(model.stats().mapped_bytes, 0u);
    model.verify();
    model.end();
}

TEST_P(Break, ThatCannotEvenBeSeenIsLeftAlone)
{
    Model model(page, tiny());
    uintptr_t block = model.alloc(40 * page, 1);
    uintptr_t top = model.fake.now();
    model.fake.refuses_look = true;
    EXPECT_NE(0u, model.alloc(page, 1));
    EXPECT_EQ(5 * page, model.stats().mapped_bytes);
    EXPECT_EQ(0u, model.resize(block, 50 * page, 1, false));
    model.free(block);
    EXPECT_EQ(top, model.fake.now());
    EXPECT_LE(model.stats().free_dirty_bytes, 6 * page);
    model.verify();
    model.end();
    EXPECT_EQ(top, model.fake.now());
}

TEST_P(Break, RandomOtherUsersNeverBreakAnInvariant)
{
    uint64_t seed = test_seed();
    for (int round = 0; round < 40; round++) {
        std::mt19937_64 random(seed + static_cast<uint64_t>(round));
        auto policy = round % 2 == 0 ? CAIRN_PAGESOURCE_BRK : CAIRN_PAGESOURCE_AUTO;
        Model model(page, Model::tiny(policy, page));
        for (int step = 0; step < 200; step++) {
            int delta = static_cast<int>(random() % 6000) - (round % 4 < 2 ? 0 : 3000);
            switch (random() % 8) {
            case 0:
                model.fake.other_sbrk(delta);
                lose(model);
                model.alloc(page, 1); // where it is noticed
                break;
            case 1:
                if (round % 4 >= 2)
                    model.fake.other_sbrk(-pages(static_cast<int>(random() % 8)));
                lose(model);
                model.alloc(page, 1);
                break;
            case 2:
            case 3:
            case 4:
                model.alloc((random() % 12 + 1) * page, page << random() % 4);
                break;
            case 5:
                cairn_pagesource_purge(model.source.get());
                break;
            default:
                if (!model.blocks.empty())
                    model.free(model.pick(random()));
            }
            model.verify();
        }
        model.end();
        if (HasFailure())
            FAIL() << "seed " << seed << " round " << round;
    }
}

INSTANTIATE_TEST_SUITE_P(Pages, Break, testing::Values(4096, 16384, 65536));

} // namespace
