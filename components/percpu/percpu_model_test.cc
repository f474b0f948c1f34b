// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// One thread, in each mode: a source that runs dry, random calls against a model, and the laws of a
// source.

#include "percpu_testing.h"

#include <algorithm>
#include <climits>
#include <set>
#include <utility>

#include <cairn/source_laws.h>
#include <gtest/gtest.h>

namespace {

using percpu_testing::alloc_many;
using percpu_testing::Caches;
using percpu_testing::expect_ends_clean;
using percpu_testing::free_all;
using percpu_testing::InModes;
using percpu_testing::TokenSource;

class PercpuModel : public InModes {};

INSTANTIATE_TEST_SUITE_P(Modes, PercpuModel,
                         ::testing::Values(percpu_testing::LOCK, percpu_testing::RSEQ_BY_CPU,
                                           percpu_testing::RSEQ_BY_CID),
                         percpu_testing::mode_name);

// A dry source

TEST_P(PercpuModel, HandsOutEveryBlockThereIsBeforeItGivesUp)
{
    for (size_t total = 0; total <= 150; total += is_locked() ? 1 : 15) { // a move of CPU is slow
        TokenSource tokens({64}, total);
        Caches caches = make(tokens, 4);
        for (int round = 0; round < 2; round++) {
            std::set<void *> blocks;
            for (int id = 0;; id++) {
                caches.on(static_cast<unsigned>(
                    is_locked() ? id % 4 : id / 16)); // the last blocks lie in other shards
                void *block = cairn_percpu_alloc(caches, 0);
                if (block == nullptr)
                    break;
                ASSERT_TRUE(blocks.insert(block).second);
            }
            ASSERT_EQ(blocks.size(), total);
            cairn_percpu_check(caches);
            unsigned id = 0;
            for (void *block : blocks) {
                caches.on(is_locked() ? id++ % 4 : id++ / 16);
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
        caches.on(static_cast<unsigned>(caches.is_locked() ? step / 5 % 3 : step / 50));
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

TEST_P(PercpuModel, SurvivesEveryFailingTake)
{
    for (size_t served : {0u, 1u, 5u}) {
        uint64_t fail_at = 0;
        bool reached = true;
        for (; reached; fail_at++) {
            TokenSource tokens({64, 512, 2048}, 1000);
            Caches caches = make(tokens, 3);
            size_t held_bytes;
            tokens.fail(fail_at, 2, served); // two: the retry after the flush as well
            size_t failed = scenario(caches, &held_bytes);
            reached = tokens.takes > fail_at;
            EXPECT_EQ(failed, reached && served == 0 ? 1u : 0u);
            cairn_percpu_check(caches);
            EXPECT_EQ(tokens.outstanding_bytes(), held_bytes + caches.waiting_bytes());
            cairn_percpu_flush(caches);
            EXPECT_EQ(tokens.outstanding_bytes(), held_bytes);
            EXPECT_EQ(tokens.broken, 0u);
        }
        EXPECT_GT(fail_at, 10u);
    }
}

TEST_P(PercpuModel, AFailedAllocationChangesNothing)
{
    TokenSource tokens({64}, 100);
    Caches caches = make(tokens, 2);
    std::vector<void *> blocks = alloc_many(caches, 0, 100);
    const uint32_t before = caches.header(0, 0);
    for (int round = 0; round < 3; round++)
        EXPECT_EQ(cairn_percpu_alloc(caches, 0), nullptr);
    EXPECT_EQ(caches.header(0, 0), before);
    EXPECT_EQ(caches.waiting_bytes(), 0u);
    free_all(caches, 0, blocks);
    expect_ends_clean(caches, tokens);
}

// Model

TEST_P(PercpuModel, AgreesWithAModelUnderRandomIds)
{
    std::mt19937_64 random(percpu_testing::seed());
    const int ids[] = {-1, -2, 0, 1, 2, 3, 4, 5, 6, 7, 64, 4096, INT_MAX};
    for (unsigned shard_count : {1u, 2u, 4u}) {
        TokenSource tokens({16, 80, 1024, 30000}, 700);
        Caches caches = make(tokens, shard_count, 4096, 4096);
        std::vector<void *> held[4];
        std::set<void *> live;
        size_t held_bytes = 0;
        for (int step = 0; step < 60000; step++) {
            unsigned class_idx = random() % 4;
            bool wants = random() % 100 < (step / 3000 % 2 != 0 ? 65u : 35u);
            if (is_locked())
                Caches::id() = ids[random() % (sizeof(ids) / sizeof(ids[0]))];
            else if (random() % 256 == 0)
                caches.on(static_cast<unsigned>(random() % 64));
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
                cairn_percpu_flush_shard(caches,
                                         static_cast<unsigned>(random() % caches->shard_count));
            if (random() % 2000 == 0)
                cairn_percpu_flush(caches);
            ASSERT_EQ(tokens.outstanding_bytes(), held_bytes + caches.waiting_bytes());
            ASSERT_LE(caches.waiting_bytes(), caches.bound_bytes(caches->shard_count));
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

TEST_P(PercpuModel, KeepsTheLawsOfASource)
{
    static Memory memory;
    const cairn_source_ops below = {"memory", CAIRN_SOURCE_THREAD_SAFE, Memory::take, Memory::give};
    const cairn_source_ops above = {"percpu", CAIRN_SOURCE_THREAD_SAFE, AsSource::take,
                                    AsSource::give};
    memory.free.clear();
    for (auto &block : memory.bytes)
        memory.free.push_back(block);
    TokenSource tokens({48}, 1);
    Caches caches = make(tokens, 3);
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
