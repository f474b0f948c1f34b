// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// One thread, any number of CPUs: the id is whatever the test says it is.

#include "percpu_testing.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <set>

#include <sys/mman.h>
#include <unistd.h>

#include <cairn/base/lock.h>
#include <cairn/source_laws.h>
#include <gtest/gtest.h>

namespace {

using percpu_testing::Caches;
using percpu_testing::State;
using percpu_testing::TokenSource;

std::vector<void *> alloc_many(cairn_percpu *percpu, unsigned class_idx, size_t count)
{
    std::vector<void *> blocks;
    while (blocks.size() < count)
        blocks.push_back(cairn_percpu_alloc(percpu, class_idx));
    return blocks;
}

void free_all(cairn_percpu *percpu, unsigned class_idx, const std::vector<void *> &blocks)
{
    for (void *block : blocks)
        cairn_percpu_free(percpu, class_idx, block);
}

void expect_ends_clean(Caches &caches, TokenSource &tokens)
{
    cairn_percpu_check(caches);
    cairn_percpu_fini(caches);
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
    EXPECT_EQ(tokens.broken, 0u);
}

// Examples

TEST(Percpu, HandsTheBlockOutAgainThatWasJustFreed)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 2);
    Caches::id() = 0;
    void *block = cairn_percpu_alloc(caches, 0);
    ASSERT_NE(block, nullptr);
    cairn_percpu_free(caches, 0, block);
    EXPECT_EQ(cairn_percpu_alloc(caches, 0), block);
    cairn_percpu_free(caches, 0, block);
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, AsksTheSourceOncePerBatchAndPopsInItsOrder)
{
    TokenSource tokens({64, 512, 4096}, 1000);
    Caches caches(tokens, 1);
    const size_t batch[] = {64, 16, 4};
    for (unsigned class_idx = 0; class_idx < 3; class_idx++) {
        uint64_t takes = tokens.takes;
        std::vector<void *> blocks = alloc_many(caches, class_idx, batch[class_idx]);
        EXPECT_EQ(tokens.takes, takes + 1);
        EXPECT_TRUE(std::is_sorted(blocks.begin(), blocks.end()));
        blocks.push_back(cairn_percpu_alloc(caches, class_idx));
        EXPECT_EQ(tokens.takes, takes + 2);
        free_all(caches, class_idx, blocks);
    }
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, FlushesTheOldestHalfInOrder)
{
    TokenSource tokens({1024}, 1000);
    Caches caches(tokens, 2);
    Caches::id() = 0;
    std::vector<void *> blocks = alloc_many(caches, 0, 9);
    Caches::id() = 1;
    for (size_t at = 0; at < 8; at++)
        cairn_percpu_free(caches, 0, blocks[at]);
    EXPECT_EQ(caches.array(1, 0).count, 8u);
    EXPECT_EQ(cairn_depot_count(&caches->depot, 0), 0u);
    cairn_percpu_free(caches, 0, blocks[8]);
    EXPECT_EQ(caches.array(1, 0).count, 5u);
    ASSERT_EQ(cairn_depot_count(&caches->depot, 0), 4u);
    EXPECT_TRUE(std::equal(&blocks[0], &blocks[4], caches->depot.slots));
    EXPECT_TRUE(std::equal(&blocks[4], &blocks[9], caches.slots(1, 0)));
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, WhatOneCpuFreesAnotherAllocatesWithoutTheSource)
{
    TokenSource tokens({64}, 10000);
    Caches caches(tokens, 4);
    for (int round = 0; round < 100; round++) {
        Caches::id() = 0;
        std::vector<void *> blocks = alloc_many(caches, 0, 500);
        Caches::id() = 3;
        free_all(caches, 0, blocks);
        if (round == 20)
            tokens.takes = 0; // warm
    }
    EXPECT_EQ(tokens.takes, 0u);
    EXPECT_LE(tokens.tokens_taken, 500u + 64 + 64 + 64); // held, in two shards, in the last batch
    EXPECT_EQ(tokens.gives, 0u);
    expect_ends_clean(caches, tokens);
}

