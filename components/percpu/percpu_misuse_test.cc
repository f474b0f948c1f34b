// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What must stop the program: double frees, and each invariant that cairn_percpu_check() walks.

#include "percpu_testing.h"

#include <gtest/gtest.h>

namespace {

using percpu_testing::Caches;
using percpu_testing::TokenSource;

class PercpuDeath : public percpu_testing::InModes {
  protected:
    void SetUp() override
    {
        GTEST_FLAG_SET(death_test_style, "fast");
        InModes::SetUp();
        caches.on(0);
        for (int at = 0; at < 12; at++)
            blocks.push_back(cairn_percpu_alloc(caches, 0));
    }

    TokenSource tokens{{2048}, 1000}; // batches of 8
    Caches caches{make(tokens, 2)};
    std::vector<void *> blocks;
};

INSTANTIATE_TEST_SUITE_P(Modes, PercpuDeath,
                         ::testing::Values(percpu_testing::LOCK, percpu_testing::RSEQ_BY_CPU),
                         percpu_testing::mode_name);

TEST_P(PercpuDeath, FindsADoubleFreeOfTheNewestOrUnderALockOfTheNewestFour)
{
    for (size_t later = 0; later < (is_locked() ? 4 : 1); later++) {
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

TEST_P(PercpuDeath, FindsADoubleFreeIntoAFullArray)
{
    NEEDS_CPUS(2);
    caches.on(1);
    for (size_t at = 0; at < 8; at++)
        cairn_percpu_free(caches, 0, blocks[at]);
    ASSERT_EQ(caches.array(1, 0).count, caches.array(1, 0).limit);
    EXPECT_DEATH(cairn_percpu_free(caches, 0, blocks[7]), "double free");
    EXPECT_DEATH(cairn_percpu_free(caches, 0, blocks[4]), "double free");
}

TEST_P(PercpuDeath, FindsADoubleFreeInANeighboursShard)
{
    if (!is_locked())
        GTEST_SKIP() << "neighbours are not used in rseq mode";
    caches.on(1);
    cairn_percpu_free(caches, 0, blocks[0]);
    caches.on(0);
    ASSERT_TRUE(cairn_trylock(&caches->headers[0].lock));
    EXPECT_DEATH(cairn_percpu_free(caches, 0, blocks[0]), "double free");
}

TEST_P(PercpuDeath, DoesNotTakeABlockThatWasIssuedAgainForADoubleFree)
{
    cairn_percpu_free(caches, 0, blocks[11]);
    void *again = cairn_percpu_alloc(caches, 0);
    EXPECT_EQ(again, blocks[11]);
    cairn_percpu_free(caches, 0, again);
    EXPECT_EQ(caches.array(0, 0).count, 5u);
}

TEST_P(PercpuDeath, AnOldRepeatReachesTheSource)
{
    for (size_t at = 0; at < 5; at++)
        cairn_percpu_free(caches, 0, blocks[at]);
    cairn_percpu_free(caches, 0, blocks[0]);
    EXPECT_DEATH(cairn_percpu_check(caches), "invariant broken");
    cairn_percpu_flush(caches);
    EXPECT_EQ(tokens.broken, 1u);
}

TEST_P(PercpuDeath, CheckFindsBrokenInvariants)
{
    cairn_percpu_check(caches);
    auto with_header = [&](unsigned k, unsigned count, unsigned limit) {
        caches.header(k, 0) = caches.header_for(0, count, limit);
        cairn_percpu_check(caches);
    };
    const unsigned idle = is_locked() || percpu_testing::cpus().size() > 1 ? 1 : 0;
    ASSERT_EQ(caches.array(0, 0).count, 4u);
    EXPECT_DEATH(with_header(0, 4, 65), "limit <= class->capacity");
    EXPECT_DEATH(with_header(0, 4, 7), "limit >= class->batch");
    EXPECT_DEATH((caches.header(0, 0) -= 5, cairn_percpu_check(caches)),
                 "header_top.header. >= class->slots_offset");
    EXPECT_DEATH(with_header(0, 9, 10), "slots.at. != NULL");
    EXPECT_DEATH((caches.slots(0, 0)[1] = nullptr, cairn_percpu_check(caches)), "!= NULL");
    EXPECT_DEATH((caches.slots(0, 0)[-1] = blocks[0], cairn_percpu_check(caches)), "== NULL");
    EXPECT_DEATH((caches.slots(0, 0)[0] = caches.slots(0, 0)[3], cairn_percpu_check(caches)),
                 "slots.before. != slots.at.");
    if (idle != 0) {
        EXPECT_DEATH(with_header(idle, 0, 8), "used");
    }
    EXPECT_DEATH((caches->depot.bins[0].count = 65, cairn_percpu_check(caches)),
                 "count <= bin->capacity");
    cairn_percpu_check(caches);
}

} // namespace
