// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Each misuse in a process of its own: it must end in SIGABRT and exactly one line, which names the
// pointer and the call.
#include "tests/misuse/cases.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <ostream>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

struct MisuseCase {
    std::string name;
    std::string call;
    size_t size;
};

void PrintTo(const MisuseCase &misuse, std::ostream *stream)
{
    *stream << misuse.name << " with " << misuse.size << " bytes";
}

#define ROW(name, call) {#name, #call, 16},

// Small, medium, large, huge, and both sides of the border between the last two.
const size_t kSizes[] = {16, 200, 3000, 30000, 100000, size_t{5} << 20};

std::vector<MisuseCase> WithEverySize(const std::vector<MisuseCase> &misuses)
{
    std::vector<MisuseCase> all;
    for (const MisuseCase &misuse : misuses) {
        for (size_t size : kSizes)
            all.push_back({misuse.name, misuse.call, size});
    }
    return all;
}

std::string Name(const testing::TestParamInfo<MisuseCase> &chosen)
{
    return chosen.param.name + "_" + std::to_string(chosen.param.size);
}

Command CommandFor(const MisuseCase &misuse)
{
    Command command;
    command.argv = {DataFile("tests/misuse/misuse"), misuse.name, std::to_string(misuse.size)};
    command.seconds = 30;
    return command;
}

// What the program printed of itself: "<call> <pointer>", then "went on" if the call returned.
struct Report {
    std::string pointer;
    bool went_on;
    bool not_found;
};

Report Read(const Outcome &outcome, const MisuseCase &misuse)
{
    std::string first = outcome.out.substr(0, outcome.out.find('\n'));
    EXPECT_EQ(first.substr(0, first.find(' ')), misuse.call) << outcome;
    return {first.substr(first.find(' ') + 1), outcome.out.find("went on") != std::string::npos,
            outcome.out.find("not found") != std::string::npos};
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

class Misuse : public testing::TestWithParam<MisuseCase> {
  protected:
    void SetUp() override
    {
        if (!StackIsOurs())
            GTEST_SKIP() << "no such promise of " << StackName();
    }
};

class MisuseInTheCall : public Misuse {};
class MisuseInTime : public Misuse {};

INSTANTIATE_TEST_SUITE_P(OfEverySize, MisuseInTheCall,
                         testing::ValuesIn(WithEverySize({MISUSES_OF_EVERY_SIZE(ROW)})), Name);
INSTANTIATE_TEST_SUITE_P(WithForeignPointers, MisuseInTheCall,
                         testing::ValuesIn(std::vector<MisuseCase>{
                             MISUSES_WITH_FOREIGN_POINTERS(ROW)}),
                         Name);
INSTANTIATE_TEST_SUITE_P(OfEverySize, MisuseInTime,
                         testing::ValuesIn(WithEverySize({MISUSES_FOUND_IN_TIME(ROW)})), Name);

TEST_P(MisuseInTheCall, EndsInOneLineAndAbort)
{
    Outcome outcome = RunOnStack(CommandFor(GetParam()));
    Report report = Read(outcome, GetParam());
    EXPECT_FALSE(report.went_on) << outcome;
    ExpectOneLineAndAbort(outcome, report.pointer);
    ExpectCallNamed(outcome, GetParam().call);
}

// A block in a cache of free blocks is not looked up again: a second free of a small block is found
// when the cache gives it back. Nothing may go wrong before.
TEST_P(MisuseInTime, EndsInOneLineAndAbortAtTheLatestWhenCachesAreFlushed)
{
    Outcome outcome = RunOnStack(CommandFor(GetParam()));
    Report report = Read(outcome, GetParam());
    EXPECT_FALSE(report.not_found) << outcome;
    ExpectOneLineAndAbort(outcome, report.pointer);
    std::cout << "found " << (report.went_on ? "later" : "at once") << ": " << outcome.err;
    if (!report.went_on)
        ExpectCallNamed(outcome, GetParam().call);
}

class Message : public Misuse {};
INSTANTIATE_TEST_SUITE_P(Of, Message, testing::Values(MisuseCase{"free_static", "free", 16}), Name);

TEST_P(Message, MayHaveNowhereToGo)
{
    Command command = CommandFor(GetParam());
    command.before_exec = [] { close(2); };
    Outcome outcome = RunOnStack(command);
    EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(Lines(outcome.out).size(), 1u) << "the message went elsewhere: " << outcome;
}

TEST_P(Message, MayFindAFullDevice)
{
    Command command = CommandFor(GetParam());
    command.argv = {
        "/bin/sh",       "-c",           "exec \"$0\" \"$@\" 2>/dev/full", command.argv[0],
        command.argv[1], command.argv[2]};
    Outcome outcome = RunOnStack(command);
    EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
}

TEST_P(Message, IsFollowedByTheEndEvenIfAbortIsIgnored)
{
    Command command = CommandFor(GetParam());
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
    Outcome outcome = RunOnStack(CommandFor({"wrong_size", "", GetParam()}));
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "not found\n") << outcome;
    EXPECT_EQ(outcome.err, "");
}

} // namespace
} // namespace cairn_test
