// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// A kernel that refuses. The program under test checks every byte and leaves with 3 when it is told
// that memory has run out; the right answer or that exit is good, anything else is not.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

constexpr int kOutOfMemory = 3;

std::string Worker()
{
    return DataFile("tests/process/worker");
}

const std::string &RightAnswer()
{
    static const std::string answer = [] {
        Outcome outcome = RunCommand({{Worker(), "work"}, {}, "", "", 60, {}});
        EXPECT_TRUE(outcome.ok()) << outcome;
        return outcome.out;
    }();
    return answer;
}

bool RightOrOutOfMemory(const Outcome &outcome)
{
    if (outcome.timed_out || outcome.signal != 0)
        return false;
    if (outcome.exit_code == kOutOfMemory)
        return true;
    return outcome.exit_code == 0 && outcome.out == RightAnswer();
}

Outcome RunUnderLimit(int resource, size_t bytes, const char *mode)
{
    Command command;
    command.argv = {Worker(), mode};
    command.before_exec = [=] {
        rlimit limit = {bytes, bytes};
        setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
    };
    return RunOnStack(command);
}

// The least of the steps at which a program that does nothing can be started.
size_t LeastForIdle(int resource, const std::vector<size_t> &steps)
{
    for (size_t bytes : steps) {
        if (RunUnderLimit(resource, bytes, "idle").ok())
            return bytes;
    }
    return SIZE_MAX;
}

std::vector<size_t> Steps()
{
    std::vector<size_t> steps;
    for (size_t kib = 128; kib <= 512 * 1024; kib += std::max(kib / 8, size_t{128}))
        steps.push_back(kib * 1024);
    return steps;
}

void SweepLimit(int resource)
{
    std::vector<size_t> steps = Steps();
    size_t least = LeastForIdle(resource, steps);
    ASSERT_LE(least, size_t{64} << 20) << "a program that allocates nothing needs this much";
    int refused = 0;
    for (size_t bytes : steps) {
        if (bytes < least)
            continue;
        Outcome outcome = RunUnderLimit(resource, bytes, "work");
        EXPECT_TRUE(RightOrOutOfMemory(outcome)) << "limit " << bytes / 1024 << " KiB: " << outcome;
        refused += outcome.exit_code == kOutOfMemory ? 1 : 0;
    }
    EXPECT_GT(refused, 0) << "no limit was ever felt";
    Outcome last = RunUnderLimit(resource, steps.back(), "work");
    EXPECT_EQ(last.exit_code, 0) << "40 MiB of blocks do not fit in 460 MiB: " << last;
}

TEST(Limit, OnTheAddressSpaceIsSurvivedAtEveryStep)
{
    SweepLimit(RLIMIT_AS);
}

TEST(Limit, OnTheDataSegmentIsSurvivedAtEveryStep)
{
    SweepLimit(RLIMIT_DATA);
}

// Runs the worker under strace. There the library goes into the worker's environment only.
Outcome RunUnderStrace(const std::vector<std::string> &options, const char *mode)
{
    Command command;
    command.argv = {"strace", "-f"};
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    for (const std::string &assignment : StackEnvironment()) {
        command.argv.push_back("-E");
        command.argv.push_back(assignment);
    }
    command.argv.push_back(Worker());
    command.argv.push_back(mode);
    command.seconds = 30;
    return RunCommand(command);
}

int CountCalls(const std::string &call, const char *mode)
{
    ScratchDirectory scratch;
    std::string log = scratch.File("log");
    Outcome outcome = RunUnderStrace({"-o", log, "-e", "trace=" + call}, mode);
    if (!outcome.ok())
        return -1;
    int count = 0;
    for (const std::string &line : Lines(ReadFile(log)))
        count += line.find(call + "(") != std::string::npos;
    return count;
}

struct Fault {
    const char *call;
    const char *error;
};

class FailingCall : public testing::TestWithParam<Fault> {
  protected:
    void SetUp() override
    {
        if (FindProgram("strace").empty())
            GTEST_SKIP() << "strace is not installed";
        if (CountCalls("mmap", "idle") < 0)
            GTEST_SKIP() << "ptrace is not permitted here";
    }
    Outcome RunWithFaultAt(int index, const char *reach)
    {
        std::string call = GetParam().call;
        std::string when = std::to_string(index) + reach;
        return RunUnderStrace({"-o", "/dev/null", "-e", "trace=" + call, "-e",
                               "inject=" + call + ":error=" + GetParam().error + ":when=" + when},
                              "work");
    }
};

INSTANTIATE_TEST_SUITE_P(Of, FailingCall,
                         testing::Values(Fault{"mmap", "ENOMEM"}, Fault{"munmap", "ENOMEM"},
                                         Fault{"mprotect", "ENOMEM"}, Fault{"madvise", "EINVAL"},
                                         Fault{"mremap", "ENOMEM"}, Fault{"membarrier", "ENOSYS"},
                                         Fault{"getrandom", "ENOSYS"}, Fault{"prctl", "EINVAL"}),
                         [](const auto &chosen) { return std::string(chosen.param.call); });

constexpr int kMostIndices = 30;

// The calls of an idle program are the loader's; the allocator's come after those.
TEST_P(FailingCall, IsSurvivedAtEveryIndex)
{
    int first = CountCalls(GetParam().call, "idle") + 1;
    int last = CountCalls(GetParam().call, "work");
    std::cout << GetParam().call << ": indices " << first << " to " << last << std::endl;
    int step = std::max(1, (last - first + 1) / kMostIndices);
    for (int index = first; index <= last + 1; index += step) {
        for (const char *reach : {"", "+"}) {
            Outcome outcome = RunWithFaultAt(index, reach);
            EXPECT_TRUE(RightOrOutOfMemory(outcome))
                << GetParam().call << " " << index << reach << ": " << outcome;
        }
    }
}

} // namespace
} // namespace cairn_test