// Limits

TEST(Percpu, LimitsStartAtABatchAndGrowOnlyWhenAllocationsSwing)
{
    TokenSource tokens({64}, 100000);
    Caches caches(tokens, 1, 64 * 200, 1024 * 64);
    EXPECT_EQ(caches.array(0, 0).limit, 0u);
    std::vector<void *> blocks = alloc_many(caches, 0, 10000);
    EXPECT_EQ(caches.array(0, 0).limit, 64u); // refills alone
    for (size_t at = 0; at < 200; at++) {
        cairn_percpu_free(caches, 0, blocks.back());
        blocks.pop_back();
    }
    EXPECT_EQ(caches.array(0, 0).limit, 128u); // the first flush after refills
    free_all(caches, 0, blocks);
    EXPECT_EQ(caches.array(0, 0).limit, 128u); // flushes alone
    for (int round = 0; round < 20; round++)
        free_all(caches, 0, alloc_many(caches, 0, 1000));
    EXPECT_EQ(caches.array(0, 0).limit, 200u); // the capacity, not a multiple of the batch
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, AFreeIntoAnUntouchedShardStartsItsLimit)
{
    TokenSource tokens({64}, 100);
    Caches caches(tokens, 2);
    Caches::id() = 0;
    void *block = cairn_percpu_alloc(caches, 0);
    Caches::id() = 1;
    cairn_percpu_free(caches, 0, block);
    EXPECT_EQ(caches.array(1, 0).count, 1u);
    EXPECT_EQ(caches.array(1, 0).limit, 64u);
    EXPECT_EQ(caches.array(1, 0).flushes, 0u);
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, BatchesAndCapacitiesFollowTheBudget)
{
    TokenSource tokens({8, 16, 64, 100, 1024, 8192, 32768, 1u << 20}, 1);
    Caches caches(tokens, 1);
    const unsigned batch[] = {64, 64, 64, 64, 8, 4, 4, 4};
    const unsigned capacity[] = {512, 512, 512, 512, 64, 8, 8, 8};
    for (unsigned idx = 0; idx < 8; idx++) {
        EXPECT_EQ(caches->classes[idx].batch, batch[idx]);
        EXPECT_EQ(caches->classes[idx].capacity, capacity[idx]);
    }
    Caches tiny(tokens, 1, 1);
    EXPECT_EQ(tiny->classes[0].capacity, 8u);
    EXPECT_EQ(tiny->classes[0].batch, 8u); // not beyond the capacity
}

TEST(Percpu, NeverCachesMoreThanItsBound)
{
    TokenSource tokens({16, 512, 3000}, 20000);
    Caches caches(tokens, 3, 4096, 8192);
    for (int round = 0; round < 10; round++)
        for (unsigned class_idx = 0; class_idx < 3; class_idx++) {
            std::vector<void *> blocks = alloc_many(caches, class_idx, 5000);
            for (size_t at = 0; at < blocks.size(); at++) {
                Caches::id() = static_cast<int>(at / 7 % 3);
                cairn_percpu_free(caches, class_idx, blocks[at]);
            }
            EXPECT_LE(caches.waiting_bytes(), caches.bound_bytes(3));
        }
    EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
    EXPECT_GE(caches.waiting_bytes(), caches.bound_bytes(3) / 3); // the bound says something
    expect_ends_clean(caches, tokens);
}

// CPU ids

TEST(Percpu, FoldsEveryIdOntoAShard)
{
    for (int id : {0, 1, 2, 3, 4, 5, 6, 7, 64, 1000003, INT_MAX}) {
        TokenSource tokens({64}, 1000);
        Caches caches(tokens, 3);
        Caches::id() = id;
        cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
        for (unsigned shard_idx = 0; shard_idx < 3; shard_idx++)
            EXPECT_EQ(caches->fronts[shard_idx].used != 0,
                      shard_idx == static_cast<unsigned>(id) % 3);
        expect_ends_clean(caches, tokens);
    }
}

