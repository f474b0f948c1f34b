// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// NULL comes last: a process that freed everything gets as much as one that never used anything,
// whoever sets the limit.
#include <gtest/gtest.h>

#include <sstream>
#include <tuple>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

constexpr size_t kCapMib = 100;
constexpr int kTries = 3;

// The data segment is held as a whole, with its gaps, which no block of 5 MB fits into. With
// threads a used process has more of them than a fresh one, by chance: of 20 blocks, 2 are lost at
// times. Where all is mapped there are none.
constexpr size_t kGapBytes = size_t{8} << 20;

struct Exhaustion {
    size_t blocks = 0;
    size_t held_peak_bytes = 0;
};

class Exhausted
    : public testing::TestWithParam<std::tuple<const char *, const char *, const char *>> {
  protected:
    bool HasCap()
    {
        return std::get<0>(GetParam()) == std::string("none");
    }
    size_t GapBytes()
    {
        auto [kind, threads, pages] = GetParam();
        return threads != std::string("0") && pages == std::string("auto") ? kGapBytes : 0;
    }
    Exhaustion Run(const char *state, size_t bytes, const char *how)
    {
        auto [kind, threads, pages] = GetParam();
        Command command;
        command.argv = {
            DataFile("tests/memory/exhaust"), state, kind, std::to_string(bytes), how, threads};
        command.environment = {std::string("CAIRN_CONF=pages:") + pages};
        if (HasCap())
            command.environment[0] += ",limit_mib:" + std::to_string(kCapMib);
        Outcome outcome = RunOnStack(command);
        EXPECT_TRUE(outcome.ok()) << state << " " << bytes << " " << how << ": " << outcome;
        Exhaustion seen;
        std::istringstream(outcome.out) >> seen.blocks >> seen.held_peak_bytes;
        return seen;
    }
    // Where the kernel puts the mappings decides by chance whether they need one leaf of the
    // pagemap or two, of 1.6 MB: an unlucky process has a chunk or two less. So there are tries.
    void ExpectAsMuchAsFresh(size_t bytes, const char *how)
    {
        Exhaustion fresh, used;
        for (int tries = 0; tries < kTries && !IsAsMuch(used, fresh, bytes); tries++) {
            fresh = Run("fresh", bytes, how);
            used = Run("used", bytes, how);
        }
        EXPECT_GT(fresh.blocks * bytes, size_t{20} << 20) << bytes;
        EXPECT_TRUE(IsAsMuch(used, fresh, bytes))
            << bytes << " by " << how << ": " << used.blocks << " blocks, fresh " << fresh.blocks;
        if (HasCap()) {
            EXPECT_LE(used.held_peak_bytes, kCapMib << 20) << bytes << " by " << how;
            EXPECT_LE(fresh.held_peak_bytes, kCapMib << 20) << bytes << " by " << how;
        }
    }
    bool IsAsMuch(const Exhaustion &used, const Exhaustion &fresh, size_t bytes)
    {
        return fresh.blocks > 0 &&
               (used.blocks + 1 + fresh.blocks * 3 / 100) * bytes + GapBytes() >=
                   fresh.blocks * bytes;
    }
};

INSTANTIATE_TEST_SUITE_P(By, Exhausted,
                         testing::Combine(testing::Values("none", "as", "data"),
                                          testing::Values("0", "4"),
                                          testing::Values("auto", "mmap")),
                         [](const auto &chosen) {
                             return std::string(std::get<0>(chosen.param)) + "_threads_" +
                                    std::get<1>(chosen.param) + "_" + std::get<2>(chosen.param);
                         });

TEST_P(Exhausted, HasAsMuchAfterUseAsBefore)
{
    if (!StackIsOurs() && HasCap())
        GTEST_SKIP() << "no cap";
    for (size_t bytes : {100, 4096, 40000, 200000, 1000000, 5000000})
        ExpectAsMuchAsFresh(bytes, "malloc");
    for (size_t bytes : {3000, 60000, 1000000}) {
        ExpectAsMuchAsFresh(bytes, "aligned_alloc");
        ExpectAsMuchAsFresh(bytes, "realloc");
        ExpectAsMuchAsFresh(bytes, "calloc");
    }
}

// What was returned to this kernel is gone, so there is no measure: but blocks are given out, and
// the end is orderly.
TEST(Kernel, ThatRefusesEverythingIsSurvived)
{
    for (const char *state : {"fresh", "used"})
        for (const char *how : {"malloc", "aligned_alloc", "calloc", "realloc"})
            for (const char *bytes : {"100", "4096", "40000", "200000", "1000000", "5000000"}) {
                Command command;
                command.argv = {DataFile("tests/memory/exhaust"), state, "kernel", bytes, how, "1"};
                Outcome outcome = RunOnStack(command);
                if (outcome.exit_code == 77)
                    GTEST_SKIP() << "no filter can be set here";
                EXPECT_TRUE(outcome.ok()) << state << " " << bytes << " " << how << ": " << outcome;
            }
}

} // namespace
} // namespace cairn_test
