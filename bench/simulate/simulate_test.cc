// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// What the simulation must answer where a hand can count it.

#include "bench/simulate/simulate.h"

#include <gtest/gtest.h>

namespace handovers {
namespace {

constexpr Shape kShapes[] = {Shape::kChurn, Shape::kPipeline, Shape::kExchange, Shape::kMigrate};

// 64 blocks in a batch, and so few in use that after the first refill the array never runs dry.
Plan Small(Shape shape, unsigned cpus, unsigned threads, unsigned shards)
{
    Plan plan;
    plan.shape = shape;
    plan.turns = Turns::kInOrder;
    plan.cpus = cpus;
    plan.threads = threads;
    plan.shards = shards;
    plan.blocks_per_thread = 8;
    plan.block_bytes = {64};
    return plan;
}

bool Same(const Counts &one, const Counts &other)
{
    return one.operations == other.operations && one.migrations == other.migrations &&
           one.shards == other.shards && one.source == other.source && one.depot == other.depot;
}

TEST(Simulate, OneCpuHandsNothingOver)
{
    for (Shape shape : kShapes) {
        Plan plan;
        plan.shape = shape;
        plan.threads = 2;
        plan.operations = 20000;
        Counts counts = Simulate(plan);
        EXPECT_EQ(counts.operations, 20000u) << NameOf(shape);
        EXPECT_GE(counts.shards.acquisitions, 20000u) << NameOf(shape);
        EXPECT_EQ(counts.shards.handovers, 0u) << NameOf(shape);
        EXPECT_EQ(counts.DepotSum().handovers, 0u) << NameOf(shape);
        EXPECT_GT(counts.source.acquisitions, 0u) << NameOf(shape);
        EXPECT_EQ(counts.source.handovers, 0u) << NameOf(shape);
        EXPECT_EQ(counts.migrations, 0u) << NameOf(shape);
    }
}

TEST(Simulate, OneThreadTakesTheShardOncePerOperationAndOncePerRefill)
{
    Counts counts = Simulate(Small(Shape::kChurn, 1, 1, 1));
    EXPECT_EQ(counts.shards.acquisitions, 1001u);
    EXPECT_EQ(counts.source.acquisitions, 1u);
    EXPECT_EQ(counts.DepotSum().acquisitions, 0u);
}

TEST(Simulate, PrivateChurnOnShardsOfTheirOwnHandsNoShardOver)
{
    Counts counts = Simulate(Small(Shape::kChurn, 2, 2, 2));
    EXPECT_EQ(counts.shards.acquisitions, 1002u);
    EXPECT_EQ(counts.shards.handovers, 0u);
    EXPECT_EQ(counts.source, (Traffic{2, 1}));
}

TEST(Simulate, TwoCpusThatAlternateOnOneShardHandItOverEveryTime)
{
    Plan plan = Small(Shape::kChurn, 2, 2, 1);
    EXPECT_EQ(Simulate(plan).shards, (Traffic{1001, 999})); // the first from nobody, a refill
    plan.warm_up = 100;
    EXPECT_EQ(Simulate(plan).shards, (Traffic{1000, 1000}));
}

TEST(Simulate, CpusAreFoldedOntoFewerShards)
{
    Plan plan = Small(Shape::kChurn, 4, 4, 2);
    plan.warm_up = 100;
    EXPECT_EQ(Simulate(plan).shards, (Traffic{1000, 1000}));
    plan.shards = 3; // CPUs 0 and 3 share one: half of all operations
    EXPECT_EQ(Simulate(plan).shards, (Traffic{1000, 500}));
}

// 64 pairs: the producer refills once with 64 blocks, the consumer flushes half of its 64 twice.
TEST(Simulate, APipelineMeetsInTheDepotThreeTimesInSixtyFourBlocks)
{
    Plan plan = Small(Shape::kPipeline, 2, 2, 2);
    plan.warm_up = 128 * 20;
    plan.operations = 128 * 50;
    Counts counts = Simulate(plan);
    EXPECT_EQ(counts.depot.at(0), (Traffic{150, 100}));
    EXPECT_EQ(counts.shards, (Traffic{6450, 0}));
    EXPECT_EQ(counts.source.acquisitions, 0u);
}

TEST(Simulate, APipelineWithinOneShardLeavesTheDepotAlone)
{
    Counts counts = Simulate(Small(Shape::kPipeline, 2, 2, 1));
    EXPECT_EQ(counts.DepotSum().acquisitions, 0u);
    EXPECT_EQ(counts.shards, (Traffic{1001, 999}));
}

TEST(Simulate, AFullQueueIsNoOperation)
{
    Plan plan = Small(Shape::kPipeline, 1, 2, 1);
    plan.slice = 1000; // the producer runs until the queue is full, the consumer until it is empty
    plan.operations = 16 * 10;
    Counts counts = Simulate(plan);
    EXPECT_EQ(counts.operations, 160u);
    EXPECT_EQ(counts.shards.acquisitions, 161u);
}

TEST(Simulate, ThreadsMoveAsOftenAsTold)
{
    Plan plan = Small(Shape::kMigrate, 4, 8, 4);
    plan.migrations_per_1000 = 1000;
    EXPECT_EQ(Simulate(plan).migrations, 1000u);
    plan.migrations_per_1000 = 0;
    EXPECT_EQ(Simulate(plan).migrations, 0u);
    EXPECT_EQ(Simulate(plan).shards.handovers, 0u);
    plan.migrations_per_1000 = 100;
    EXPECT_NEAR(static_cast<double>(Simulate(plan).migrations), 100, 50);
}

TEST(Simulate, AThreadThatMovesTakesItsBlocksAlong)
{
    Plan plan; // enough blocks in use for arrays to fill up where others ran dry
    plan.shape = Shape::kMigrate;
    plan.cpus = plan.threads = plan.shards = 4;
    plan.operations = 100000;
    plan.blocks_per_thread = 1000;
    uint64_t moving = Simulate(plan).DepotSum().handovers;
    plan.migrations_per_1000 = 0;
    EXPECT_GT(moving, 2 * Simulate(plan).DepotSum().handovers);
}

TEST(Simulate, TheSamePlanGivesTheSameCounts)
{
    for (Shape shape : kShapes) {
        Plan plan;
        plan.shape = shape;
        plan.cpus = 5;
        plan.threads = 12;
        plan.shards = 3;
        plan.operations = 20000;
        Counts first = Simulate(plan);
        EXPECT_TRUE(Same(first, Simulate(plan))) << NameOf(shape);
        plan.seed = 2;
        EXPECT_FALSE(Same(first, Simulate(plan))) << NameOf(shape);
    }
}

TEST(Simulate, EveryBlockComesBack)
{
    for (Shape shape : kShapes)
        for (unsigned shards : {1u, 3u, 16u}) {
            Plan plan;
            plan.shape = shape;
            plan.cpus = 16;
            plan.threads = 40;
            plan.shards = shards;
            plan.operations = 30000;
            EXPECT_EQ(Simulate(plan).blocks_lost, 0u) << NameOf(shape) << ", shards: " << shards;
        }
}

TEST(WatchedCaches, ABlockThatWasNotFreedIsMissed)
{
    WatchedCaches caches(2, {64});
    void *kept = caches.Alloc(0, 0);
    void *freed = caches.Alloc(0, 0);
    EXPECT_NE(kept, freed);
    caches.Free(1, 0, freed);
    EXPECT_EQ(caches.Finish(), 1u);
}

TEST(WatchedCachesDeathTest, ABlockThatWasNeverOutStopsTheProgram)
{
    WatchedCaches caches(1, {64});
    caches.Free(0, 0, reinterpret_cast<void *>(uintptr_t{1} << 41));
    EXPECT_EXIT(caches.Finish(), testing::ExitedWithCode(1), "came back that was not out");
}

} // namespace
} // namespace handovers