TEST(Percpu, AThreadWithoutAnIdStaysOnOneShard)
{
    for (int id : {-1, -2, INT_MIN}) {
        TokenSource tokens({64}, 1000);
        Caches caches(tokens, 5);
        Caches::id() = id;
        free_all(caches, 0, alloc_many(caches, 0, 100));
        EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 1u);
        expect_ends_clean(caches, tokens);
    }
}

// Memory

size_t resident_pages(const void *memory, size_t bytes)
{
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages(bytes / page);
    EXPECT_EQ(mincore(const_cast<void *>(memory), pages.size() * page, pages.data()), 0);
    return static_cast<size_t>(
        std::count_if(pages.begin(), pages.end(), [](unsigned char one) { return one & 1; }));
}

TEST(Percpu, LeavesShardsOfIdleCpusUntouched)
{
    if (sysconf(_SC_PAGESIZE) != 4096)
        GTEST_SKIP() << "shards are laid out for pages of 4096 bytes";
    TokenSource tokens({16, 64, 512}, 10000);
    Caches caches(tokens, 64);
    for (int id : {7, 9}) {
        Caches::id() = id;
        for (unsigned class_idx = 0; class_idx < 3; class_idx++)
            free_all(caches, class_idx, alloc_many(caches, class_idx, 1000));
    }
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, 2u);
    cairn_percpu_prefork(caches);
    cairn_percpu_postfork(caches);
    cairn_percpu_drain(caches);
    for (unsigned shard_idx = 0; shard_idx < 64; shard_idx++) {
        bool busy = shard_idx == 7 || shard_idx == 9;
        size_t pages =
            resident_pages(caches->shards + shard_idx * caches->shard_bytes, caches->shard_bytes);
        EXPECT_EQ(pages > 0, busy) << shard_idx;
    }
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, StatesItsSizeExactlyAndStaysWithin)
{
    // The state ends at a page that cannot be touched. All of the last shard and of the depot are filled.
    for (unsigned shard_count : {1u, 2u, 5u}) {
        TokenSource tokens({16, 48, 512, 40000}, 10000);
        Caches caches(tokens, shard_count, 0, 0, true);
        Caches::id() = static_cast<int>(shard_count) - 1;
        for (unsigned class_idx = 0; class_idx < 4; class_idx++)
            for (int round = 0; round < 20; round++)
                free_all(caches, class_idx, alloc_many(caches, class_idx, 3000));
        for (unsigned class_idx = 0; class_idx < 4; class_idx++) {
            EXPECT_EQ(caches.array(shard_count - 1, class_idx).limit,
                      caches->classes[class_idx].capacity);
            EXPECT_EQ(cairn_depot_count(&caches->depot, class_idx),
                      caches->depot.lines[class_idx].capacity);
        }
        expect_ends_clean(caches, tokens);
    }
}

