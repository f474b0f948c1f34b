// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What must stop the program: double frees, and each invariant that cairn_percpu_check() walks.

#include "percpu_testing.h"

#include <gtest/gtest.h>

namespace {

using percpu_testing::Caches;
using percpu_testing::TokenSource;

class PercpuDeath : public ::testing::Test {
  protected:
    void SetUp() override
    {
        GTEST_FLAG_SET(death_test_style, "fast");
        Caches::id() = 0;
        for (int at = 0; at < 12; at++)
            blocks.push_back(cairn_percpu_alloc(caches, 0));
    }

    cairn_percpu_array &array(unsigned shard_idx = 0)
    {
        auto *shard = reinterpret_cast<cairn_percpu_shard *>(caches->shards +
                                                             shard_idx * caches->shard_bytes);
        return shard->arrays[0];
    }

    TokenSource tokens{{1024}, 1000}; // batches of 8
    Caches caches{tokens, 2};
    std::vector<void *> blocks;
};

TEST_F(PercpuDeath, FindsADoubleFreeAmongTheNewestFour)
{
    for (size_t later = 0; later < 4; later++) {
        EXPECT_DEATH(
            {
                cairn_percpu_free(caches, 0, blocks[11]);
                for (size_t at = 0; at < later; at++)
                    cairn_percpu_free(caches, 0, blocks[at]);
                cairn_percpu_free(caches, 0, blocks[11]);
            },
            "cairn: double free \\(pointer 0x[0-9a-f]+\\) in cairn_percpu_free");
    }
}

TEST_F(PercpuDeath, FindsADoubleFreeIntoAFullArray)
{
    Caches::id() = 1;
    for (size_t at = 0; at < 8; at++)
        cairn_percpu_free(caches, 0, blocks[at]);
    ASSERT_EQ(array(1).count, array(1).limit);
    EXPECT_DEATH(cairn_percpu_free(caches, 0, blocks[7]), "double free");
    EXPECT_DEATH(cairn_percpu_free(caches, 0, blocks[4]), "double free");
}

TEST_F(PercpuDeath, FindsADoubleFreeInANeighboursShard)
{
    Caches::id() = 1;
    cairn_percpu_free(caches, 0, blocks[0]);
    Caches::id() = 0;
    ASSERT_TRUE(cairn_trylock(&caches->fronts[0].lock));
    EXPECT_DEATH(cairn_percpu_free(caches, 0, blocks[0]), "double free");
}

TEST_F(PercpuDeath, DoesNotTakeABlockThatWasIssuedAgainForADoubleFree)
{
    cairn_percpu_free(caches, 0, blocks[11]);
    void *again = cairn_percpu_alloc(caches, 0);
    EXPECT_EQ(again, blocks[11]);
    cairn_percpu_free(caches, 0, again);
    EXPECT_EQ(array().count, 5u);
}

TEST_F(PercpuDeath, AnOldRepeatReachesTheSource)
{
    for (size_t at = 0; at < 5; at++)
        cairn_percpu_free(caches, 0, blocks[at]);
    cairn_percpu_free(caches, 0, blocks[0]);
    EXPECT_DEATH(cairn_percpu_check(caches), "invariant broken");
    cairn_percpu_drain(caches);
    EXPECT_EQ(tokens.broken, 1u);
}

TEST_F(PercpuDeath, CheckFindsBrokenInvariants)
{
    cairn_percpu_check(caches);
    ASSERT_EQ(array().count, 4u);
    EXPECT_DEATH((array().count = 9, cairn_percpu_check(caches)), "count <= array->limit");
    EXPECT_DEATH((array().limit = 65, cairn_percpu_check(caches)), "limit <= class->capacity");
    EXPECT_DEATH((array().limit = 7, cairn_percpu_check(caches)), "limit >= class->batch");
    EXPECT_DEATH((caches.slots(0, 0)[1] = nullptr, cairn_percpu_check(caches)), "!= NULL");
    EXPECT_DEATH((caches.slots(0, 0)[-1] = blocks[0], cairn_percpu_check(caches)), "== NULL");
    EXPECT_DEATH((caches.slots(0, 0)[0] = caches.slots(0, 0)[3], cairn_percpu_check(caches)),
                 "slots.before. != slots.at.");
    EXPECT_DEATH((array(1).limit = 8, cairn_percpu_check(caches)), "used");
    EXPECT_DEATH((caches->depot.lines[0].count = 65, cairn_percpu_check(caches)),
                 "count <= line->capacity");
    cairn_percpu_check(caches);
}

} // namespace
