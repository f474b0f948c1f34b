// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Metadata is never in or next to user memory: whoever runs out of a block, in either direction,
// meets other blocks or a page that nobody may touch.
#include <gtest/gtest.h>

#include "tests/memory/smaps.h"
#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

// No metadata touches writable memory of another kind.
void ExpectApart(const std::vector<Mapping> &mappings, const std::string &program)
{
    size_t count = 0;
    for (size_t idx = 0; idx < mappings.size(); idx++) {
        count += mappings[idx].is_metadata() ? 1 : 0;
        if (idx == 0 || mappings[idx - 1].end != mappings[idx].base)
            continue;
        const Mapping &low = mappings[idx - 1], &high = mappings[idx];
        if (low.access[1] == 'w' && high.access[1] == 'w') {
            EXPECT_EQ(low.is_metadata(), high.is_metadata()) << program << "\n"
                                                             << low << "\n"
                                                             << high;
        }
    }
    EXPECT_EQ(count > 0, StackIsOurs()) << program;
}

struct Program {
    const char *name;
    std::vector<std::string> argv;
};

void PrintTo(const Program &program, std::ostream *stream)
{
    *stream << program.name;
}

const char kPython[] = "import re, json\n"
                       "data = {str(n): [n] * (n % 50) for n in range(100000)}\n"
                       "big = [bytearray(n * 40000) for n in range(60)]\n"
                       "for b in big: b.extend(bytes(len(b)))\n"
                       "text = json.dumps(data); del big[::2]\n"
                       "print(open('/proc/self/smaps').read())\n";
const char kPerl[] = "my %h; $h{$_} = 'x' x ($_ % 3000) for 1 .. 30000; my @big;"
                     "push @big, 'y' x ($_ * 100000) for 1 .. 40; $_ .= $_ for @big;"
                     "open my $f, '<', '/proc/self/smaps'; print while <$f>;";
const char kSql[] = "create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 "
                    "from n where i < 50000) insert into t select i, hex(randomblob(i % 400)) from "
                    "n; create index x on t(b);\n.shell cat /proc/$PPID/smaps\n";

std::vector<Program> Programs()
{
    return {{"threads", {DataFile("tests/memory/guards"), "smaps"}},
            {"python3", {"python3", "-S", "-c", kPython}},
            {"perl", {"perl", "-e", kPerl}},
            {"sqlite3", {"sqlite3", ":memory:", kSql}}};
}

class Guards : public testing::TestWithParam<Program> {};

INSTANTIATE_TEST_SUITE_P(Of, Guards, testing::ValuesIn(Programs()),
                         [](const auto &chosen) { return std::string(chosen.param.name); });

TEST_P(Guards, KeepMetadataApartFromUserMemory)
{
    Command command;
    command.argv = GetParam().argv;
    if (FindProgram(command.argv[0]).empty())
        GTEST_SKIP() << "no " << command.argv[0];
    ScratchDirectory scratch;
    if (command.argv[0] == "sqlite3") { // a dot command must be a line of its own
        command.input = scratch.File("sql");
        WriteFile(command.input, command.argv.back());
        command.argv.pop_back();
    }
    Outcome outcome = RunOnStack(command);
    ASSERT_TRUE(outcome.ok()) << outcome;
    ExpectApart(ParseSmaps(outcome.out), GetParam().name);
}

// The kernel may map a block right above them.
TEST(Variables, OfTheAllocatorAreOutOfReach)
{
    if (!StackIsOurs())
        GTEST_SKIP() << "the system's malloc shares its variables with the C library";
    Command command;
    command.argv = {DataFile("tests/memory/guards"), "variables"};
    Outcome outcome = RunOnStack(command);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "sound\n");
}

class Overflow : public testing::TestWithParam<const char *> {};

INSTANTIATE_TEST_SUITE_P(Of, Overflow,
                         testing::Values("5000", "40000", "120000", "300000", "1000000", "1500000",
                                         "5000000", "40000000"));

TEST_P(Overflow, NeverReachesTheAllocator)
{
    for (const char *direction : {"up", "down"}) {
        Command command;
        command.argv = {DataFile("tests/memory/guards"), direction, GetParam()};
        Outcome outcome = RunOnStack(command);
        EXPECT_TRUE(outcome.ok()) << direction << ": " << outcome;
        EXPECT_EQ(outcome.out, "sound\n") << direction;
    }
}

} // namespace
} // namespace cairn_test
