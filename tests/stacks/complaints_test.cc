// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// What a stack says that cannot serve: one line, and then NULL from malloc or the end.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "tests/support/process.h"

namespace cairn_test {
namespace {

Outcome OutcomeOf(const std::string &program)
{
    Command command;
    command.argv = {"tests/stacks/" + program};
    return RunCommand(command);
}

// The program asks for blocks of 1000 bytes again and again, and prints how many it got.
void ExpectNoBlocksAnd(const std::string &program, const std::string &line)
{
    Outcome outcome = OutcomeOf(program);
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.out, "0\n") << outcome;
    EXPECT_EQ(outcome.err, line + "\n");
}

TEST(Complaints, AStackWhoseLayersDoNotFitSaysSoOnce)
{
    ExpectNoBlocksAnd("blocks_of_zero_class",
                      "cairn: the stack zero_class cannot be built: a layer does not fit the "
                      "others, as its laws test says");
}

TEST(Complaints, ABufferWithoutRoomForTheTablesSaysSoOnce)
{
    ExpectNoBlocksAnd("blocks_of_buffer_tiny",
                      "cairn: the stack buffered cannot be built: no memory for its tables");
}

TEST(Complaints, ABufferWithoutRoomForABlockSaysSoOnce)
{
    for (const char *program : {"blocks_of_buffer_4", "blocks_of_buffer_5"})
        ExpectNoBlocksAnd(program,
                          "cairn: the pages layer (own buffer) has no room for a first block");
}

TEST(Complaints, ABufferOfTheLeastSizeServesAChunkOfBlocks)
{
    for (const char *program : {"blocks_of_buffer_least", "blocks_of_buffer_least_aside"}) {
        Outcome outcome = OutcomeOf(program);
        EXPECT_TRUE(outcome.ok()) << outcome;
        EXPECT_GE(std::stoi(outcome.out), 1900) << "of 1000 bytes";
        EXPECT_EQ(outcome.err, "");
    }
}

TEST(Complaints, AnAdapterThatReturnsNoSourceIsNamed)
{
    Outcome outcome = OutcomeOf("blocks_of_none_adapter");
    EXPECT_EQ(outcome.signal, SIGABRT) << outcome;
    EXPECT_EQ(Lines(outcome.err).size(), 1u) << outcome;
    EXPECT_NE(outcome.err.find("an adapter returned no source"), std::string::npos) << outcome;
    EXPECT_NE(outcome.err.find("cairn_adapter_nowhere"), std::string::npos) << outcome;
}

} // namespace
} // namespace cairn_test
