// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What happens while the kernel works without the lock, and what goes past the lock. The fake
// kernel lets another "thread" in in the middle of a call.

#include "model.h"

#include <atomic>
#include <thread>

namespace {

class Transit : public PageSizes {};

TEST_P(Transit, WhatIsBeingUnmappedIsHeldButOutOfReach)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.limit_bytes = 45 * page;
    Model model(page, config);
    uintptr_t block = model.alloc(40 * page, 1);
    bool was_inside = false;
    model.fake.during = {"unmap", [&] {
                             struct cairn_pagesource_stats stats = model.stats();
                             EXPECT_EQ(40 * page, stats.transit_bytes);
                             EXPECT_EQ(40 * page, stats.mapped_bytes);
                             EXPECT_EQ(0u, stats.free_bytes);
                             EXPECT_NE(0u, model.alloc(5 * page, 1)) << "as much as is allowed";
                             EXPECT_EQ(nullptr,
                                       cairn_pagesource_map_past(model.source.get(), page));
                             cairn_pagesource_check(model.source.get());
                             was_inside = true;
                         }};
    model.free(block);
    EXPECT_TRUE(was_inside);
    EXPECT_EQ(5 * page, model.stats().mapped_bytes);
    EXPECT_EQ(0u, model.stats().transit_bytes);
    EXPECT_NE(0u, model.alloc(40 * page, 1));
    model.verify();
    model.end();
}

TEST_P(Transit, WhatTheKernelRefusesComesBack)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_MMAP));
    uintptr_t block = model.alloc(40 * page, 1);
    model.fake.refuses_unmap = true;
    model.fake.during = {"unmap", [&] {
                             model.alloc(3 * page, 1);
                             EXPECT_EQ(1u, model.stats().free_extent_count) << "of the step";
                         }};
    model.free(block);
    EXPECT_EQ(40 * page, model.stats().unmap_pending_bytes);
    EXPECT_EQ(block, model.alloc(40 * page, 1));
    model.verify();
    model.fake.refuses_unmap = false;
    model.end();
}

TEST_P(Transit, WhileAPartIsEmptiedTheRestOfTheRunIsTaken)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    uintptr_t block = model.alloc(40 * page, 1);
    model.alloc(page, 1);
    uintptr_t taken = 0, other = 0;
    model.fake.during = {"purge", [&] {
                             EXPECT_EQ(35 * page, model.stats().transit_bytes);
                             taken = model.alloc(5 * page, 1);
                             other = model.alloc(20 * page, 1);
                             cairn_pagesource_check(model.source.get());
                         }};
    model.free(block);
    EXPECT_EQ(block, taken);
    EXPECT_GT(other, block + 40 * page);
    EXPECT_EQ(0u, model.stats().free_dirty_bytes);
    model.verify();
    model.end();
}

TEST_P(Transit, TwoMayPurgeAtOnce)
{
    for (auto policy : {CAIRN_PAGESOURCE_AUTO, CAIRN_PAGESOURCE_BRK, CAIRN_PAGESOURCE_MMAP}) {
        struct cairn_pagesource_config config = tiny(policy);
        config.retain_min_bytes = 512 * page;
        Model model(page, config);
        std::vector<uintptr_t> blocks;
        for (int idx = 0; idx < 30; idx++)
            blocks.push_back(model.alloc(3 * page, 1));
        for (size_t idx = 0; idx < 30; idx += 2)
            model.free(blocks[idx]);
        size_t inner = 0;
        model.fake.during = {"purge", [&] {
                                 inner = cairn_pagesource_purge(model.source.get());
                                 model.free(blocks[1]);
                             }};
        size_t outer = cairn_pagesource_purge(model.source.get());
        size_t sum = inner + outer + model.stats().free_dirty_bytes;
        EXPECT_GE(sum, 16 * 3 * page);
        EXPECT_LE(sum, 17 * 3 * page) << "one fresh block is forgotten for merging";
        EXPECT_GT(inner, 0u);
        EXPECT_GT(outer, 0u);
        model.verify();
        model.end();
    }
}

