// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The workloads as programs: what they print, what they refuse, that they do the work they tell of,
// and that they notice a malloc that breaks its promise. What they allocate is counted by the
// recorder of bench/trace.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace cairn_test {
namespace {

using Words = std::vector<std::string>;
using Numbers = std::map<std::string, double>;

// A command of words with blanks between.
Outcome Ran(const std::string &words, const Words &environment = {},
            const std::function<void()> &before_exec = nullptr)
{
    Command command;
    std::istringstream rest(words);
    for (std::string word; rest >> word;)
        command.argv.push_back(word);
    command.argv[0] = "bench/workloads/" + command.argv[0];
    command.environment = environment;
    command.before_exec = before_exec;
    return RunCommand(command);
}

Numbers NumbersIn(const std::string &text)
{
    static const std::regex pair(R"re("([a-z_]+)": (\d+(?:\.\d+)?))re");
    Numbers numbers;
    for (std::sregex_iterator it(text.begin(), text.end(), pair), end; it != end; ++it)
        numbers[(*it)[1]] = std::stod((*it)[2]);
    return numbers;
}

// The numbers of a result, "extra" among the others; fails unless the last line is one, of the
// right form.
Numbers Result(const std::string &words)
{
    static const std::regex form(
        R"re(\{"ops": \d+, "seconds": \d+\.\d{9}(, "extra": \{"[a-z_]+": \d+(, "[a-z_]+": \d+)*\})?\}\n)re");
    Outcome outcome = Ran(words);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_TRUE(std::regex_match(outcome.out, form)) << outcome;
    return NumbersIn(outcome.out);
}

// What the recorder says of a run.
Numbers Recorded(const std::string &words)
{
    ScratchDirectory scratch;
    Command info;
    Outcome outcome =
        Ran(words, {"LD_PRELOAD=bench/trace/librecord.so", "CAIRN_RECORD=" + scratch.File("t")});
    EXPECT_TRUE(outcome.ok()) << outcome;
    info.argv = {"bench/trace/info", scratch.File("t")};
    return NumbersIn(RunCommand(info).out);
}

void ExpectRefusal(const Outcome &outcome, const std::string &line)
{
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_TRUE(std::regex_match(outcome.err, std::regex(line + "\n"))) << line << "\n" << outcome;
    EXPECT_EQ(outcome.out, "");
}

// ---- what all of them do ----

struct Workload {
    std::string name;
    std::string tiny;       // a run of some milliseconds
    std::string exhausting; // needs more than kLimitBytes
};

constexpr rlim_t kLimitBytes = rlim_t{48} << 20;

class EveryWorkload : public testing::TestWithParam<Workload> {
  protected:
    const std::string name_ = GetParam().name;
    const std::string tiny_ = name_ + " " + GetParam().tiny;
    const std::string number_ = name_ == "phases" ? "live" : "ops";
};

INSTANTIATE_TEST_SUITE_P(
    Of, EveryWorkload,
    testing::ValuesIn(std::vector<Workload>{
        {"aligned", "ops=2000 live=256k threads=2", "live=256m"},
        {"big", "ops=20 touch=64k threads=2", ""},
        {"bursts", "ops=2500 blocks=1000 threads=2", "blocks=1m bytes=1024"},
        {"bursts_across", "ops=2501 blocks=400 threads=3", "blocks=100k bytes=1024"},
        {"cache", "ops=3000 keys=500 live=256k", "live=1g"},
        {"churn", "ops=2000 live=64k threads=3", "live=256m"},
        {"cleared", "ops=500 live=1m threads=2", "live=256m"},
        {"cons", "ops=6000 nursery=500", "ops=4m nursery=4m"},
        {"growth", "ops=1500 max=1m stepped=200k", "max=256m"},
        {"handoff", "ops=2001 pairs=3", "min=1m max=1m"},
        {"manythreads", "ops=100 threads=5 alive=2 blocks=10",
         "threads=1 blocks=100 min=1m max=1m"},
        {"medium", "ops=200 live=1m threads=2", "live=256m"},
        {"mixed", "ops=20000 threads=2", "threads=8"},
        {"parser", "ops=2500 tokens=1000", "tokens=4m ops=4m"},
        {"phases", "live=4m idle_ms=10", "live=256m"},
        {"pingpong", "ops=2000 threads=2", "sizes=64m"},
        {"pipeline", "ops=501 stages=3 max=200", "min=1m max=1m"},
        {"sawtooth", "ops=5000 live=64k threads=2", "live=256m"},
        {"server", "ops=4001 blocks=50 generations=7", "blocks=100k min=1000"},
        {"sharing", "ops=20000 writes=10", "bytes=16m"},
        {"sized", "ops=7000 objects=1000", "objects=2m"},
        {"strings", "ops=3000 documents=10 vocabulary=500", "documents=100k ops=16m"},
        {"tree", "ops=5000 depth=8 threads=2", "depth=24 ops=16m"},
        {"workers", "ops=2001 producers=3 consumers=2", "min=1m max=1m"},
    }),
    [](const auto &chosen) { return chosen.param.name; });

TEST_P(EveryWorkload, SaysWhatItIsAndWhatItsParametersAre)
{
    Outcome outcome = Ran(name_ + " --about");
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(Lines(outcome.out).size(), 1u) << outcome;
    EXPECT_NE(outcome.out.find(" (ops: "), std::string::npos) << outcome;
    outcome = Ran(name_ + " --help");
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_NE(outcome.out.find("  " + number_ + "="), std::string::npos) << outcome;
}

TEST_P(EveryWorkload, DoesTheWorkItIsToldEachTimeAndFreesWhatItAllocated)
{
    Numbers first = Result(tiny_), second = Result(tiny_), recorded = Recorded(tiny_);
    std::smatch told;
    EXPECT_GT(first["ops"], 0);
    EXPECT_EQ(first["ops"], second["ops"]);
    EXPECT_GT(first["seconds"], 0);
    if (std::regex_search(tiny_, told, std::regex("ops=(\\d+)"))) {
        EXPECT_EQ(first["ops"], std::stod(told[1]));
    }
    EXPECT_GT(recorded["frees"], 0);
    EXPECT_EQ(recorded["unknown_frees"] + recorded["inferred_frees"], 0);
    EXPECT_LE(recorded["end_live_blocks"], 8); // the C library's, one for a thread
}

TEST_P(EveryWorkload, RefusesWhatIsNoParameterAndNoNumber)
{
    ExpectRefusal(Ran(name_ + " colour=3"), name_ + ": unknown parameter: colour");
    ExpectRefusal(Ran(name_ + " op=3"), name_ + ": unknown parameter: op");
    ExpectRefusal(Ran(name_ + " " + number_), name_ + ": parameter without a value: " + number_);
    ExpectRefusal(Ran(name_ + " " + number_ + "=0"),
                  name_ + ": out of range: " + number_ + "=0: .*");
    for (const char *value : {"", "12x", "-1", "k", "1kk", "0x10", "1.5", "99999999999999999999",
                              "18446744073709551615k"})
        ExpectRefusal(Ran(name_ + " " + number_ + "=" + value),
                      name_ + ": bad number: " + number_ + "=" + value);
}

TEST_P(EveryWorkload, EndsWithALineWhenThereIsNoMemoryAndWhenItsResultCannotBeWritten)
{
    auto limit = [] {
        rlimit bytes = {kLimitBytes, kLimitBytes};
        setrlimit(RLIMIT_AS, &bytes);
    };
    auto to_a_full_device = [] { dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO); };
    ExpectRefusal(Ran(name_ + " " + GetParam().exhausting, {}, limit), name_ + ": out of memory");
    ExpectRefusal(Ran(tiny_, {}, to_a_full_device),
                  name_ + ": the result cannot be written: No space left on device");
}