TEST(Percpu, HasRoomForASlotBelowEachArray)
{
    // 382 pointers after the header would fit into a page, the NULL slots below them do not.
    TokenSource tokens({64}, 3000);
    Caches caches(tokens, 2, 382 * 64, 8 * 64);
    EXPECT_EQ(caches->shard_bytes, 2u * 4096);
    for (int id : {1, 0}) {
        Caches::id() = id;
        for (int round = 0; round < 20; round++)
            free_all(caches, 0, alloc_many(caches, 0, 1500));
        EXPECT_EQ(caches.array(static_cast<unsigned>(id), 0).limit, 382u);
    }
    while (caches.array(0, 0).count < 382)
        cairn_percpu_free(caches, 0, [&] {
            Caches::id() = 1;
            void *block = cairn_percpu_alloc(caches, 0);
            Caches::id() = 0;
            return block;
        }());
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, RefusesWhatItCannotWorkWith)
{
    TokenSource tokens({64, 128}, 10);
    cairn_percpu_config good = {};
    good.block_bytes = tokens.block_bytes();
    good.class_count = 2;
    good.shard_count = 2;
    good.source = tokens.source();
    good.state_bytes = cairn_percpu_state_bytes(&good);
    State state(good.state_bytes + 64);
    good.state = state.memory;
    auto *percpu = new cairn_percpu();
    EXPECT_EQ(cairn_percpu_init(percpu, &good), 0);

    auto refused = [&](auto change) {
        cairn_percpu_config config = good;
        change(config);
        return cairn_percpu_init(percpu, &config) == -EINVAL;
    };
    const uint32_t with_zero[] = {64, 0};
    const cairn_source_ops not_safe = {"one thread", 0, nullptr, nullptr};
    EXPECT_TRUE(refused([](auto &c) { c.class_count = 0; }));
    EXPECT_TRUE(refused([](auto &c) { c.class_count = CAIRN_PERCPU_CLASSES_MAX + 1; }));
    EXPECT_TRUE(refused([](auto &c) { c.block_bytes = nullptr; }));
    EXPECT_TRUE(refused([&](auto &c) { c.block_bytes = with_zero; }));
    EXPECT_TRUE(refused([](auto &c) { c.state = nullptr; }));
    EXPECT_TRUE(refused([](auto &c) { c.state = static_cast<char *>(c.state) + 32; }));
    EXPECT_TRUE(refused([](auto &c) { c.state_bytes--; }));
    EXPECT_TRUE(refused([&](auto &c) { c.source.ops = &not_safe; }));
    EXPECT_TRUE(refused([](auto &c) { c.source.ops = nullptr; }));
    good.class_count = 0;
    EXPECT_EQ(cairn_percpu_state_bytes(&good), 0u);
    delete percpu;
}

TEST(Percpu, CountsShardsByThePossibleCpusAndSaysWhatItChose)
{
    TokenSource tokens({64}, 10);
    Caches caches(tokens, 0);
    EXPECT_EQ(caches->shard_count, cairn_cpu_possible_count());
    cairn_percpu_config config = {};
    config.block_bytes = tokens.block_bytes();
    config.class_count = 1;
    config.source = tokens.source();
    config.state_bytes = cairn_percpu_state_bytes(&config);
    State state(config.state_bytes);
    config.state = state.memory;
    for (auto mode : {CAIRN_PERCPU_AUTO, CAIRN_PERCPU_LOCK, CAIRN_PERCPU_RSEQ}) {
        config.mode = mode;
        ASSERT_EQ(cairn_percpu_init(caches, &config), 0);
        auto stats = cairn_percpu_stats(caches);
        EXPECT_EQ(stats.mode, CAIRN_PERCPU_LOCK);
        EXPECT_STREQ(cairn_percpu_mode_name(stats.mode), "lock");
        EXPECT_EQ(strstr(stats.reason, "rseq") != nullptr, mode == CAIRN_PERCPU_RSEQ);
        EXPECT_NE(stats.cpu_reason, nullptr);
        EXPECT_EQ(stats.shards_used, 0u);
        EXPECT_EQ(stats.cached_bytes + stats.depot_bytes + stats.contended, 0u);
    }
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_AUTO), "auto");
    EXPECT_STREQ(cairn_percpu_mode_name(CAIRN_PERCPU_RSEQ), "rseq");
    EXPECT_STREQ(cairn_percpu_mode_name(static_cast<cairn_percpu_mode>(3)), "unknown");
}

// Locks

