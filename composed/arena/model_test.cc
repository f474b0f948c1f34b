/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * model_test.cc - random calls beside a table of what must be there; and all short sequences of
 * calls.
 */

#include <cairn/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "shadow.h"

namespace {

using cairn_test::Random;
using cairn_test::Shadow;

struct Case {
    size_t buffer_bytes;
    size_t size_max;   /* of a block */
    size_t blocks_max; /* at once: whether memory runs out is decided here */
    size_t step_count;
};

class ArenaModel : public testing::TestWithParam<Case> {};

INSTANTIATE_TEST_SUITE_P(
    Cases, ArenaModel,
    testing::Values(Case{8192, 200, 500, 40000}, Case{8192, 8192, 40, 40000},
                    Case{50001, 3000, 1000, 40000}, Case{262144, 100, 8000, 60000},
                    Case{262144, 300, 500, 40000}, Case{262147, 5000, 1000, 40000},
                    Case{1 << 20, 1000, 8000, 60000}, Case{1 << 20, 20000, 400, 20000},
                    Case{3000001, 4000, 8000, 40000}, Case{16 << 20, 3000, 8000, 20000}));

TEST_P(ArenaModel, HoldsWhatTheTableSays)
{
    const Case &plan = GetParam();
    uint64_t seed = cairn_test::test_seed();
    std::vector<unsigned char> buffer(plan.buffer_bytes, 0x5a);
    struct cairn_arena *arena = cairn_arena_init(buffer.data(), buffer.size());
    auto shadow = std::make_unique<Shadow>(arena, seed, plan.blocks_max);

    ASSERT_NE(arena, nullptr);
    for (size_t step = 0; step < plan.step_count; step++) {
        ASSERT_STREQ(shadow->step(plan.size_max), nullptr) << step;
        if (step % 256 == 0 || step < 64) {
            ASSERT_STREQ(shadow->audit(), nullptr) << step;
        }
    }
    ASSERT_STREQ(shadow->release_all(), nullptr);
    ASSERT_STREQ(shadow->audit(), nullptr);
}

TEST(ArenaModel, RunsOutOfMemoryAndRecoversManyTimes)
{
    uint64_t seed = cairn_test::test_seed();

    for (size_t bytes : {size_t{8192}, size_t{300000}, size_t{1} << 20}) {
        std::vector<unsigned char> buffer(bytes);
        struct cairn_arena *arena = cairn_arena_init(buffer.data(), buffer.size());
        auto shadow = std::make_unique<Shadow>(arena, seed, Shadow::kBlocksMax);
        Random random(seed);
        size_t largest = cairn_arena_stats(arena).largest_free_bytes;

        for (size_t round = 0; round < 8; round++) {
            uint64_t failed = shadow->failed_count();

            while (shadow->failed_count() < failed + 20)
                ASSERT_STREQ(shadow->allocate(random.size_up_to(bytes / 8), 1), nullptr);
            ASSERT_STREQ(shadow->audit(), nullptr);
            ASSERT_STREQ(shadow->release_all(), nullptr);
            ASSERT_EQ(cairn_arena_stats(arena).largest_free_bytes, largest);
        }
    }
}

/*
 * All sequences of calls from a small set, to a fixed depth: each step is tried from a copy of the
 * whole buffer.
 */
class AllSequences {
  public:
    explicit AllSequences(size_t bytes)
        : buffer_(bytes), arena_(cairn_arena_init(buffer_.data(), bytes))
    {
    }

    void explore(unsigned depth)
    {
        std::vector<unsigned char> before;

        cairn_arena_check(arena_);
        visited_count_++;
        if (depth == 0)
            return;
        before = buffer_;
        for (unsigned choice = 0; choice < kChoices; choice++) {
            void *slots[kSlots];

            memcpy(slots, slots_, sizeof(slots));
            if (act(choice))
                explore(depth - 1);
            memcpy(slots_, slots, sizeof(slots));
            memcpy(buffer_.data(), before.data(), before.size());
        }
    }

    size_t visited_count() const
    {
        return visited_count_;
    }

  private:
    static constexpr unsigned kSlots = 3;
    static constexpr unsigned kChoices = 9;

    /* False when the choice makes no sense here. */
    bool act(unsigned choice)
    {
        static const size_t sizes[] = {1, 900, 2500};
        unsigned slot = choice % kSlots;

        if (choice < 3)
            return put(sizes[choice]);
        if (slots_[slot] == NULL)
            return false;
        if (choice < 6) {
            cairn_arena_free(arena_, slots_[slot]);
            slots_[slot] = NULL;
            return true;
        }
        return resize(slot, cairn_arena_usable_bytes(arena_, slots_[slot]) > 1200 ? 40 : 2600);
    }

    bool put(size_t size)
    {
        for (void *&slot : slots_) {
            if (slot != NULL)
                continue;
            slot = cairn_arena_alloc(arena_, size);
            EXPECT_TRUE(slot != NULL || cairn_arena_stats(arena_).largest_free_bytes < size);
            return true;
        }
        return false;
    }

    bool resize(unsigned slot, size_t size)
    {
        void *moved = cairn_arena_realloc(arena_, slots_[slot], size);

        if (moved != NULL)
            slots_[slot] = moved;
        EXPECT_TRUE(moved != NULL || cairn_arena_stats(arena_).largest_free_bytes < size);
        return true;
    }

    std::vector<unsigned char> buffer_;
    struct cairn_arena *arena_;
    void *slots_[kSlots] = {};
    size_t visited_count_ = 0;
};

TEST(ArenaExhaustive, EveryShortSequenceOfCallsKeepsTheInvariants)
{
    AllSequences sequences(CAIRN_ARENA_BYTES_MIN);

    sequences.explore(6);
    EXPECT_GT(sequences.visited_count(), 10000u);
}

TEST(ArenaExhaustive, EveryShortSequenceOfCallsKeepsTheInvariantsWithSlabs)
{
    AllSequences sequences(256 * 1024);

    sequences.explore(3);
    EXPECT_GT(sequences.visited_count(), 100u);
}

} // namespace
