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

#include "bench/workloads/running.h"

namespace cairn_test {
namespace {

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

Outcome RunTiny(const Workload &workload)
{
    return RunWorkload(workload.name, workload.tiny);
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

TEST_P(EveryWorkload, FreesWhatItAllocated)
{
    std::map<std::string, uint64_t> counts = Count(GetParam().name, GetParam().tiny);
    EXPECT_GT(counts["made"], 0u);
    EXPECT_EQ(counts["made"], counts["freed"]);
}

} // namespace
} // namespace cairn_test