TEST_P(Transit, AnotherUserMayTakeAwayWhatIsBeingEmptied)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_BRK));
    uintptr_t block = model.alloc(40 * page, 1);
    uintptr_t lid = model.alloc(page, 1);
    model.fake.during = {"purge", [&] {
                             model.blocks[lid].is_lost = true;
                             model.fake.other_sbrk(-static_cast<intptr_t>(10 * page));
                             EXPECT_NE(0u, model.alloc(page, 1)) << "where it is noticed";
                         }};
    model.fake.refuses_purge = true; // what is gone cannot be emptied
    model.free(block);
    model.fake.refuses_purge = false;
    EXPECT_NE(UINTPTR_MAX, model.source->lost_base);
    model.verify();
    model.end();
}

TEST_P(Transit, GrowthIsChargedBeforeTheKernelIsAsked)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.limit_bytes = 60 * page;
    Model model(page, config);
    model.fake.during = {"map", [&] {
                             EXPECT_EQ(nullptr,
                                       cairn_pagesource_map_past(model.source.get(), 30 * page));
                             EXPECT_NE(0u, model.alloc(20 * page, 1));
                         }};
    EXPECT_NE(0u, model.alloc(40 * page, 1));
    EXPECT_EQ(60 * page, model.stats().mapped_bytes);
    EXPECT_EQ(0u, model.alloc(page, 1));
    model.verify();
    model.end();
}

TEST_P(Transit, AThreadThatFindsNothingWaitsForWhatComesBack)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.limit_bytes = 50 * page;
    Model model(page, config);
    uintptr_t block = model.alloc(40 * page, 1);
    std::thread other;
    uintptr_t got = 0;
    model.fake.during = {"unmap", [&] {
                             other = std::thread([&] { got = model.alloc(40 * page, 1); });
                             for (uint32_t waiters = 0; waiters == 0;) {
                                 cairn_lock_take(&model.source->lock);
                                 waiters = model.source->waiter_count;
                                 cairn_lock_release(&model.source->lock);
                             }
                         }};
    model.free(block);
    other.join();
    EXPECT_NE(0u, got);
    model.verify();
    model.end();
}

// Random interference: in the middle of every call something else happens, and in its calls again.
TEST_P(Transit, RandomInterferenceBreaksNoInvariant)
{
    uint64_t seed = test_seed();
    for (int round = 0; round < 12; round++) {
        std::mt19937_64 random(seed + static_cast<uint64_t>(round));
        struct cairn_pagesource_config config =
            tiny(static_cast<enum cairn_pagesource_policy>(round % 3));
        config.limit_bytes = round % 2 == 0 ? 0 : 300 * page;
        Model model(page, config);
        int depth = 0; // only one thread is real: inside, it must not wait for itself
        model.is_alone = false;
        std::function<void()> step = [&] {
            if (cairn_lock_is_held(&model.source->lock))
                return; // the call is for a region of metadata
            static const char *const kinds[] = {"map", "unmap", "purge"};
            if (random() % 2 == 0)
                model.fake.during = {kinds[random() % 3], step};
            if (depth == 0)
                model.fake.failing = random() % 10 == 0
                                         ? std::set<size_t>{model.fake.calls + random() % 3}
                                         : std::set<size_t>{};
            depth++;
            switch (random() % 6) {
            case 0:
            case 1:
            case 2:
                if (depth > 1 && (config.limit_bytes != 0 || !model.fake.failing.empty()))
                    break;
                model.alloc((random() % 30 + 1) * page, page << random() % 4);
                break;
            case 3:
                cairn_pagesource_purge(model.source.get());
                break;
            default:
                if (!model.blocks.empty())
                    model.free(model.pick(random()));
            }
            depth--;
            cairn_pagesource_check(model.source.get());
        };
        for (int idx = 0; idx < 150; idx++) {
            step();
            model.verify();
            EXPECT_TRUE(config.limit_bytes == 0 ||
                        model.stats().held_peak_bytes <= config.limit_bytes);
        }
        model.fake.during = {};
        model.fake.failing.clear();
        model.end();
        if (HasFailure())
            FAIL() << "CAIRN_TEST_SEED=" << seed << " round " << round;
    }
}

// --- past the lock -------------------------------------------------------------------------------

class Past : public PageSizes {};

