// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Programs that give up system calls after their start: see docs/system-calls.md for what malloc
// still calls then.
#include <errno.h>
#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

const char *const kWorks[] = {"sizes", "grow", "exhaust", "threads", "fork", "crowd"};

constexpr int kNoFilter = 77;

Outcome RunSandboxed(const std::vector<std::string> &arguments, const char *conf)
{
    Command command;
    command.argv = {DataFile("tests/process/sandboxed")};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment = {std::string("CAIRN_CONF=") + conf};
    command.seconds = 20;
    return RunOnStack(command);
}

class Sandbox : public testing::TestWithParam<const char *> {
  protected:
    void SetUp() override
    {
        if (RunSandboxed({"sizes", "membarrier", "1"}, "").exit_code == kNoFilter)
            GTEST_SKIP() << "seccomp is not permitted here";
    }
    void ExpectDone(const std::vector<std::string> &arguments, const char *conf = "")
    {
        Outcome outcome = RunSandboxed(arguments, conf);
        EXPECT_TRUE(outcome.ok()) << conf << ": " << outcome;
        EXPECT_EQ(outcome.err, "done\n") << conf;
    }
};

class AllowList : public Sandbox {};

INSTANTIATE_TEST_SUITE_P(For, AllowList, testing::ValuesIn(kWorks),
                         [](const auto &chosen) { return std::string(chosen.param); });

TEST_P(AllowList, OfTheCallsThatGlibcsMallocNeedsIsEnough)
{
    // Where memory is exhausted, caches of other CPUs are emptied too, with membarrier, unless that
    // is declined.
    ExpectDone({GetParam()}, "fence:never");
    ExpectDone({GetParam()}, "fence:never,percpu:lock");
    ExpectDone({GetParam()}, "fence:never,pages:mmap");
}

class Denied : public Sandbox {};

INSTANTIATE_TEST_SUITE_P(Call, Denied,
                         testing::Values("madvise", "mremap", "munmap", "mprotect", "membarrier",
                                         "brk"),
                         [](const auto &chosen) { return std::string(chosen.param); });

TEST_P(Denied, ChangesNothingThatAProgramNotices)
{
    for (const char *work : {"sizes", "grow", "threads", "fork"}) {
        SCOPED_TRACE(work);
        for (int error : {EPERM, ENOSYS})
            ExpectDone({work, GetParam(), std::to_string(error)});
    }
}

} // namespace
} // namespace cairn_test
