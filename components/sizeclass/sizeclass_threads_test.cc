// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/sizeclass.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <cairn/locked.h>

#include "components/source/source_testing.h"
#include "test_world.h"

using namespace cairn_test;

namespace {

constexpr size_t thread_count = 4;
constexpr size_t batch = 16;

/* A set over a locked source, whose descriptors grow; blocks are written, so that two owners of one
   would be seen. */
struct SharedSet : Pieces, World {
    SharedSet()
        : World(size_t{256} << 20, size_t{16384}, size_t{32}, read_write, size_t{0}, as_source())
    {
        struct cairn_sizeclass_config config = {};

        source_testing::Init(&locked, source(), CAIRN_RANK_BUDDY);
        config.pagemap = &map;
        config.source = cairn_locked_as_source(&locked);
        config.granule_bytes = granule_bytes;
        config.state = state.base();
        config.state_bytes = state_bytes;
        config.descriptors = descriptors;
        EXPECT_EQ(cairn_sizeclass_init(&set, &config), 0);
    }
    ~SharedSet()
    {
        cairn_sizeclass_check(&set);
        cairn_sizeclass_fini(&set);
        cairn_locked_fini(&locked);
    }

    struct cairn_locked locked = {};
    struct cairn_sizeclass set = {};
};

struct Batch {
    unsigned class_idx;
    size_t count;
    void *blocks[batch];
};

/* Batches on their way from one thread to another. */
class Exchange {
  public:
    /* Puts a batch in and takes a random other one out, once there are enough. */
    bool swap(Batch &mine, std::mt19937_64 &random)
    {
        std::lock_guard<std::mutex> guard(mutex_);

        batches_.push_back(mine);
        std::swap(batches_[below(random, batches_.size())], batches_.back());
        if (batches_.size() < 50)
            return false;
        mine = batches_.back();
        batches_.pop_back();
        return true;
    }
    std::vector<Batch> &rest()
    {
        return batches_;
    }

  private:
    std::mutex mutex_;
    std::vector<Batch> batches_;
};

void mark(const Batch &mine)
{
    for (size_t i = 0; i < mine.count; i++)
        memcpy(mine.blocks[i], &mine.blocks[i], sizeof(void *));
}

/* Takes the marks away; false when one was not there. */
bool unmark(const Batch &mine)
{
    for (size_t i = 0; i < mine.count; i++) {
        if (memcmp(mine.blocks[i], &mine.blocks[i], sizeof(void *)) != 0)
            return false;
        memset(mine.blocks[i], 0, sizeof(void *));
    }
    return true;
}

/* Takes, marks, passes on; gives what others took. */
void work(SharedSet *world, Exchange *exchange, uint64_t seed, std::atomic<int> *errors)
{
    std::mt19937_64 random(seed);

    for (int round = 0; round < 10000; round++) {
        Batch mine = {};

        /* Few classes often, so that threads meet; all of them sometimes. */
        mine.class_idx = static_cast<unsigned>(
            below(random, below(random, 4) == 0 ? size_t{kClasses.count} : size_t{4}));
        mine.count = cairn_sizeclass_take(&world->set, mine.class_idx, mine.blocks, batch);
        *errors += mine.count != batch;
        mark(mine);
        if (!exchange->swap(mine, random))
            continue;
        *errors += !cairn_sizeclass_is_allocated(&world->set, mine.blocks[0]);
        *errors += !unmark(mine);
        cairn_sizeclass_give(&world->set, mine.class_idx, mine.blocks, mine.count);
    }
}

TEST(SizeclassThreads, BatchesPassBetweenThreads)
{
    auto world = std::make_unique<SharedSet>();
    Exchange exchange;
    std::atomic<int> errors{0};
    std::vector<std::thread> threads;
    uint64_t seed = test_seed();

    for (size_t i = 0; i < thread_count; i++)
        threads.emplace_back(work, world.get(), &exchange, seed + i, &errors);
    for (int i = 0; i < 20; i++) {
        cairn_sizeclass_check(&world->set);
        cairn_sizeclass_trim(&world->set);
        cairn_sizeclass_stats(&world->set);
    }
    for (std::thread &thread : threads)
        thread.join();
    for (Batch &left : exchange.rest()) {
        errors += !unmark(left);
        cairn_sizeclass_give(&world->set, left.class_idx, left.blocks, left.count);
    }
    EXPECT_EQ(errors, 0);
    EXPECT_EQ(cairn_sizeclass_stats(&world->set).used_bytes, 0u);
}

} // namespace