TEST_P(Past, ABlockIsWholeZeroedPagesAndTouchesNeitherLockNorTrees)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    struct cairn_pagesource *source = model.source.get();
    cairn_lock_take(&source->lock);
    void *block = cairn_pagesource_map_past(source, 3 * page - 1);
    cairn_lock_release(&source->lock);
    ASSERT_NE(nullptr, block);
    uintptr_t base = reinterpret_cast<uintptr_t>(block);
    EXPECT_TRUE(model.fake.is_backed(base, 3 * page));
    EXPECT_EQ(0u, *model.word(base + 3 * page - 8));
    EXPECT_EQ(3 * page, model.stats().past_bytes);
    EXPECT_EQ(0u, model.stats().outstanding_bytes);
    EXPECT_EQ(1u, source->node_top);
    model.verify();
    EXPECT_DEATH(cairn_pagesource_free(source, block, 3 * page), "not of this page source");
    cairn_lock_take(&source->lock);
    cairn_pagesource_unmap_past(source, block, 3 * page - 1);
    cairn_lock_release(&source->lock);
    EXPECT_EQ(0u, model.stats().past_bytes);
    EXPECT_EQ(2u, model.fake.calls);
    model.verify();
    model.end();
}

TEST_P(Past, KeepsTheLimitTogetherWithWhatIsHeld)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.limit_bytes = 30 * page;
    Model model(page, config);
    ASSERT_NE(0u, model.alloc(20 * page, 1));
    for (size_t length : {size_t{0}, SIZE_MAX, SIZE_MAX - page, 11 * page})
        EXPECT_EQ(nullptr, cairn_pagesource_map_past(model.source.get(), length));
    void *block = cairn_pagesource_map_past(model.source.get(), 10 * page);
    ASSERT_NE(nullptr, block);
    EXPECT_EQ(nullptr, cairn_pagesource_map_past(model.source.get(), 1));
    EXPECT_EQ(0u, model.alloc(page, 1));
    cairn_pagesource_unmap_past(model.source.get(), block, 10 * page);
    model.fake.refuses_map = true;
    EXPECT_EQ(nullptr, cairn_pagesource_map_past(model.source.get(), page));
    model.fake.refuses_map = false;
    EXPECT_NE(0u, model.alloc(10 * page, 1)) << "a refusal is not charged";
    model.verify();
    model.end();
}

TEST_P(Past, WhatCannotBeUnmappedIsEmptiedAndLost)
{
    Model model(page, tiny(CAIRN_PAGESOURCE_AUTO));
    void *block = cairn_pagesource_map_past(model.source.get(), 2 * page);
    uintptr_t base = reinterpret_cast<uintptr_t>(block);
    model.dirty(base, 2 * page);
    model.fake.refuses_unmap = true;
    cairn_pagesource_unmap_past(model.source.get(), block, 2 * page);
    model.fake.refuses_unmap = false;
    EXPECT_EQ(0u, *model.word(base));
    EXPECT_EQ(2 * page, model.stats().lost_bytes);
    EXPECT_EQ(0u, model.stats().past_bytes);
    cairn_pagesource_check(model.source.get());
    cairn_pagesource_fini(model.source.get());
}

TEST_P(Past, ThreadsTogetherNeverExceedTheLimit)
{
    struct cairn_pagesource_config config = tiny(CAIRN_PAGESOURCE_MMAP);
    config.limit_bytes = 10 * page;
    Model model(page, config);
    std::atomic<size_t> sum{0}, highest{0};
    std::vector<std::thread> threads;
    for (size_t idx = 0; idx < 3; idx++)
        threads.emplace_back([&, idx] {
            for (int step = 0; step < 200; step++) {
                size_t length = (idx + 2) * page;
                void *block = cairn_pagesource_map_past(model.source.get(), length);
                if (block == nullptr)
                    continue;
                size_t now = sum += length;
                for (size_t seen = highest;
                     now > seen && !highest.compare_exchange_weak(seen, now);)
                    continue;
                sum -= length;
                cairn_pagesource_unmap_past(model.source.get(), block, length);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT_LE(highest, 10 * page);
    EXPECT_GT(highest, 0u);
    EXPECT_EQ(0u, model.source->charged_bytes);
    model.end();
}

INSTANTIATE_TEST_SUITE_P(Pages, Transit, testing::Values(4096, 16384, 65536));
INSTANTIATE_TEST_SUITE_P(Pages, Past, testing::Values(4096, 16384, 65536));

} // namespace
