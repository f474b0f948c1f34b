// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Which allocator a test is about, and how a program is made to run on it.
//
// CAIRN_TEST_LIBRARY names the library to preload, relative to the directory the test starts in (so
// a BUILD file can write $(rootpath ...)); without it programs run on the system's malloc. The
// library is preloaded into the program under test only, never into the test or its runner.
#ifndef CAIRN_TESTS_SUPPORT_STACK_H_
#define CAIRN_TESTS_SUPPORT_STACK_H_

#include <string>
#include <vector>

#include "tests/support/process.h"

namespace cairn_test {

// The absolute path of the library under test; "" stands for the system's malloc.
const std::string &LibraryUnderTest();

// "libcairn.so", "libcairn_reference.so", "libjemalloc.so.2", or "system".
std::string StackName();

// True for the stacks of this project, which promise more than a malloc must.
bool StackIsOurs();

// A file that the BUILD file listed under data, by its path from the root of the workspace; found
// beside the test binary when there are no runfiles.
std::string DataFile(const std::string &path);

// The command of some words with blanks between, of which the first is such a file.
Command DataCommand(const std::string &words);

// Runs the command on the allocator under test.
Outcome RunOnStack(Command command);

// The environment that puts the allocator under test into a program, for runs that go through
// another program (strace -E, env).
std::vector<std::string> StackEnvironment();

// The same run with a second preloaded library, tests/support/witness.so, in which every process of
// the run writes down the object that its malloc came from.
struct WitnessedOutcome {
    Outcome outcome;
    std::vector<std::string> witnesses; // one line per process: "pid program object"
    int processes_on_stack = 0;
    int processes_elsewhere = 0;
};
WitnessedOutcome RunWitnessed(Command command);

} // namespace cairn_test

#endif
