// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// One thread, any number of CPUs, in both modes: the id is whatever the test says it is, or the
// thread goes there.

#include "percpu_testing.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <set>

#include <unistd.h>

#include <cairn/base/lock.h>
#include <gtest/gtest.h>

namespace {

using percpu_testing::alloc_many;
using percpu_testing::Caches;
using percpu_testing::expect_ends_clean;
using percpu_testing::free_all;
using percpu_testing::InModes;
using percpu_testing::resident_pages;
using percpu_testing::State;
using percpu_testing::TokenSource;

class Percpu : public InModes {};

INSTANTIATE_TEST_SUITE_P(Modes, Percpu,
                         ::testing::Values(percpu_testing::LOCK, percpu_testing::RSEQ_BY_CPU),
                         percpu_testing::mode_name);

// Examples

TEST_P(Percpu, HandsTheBlockOutAgainThatWasJustFreed)
{
    TokenSource tokens({64}, 1000);
    Caches caches = make(tokens, 2);
    caches.on(0);
    void *block = cairn_percpu_alloc(caches, 0);
    ASSERT_NE(block, nullptr);
    cairn_percpu_free(caches, 0, block);
    EXPECT_EQ(cairn_percpu_alloc(caches, 0), block);
    cairn_percpu_free(caches, 0, block);
    expect_ends_clean(caches, tokens);
}

// As after a pop that was interrupted.
TEST_P(Percpu, ASlowPathThatIsEnteredForNothingTakesFromTheArray)
{
    TokenSource tokens({64}, 1000);
    Caches caches = make(tokens, 2);
    caches.on(0);
    void *block = cairn_percpu_alloc(caches, 0);
    ASSERT_NE(block, nullptr);
    cairn_percpu_free(caches, 0, block);
    uint64_t takes = tokens.takes;
    EXPECT_EQ(cairn_percpu_alloc_slow(caches, 0), block);
    EXPECT_EQ(tokens.takes, takes);
    cairn_percpu_free(caches, 0, block);
    expect_ends_clean(caches, tokens);
}

TEST_P(Percpu, AsksTheSourceOncePerBatchAndPopsInItsOrder)
{
    TokenSource tokens({64, 512, 4096}, 1000);
    Caches caches = make(tokens, 1);
    caches.on(0);
    const size_t batch[] = {64, 32, 4};
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

TEST_P(Percpu, FlushesTheOldestHalfInOrder)
{
    NEEDS_CPUS(2);
    TokenSource tokens({2048}, 1000); // batches of 8
    Caches caches = make(tokens, 2);
    caches.on(0);
    std::vector<void *> blocks = alloc_many(caches, 0, 9);
    caches.on(1);
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

TEST_P(Percpu, WhatOneCpuFreesAnotherAllocatesWithoutTheSource)
{
    NEEDS_CPUS(2);
    TokenSource tokens({64}, 10000);
    Caches caches = make(tokens, 4);
    for (int round = 0; round < 100; round++) {
        caches.on(0);
        std::vector<void *> blocks = alloc_many(caches, 0, 500);
        caches.on(is_locked() ? 3 : 1);
        free_all(caches, 0, blocks);
        if (round == 20)
            tokens.takes = 0; // warm
    }
    // A thread that is interrupted in a slow path bypasses its shard, and may take a batch more.
    constexpr size_t kInterrupted = 2;
    EXPECT_LE(tokens.takes, kInterrupted);
    // held, in two shards, in the last batch
    EXPECT_LE(tokens.tokens_taken, 500u + (3 + kInterrupted) * 126);
    EXPECT_EQ(tokens.gives, 0u);
    expect_ends_clean(caches, tokens);
}

TEST_P(Percpu, LargeBlocksAreTakenOneAtATimeAndFewWait)
{
    TokenSource tokens({1u << 16}, 100);
    Caches caches = make(tokens, 1);
    caches.on(0);
    std::vector<void *> blocks = alloc_many(caches, 0, 7);
    EXPECT_EQ(tokens.tokens_taken, 7u);
    free_all(caches, 0, blocks);
    EXPECT_EQ(caches.array(0, 0).count, 2u);
    EXPECT_EQ(caches.array(0, 0).limit, 2u);
    EXPECT_EQ(cairn_depot_count(&caches->depot, 0), 2u);
    EXPECT_EQ(tokens.outstanding_bytes(), 4u << 16);
    expect_ends_clean(caches, tokens);
}

// GCC 12 drops an `asm goto` whose result is not used, unless it is called volatile.
TEST_P(Percpu, APopTakesABlockWithoutReadingIt)
{
    TokenSource tokens({64}, 1000);
    Caches caches = make(tokens, 1);
    caches.on(0);
    cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
    unsigned count = 0;
    while (count < 1000 && cairn_percpu_pop(caches, 0) != nullptr)
        count++;
    EXPECT_EQ(count, is_locked() ? 0u : 64u);
    EXPECT_EQ(caches.array(0, 0).count, is_locked() ? 64u : 0u);
    cairn_percpu_fini(caches);
}

// Limits

TEST_P(Percpu, LimitsStartAtABatchAndGrowOnlyWhenAllocationsSwing)
{
    TokenSource tokens({64}, 100000);
    Caches caches = make(tokens, 1, 64 * 200, 1024 * 64);
    caches.on(0);
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
    uint64_t takes = tokens.takes;
    blocks = alloc_many(caches, 0, 1000);
    EXPECT_LE(tokens.takes, takes + 1000 / 64); // refills of half the limit, after the depot's
    free_all(caches, 0, blocks);
    for (int round = 0; round < 20; round++)
        free_all(caches, 0, alloc_many(caches, 0, 1000));
    EXPECT_EQ(caches.array(0, 0).limit, 200u); // the capacity, no multiple of the batch
    expect_ends_clean(caches, tokens);
}

TEST_P(Percpu, AFreeIntoAnUntouchedShardStartsItsLimit)
{
    NEEDS_CPUS(2);
    TokenSource tokens({64}, 100);
    Caches caches = make(tokens, 2);
    caches.on(0);
    void *block = cairn_percpu_alloc(caches, 0);
    caches.on(1);
    cairn_percpu_free(caches, 0, block);
    EXPECT_EQ(caches.array(1, 0).count, 1u);
    EXPECT_EQ(caches.array(1, 0).limit, 64u);
    EXPECT_FALSE(caches.histories(caches.shard_of(1))[0].has_flushed);
    expect_ends_clean(caches, tokens);
}

TEST(PercpuInit, BatchesAndCapacitiesFollowTheBudget)
{
    TokenSource tokens({8, 16, 64, 100, 1024, 8192, 32768, 1u << 20}, 1);
    Caches caches(tokens, 1);
    const unsigned batch[] = {64, 64, 64, 64, 16, 4, 4, 2};
    const unsigned capacity[] = {252, 252, 252, 252, 64, 8, 8, 2};
    for (unsigned idx = 0; idx < 8; idx++) {
        EXPECT_EQ(caches->classes[idx].batch, batch[idx]);
        EXPECT_EQ(caches->classes[idx].capacity, capacity[idx]);
    }
    Caches tiny(tokens, 1, 1);
    EXPECT_EQ(tiny->classes[0].capacity, 8u);
    EXPECT_EQ(tiny->classes[0].batch, 8u); // not beyond the capacity
}

TEST_P(Percpu, NeverCachesMoreThanItsBound)
{
    const unsigned count = is_locked() ? 3 : static_cast<unsigned>(percpu_testing::cpus().size());
    TokenSource tokens({16, 512, 3000}, 20000);
    Caches caches = make(tokens, 3, 4096, 8192);
    for (int round = 0; round < 10; round++)
        for (unsigned class_idx = 0; class_idx < 3; class_idx++) {
            std::vector<void *> blocks = alloc_many(caches, class_idx, 5000);
            for (size_t at = 0; at < blocks.size(); at++) {
                if (is_locked() || at % 500 == 0)
                    caches.on(static_cast<unsigned>(at / (is_locked() ? 7 : 500) % count));
                cairn_percpu_free(caches, class_idx, blocks[at]);
            }
            EXPECT_LE(caches.waiting_bytes(), caches.bound_bytes(count));
        }
    EXPECT_EQ(tokens.outstanding_bytes(), caches.waiting_bytes());
    EXPECT_GE(caches.waiting_bytes(), caches.bound_bytes(count) / 3); // the bound says something
    expect_ends_clean(caches, tokens);
}

// CPU ids

TEST(PercpuLock, FoldsEveryIdOntoAShard)
{
    for (int id : {0, 1, 2, 3, 4, 5, 6, 7, 64, 1000003, INT_MAX}) {
        TokenSource tokens({64}, 1000);
        Caches caches(tokens, 3);
        Caches::id() = id;
        cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
        for (unsigned shard_idx = 0; shard_idx < 3; shard_idx++)
            EXPECT_EQ(caches->headers[shard_idx].used != 0,
                      shard_idx == static_cast<unsigned>(id) % 3);
        expect_ends_clean(caches, tokens);
    }
}

TEST(PercpuLock, AThreadWithoutAnIdStaysOnOneShard)
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

TEST_P(Percpu, LeavesShardsOfIdleCpusUntouched)
{
    if (sysconf(_SC_PAGESIZE) != 4096)
        GTEST_SKIP() << "shards are laid out for pages of 4096 bytes";
    TokenSource tokens({16, 64, 512}, 10000);
    Caches caches = make(tokens, 64);
    std::set<unsigned> used; // 7 and 9, or those of two CPUs of this machine
    for (unsigned id : {7u, 9u}) {
        caches.on(id);
        used.insert(caches.shard_of(id));
        for (unsigned class_idx = 0; class_idx < 3; class_idx++)
            free_all(caches, class_idx, alloc_many(caches, class_idx, 1000));
    }
    EXPECT_EQ(cairn_percpu_stats(caches).shards_used, used.size());
    cairn_percpu_close(caches);
    cairn_percpu_repair(caches);
    cairn_percpu_reopen(caches);
    cairn_percpu_flush(caches);
    for (unsigned shard_idx = 0; shard_idx < caches->shard_count; shard_idx++) {
        bool is_used = used.count(shard_idx) != 0;
        size_t pages =
            resident_pages(caches->shards + shard_idx * caches->shard_bytes, caches->shard_bytes);
        EXPECT_EQ(pages > 0, is_used) << shard_idx;
    }
    expect_ends_clean(caches, tokens);
}

TEST_P(Percpu, StatesItsSizeExactlyAndStaysWithin)
{
    // The state ends at a page that cannot be touched. All of the last shard and of the depot are
    // filled.
    for (unsigned shard_count : {1u, 2u, 5u}) {
        TokenSource tokens({16, 48, 512, 40000}, 10000);
        Caches caches = make(tokens, shard_count, 0, 0, true);
        const unsigned last = is_locked() ? shard_count - 1 : caches->shard_count - 1;
        caches.on(last); // on a machine where not every CPU may be used, some other
        for (unsigned class_idx = 0; class_idx < 4; class_idx++)
            for (int round = 0; round < 20; round++)
                free_all(caches, class_idx, alloc_many(caches, class_idx, 3000));
        for (unsigned class_idx = 0; class_idx < 4; class_idx++) {
            EXPECT_EQ(caches.array(last, class_idx).limit, caches->classes[class_idx].capacity);
            EXPECT_EQ(cairn_depot_count(&caches->depot, class_idx),
                      caches->depot.bins[class_idx].capacity);
        }
        expect_ends_clean(caches, tokens);
    }
}

TEST_P(Percpu, HasRoomForASlotBelowEachArray)
{
    // Twice 190 pointers after the header would fit into a page, the NULL slots below them do not.
    NEEDS_CPUS(2);
    TokenSource tokens({64, 64}, 3000);
    Caches caches = make(tokens, 2, 190 * 64, 8 * 64);
    EXPECT_EQ(caches->shard_bytes, 2u * 4096);
    for (unsigned id : {1u, 0u}) {
        caches.on(id);
        for (unsigned class_idx : {0u, 1u}) {
            for (int round = 0; round < 20; round++)
                free_all(caches, class_idx, alloc_many(caches, class_idx, 1500));
            EXPECT_EQ(caches.array(id, class_idx).limit, 190u);
        }
    }
    while (caches.array(0, 1).count < 190)
        cairn_percpu_free(caches, 1, [&] {
            caches.on(1);
            void *block = cairn_percpu_alloc(caches, 1);
            caches.on(0);
            return block;
        }());
    expect_ends_clean(caches, tokens);
}

TEST(PercpuInit, RefusesWhatItCannotWorkWith)
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

TEST(PercpuInit, CountsShardsByThePossibleCpus)
{
    TokenSource tokens({64}, 10);
    Caches caches(tokens, 0);
    EXPECT_EQ(caches->shard_count, cairn_cpu_possible_count());
    auto stats = cairn_percpu_stats(caches);
    EXPECT_EQ(stats.shard_count, caches->shard_count);
    EXPECT_EQ(stats.shards_used, 0u);
    EXPECT_EQ(stats.cached_bytes + stats.depot_bytes + stats.contended, 0u);
}

// Locks

TEST(PercpuLock, TurnsToANeighbourInUseWhenItsShardIsHeld)
{
    TokenSource tokens({64}, 1000);
    Caches caches(tokens, 4);
    Caches::id() = 2;
    cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
    Caches::id() = 0;
    cairn_percpu_free(caches, 0, cairn_percpu_alloc(caches, 0));
    unsigned count = caches.array(2, 0).count;

    ASSERT_TRUE(cairn_trylock(&caches->headers[0].lock));
    void *block = cairn_percpu_alloc(caches, 0);
    EXPECT_EQ(caches.array(2, 0).count, count - 1);
    cairn_percpu_free(caches, 0, block);
    EXPECT_EQ(caches.array(2, 0).count, count);
    free_all(caches, 0, alloc_many(caches, 0, 200)); // a refill and a flush there as well
    cairn_lock_release(&caches->headers[0].lock);
    EXPECT_EQ(cairn_percpu_stats(caches).contended, 402u);
    EXPECT_EQ(caches->headers[1].used + caches->headers[3].used, 0u);
    expect_ends_clean(caches, tokens);
}

TEST_P(Percpu, GivesBackWhatNoLongerFitsAfterARefill)
{
    for (size_t filled = 0; filled <= 8; filled++) {
        TokenSource tokens({2048}, 1000);
        Caches caches = make(tokens, 1);
        caches.on(0);
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

TEST_P(Percpu, KeepsErrno)
{
    TokenSource tokens({64}, 100);
    Caches caches = make(tokens, 2);
    for (auto method : {CAIRN_CPU_AUTO, CAIRN_CPU_GETCPU}) {
        if (is_locked())
            caches.init_cpu(method);
        errno = EXDEV;
        std::vector<void *> blocks = alloc_many(caches, 0, 101);
        EXPECT_EQ(blocks.back(), nullptr);
        blocks.pop_back();
        free_all(caches, 0, blocks);
        cairn_percpu_flush(caches);
        EXPECT_EQ(errno, EXDEV);
    }
    expect_ends_clean(caches, tokens);
}

// Flush

TEST_P(Percpu, FlushesOneShardOrEverything)
{
    NEEDS_CPUS(2);
    TokenSource tokens({64, 2048}, 1000); // batches of 64 and 8
    Caches caches = make(tokens, 3);
    caches.on(0);
    std::vector<void *> small = alloc_many(caches, 0, 10);
    caches.on(1);
    std::vector<void *> large = alloc_many(caches, 1, 3);
    if (is_locked()) {
        EXPECT_EQ(cairn_percpu_flush_shard(caches, 2), 0u);
    }
    EXPECT_EQ(cairn_percpu_flush_shard(caches, caches.shard_of(0)), 54u); // another CPU's
    EXPECT_EQ(cairn_percpu_flush_shard(caches, caches.shard_of(0)), 0u);
    EXPECT_EQ(tokens.outstanding(0), 10u);
    free_all(caches, 1, large);
    free_all(caches, 0, small);
    auto stats = cairn_percpu_stats(caches);
    EXPECT_EQ(stats.cached_bytes, 8u * 2048 + 10 * 64);
    EXPECT_EQ(cairn_percpu_flush(caches), 18u);
    EXPECT_EQ(tokens.outstanding_bytes(), 0u);
    EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, 0u);
    EXPECT_EQ(cairn_percpu_flush(caches), 0u);
    expect_ends_clean(caches, tokens);
}

} // namespace
