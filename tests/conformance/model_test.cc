// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Random calls against the model, first by one thread, then by many that free each other's blocks.
#include "tests/conformance/model.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

namespace conformance {
namespace {

const size_t kTableSize = Scaled(2000);

// A short life of `count` calls on a table of blocks, which is empty again at the end.
void Live(Actor &actor, size_t count)
{
    std::vector<Block> table(kTableSize);
    for (size_t i = 0; i < count; i++) {
        Block &block = table[actor.random().below(table.size())];
        if (block.address == nullptr)
            block = actor.Allocate();
        else if (actor.random().below(4) == 0)
            actor.Resize(block);
        else
            actor.Free(block);
    }
    for (Block &block : table)
        actor.Free(block);
}

TEST(TheModel, FindsBlocksThatOverlapInSpaceAndTime)
{
    EXPECT_EQ(FindOverlap({{100, 200, 1, 5}, {200, 300, 1, 5}, {100, 200, 5, 9}}), "");
    EXPECT_NE(FindOverlap({{100, 200, 1, 5}, {150, 160, 2, 3}}), "");
    EXPECT_NE(FindOverlap({{100, 200, 1, 5}, {199, 300, 4, 9}}), "");
    EXPECT_NE(FindOverlap({{100, 200, 1, 5}, {100, 200, 4, 9}}), "");
}

TEST(OneThread, KeepsEveryBlockIntactAndApart)
{
    uint64_t seed = test_seed();
    for (unsigned size_bits : {8u, 12u, 16u, 20u}) {
        Actor actor(seed + size_bits, size_bits);
        Live(actor, Scaled(size_bits > 16 ? 20000 : 200000));
        EXPECT_EQ(actor.complaint(), "");
        EXPECT_EQ(FindOverlap(actor.lives()), "");
    }
}

TEST(OneThread, KeepsHugeBlocksIntactAndApart)
{
    Actor actor(test_seed(), HeapIsSmall() ? 22 : 26);
    std::vector<Block> table(20);
    for (size_t i = 0; i < 2000; i++) {
        Block &block = table[actor.random().below(table.size())];
        if (block.address == nullptr)
            block = actor.Allocate();
        else if (actor.random().below(4) == 0)
            actor.Resize(block);
        else
            actor.Free(block);
    }
    for (Block &block : table)
        actor.Free(block);
    EXPECT_EQ(actor.complaint(), "");
    EXPECT_EQ(FindOverlap(actor.lives()), "");
}

// A place where threads leave blocks for whoever comes by.
class Market {
  public:
    Block Exchange(size_t stall, const Block &block)
    {
        std::lock_guard<std::mutex> lock(mutexes_[stall % mutexes_.size()]);
        Block taken = stalls_[stall];
        stalls_[stall] = block;
        return taken;
    }
    static constexpr size_t kStalls = 512;
    std::array<Block, kStalls> &stalls()
    {
        return stalls_;
    }

  private:
    std::array<Block, kStalls> stalls_;
    std::array<std::mutex, 16> mutexes_;
};

void Trade(Actor &actor, Market &market, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        Block block = actor.Allocate();
        if (actor.random().below(8) == 0)
            actor.Resize(block);
        Block other = market.Exchange(actor.random().below(Market::kStalls), block);
        if (actor.random().below(16) == 0)
            actor.Resize(other);
        actor.Free(other);
    }
}

using Actors = std::vector<std::unique_ptr<Actor>>;

void ExpectAllWell(Actors &actors, Market &market)
{
    for (Block &block : market.stalls())
        actors[0]->Free(block);
    std::vector<Life> lives;
    for (const auto &actor : actors) {
        EXPECT_EQ(actor->complaint(), "");
        lives.insert(lives.end(), actor->lives().begin(), actor->lives().end());
    }
    EXPECT_EQ(FindOverlap(std::move(lives)), "");
}

void TradeInThreads(size_t thread_count, size_t count, unsigned size_bits)
{
    uint64_t seed = test_seed();
    Market market;
    Actors actors;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < thread_count; i++)
        actors.push_back(std::make_unique<Actor>(seed + i, size_bits));
    for (size_t i = 0; i < thread_count; i++) {
        threads.emplace_back([&, i] { Trade(*actors[i], market, count); });
    }
    for (std::thread &thread : threads)
        thread.join();
    ExpectAllWell(actors, market);
}

TEST(ManyThreads, FreeEachOthersSmallBlocks)
{
    TradeInThreads(4, Scaled(100000), 9);
}

TEST(ManyThreads, FreeEachOthersBlocksOfAllSizes)
{
    TradeInThreads(8, Scaled(10000), 18);
}

TEST(ManyThreads, MayBeManyMoreThanTheMachineHas)
{
    TradeInThreads(64, Scaled(4000), 12);
}

TEST(ManyThreads, MayLeaveBlocksBehindWhenTheyEnd)
{
    uint64_t seed = test_seed();
    Market market;
    Actors actors;
    for (uint64_t generation = 0; generation < Scaled(200); generation++) {
        std::vector<std::thread> threads;
        for (uint64_t i = 0; i < 4; i++) {
            actors.push_back(std::make_unique<Actor>(seed + 4 * generation + i, 12));
            Actor *actor = actors.back().get();
            threads.emplace_back([actor, &market] { Trade(*actor, market, 300); });
        }
        for (std::thread &thread : threads)
            thread.join();
    }
    ExpectAllWell(actors, market);
}

} // namespace
} // namespace conformance
