// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What the stepper counts, against mallocs whose instructions are known, and how it ends otherwise.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace cairn_test {
namespace {

using Words = std::vector<std::string>;
using Counts = std::vector<unsigned>;

const char *const kPairs = "bench/instructions/pairs";
const char *const kCairn = "composed/malloc/libcairn.so";

Outcome Step(const std::string &words, const std::string &library = "", const Words &more = {})
{
    Command command;
    std::istringstream rest(words);
    command.argv = {"bench/instructions/stepper"};
    for (std::string word; rest >> word;)
        command.argv.push_back(word);
    command.environment = more;
    if (!library.empty())
        command.environment.push_back("STEPPER_PRELOAD=" +
                                      std::filesystem::canonical(library).string());
    return RunCommand(command);
}

Outcome StepPairs(const std::string &count, const char *bytes_and_warm,
                  const std::string &library = "", const Words &more = {})
{
    return Step(count + " " + kPairs + " " + bytes_and_warm + " " + count, library, more);
}

// The counts of malloc, then those of free.
struct Read {
    Counts malloc_, free_;

    explicit Read(const Outcome &outcome)
    {
        static const std::regex form(R"re(\{"malloc": \[([\d, ]+)\], "free": \[([\d, ]+)\]\}\n)re");
        static const std::regex number("\\d+");
        std::smatch found;
        EXPECT_TRUE(std::regex_match(outcome.out, found, form)) << outcome;
        for (size_t part : {1, 2}) {
            std::string text = found[part];
            for (std::sregex_iterator it(text.begin(), text.end(), number), end; it != end; ++it)
                (part == 1 ? malloc_ : free_)
                    .push_back(static_cast<unsigned>(std::stoul(it->str())));
        }
        malloc_.resize(std::max(malloc_.size(), size_t{1}));
        free_.resize(std::max(free_.size(), size_t{1}));
    }
};

// Skips where containers forbid ptrace.
class Stepper : public testing::Test {
  protected:
    void SetUp() override
    {
        Outcome outcome = StepPairs("1", "16 1");
        if (outcome.exit_code == 3 && outcome.err.find("not allowed") != std::string::npos)
            GTEST_SKIP() << "ptrace is not allowed here";
    }
};

Read Known(const std::string &malloc_rounds, const std::string &free_rounds)
{
    return Read(StepPairs("5", "100 20", "bench/instructions/known.so",
                          {"KNOWN_MALLOC=" + malloc_rounds, "KNOWN_FREE=" + free_rounds}));
}

TEST_F(Stepper, CountsEveryCallOfEachTheSameEachTime)
{
    Read counts(StepPairs("37", "64 100"));
    EXPECT_EQ(counts.malloc_.size(), 37u);
    EXPECT_EQ(counts.free_.size(), 37u);
    EXPECT_EQ(Read(StepPairs("37", "64 100")).free_, counts.free_);
}

TEST_F(Stepper, CountsWhatMallocAndFreeDoEachByItself)
{
    Read few = Known("5", "5"), ten = Known("15", "5"), more = Known("25", "35"); // ten more
    unsigned round = (ten.malloc_[0] - few.malloc_[0]) / 10;
    EXPECT_GE(round, 2u); // a subtraction and a jump, at least
    EXPECT_LE(round, 4u);
    ASSERT_EQ(few.malloc_.size(), 5u);
    for (size_t i = 0; i < 5; i++) {
        EXPECT_EQ(ten.malloc_[i], few.malloc_[i] + 10 * round);
        EXPECT_EQ(ten.free_[i], few.free_[i]);
        EXPECT_EQ(more.malloc_[i], few.malloc_[i] + 20 * round);
        EXPECT_EQ(more.free_[i], few.free_[i] + 30 * round);
    }
}

// In a mode with restartable sequences: if those were begun anew, it would take for ever.
TEST_F(Stepper, GoesThroughTheSequencesOfCairn)
{
    Read counts(StepPairs("8", "64 100", kCairn));
    EXPECT_LT(counts.malloc_[0], 1000u);
    EXPECT_EQ(counts.malloc_, Counts(8, counts.malloc_[0]));
    EXPECT_EQ(counts.free_, Counts(8, counts.free_[0]));
    Read cold(StepPairs("3", "64 0", kCairn));
    EXPECT_GT(cold.malloc_[0], cold.malloc_.back()) << "the first call costs more";
}

TEST_F(Stepper, SaysThatTheProgramDidNotGetThatFar)
{
    Outcome outcome = Step("5 /bin/true");
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.err, "stepper: the program ended early: exit status 0\n");
    EXPECT_EQ(Step("5 /no/such/program").err,
              "stepper: the program ended early: exit status 127\n");
    outcome = Step(std::string("5 ") + kPairs + " 64 100 2");
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.out, "");
}

TEST(Calls, ThatAreWrongAreRefused)
{
    for (const char *count : {"0", "-3", "10001", "x"}) {
        Outcome outcome = Step(std::string(count) + " /bin/true");
        EXPECT_EQ(outcome.exit_code, 2) << outcome;
        EXPECT_EQ(outcome.err.rfind("usage: stepper ", 0), 0u) << outcome;
    }
    Command command;
    command.argv = {kPairs, "16", "x", "3"};
    Outcome outcome = RunCommand(command);
    EXPECT_EQ(outcome.exit_code, 2) << outcome;
    EXPECT_EQ(outcome.err, "pairs: not a number: x\n");
}

} // namespace
} // namespace cairn_test
