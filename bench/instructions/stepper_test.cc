// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What the stepper counts, against mallocs whose instructions are known, and how it ends otherwise.
#include <gtest/gtest.h>

#include <cstdlib>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace cairn_test {
namespace {

using Words = std::vector<std::string>;

std::string Path(const std::string &file)
{
    char *path = realpath(file.c_str(), nullptr);
    std::string found = path == nullptr ? file : path;
    free(path);
    return found;
}

Outcome Step(const Words &arguments, const std::string &library = "", const Words &environment = {})
{
    Command command;
    command.argv = {"bench/instructions/stepper"};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment = environment;
    if (!library.empty())
        command.environment.push_back("STEPPER_PRELOAD=" + Path(library));
    return RunCommand(command);
}

Words Pairs(const std::string &count, const std::string &bytes, const std::string &warm)
{
    return {count, Path("bench/instructions/pairs"), bytes, warm, count};
}

bool IsForbidden(const Outcome &outcome)
{
    return outcome.exit_code == 3 && outcome.err.find("not allowed") != std::string::npos;
}

struct Counts {
    std::vector<unsigned> malloc_, free_;
};

std::vector<unsigned> Numbers(const std::string &text)
{
    std::vector<unsigned> numbers;
    std::regex number("\\d+");
    for (std::sregex_iterator it(text.begin(), text.end(), number), end; it != end; ++it)
        numbers.push_back(static_cast<unsigned>(std::stoul(it->str())));
    return numbers;
}

Counts Read(const Outcome &outcome)
{
    static const std::regex form(R"re(\{"malloc": \[([\d, ]+)\], "free": \[([\d, ]+)\]\}\n)re");
    std::smatch found;
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_TRUE(std::regex_match(outcome.out, found, form)) << outcome;
    if (found.empty())
        return {};
    return {Numbers(found[1]), Numbers(found[2])};
}

// Skips where containers forbid ptrace.
class Stepper : public testing::Test {
  protected:
    void SetUp() override
    {
        if (IsForbidden(Step(Pairs("1", "16", "1"))))
            GTEST_SKIP() << "ptrace is not allowed here";
    }
};

Counts Known(const char *malloc_rounds, const char *free_rounds)
{
    return Read(Step(
        Pairs("5", "100", "20"), "bench/instructions/known.so",
        {std::string("KNOWN_MALLOC=") + malloc_rounds, std::string("KNOWN_FREE=") + free_rounds}));
}

TEST_F(Stepper, CountsEveryCallOfEach)
{
    Counts counts = Read(Step(Pairs("37", "64", "100")));
    EXPECT_EQ(counts.malloc_.size(), 37u);
    EXPECT_EQ(counts.free_.size(), 37u);
}

TEST_F(Stepper, CountsWhatMallocAndFreeDoEachByItself)
{
    Counts few = Known("5", "5"), ten = Known("15", "5"), more = Known("25", "35"); // ten more
    ASSERT_FALSE(few.malloc_.empty());
    unsigned round = (ten.malloc_[0] - few.malloc_[0]) / 10;
    EXPECT_GE(round, 2u); // a subtraction and a jump, at least
    EXPECT_LE(round, 4u);
    for (size_t i = 0; i < 5; i++) {
        EXPECT_EQ(ten.malloc_[i], few.malloc_[i] + 10 * round);
        EXPECT_EQ(ten.free_[i], few.free_[i]);
        EXPECT_EQ(more.malloc_[i], few.malloc_[i] + 20 * round);
        EXPECT_EQ(more.free_[i], few.free_[i] + 30 * round);
    }
}

TEST_F(Stepper, GivesTheSameCountsEachTime)
{
    EXPECT_EQ(Read(Step(Pairs("8", "64", "100"))).free_, Read(Step(Pairs("8", "64", "100"))).free_);
}

// In a mode with restartable sequences: if those were begun anew, it would take for ever.
TEST_F(Stepper, GoesThroughTheSequencesOfCairn)
{
    Counts counts = Read(Step(Pairs("8", "64", "100"), "composed/malloc/libcairn.so"));
    ASSERT_EQ(counts.malloc_.size(), 8u);
    EXPECT_LT(counts.malloc_[0], 1000u);
    EXPECT_EQ(counts.malloc_, std::vector<unsigned>(8, counts.malloc_[0]));
    EXPECT_EQ(counts.free_, std::vector<unsigned>(8, counts.free_[0]));
}

TEST_F(Stepper, SeesThatTheFirstCallCostsMore)
{
    Counts cold = Read(Step(Pairs("3", "64", "0"), "composed/malloc/libcairn.so"));
    ASSERT_EQ(cold.malloc_.size(), 3u);
    EXPECT_GT(cold.malloc_[0], cold.malloc_[2]);
}

TEST_F(Stepper, SaysThatTheProgramDidNotGetThatFar)
{
    Outcome outcome = Step({"5", "/bin/true"});
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.err, "stepper: the program ended early: exit status 0\n");
    EXPECT_EQ(Step({"5", "/no/such/program"}).err,
              "stepper: the program ended early: exit status 127\n");
    outcome = Step({"5", Path("bench/instructions/pairs"), "64", "100", "2"});
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.out, "");
}

TEST(StepperCall, RefusesACountThatItCannotKeep)
{
    for (const char *count : {"0", "-3", "10001", "x"}) {
        Outcome outcome = Step({count, "/bin/true"});
        EXPECT_EQ(outcome.exit_code, 2) << outcome;
        EXPECT_EQ(outcome.err.rfind("usage: stepper ", 0), 0u) << outcome;
    }
}

TEST(Pairs, RefusesWhatIsNoNumber)
{
    Command command;
    command.argv = {"bench/instructions/pairs", "16", "x", "3"};
    Outcome outcome = RunCommand(command);
    EXPECT_EQ(outcome.exit_code, 2) << outcome;
    EXPECT_EQ(outcome.err, "pairs: not a number: x\n");
}

} // namespace
} // namespace cairn_test
