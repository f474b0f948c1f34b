// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Address space is a resource, too: limits may come at any time, all of it may be locked or dumped,
// and no table ends before it does. What the system's malloc can do is the measure.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <sstream>

#include "tests/memory/smaps.h"
#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

constexpr uintptr_t kMib = uintptr_t{1} << 20;

Command Space(const std::string &arguments)
{
    return DataCommand("tests/memory/space " + arguments);
}

std::vector<size_t> Numbers(const Outcome &outcome)
{
    std::istringstream text(outcome.out);
    std::vector<size_t> numbers;
    for (size_t number; text >> number;)
        numbers.push_back(number);
    numbers.resize(2);
    return numbers;
}

std::vector<Command> SmallPrograms()
{
    std::vector<Command> programs = {Space("smaps")};
    Command python;
    python.argv = {"/usr/bin/python3", "-S", "-c", "print(open('/proc/self/smaps').read())"};
    if (!FindProgram("python3").empty())
        programs.push_back(python);
    return programs;
}

TEST(AddressSpace, OfASmallProgramIsSmall)
{
    auto all = [](const Mapping &) { return true; };
    auto writable = [](const Mapping &mapping) { return mapping.is_writable(); };
    auto dumped = [](const Mapping &mapping) {
        return mapping.is_writable() && !mapping.has("dd");
    };
    for (const Command &program : SmallPrograms()) {
        std::vector<Mapping> ours = ParseSmaps(RunOnStack(program).out);
        std::vector<Mapping> plain = ParseSmaps(RunCommand(program).out);
        ASSERT_GT(plain.size(), 10u);
        EXPECT_LE(SumBytes(ours, all), SumBytes(plain, all) + 64 * kMib) << program.argv[0];
        EXPECT_LE(SumBytes(ours, writable), SumBytes(plain, writable) + 16 * kMib);
        EXPECT_LE(SumBytes(ours, dumped), SumBytes(plain, dumped) + 8 * kMib) << "in a core";
    }
}

TEST(AddressSpace, OfMetadataIsNeitherDumpedNorMadeOfHugePages)
{
    size_t count = 0;
    for (const Mapping &mapping : ParseSmaps(RunOnStack(Space("smaps")).out)) {
        if (!mapping.is_metadata())
            continue;
        EXPECT_TRUE(mapping.has("nh")) << mapping;
        count++;
    }
    EXPECT_EQ(count > 0, StackIsOurs());
}

// How much of an address space blocks of one size can fill at least, in percent of what the
// system's malloc fills. Between a size class and a chunk of 2 MiB, lengths are whole granules, and
// slabs lie at powers of two.
struct Size {
    size_t bytes;
    size_t percent;
};
constexpr Size kSizes[] = {{100, 90}, {10000, 60}, {100000, 75}, {1000000, 90}, {10000000, 90}};

void ExpectNearlyAsMuchAsPlain(const char *kind, size_t mib, Size size)
{
    std::string arguments =
        std::string("limit ") + kind + " " + std::to_string(mib) + " " + std::to_string(size.bytes);
    Outcome outcome = RunOnStack(Space(arguments));
    EXPECT_TRUE(outcome.ok()) << arguments << ": " << outcome;
    std::vector<size_t> ours = Numbers(outcome);
    // Which may fail in the end: it has no memory for its threads then.
    std::vector<size_t> plain = Numbers(RunCommand(Space(arguments)));
    EXPECT_GT(plain[1], 0u);
    EXPECT_GE((ours[0] + 1) * 100, plain[0] * size.percent) << arguments;
    EXPECT_GE((ours[1] + 1) * 100, plain[1] * size.percent) << arguments << ", the second time";
}

TEST(Limit, ThatComesLaterLeavesNearlyAllToTheProgram)
{
    for (const Size &size : kSizes) {
        ExpectNearlyAsMuchAsPlain("as", 64, size);
        ExpectNearlyAsMuchAsPlain("data", size.bytes < 100000 ? 64 : 256, size);
        if (size.bytes >= 1000000) // what is smaller is touched as a whole
            ExpectNearlyAsMuchAsPlain("as", 2048, size);
    }
}

TEST(Limit, FromTheStartLeavesWhatIsThere)
{
    for (size_t mib : {24, 40, 100})
        for (const Size &size : kSizes) {
            Command command = Space("take " + std::to_string(size.bytes));
            command.before_exec = [=] {
                rlimit limit = {mib * kMib, mib * kMib};
                setrlimit(RLIMIT_AS, &limit);
            };
            Outcome outcome = RunOnStack(command);
            EXPECT_TRUE(outcome.ok()) << mib << " MiB, " << size.bytes << ": " << outcome;
            std::vector<size_t> got = Numbers(outcome);
            EXPECT_GE((got[0] + 1) * size.bytes * 100, (mib - 16) * kMib * size.percent) << mib;
            EXPECT_LE(got[0] * size.bytes, mib * kMib);
            EXPECT_GE((got[1] + 1) * 100, got[0] * 98) << "what was freed can be had again";
        }
}

// The program asks only when its address space is small.
TEST(Lock, OfAllMemoryLocksLittle)
{
    for (const char *when : {"lock current", "lock future"}) {
        Outcome outcome = RunOnStack(Space(when));
        if (outcome.exit_code == 77)
            GTEST_SKIP() << "memory cannot be locked here";
        ASSERT_TRUE(outcome.ok()) << outcome;
        EXPECT_LE(std::stol(outcome.out), 48 * 1024) << when;
    }
}

TEST(Blocks, AreNotCountedByATable)
{
    for (const char *many : {"many 300000 64 2097152", "many 300000 1000000 1",
                             "many 100000 10 65536", "many 20000 64 1048576"}) {
        std::string wanted = std::string(many).substr(5, std::string(many).find(' ', 5) - 5);
        Outcome ours = RunOnStack(Space(many));
        EXPECT_TRUE(ours.ok()) << many << ": " << ours;
        if (ours.out != wanted + "\n") {
            EXPECT_EQ(ours.out, RunCommand(Space(many)).out) << "the kernel refuses any malloc";
        }
    }
}

TEST(Blocks, BeyondAllAddressesAreRefusedAndNothingChanges)
{
    Outcome outcome = RunOnStack(Space("beyond"));
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "refused\n");
}

} // namespace
} // namespace cairn_test