// ---- each by itself ----

TEST(Workloads, RefuseWhatDoesNotFitTogether)
{
    for (const auto &[words, line] : std::map<std::string, std::string>{
             {"pingpong sizes=16,,32", "pingpong: bad number: sizes="},
             {"pingpong sizes=16,3x", "pingpong: bad number: sizes=3x"},
             {"pingpong sizes=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
              "pingpong: too many numbers: sizes: at most 16"},
             {"churn min=100 max=10", "churn: min is above max: 100 and 10"},
             {"bursts order=alphabetic",
              "bursts: unknown word: order=alphabetic: lifo \\| fifo \\| random"}})
        ExpectRefusal(Ran(words), line);
}

TEST(Workloads, AllocateWhatTheirParametersSay)
{
    struct Row {
        const char *words, *counter; // of the recorder's
        double least, most;
    };
    for (const Row &row : {
             Row{"pingpong ops=1k", "malloc", 1024, 1024},
             {"pingpong ops=1000 threads=3 sizes=1,2k,3", "malloc", 1000, 1000},
             {"churn ops=3000 live=64k", "malloc", 3000, 3000},
             {"churn ops=100 live=64m threads=7", "malloc", 100, 100},
             // Most of a table in each generation but the first is freed by the successor.
             {"server ops=4000 blocks=50 generations=8", "cross_frees", 2 * 50 * 6,
              2 * 50 * 8 + 20},
             {"server ops=5000 threads=64 generations=3", "malloc", 5000, 5000},
             {"handoff ops=5000 pairs=2 batch=7", "cross_frees", 5000, 5005},
             {"handoff ops=200k pairs=40", "cross_frees", 200 << 10, (200 << 10) + 80},
             {"bursts ops=1050 blocks=100 order=lifo", "malloc", 1050, 1050},
             {"bursts ops=1050 blocks=100 order=fifo", "cross_frees", 0, 0},
             {"bursts_across ops=1001 blocks=100 order=random", "cross_frees", 1001, 1005},
             {"bursts_across ops=1001 blocks=100 order=lifo", "cross_frees", 1001, 1005},
             {"manythreads ops=1 threads=300 alive=300 blocks=3", "malloc", 900, 900},
             {"growth ops=1500 max=1m stepped=200k", "realloc", 1500, 1500},
             {"cleared ops=700 live=1m", "calloc", 700, 701},
             {"aligned ops=4000 live=256k", "malloc", 1800, 2200},
             {"mixed ops=20000", "realloc", 900, 1100},
             {"parser ops=9000 tokens=3000", "realloc", 1001, 9000},
             {"sized ops=6000 objects=1000", "aligned_alloc", 1000, 2000}, // the scene of the lanes
             {"tree ops=7777 depth=6 threads=3", "malloc", 7777, 7777},
             // Each thread but the dealer frees its first blocks, that another one made.
             {"sharing ops=20000 writes=10 mode=passive", "cross_frees", 16, 18},
             {"sharing ops=20000 writes=10 mode=active", "cross_frees", 0, 2},
             {"workers ops=5000 producers=1 consumers=3", "cross_frees", 5000, 5005},
             {"workers ops=5001 producers=3 consumers=1 batch=7", "cross_frees", 5001, 5005},
             {"workers ops=20k producers=40 consumers=70 batch=1", "cross_frees", 20480, 20600},
             {"pipeline ops=500 stages=5", "realloc", 2500, 2500},
             {"pipeline ops=500 stages=5", "cross_frees", 500, 505},
             // So many keys that none comes twice, but for few; three blocks for a new one.
             {"cache ops=1000 keys=256m", "malloc", 2991, 3000},
         }) {
        double counted = Recorded(row.words)[row.counter];
        EXPECT_GE(counted, row.least) << row.words << ": " << row.counter;
        EXPECT_LE(counted, row.most) << row.words << ": " << row.counter;
    }
    EXPECT_NE(ReadFile("bench/workloads/sized").find("_ZdlPvm"), std::string::npos)
        << "delete is told the size";
}

