// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What arrays may hold together, and when they give it back.

#include "percpu_testing.h"

#include <thread>

namespace {

using namespace percpu_testing;

class PercpuLimits : public InModes {
  protected:
    Caches with(TokenSource &tokens, More more, size_t depot_class_bytes = 0)
    {
        more.fence = CAIRN_PERCPU_FENCE_FREELY;
        return Caches(tokens, 3, 0, depot_class_bytes, false, GetParam(), more);
    }
};

INSTANTIATE_TEST_SUITE_P(Modes, PercpuLimits, ::testing::Values(LOCK, RSEQ_BY_CPU, RSEQ_BY_CID),
                         mode_name);

constexpr unsigned kBatch = 64;       // of blocks of 64 bytes
constexpr unsigned kIdleMisses = 600; // misses of a shard after which an array counts as idle

// Allocates and frees more than an array holds.
void Swing(Caches &caches, unsigned class_idx, unsigned times)
{
    for (unsigned time = 0; time < times; time++)
        free_all(caches, class_idx, alloc_many(caches, class_idx, 1000));
}

// So many refills, and nothing but refills.
void Miss(Caches &caches, unsigned class_idx, unsigned times, std::vector<void *> &blocks)
{
    std::vector<void *> more = alloc_many(caches, class_idx, times * kBatch);
    blocks.insert(blocks.end(), more.begin(), more.end());
}

// The index of the shard that this thread is on: of by_cid tests, the only one in use.
unsigned OnlyShard(Caches &caches)
{
    for (unsigned shard_idx = 0; shard_idx < caches->shard_count; shard_idx++)
        if (caches->headers[shard_idx].used != 0)
            return shard_idx;
    return 0;
}

struct cairn_percpu_level Level(Caches &caches, unsigned class_idx)
{
    return ::cairn_percpu_level(caches, OnlyShard(caches), class_idx);
}

TEST_P(PercpuLimits, LimitsGrowWithinTheBudgetOfTheShard)
{
    TokenSource tokens({64, 64, 64, 64, 64, 64, 64, 64}, 100000);
    constexpr size_t kBudget = 32 * 1024; // beyond the first batches: almost three arrays
    Caches caches = with(tokens, {kBudget, nullptr});
    caches.on(0);
    for (int round = 0; round < 30; round++)
        for (unsigned class_idx = 0; class_idx < 8; class_idx++) {
            Swing(caches, class_idx, 1);
            EXPECT_LE(caches->headers[OnlyShard(caches)].extra_bytes, kBudget);
        }
    cairn_percpu_check(caches);
    EXPECT_GT(caches->headers[OnlyShard(caches)].extra_bytes, kBudget / 2);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuLimits, EveryClassGetsABatchWhateverTheBudget)
{
    TokenSource tokens({64, 64, 64}, 10000);
    Caches caches = with(tokens, {1, nullptr});
    caches.on(0);
    for (unsigned class_idx = 0; class_idx < 3; class_idx++) {
        Swing(caches, class_idx, 10);
        EXPECT_EQ(Level(caches, class_idx).limit, kBatch);
    }
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuLimits, IdleArraysGiveTheirLimitToOnesThatMiss)
{
    TokenSource tokens({64, 64}, 100000);
    Caches caches = with(tokens, {(252 - kBatch + kBatch / 2) * 64, nullptr});
    caches.on(0);
    Swing(caches, 0, 20);
    EXPECT_EQ(Level(caches, 0).limit, 252u);
    Swing(caches, 1, 4);
    EXPECT_EQ(Level(caches, 0).limit, 252u) << "missed a moment ago";
    Swing(caches, 1, 40);
    EXPECT_EQ(Level(caches, 1).limit, 252u);
    EXPECT_LT(Level(caches, 0).limit, 252u);
    Swing(caches, 0, 80);
    EXPECT_EQ(Level(caches, 0).limit, 252u) << "and back";
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuLimits, UnderPressureWhatIsIdleGoesToTheSource)
{
    uint32_t pressure = 0;
    TokenSource tokens({64, 64, 64}, 200000);
    Caches caches = with(tokens, {0, &pressure});
    std::vector<void *> held;
    caches.on(0);
    Swing(caches, 0, 3);
    Miss(caches, 1, kIdleMisses, held);
    Swing(caches, 2, 3);
    EXPECT_GT(Level(caches, 0).count, 0u);
    EXPECT_GT(cairn_depot_count(&caches->depot, 0), 0u);

    size_t waiting = caches.waiting_bytes();
    Miss(caches, 1, 1, held);
    EXPECT_EQ(caches.waiting_bytes(), waiting) << "no pressure, nothing given";

    pressure = UINT32_MAX;
    Miss(caches, 1, 1, held);
    EXPECT_EQ(Level(caches, 0).limit, 0u);
    EXPECT_EQ(cairn_depot_count(&caches->depot, 0), 0u);
    EXPECT_GT(Level(caches, 1).limit, 0u) << "missed lately";
    EXPECT_GT(Level(caches, 2).count, 0u) << "missed lately";
    EXPECT_GT(cairn_depot_count(&caches->depot, 2), 0u);
    cairn_percpu_check(caches);

    Swing(caches, 0, 20);
    EXPECT_EQ(Level(caches, 0).limit, 252u) << "it begins anew";
    free_all(caches, 1, held);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuLimits, OnePressureIsAnsweredOnce)
{
    uint32_t pressure = 7;
    TokenSource tokens({64, 64}, 200000);
    Caches caches = with(tokens, {0, &pressure});
    std::vector<void *> held;
    caches.on(0);
    Miss(caches, 1, 1, held);
    Swing(caches, 0, 3);
    Miss(caches, 1, kIdleMisses, held);
    EXPECT_GT(Level(caches, 0).count, 0u) << "the pressure of the beginning was answered";
    free_all(caches, 1, held);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuLimits, UnderPressureTheShardsOfIdleCpusAreEmptied)
{
    if (GetParam().mode == CAIRN_PERCPU_RSEQ && !GetParam().by_cpu_id)
        GTEST_SKIP() << "one thread has one concurrency id";
    NEEDS_CPUS(2);
    uint32_t pressure = 0;
    TokenSource tokens({64, 64}, 200000);
    Caches caches = with(tokens, {0, &pressure});
    std::vector<void *> held;
    caches.on(1);
    Swing(caches, 0, 3);
    EXPECT_GT(caches.array(1, 0).count, 0u);
    caches.on(0);
    for (pressure = 1; pressure < 16; pressure++)
        Miss(caches, 1, 1, held);
    EXPECT_GT(caches.array(1, 0).count, 0u) << "no pass so far";
    Miss(caches, 1, 1, held); // 16: a pass
    caches.on(1);
    Miss(caches, 1, 1, held);
    caches.on(0);
    pressure = 32;
    Miss(caches, 1, 1, held);
    EXPECT_GT(caches.array(1, 0).count, 0u) << "that CPU was in use since the last pass";
    pressure = 48;
    Miss(caches, 1, 1, held);
    EXPECT_EQ(caches.array(1, 0).count, 0u);
    cairn_percpu_check(caches);
    free_all(caches, 1, held);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuLimits, AnArrayThatMissedNothingInAnEpochIsEmptied)
{
    TokenSource tokens({64, 64}, 100000);
    Caches caches = with(tokens, {});
    caches.on(0);
    Swing(caches, 0, 3);
    Swing(caches, 1, 3);
    cairn_percpu_age(caches);
    EXPECT_GT(Level(caches, 0).count, 0u) << "it missed in this epoch";
    Swing(caches, 1, 1);
    cairn_percpu_age(caches);
    EXPECT_EQ(Level(caches, 0).limit, 0u);
    EXPECT_GT(Level(caches, 1).count, 0u);
    cairn_percpu_age(caches);
    EXPECT_EQ(Level(caches, 1).limit, 0u);
    EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, 0u);
    cairn_percpu_check(caches);
    expect_ends_clean(caches, tokens);
}

