// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// The allocator linked into a program instead of preloaded, and linked into one that is fully
// static.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {
namespace {

std::string Stack()
{
    const char *stack = std::getenv("CAIRN_TEST_STACK");
    return stack != nullptr ? stack : "cairn";
}

// "program_with argument ...", where program_with is completed by the name of the stack.
Outcome RunProgram(const std::string &line)
{
    Command command;
    std::istringstream words(line);
    for (std::string word; words >> word;)
        command.argv.push_back(word);
    command.argv[0] = DataFile("tests/process/" + command.argv[0] + "_" + Stack());
    command.seconds = 100;
    return RunCommand(command);
}

class LinkedFirstCall : public testing::TestWithParam<const char *> {};

INSTANTIATE_TEST_SUITE_P(To, LinkedFirstCall,
                         testing::Values("malloc", "calloc", "realloc", "reallocarray",
                                         "aligned_alloc", "posix_memalign", "memalign", "valloc",
                                         "pvalloc", "large", "huge", "free", "malloc_usable_size",
                                         "refusal", "malloc_trim", "mallinfo2", "mallopt",
                                         "malloc_stats", "malloc_info"),
                         [](const auto &chosen) { return std::string(chosen.param); });

TEST_P(LinkedFirstCall, MayBeAnyFunction)
{
    for (const char *program : {"first_call_linked_to ", "first_call_static_with "}) {
        Outcome outcome = RunProgram(program + std::string(GetParam()));
        EXPECT_TRUE(outcome.ok()) << program << outcome;
    }
}

TEST(StaticProgram, ComputesWhatItComputesOnTheSystemsMalloc)
{
    Command system;
    system.argv = {DataFile("tests/process/worker"), "work"};
    Outcome expected = RunCommand(system);
    ASSERT_TRUE(expected.ok()) << expected;
    for (const char *mode : {"work", "other_sbrk", "blocked_brk"}) {
        Outcome outcome = RunProgram("worker_static_with " + std::string(mode));
        EXPECT_TRUE(outcome.ok()) << mode << ": " << outcome;
        EXPECT_EQ(outcome.out, expected.out) << mode;
    }
}

TEST(StaticProgram, LivesFromConstructorsToThreadDestructors)
{
    for (const char *line :
         {"life_static_with atexit", "life_static_with tsd", "life_static_with exit"}) {
        Outcome outcome = RunProgram(line);
        EXPECT_TRUE(outcome.ok()) << line << ": " << outcome;
    }
}

// Careless: a vfork whose child allocates; the archive has a vfork, and so has libc's.
TEST(StaticProgram, ForksWhileThreadsAllocate)
{
    for (const char *mode : {"fork", "atfork", "careless"}) {
        Outcome outcome = RunProgram("forker_static_with " + std::string(mode) + " 8 100");
        EXPECT_TRUE(outcome.ok()) << mode << ": " << outcome;
        EXPECT_EQ(outcome.out, "100 good children\n") << mode << ": " << outcome;
    }
}

// The proof that the program runs on the stack at all: the line it prints of a foreign pointer is
// ours.
TEST(StaticProgram, HasTheAllocatorInIt)
{
    std::string program = ReadFile(DataFile("tests/process/worker_static_with_" + Stack()));
    EXPECT_NE(program.find("cairn: "), std::string::npos);
    std::string stranger = ReadFile(DataFile("tests/process/worker"));
    EXPECT_EQ(stranger.find("cairn: "), std::string::npos);
}

} // namespace
} // namespace cairn_test