TEST(Workloads, TellWhatTheyHeld)
{
    struct Row {
        const char *words, *number; // of the result
        double least, most;
    };
    for (const Row &row : {
             Row{"manythreads ops=51 threads=5 alive=2 blocks=10", "ops", 100, 100}, // whole rounds
             {"cons ops=200k nursery=1000", "objects_most", 20000, 150000}, // and what survived
             {"cache ops=40k live=512k", "live_kib", 511, 512 + 65}, // and a value just put in
             {"cache ops=40k live=4m", "live_kib", 4095, 4096 + 65},
             {"sawtooth ops=200k live=1m threads=2", "live_kib", 1024, 1024 + 2 * 4 + 1},
             {"sawtooth ops=100000 live=1m keep=2", "kept", 5e4, 5e4 + 300}, // one in so many
             {"sawtooth ops=100000 live=1m keep=100", "kept", 1e3, 1e3 + 300},
             {"phases live=64k idle_ms=1000", "seconds", 0, 0.9}, // without the idling
         }) {
        double told = Result(row.words)[row.number];
        EXPECT_GE(told, row.least) << row.words << ": " << row.number;
        EXPECT_LE(told, row.most) << row.words << ": " << row.number;
    }
    Outcome small = Ran("churn ops=400k live=16m"), large = Ran("churn ops=400k live=64m");
    EXPECT_GT(large.peak_kib - small.peak_kib, 36 << 10) << large;
    EXPECT_LT(large.peak_kib - small.peak_kib, 72 << 10) << large;
}

TEST(Workloads, NoticeAMallocThatLies)
{
    struct Row {
        const char *lie, *words, *line;
    };
    for (const Row &row : {
             Row{"realloc", "growth ops=100", "growth: realloc lost byte 63 of 96"}, // at once
             {"page", "growth ops=100", "growth: realloc lost byte 4096 of \\d+"},   // in the end
             {"calloc", "cleared ops=100 max=512",
              "cleared: a block of \\d+ bytes from calloc is not zero"},
             {"align", "aligned ops=100",
              "aligned: block 0x[0-9a-f]+ is not aligned to \\d+ bytes"},
             {"first", "workers ops=1000", "workers: a job was overwritten"},
             {"last", "workers ops=1000", "workers: a job was overwritten"},
             {"realloc", "pipeline ops=100", "pipeline: message \\d+ lost byte 16 of \\d+"},
             {"last", "cons ops=20000 nursery=1000", "cons: an object was overwritten"},
             {"first", "cache ops=5000", "cache: (the value of )?key \\d+ was overwritten"},
             {"last", "cache ops=5000", "cache: (the value of )?key \\d+ was overwritten"},
             {"end", "sawtooth ops=1000", "sawtooth: a block of \\d+ bytes was overwritten"},
             {"first", "strings ops=5000 documents=5",
              "strings: (a word was lost: .*|a document was lost: .*|document \\d+ was "
              "overwritten)"},
         })
        ExpectRefusal(
            Ran(row.words, {"LD_PRELOAD=bench/workloads/lies.so", std::string("LIE=") + row.lie}),
            row.line);
}

TEST(Phases, TellTheMemoryAfterEach)
{
    Numbers result = Result("phases live=32m idle_ms=20");
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

} // namespace
} // namespace cairn_test