TEST(Percpu, TurnsToANeighbourInUseWhenItsShardIsHeld)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 4);
    Caches::id() = 2;
    cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
    Caches::id() = 0;
    cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
    unsigned count = caches.array(2, 0).count;

    ASSERT_TRUE(cairn_trylock(&caches->fronts[0].lock));
    void *block = cairn_percpu_alloc(caches, 0);
    EXPECT_EQ(caches.array(2, 0).count, count - 1);
    cairn_percpu_free(caches, 0, block);
    EXPECT_EQ(caches.array(2, 0).count, count);
    free_all(caches, 0, alloc_many(caches, 0, 200)); // a refill and a flush there as well
    cairn_lock_release(&caches->fronts[0].lock);
    EXPECT_EQ(cairn_percpu_stats(caches).contended, 402u);
    EXPECT_EQ(caches->fronts[1].used + caches->fronts[3].used, 0u);
    expect_ends_clean(caches, tokens);
}

TEST(Percpu, GivesBackWhatNoLongerFitsAfterARefill)
{
    for (size_t filled = 0; filled <= 8; filled++) {
        TokenSource tokens({1024}, 1000);
        Caches caches(tokens, 1);
        std::vector<void *> held = alloc_many(caches, 0, 16); // two batches of 8: nothing is left
        ASSERT_EQ(caches.array(0, 0).count, 0u);
        // While the next batch is on its way, the array is filled by frees, as from another thread.
        tokens.during_take = [&] {
            for (size_t at = 0; at < filled; at++) {
                cairn_percpu_free(caches, 0, held.back());
                held.pop_back();
            }
        };
        held.push_back(cairn_percpu_alloc(caches, 0));
        tokens.during_take = nullptr;
        EXPECT_EQ(caches.array(0, 0).count, std::min<size_t>(filled + 7, 8));
        EXPECT_EQ(cairn_depot_count(&caches->depot, 0), filled > 1 ? filled - 1 : 0);
        cairn_percpu_check(caches);
        free_all(caches, 0, held);
        expect_ends_clean(caches, tokens);
    }
}

TEST(Percpu, KeepsErrno)
{
    TokenSource tokens({64}, 100);
    Caches caches(tokens, 2);
    for (auto way : {CAIRN_CPU_AUTO, CAIRN_CPU_GETCPU}) {
        cairn_cpu_init(&caches->cpu, way);
        errno = EXDEV;
        std::vector<void *> blocks = alloc_many(caches, 0, 101);
        EXPECT_EQ(blocks.back(), nullptr);
        blocks.pop_back();
        free_all(caches, 0, blocks);
        cairn_percpu_drain(caches);
        EXPECT_EQ(errno, EXDEV);
    }
    expect_ends_clean(caches, tokens);
}

// Drain

TEST(Percpu, DrainsOneShardOrEverything)
{
    TokenSource tokens({64, 1024}, 1000);
    Caches caches(tokens, 3);
    Caches::id() = 1;
    std::vector<void *> small = alloc_many(caches, 0, 10);
    Caches::id() = 2;
    std::vector<void *> large = alloc_many(caches, 1, 3);
    EXPECT_EQ(cairn_percpu_drain_shard(caches, 0), 0u);
    EXPECT_EQ(cairn_percpu_drain_shard(caches, 1), 54u);
    EXPECT_EQ(tokens.outstanding(0), 10u);
    free_all(caches, 1, large);
    free_all(caches, 0, small);
    auto stats = cairn_percpu_stats(caches);
    EXPECT_EQ(stats.cached_bytes, 8u * 1024 + 10 * 64);
    EXPECT_EQ(cairn_percpu_drain(caches), 18u);
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
    EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, 0u);
    EXPECT_EQ(cairn_percpu_drain(caches), 0u);
    expect_ends_clean(caches, tokens);
}

// A dry source

