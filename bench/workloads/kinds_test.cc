// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Each workload by itself: that it does what its parameters say, and notices a malloc that breaks its promise.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>

#include "bench/workloads/running.h"

namespace cairn_test {
namespace {

TEST(Pingpong, CountsPairs)
{
    EXPECT_EQ(Count("pingpong", {"ops=1k"})["made"], 1024u);
    EXPECT_EQ(Count("pingpong", {"ops=1000", "threads=3", "sizes=1,2k,3"})["made"], 1000u);
}

TEST(Pingpong, RefusesABadListOfSizes)
{
    ExpectRefusal(RunWorkload("pingpong", {"sizes=16,,32"}), "pingpong: bad number: sizes=");
    ExpectRefusal(RunWorkload("pingpong", {"sizes=16,3x"}), "pingpong: bad number: sizes=3x");
    ExpectRefusal(RunWorkload("pingpong", {"sizes=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}),
                  "pingpong: too many numbers: sizes: at most 16");
}

TEST(Churn, CountsBlocksMade)
{
    EXPECT_EQ(Count("churn", {"ops=3000", "live=64k"})["made"], 3000u);
    EXPECT_EQ(Count("churn", {"ops=100", "live=64m", "threads=7"})["made"], 100u);
}

TEST(Churn, RefusesSizesTheWrongWayRound)
{
    ExpectRefusal(RunWorkload("churn", {"min=100", "max=10"}),
                  "churn: min is above max: 100 and 10");
}

TEST(Churn, NeedsAboutTheLiveMemoryItIsTold)
{
    Outcome small = RunWorkload("churn", {"ops=400k", "live=16m"});
    Outcome large = RunWorkload("churn", {"ops=400k", "live=64m"});
    EXPECT_GT(large.peak_kib - small.peak_kib, 36 << 10) << large;
    EXPECT_LT(large.peak_kib - small.peak_kib, 72 << 10) << large;
}

TEST(Server, HasBlocksOfDeadThreadsFreedByTheirSuccessors)
{
    uint64_t across = Count("server", {"ops=4000", "blocks=50", "generations=8"})["across"];
    EXPECT_GE(across, 2u * 50 * 6); // most of a table in each generation but the first
    EXPECT_LE(across, 2u * 50 * 8);
}

TEST(Server, RunsManyLines)
{
    EXPECT_EQ(Count("server", {"ops=5000", "threads=64", "generations=3"})["made"], 5000u);
}

TEST(Handoff, HasEachBlockFreedByTheConsumer)
{
    EXPECT_EQ(Count("handoff", {"ops=5000", "pairs=2", "batch=7"})["across"], 5000u);
}

TEST(Handoff, RunsMorePairsThanThereAreCpus)
{
    EXPECT_EQ(Count("handoff", {"ops=200k", "pairs=40"})["across"], 200u << 10);
}

TEST(BurstsAcross, HasEachBlockFreedByAnotherThread)
{
    for (const char *order : {"order=lifo", "order=fifo", "order=random"})
        EXPECT_EQ(Count("bursts_across", {"ops=1001", "blocks=100", order})["across"], 1001u);
}

TEST(Bursts, AreFreedInTheOrderAskedFor)
{
    for (const char *order : {"order=lifo", "order=fifo", "order=random"}) {
        std::map<std::string, uint64_t> counts = Count("bursts", {"ops=1050", "blocks=100", order});
        EXPECT_EQ(counts["freed"], 1050u);
        EXPECT_EQ(counts["across"], 0u);
    }
}

TEST(Bursts, RefuseAnOrderThatTheyDoNotKnow)
{
    ExpectRefusal(RunWorkload("bursts", {"order=alphabetic"}),
                  "bursts: unknown word: order=alphabetic: lifo | fifo | random");
}

TEST(ManyThreads, RoundsUpToWholeRounds)
{
    EXPECT_EQ(
        Result(RunWorkload("manythreads", {"ops=51", "threads=5", "alive=2", "blocks=10"}))["ops"],
        100);
}

TEST(ManyThreads, MayAllBeAliveAtOnce)
{
    EXPECT_EQ(Count("manythreads", {"ops=1", "threads=300", "alive=300", "blocks=3"})["made"],
              900u);
}

TEST(Growth, CountsReallocs)
{
    EXPECT_EQ(Count("growth", {"ops=1500", "max=1m", "stepped=200k"})["realloc"], 1500u);
}

TEST(Growth, NoticesAtOnceThatTheEndOfABufferWasLost)
{
    ExpectToNotice("realloc", "growth", {"ops=100"}, "growth: realloc lost byte 63 of 96");
}

TEST(Growth, NoticesInTheEndThatAPageWasLost)
{
    ExpectToNotice("page", "growth", {"ops=100"}, "growth: realloc lost byte 4096 of \\d+");
}

TEST(Cleared, CallsCallocOnly)
{
    std::map<std::string, uint64_t> counts = Count("cleared", {"ops=700", "live=1m"});
    EXPECT_EQ(counts["calloc"], 700u);
    EXPECT_EQ(counts["made"], 700u);
}

TEST(Cleared, NoticesAByteThatIsNotZero)
{
    ExpectToNotice("calloc", "cleared", {"ops=100", "max=512"},
                   "cleared: a block of \\d+ bytes from calloc is not zero");
}

TEST(Aligned, AlignsHalfOfTheBlocks)
{
    std::map<std::string, uint64_t> counts = Count("aligned", {"ops=4000", "live=256k"});
    EXPECT_EQ(counts["made"], 4000u);
    EXPECT_GT(counts["aligned"], 1800u);
    EXPECT_LT(counts["aligned"], 2200u);
}

TEST(Aligned, NoticesABlockThatIsNot)
{
    ExpectToNotice("align", "aligned", {"ops=100"},
                   "aligned: block 0x[0-9a-f]+ is not aligned to \\d+ bytes");
}

TEST(Mixed, ReallocsATwentiethOfTheBlocks)
{
    std::map<std::string, uint64_t> counts = Count("mixed", {"ops=20000"});
    EXPECT_EQ(counts["made"], 20000u);
    EXPECT_GT(counts["realloc"], 900u);
    EXPECT_LT(counts["realloc"], 1100u);
}

TEST(Parser, GrowsItsTablesByRealloc)
{
    std::map<std::string, uint64_t> counts = Count("parser", {"ops=9000", "tokens=3000"});
    EXPECT_GT(counts["made"], 9000u);
    EXPECT_GT(counts["realloc"], 1000u);
}

TEST(Sized, TellsDeleteTheSizeAndAsksForAlignedObjects)
{
    std::map<std::string, uint64_t> counts = Count("sized", {"ops=6000", "objects=1000"});
    EXPECT_GE(counts["aligned"], 1000u);                // the scene of the lanes
    EXPECT_GT(counts["sized"], counts["made"] * 3 / 4); // libstdc++ does not always
}

TEST(Tree, MakesANodeForEachOp)
{
    EXPECT_EQ(Count("tree", {"ops=7777", "depth=6", "threads=3"})["made"], 7777u);
}

TEST(Sharing, DealsBlocksOutInPassiveMode)
{
    // Each thread but the dealer frees its first blocks, that another one made.
    EXPECT_EQ(Count("sharing", {"ops=20000", "writes=10", "mode=passive"})["across"], 16u);
    EXPECT_EQ(Count("sharing", {"ops=20000", "writes=10", "mode=active"})["across"], 0u);
}

TEST(Workers, HaveEachJobFreedByAConsumer)
{
    EXPECT_EQ(Count("workers", {"ops=5000", "producers=1", "consumers=3"})["across"], 5000u);
    EXPECT_EQ(Count("workers", {"ops=5001", "producers=3", "consumers=1", "batch=7"})["across"],
              5001u);
}

TEST(Workers, MayBeManyMoreThanThereAreCpus)
{
    EXPECT_EQ(Count("workers", {"ops=20k", "producers=40", "consumers=70", "batch=1"})["across"],
              20u << 10);
}

TEST(Workers, NoticeAJobThatWasOverwritten)
{
    ExpectToNotice("first", "workers", {"ops=1000"}, "workers: a job was overwritten");
    ExpectToNotice("last", "workers", {"ops=1000"}, "workers: a job was overwritten");
}

TEST(Pipeline, HasEachMessageGrownInEachStageAndFreedFarFromItsMaker)
{
    std::map<std::string, uint64_t> counts = Count("pipeline", {"ops=500", "stages=5"});
    EXPECT_EQ(counts["realloc"], 2500u);
    EXPECT_EQ(counts["made"], 500u);
    EXPECT_EQ(counts["across"], 500u);
}

TEST(Pipeline, NoticesThatReallocLostASection)
{
    ExpectToNotice("realloc", "pipeline", {"ops=100"},
                   "pipeline: message \\d+ lost byte 16 of \\d+");
}

TEST(Cons, KeepsWhatIsReachable)
{
    std::map<std::string, double> result =
        Result(RunWorkload("cons", {"ops=200k", "nursery=1000"}));
    EXPECT_GT(result["objects_most"], 20000); // a nursery, and what survived several
    EXPECT_LT(result["objects_most"], 150000);
}

TEST(Cons, NoticesAnObjectThatWasOverwritten)
{
    ExpectToNotice("last", "cons", {"ops=20000", "nursery=1000"},
                   "cons: an object was overwritten");
}

TEST(Cache, HoldsItsBudget)
{
    for (double kib : {512, 4096}) {
        double live = Result(RunWorkload(
            "cache", {"ops=40k", "live=" + std::to_string(int(kib)) + "k"}))["live_kib"];
        EXPECT_GT(live, kib - 1);
        EXPECT_LT(live, kib + 65); // and a value that is just put in
    }
}

TEST(Cache, MakesThreeBlocksForAKeyThatIsNew)
{
    // So many keys that none comes twice, but for few.
    std::map<std::string, uint64_t> counts = Count("cache", {"ops=1000", "keys=256m"});
    EXPECT_GT(counts["made"], 2990u);
    EXPECT_LE(counts["made"], 3000u);
}

TEST(Cache, NoticesAKeyOrAValueThatWasOverwritten)
{
    for (const char *lie : {"first", "last"})
        ExpectToNotice(lie, "cache", {"ops=5000"},
                       "cache: (the value of )?key \\d+ was overwritten");
}

TEST(Sawtooth, HasAsMuchAliveAsItIsTold)
{
    std::map<std::string, double> result =
        Result(RunWorkload("sawtooth", {"ops=200k", "live=1m", "threads=2"}));
    EXPECT_GE(result["live_kib"], 1024);
    EXPECT_LT(result["live_kib"], 1024 + 2 * 4 + 1); // and a block of each thread
}

TEST(Sawtooth, LeavesOneBlockInSoManyBehind)
{
    for (double keep : {2, 10, 100}) {
        std::string argument = "keep=" + std::to_string(static_cast<int>(keep));
        double kept = Result(RunWorkload("sawtooth", {"ops=100000", "live=1m", argument}))["kept"];
        EXPECT_GT(kept, 1e5 / keep - 1);
        EXPECT_LT(kept, 1e5 / keep + 300); // the first of each tooth
    }
}

TEST(Sawtooth, NoticesABlockThatWasOverwritten)
{
    ExpectToNotice("end", "sawtooth", {"ops=1000"},
                   "sawtooth: a block of \\d+ bytes was overwritten");
}

TEST(Strings, NoticeAStringThatWasOverwritten)
{
    ExpectToNotice("first", "strings", {"ops=5000", "documents=5"},
                   "strings: (a word was lost: .*|a document was lost: .*|document \\d+ was "
                   "overwritten)");
}

TEST(Phases, TellTheMemoryAfterEach)
{
    std::map<std::string, double> result =
        Result(RunWorkload("phases", {"live=32m", "idle_ms=20"}));
    EXPECT_EQ(result.size(), 10u);
    EXPECT_GE(result["grown_kib"], result["grown_live_kib"]);
    EXPECT_NEAR(result["grown_live_kib"], 32 << 10, 1);
    EXPECT_NEAR(result["thinned_live_kib"], 3.2 * 1024, 330);
    EXPECT_GE(result["thinned_kib"], result["thinned_live_kib"]);
    EXPECT_GE(result["thinned_idle_kib"], result["thinned_live_kib"]);
    EXPECT_EQ(result["freed_live_kib"], 0);
    EXPECT_GT(result["freed_kib"], 0);
    EXPECT_GT(result["freed_idle_kib"], 0);
}

TEST(Phases, TimeTheWorkWithoutTheIdling)
{
    EXPECT_LT(Result(RunWorkload("phases", {"live=64k", "idle_ms=1000"}))["seconds"], 0.9);
}

} // namespace
} // namespace cairn_test
