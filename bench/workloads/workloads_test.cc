// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The workloads as programs: what they print, what they refuse, and that they do the work they tell of.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <ostream>
#include <regex>

#include "tests/support/process.h"

namespace cairn_test {
namespace {

using Arguments = std::vector<std::string>;

struct Workload {
    std::string name;
    Arguments tiny;       // a run of some milliseconds
    Arguments exhausting; // needs more than kLimitBytes
    std::string number = "ops";
};

constexpr rlim_t kLimitBytes = rlim_t{48} << 20;

std::ostream &operator<<(std::ostream &stream, const Workload &workload)
{
    return stream << workload.name;
}

const std::vector<Workload> &Workloads()
{
    static const std::vector<Workload> all = {
        {"aligned", {"ops=2000", "live=256k", "threads=2"}, {"live=256m"}},
        {"big", {"ops=20", "touch=64k", "threads=2"}, {}},
        {"bursts", {"ops=2500", "blocks=1000", "threads=2"}, {"blocks=1m", "bytes=1024"}},
        {"bursts_across", {"ops=2501", "blocks=400", "threads=3"}, {"blocks=100k", "bytes=1024"}},
        {"cache", {"ops=3000", "keys=500", "live=256k"}, {"live=1g"}},
        {"churn", {"ops=2000", "live=64k", "threads=3"}, {"live=256m"}},
        {"cleared", {"ops=500", "live=1m", "threads=2"}, {"live=256m"}},
        {"cons", {"ops=6000", "nursery=500"}, {"ops=4m", "nursery=4m"}},
        {"growth", {"ops=1500", "max=1m", "stepped=200k"}, {"max=256m"}},
        {"handoff", {"ops=2001", "pairs=3"}, {"min=1m", "max=1m"}},
        {"manythreads",
         {"ops=100", "threads=5", "alive=2", "blocks=10"},
         {"threads=1", "blocks=100", "min=1m", "max=1m"}},
        {"medium", {"ops=200", "live=1m", "threads=2"}, {"live=256m"}},
        {"mixed", {"ops=20000", "threads=2"}, {"threads=8"}},
        {"parser", {"ops=2500", "tokens=1000"}, {"tokens=4m", "ops=4m"}},
        {"phases", {"live=4m", "idle_ms=10"}, {"live=256m"}, "live"},
        {"pingpong", {"ops=2000", "threads=2"}, {"sizes=64m"}},
        {"pipeline", {"ops=501", "stages=3", "max=200"}, {"min=1m", "max=1m"}},
        {"sawtooth", {"ops=5000", "live=64k", "threads=2"}, {"live=256m"}},
        {"server", {"ops=4001", "blocks=50", "generations=7"}, {"blocks=100k", "min=1000"}},
        {"sharing", {"ops=20000", "writes=10"}, {"bytes=16m"}},
        {"sized", {"ops=7000", "objects=1000"}, {"objects=2m"}},
        {"strings", {"ops=3000", "documents=10", "vocabulary=500"}, {"documents=100k", "ops=16m"}},
        {"tree", {"ops=5000", "depth=8", "threads=2"}, {"depth=24", "ops=16m"}},
        {"workers", {"ops=2001", "producers=3", "consumers=2"}, {"min=1m", "max=1m"}},
    };
    return all;
}

Outcome RunWorkload(const std::string &name, const Arguments &arguments,
                    const Arguments &environment = {},
                    const std::function<void()> &before_exec = nullptr)
{
    Command command;
    command.argv = {"bench/workloads/" + name};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment = environment;
    command.before_exec = before_exec;
    return RunCommand(command);
}

Outcome RunTiny(const Workload &workload)
{
    return RunWorkload(workload.name, workload.tiny);
}

// The numbers of a result, "extra" among the others; fails unless the last line is one, of the right form.
std::map<std::string, double> Result(const Outcome &outcome)
{
    static const std::string number = R"((\d+(?:\.\d+)?))";
    static const std::regex form(
        R"re(\{"ops": \d+, "seconds": \d+\.\d{9}(, "extra": \{"[a-z_]+": \d+(, "[a-z_]+": \d+)*\})?\})re");
    static const std::regex pair(R"re("([a-z_]+)": )re" + number);
    std::map<std::string, double> result;
    std::vector<std::string> lines = Lines(outcome.out);
    EXPECT_TRUE(outcome.ok()) << outcome;
    if (lines.empty() || !std::regex_match(lines.back(), form)) {
        ADD_FAILURE() << "no result: " << outcome;
        return result;
    }
    for (std::sregex_iterator it(lines.back().begin(), lines.back().end(), pair), end; it != end;
         ++it)
        result[(*it)[1]] = std::stod((*it)[2]);
    return result;
}

void ExpectRefusal(const Outcome &outcome, const std::string &line)
{
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.err, line + "\n");
    EXPECT_EQ(outcome.out, "");
}

class EveryWorkload : public testing::TestWithParam<Workload> {};

INSTANTIATE_TEST_SUITE_P(Of, EveryWorkload, testing::ValuesIn(Workloads()),
                         [](const auto &chosen) { return chosen.param.name; });

TEST_P(EveryWorkload, TellsInOneLineWhatItStressesAndWhatItCounts)
{
    Outcome outcome = RunWorkload(GetParam().name, {"--about"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(Lines(outcome.out).size(), 1u) << outcome;
    EXPECT_NE(outcome.out.find(" (ops: "), std::string::npos) << outcome;
    EXPECT_EQ(outcome.err, "");
}

TEST_P(EveryWorkload, ListsItsParametersWithTheirDefaults)
{
    Outcome outcome = RunWorkload(GetParam().name, {"--help"});
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_NE(outcome.out.find("  " + GetParam().number + "="), std::string::npos) << outcome;
}

TEST_P(EveryWorkload, DoesTheSameWorkEachTimeAndPrintsOneResult)
{
    std::map<std::string, double> first = Result(RunTiny(GetParam()));
    std::map<std::string, double> second = Result(RunTiny(GetParam()));
    EXPECT_GT(first["ops"], 0);
    EXPECT_EQ(first["ops"], second["ops"]);
    EXPECT_GT(first["seconds"], 0);
}

TEST_P(EveryWorkload, DoesAsManyOpsAsItIsTold)
{
    const Workload &workload = GetParam();
    for (const std::string &argument : workload.tiny) {
        if (workload.name == "manythreads" || argument.rfind("ops=", 0) != 0)
            continue; // that one rounds up, see below
        EXPECT_EQ(Result(RunTiny(workload))["ops"], std::stod(argument.substr(4)));
    }
}

TEST_P(EveryWorkload, RefusesAParameterThatItDoesNotKnow)
{
    const std::string &name = GetParam().name;
    ExpectRefusal(RunWorkload(name, {"colour=3"}), name + ": unknown parameter: colour");
    ExpectRefusal(RunWorkload(name, {"op=3"}), name + ": unknown parameter: op");
    ExpectRefusal(RunWorkload(name, {""}), name + ": unknown parameter: ");
}

TEST_P(EveryWorkload, RefusesABadNumber)
{
    const std::string &name = GetParam().name;
    const std::string &number = GetParam().number;
    for (const char *value : {"", "12x", "-1", "k", "1kk", "0x10", "1.5", "99999999999999999999",
                              "18446744073709551615k"})
        ExpectRefusal(RunWorkload(name, {number + "=" + value}),
                      name + ": bad number: " + number + "=" + value);
    ExpectRefusal(RunWorkload(name, {number}), name + ": parameter without a value: " + number);
    EXPECT_EQ(RunWorkload(name, {number + "=0"})
                  .err.rfind(name + ": out of range: " + number + "=0: ", 0),
              0u);
}

TEST_P(EveryWorkload, EndsWithALineWhenThereIsNoMemory)
{
    auto limit = [] {
        rlimit bytes = {kLimitBytes, kLimitBytes};
        setrlimit(RLIMIT_AS, &bytes);
    };
    ExpectRefusal(RunWorkload(GetParam().name, GetParam().exhausting, {}, limit),
                  GetParam().name + ": out of memory");
}

TEST_P(EveryWorkload, SaysSoWhenItsResultCannotBeWritten)
{
    auto to_a_full_device = [] { dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO); };
    ExpectRefusal(RunWorkload(GetParam().name, GetParam().tiny, {}, to_a_full_device),
                  GetParam().name + ": the result cannot be written: No space left on device");
}

// What the preloaded library counted.
std::map<std::string, uint64_t> Count(const std::string &name, const Arguments &arguments)
{
    static const std::regex pair(R"re(([a-z]+)=(\d+))re");
    Outcome outcome = RunWorkload(name, arguments, {"LD_PRELOAD=bench/workloads/balance.so"});
    std::map<std::string, uint64_t> counts;
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.err.rfind("balance: made=", 0), 0u) << outcome;
    for (std::sregex_iterator it(outcome.err.begin(), outcome.err.end(), pair), end; it != end;
         ++it)
        counts[(*it)[1]] = std::stoull((*it)[2]);
    return counts;
}

TEST_P(EveryWorkload, FreesWhatItAllocated)
{
    std::map<std::string, uint64_t> counts = Count(GetParam().name, GetParam().tiny);
    EXPECT_GT(counts["made"], 0u);
    EXPECT_EQ(counts["made"], counts["freed"]);
}

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

// Runs a workload on a malloc of which one function lies.
void ExpectToNotice(const std::string &lie, const std::string &name, const Arguments &arguments,
                    const std::string &line)
{
    Outcome outcome =
        RunWorkload(name, arguments, {"LD_PRELOAD=bench/workloads/balance.so", "LIE=" + lie});
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_TRUE(std::regex_match(outcome.err, std::regex(line + "\n"))) << outcome;
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