TEST(Percpu, HandsOutEveryBlockThereIsBeforeItGivesUp)
{
    for (size_t total = 0; total <= 150; total++) {
        TokenSource tokens({64}, total);
        Caches caches(tokens, 4);
        for (int round = 0; round < 2; round++) {
            std::set<void *> blocks;
            for (int id = 0;; id++) {
                Caches::id() = id % 4; // the last blocks lie in other shards
                void *block = cairn_percpu_alloc(caches, 0);
                if (block == nullptr)
                    break;
                ASSERT_TRUE(blocks.insert(block).second);
            }
            ASSERT_EQ(blocks.size(), total);
            cairn_percpu_check(caches);
            for (void *block : blocks) {
                Caches::id()++;
                cairn_percpu_free(caches, 0, block);
            }
        }
        expect_ends_clean(caches, tokens);
    }
}

/* A little of everything; returns how many allocations failed. */
size_t scenario(Caches &caches, size_t *held_bytes)
{
    std::vector<std::pair<unsigned, void *>> held;
    size_t failed = 0;
    *held_bytes = 0;
    for (int step = 0; step < 400; step++) {
        unsigned class_idx = static_cast<unsigned>(step % 3);
        Caches::id() = step / 5 % 3;
        void *block = cairn_percpu_alloc(caches, class_idx);
        if (block == nullptr)
            failed++;
        else
            held.emplace_back(class_idx, block);
        if (step % 4 == 3 && !held.empty()) {
            cairn_percpu_free(caches, held.back().first, held.back().second);
            held.pop_back();
        }
    }
    for (auto &one : held)
        *held_bytes += caches->classes[one.first].block_bytes;
    return failed;
}

TEST(Percpu, SurvivesEveryFailingTake)
{
    for (size_t served : {0u, 1u, 5u}) {
        uint64_t fail_at = 0;
        bool reached = true;
        for (; reached; fail_at++) {
            TokenSource tokens({64, 512, 2048}, 1000);
            Caches caches(tokens, 3);
            size_t held_bytes;
            tokens.fail(fail_at, 2, served); // two: the retry after the drain as well
            size_t failed = scenario(caches, &held_bytes);
            reached = tokens.takes > fail_at;
            EXPECT_EQ(failed, reached && served == 0 ? 1u : 0u);
            cairn_percpu_check(caches);
            EXPECT_EQ(tokens.outstanding_bytes(), held_bytes + caches.waiting_bytes());
            cairn_percpu_drain(caches);
            EXPECT_EQ(tokens.outstanding_bytes(), held_bytes);
            EXPECT_EQ(tokens.broken, 0u);
        }
        EXPECT_GT(fail_at, 10u);
    }
}

TEST(Percpu, AFailedAllocationChangesNothing)
{
    TokenSource tokens({64}, 100);
    Caches caches(tokens, 2);
    std::vector<void *> blocks = alloc_many(caches, 0, 100);
    cairn_percpu_array before = caches.array(0, 0);
    for (int round = 0; round < 3; round++)
        EXPECT_EQ(cairn_percpu_alloc(caches, 0), nullptr);
    cairn_percpu_array after = caches.array(0, 0);
    EXPECT_EQ(memcmp(&before, &after, sizeof(before)), 0);
    EXPECT_EQ(caches.waiting_bytes(), 0u);
    free_all(caches, 0, blocks);
    expect_ends_clean(caches, tokens);
}

// Model

