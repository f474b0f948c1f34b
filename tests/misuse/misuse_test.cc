// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Each sin in a process of its own: it must end in SIGABRT and exactly one line, which names the pointer and
// the call.
#include "tests/misuse/sins.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <ostream>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

struct Sin {
    std::string name;
    std::string call;
    size_t size;
};

void PrintTo(const Sin &sin, std::ostream *stream)
{
    *stream << sin.name << " with " << sin.size << " bytes";
}

#define ROW(name, call) {#name, #call, 16},

// Small, medium, large, huge, and both sides of the border between the last two.
const size_t kSizes[] = {16, 200, 3000, 30000, 100000, size_t{5} << 20};

std::vector<Sin> WithEverySize(const std::vector<Sin> &sins)
{
    std::vector<Sin> all;
    for (const Sin &sin : sins) {
        for (size_t size : kSizes)
            all.push_back({sin.name, sin.call, size});
    }
    return all;
}

std::string Name(const testing::TestParamInfo<Sin> &chosen)
{
    return chosen.param.name + "_" + std::to_string(chosen.param.size);
}

Command Commit(const Sin &sin)
{
    Command command;
    command.argv = {DataFile("tests/misuse/misuse"), sin.name, std::to_string(sin.size)};
    command.seconds = 30;
    return command;
}

// What the program printed of itself: "<call> <pointer>", then "went on" if the call returned.
struct Confession {
    std::string pointer;
    bool went_on;
    bool unpunished;
};

Confession Read(const Outcome &outcome, const Sin &sin)
{
    std::string first = outcome.out.substr(0, outcome.out.find('\n'));
    EXPECT_EQ(first.substr(0, first.find(' ')), sin.call) << outcome;
    return {first.substr(first.find(' ') + 1), outcome.out.find("went on") != std::string::npos,
            outcome.out.find("unpunished") != std::string::npos};
}

void ExpectOneLineAndAbort(const Outcome &outcome, const std::string &pointer)
{
    EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
    std::vector<std::string> lines = Lines(outcome.err);
    ASSERT_EQ(lines.size(), 1u) << outcome;
    EXPECT_EQ(outcome.err.back(), '\n') << outcome;
    EXPECT_EQ(lines[0].rfind("cairn: ", 0), 0u) << outcome;
    EXPECT_NE(lines[0].find(pointer), std::string::npos) << "no " << pointer << ": " << outcome;
}

void ExpectCallNamed(const Outcome &outcome, const std::string &call)
{
    std::string end = " in " + call + "\n";
    bool named = outcome.err.size() > end.size() &&
                 outcome.err.compare(outcome.err.size() - end.size(), end.size(), end) == 0;
    EXPECT_TRUE(named) << "not in " << call << ": " << outcome;
}

class Misuse : public testing::TestWithParam<Sin> {
  protected:
    void SetUp() override
    {
        if (!StackIsOurs())
            GTEST_SKIP() << "no such promise of " << StackName();
    }
};

class SinInTheCall : public Misuse {};
class SinInTime : public Misuse {};

INSTANTIATE_TEST_SUITE_P(OfEverySize, SinInTheCall,
                         testing::ValuesIn(WithEverySize({SINS_OF_EVERY_SIZE(ROW)})), Name);
INSTANTIATE_TEST_SUITE_P(WithForeignPointers, SinInTheCall,
                         testing::ValuesIn(std::vector<Sin>{SINS_WITH_FOREIGN_POINTERS(ROW)}),
                         Name);
INSTANTIATE_TEST_SUITE_P(OfEverySize, SinInTime,
                         testing::ValuesIn(WithEverySize({SINS_FOUND_IN_TIME(ROW)})), Name);

TEST_P(SinInTheCall, EndsInOneLineAndAbort)
{
    Outcome outcome = RunOnStack(Commit(GetParam()));
    Confession confession = Read(outcome, GetParam());
    EXPECT_FALSE(confession.went_on) << outcome;
    ExpectOneLineAndAbort(outcome, confession.pointer);
    ExpectCallNamed(outcome, GetParam().call);
}

// A block in a cache of free blocks is not looked up again: a second free of a small block is found when the
// cache gives it back. Nothing may go wrong before.
TEST_P(SinInTime, EndsInOneLineAndAbortAtTheLatestWhenCachesAreDrained)
{
    Outcome outcome = RunOnStack(Commit(GetParam()));
    Confession confession = Read(outcome, GetParam());
    EXPECT_FALSE(confession.unpunished) << outcome;
    ExpectOneLineAndAbort(outcome, confession.pointer);
    std::cout << "found " << (confession.went_on ? "later" : "at once") << ": " << outcome.err;
    if (!confession.went_on)
        ExpectCallNamed(outcome, GetParam().call);
}

class Message : public Misuse {};
INSTANTIATE_TEST_SUITE_P(Of, Message, testing::Values(Sin{"free_static", "free", 16}), Name);

TEST_P(Message, MayHaveNowhereToGo)
{
    Command command = Commit(GetParam());
    command.before_exec = [] { close(2); };
    Outcome outcome = RunOnStack(command);
    EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(Lines(outcome.out).size(), 1u) << "the message went elsewhere: " << outcome;
}

TEST_P(Message, MayFindAFullDevice)
{
    Command command = Commit(GetParam());
    command.argv = {
        "/bin/sh",       "-c",           "exec \"$0\" \"$@\" 2>/dev/full", command.argv[0],
        command.argv[1], command.argv[2]};
    Outcome outcome = RunOnStack(command);
    EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
}

TEST_P(Message, IsFollowedByTheEndEvenIfAbortIsIgnored)
{
    Command command = Commit(GetParam());
    command.before_exec = [] { signal(SIGABRT, SIG_IGN); };
    Outcome outcome = RunOnStack(command);
    EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
    EXPECT_EQ(Lines(outcome.err).size(), 1u) << outcome;
}

// Programs that run well on glibc pass wrong sizes to sized frees.
class WrongSize : public testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Of, WrongSize, testing::ValuesIn(kSizes));

TEST_P(WrongSize, InASizedFreeSpoilsNothing)
{
    Outcome outcome = RunOnStack(Commit({"wrong_size", "", GetParam()}));
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "unpunished\n") << outcome;
    EXPECT_EQ(outcome.err, "");
}

} // namespace
} // namespace cairn_test