TEST_P(PercpuLimits, AnEpochEndsForAnotherShardAtItsNextMissOrAtOnceWithAFence)
{
    if (cpus().size() < 2 || GetParam().mode != CAIRN_PERCPU_RSEQ || !GetParam().by_cpu_id)
        GTEST_SKIP() << "needs shards of two CPUs";
    for (bool may_fence : {false, true}) {
        TokenSource tokens({64, 64}, 100000);
        Caches caches(tokens, 3, 0, 0, false, GetParam(), {0, nullptr, CAIRN_PERCPU_FENCE_ASKED});
        caches.on(0);
        Swing(caches, 0, 3);
        size_t cached = cairn_percpu_stats(caches).cached_bytes;
        std::thread other([&] {
            caches.on(1);
            for (int epoch = 0; epoch < 2; epoch++) {
                cairn_percpu_age(caches);
                if (may_fence)
                    cairn_percpu_flush_idle(caches);
            }
        });
        other.join();
        caches.on(0);
        EXPECT_GT(cached, 0u);
        EXPECT_EQ(cairn_percpu_stats(caches).cached_bytes, may_fence ? 0 : cached);
        Swing(caches, 1, 1);
        cairn_percpu_check(caches);
        expect_ends_clean(caches, tokens);
    }
}

TEST(PercpuLimitsInit, TheBudgetOfAShardIsLessWhereThereAreManyCpus)
{
    TokenSource tokens({64}, 1);
    for (auto [shards, mib] :
         {std::pair<unsigned, size_t>{1, 4}, {16, 4}, {32, 2}, {64, 1}, {500, 1}}) {
        Caches caches(tokens, shards);
        EXPECT_EQ(caches->shard_cache_bytes, mib << 20) << shards;
    }
}

} // namespace