TEST(Percpu, AgreesWithAModelUnderRandomIds)
{
    std::mt19937_64 random(percpu_testing::seed());
    const int ids[] = {-1, -2, 0, 1, 2, 3, 4, 5, 6, 7, 64, 4096, INT_MAX};
    for (unsigned shard_count : {1u, 2u, 4u}) {
        TokenSource tokens({16, 80, 1024, 30000}, 700);
        Caches caches(tokens, shard_count, 4096, 4096);
        std::vector<void *> held[4];
        std::set<void *> live;
        size_t held_bytes = 0;
        for (int step = 0; step < 60000; step++) {
            unsigned class_idx = random() % 4;
            bool wants = random() % 100 < (step / 3000 % 2 != 0 ? 65u : 35u);
            Caches::id() = ids[random() % (sizeof(ids) / sizeof(ids[0]))];
            if (wants) {
                void *block = cairn_percpu_alloc(caches, class_idx);
                ASSERT_EQ(block == nullptr, held[class_idx].size() == 700);
                if (block == nullptr)
                    continue;
                size_t token_class, idx;
                ASSERT_TRUE(tokens.find(block, &token_class, &idx));
                ASSERT_EQ(token_class, class_idx);
                ASSERT_TRUE(live.insert(block).second);
                held[class_idx].push_back(block);
                held_bytes += caches->classes[class_idx].block_bytes;
            } else if (!held[class_idx].empty()) {
                std::swap(held[class_idx][random() % held[class_idx].size()],
                          held[class_idx].back());
                live.erase(held[class_idx].back());
                cairn_percpu_free(caches, class_idx, held[class_idx].back());
                held[class_idx].pop_back();
                held_bytes -= caches->classes[class_idx].block_bytes;
            }
            if (random() % 500 == 0)
                cairn_percpu_drain_shard(caches, static_cast<unsigned>(random() % shard_count));
            if (random() % 2000 == 0)
                cairn_percpu_drain(caches);
            ASSERT_EQ(tokens.outstanding_bytes(), held_bytes + caches.waiting_bytes());
            ASSERT_LE(caches.waiting_bytes(), caches.bound_bytes(shard_count));
            if (step % 8 == 0)
                cairn_percpu_check(caches);
        }
        for (unsigned class_idx = 0; class_idx < 4; class_idx++)
            free_all(caches, class_idx, held[class_idx]);
        expect_ends_clean(caches, tokens);
    }
}

// Laws: percpu is no source itself, but what it hands out keeps them. The blocks here are memory.

struct AsSource {
    static size_t take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                       size_t count)
    {
        size_t taken = 0;
        if (block_bytes != 48 || align_bytes > 16)
            return 0;
        while (taken < count && (blocks[taken] = cairn_percpu_alloc(
                                     static_cast<cairn_percpu *>(self), 0)) != nullptr)
            taken++;
        return taken;
    }

    static void give(void *self, size_t, void *const *blocks, size_t count)
    {
        for (size_t at = 0; at < count; at++)
            cairn_percpu_free(static_cast<cairn_percpu *>(self), 0, blocks[at]);
    }
};

struct Memory {
    alignas(64) char bytes[300][48];
    std::vector<void *> free;

    static size_t take(void *self, size_t, size_t, void **blocks, size_t count)
    {
        auto &free = static_cast<Memory *>(self)->free;
        size_t taken = 0;
        for (; taken < count && !free.empty(); taken++) {
            blocks[taken] = free.back();
            free.pop_back();
        }
        return taken;
    }

    static void give(void *self, size_t, void *const *blocks, size_t count)
    {
        auto &free = static_cast<Memory *>(self)->free;
        free.insert(free.end(), blocks, blocks + count);
    }
};

TEST(Percpu, KeepsTheLawsOfASource)
{
    static Memory memory;
    const cairn_source_ops below = {"memory", CAIRN_SOURCE_THREAD_SAFE, Memory::take, Memory::give};
    const cairn_source_ops above = {"percpu", CAIRN_SOURCE_THREAD_SAFE, AsSource::take,
                                    AsSource::give};
    for (auto &block : memory.bytes)
        memory.free.push_back(block);
    TokenSource tokens({48}, 1);
    Caches caches(tokens, 3);
    caches->depot.source = {&below, &memory};
    for (size_t count : {1u, 7u, 100u, 256u}) {
        cairn_law_shape shape = {48, 16, count, percpu_testing::seed()};
        cairn_source source = {&above, static_cast<cairn_percpu *>(caches)};
        EXPECT_STREQ(cairn_laws_hold(source, &shape), nullptr);
        cairn_percpu_check(caches);
    }
    cairn_percpu_fini(caches);
    EXPECT_EQ(memory.free.size(), 300u);
}

} // namespace
