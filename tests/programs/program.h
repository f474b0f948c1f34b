// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Real programs: each is run on the system's malloc and on the stack under test, and must give the
// same answer. That it really ran on the stack is proved by a witness in every process of the run.
#ifndef CAIRN_TESTS_PROGRAMS_PROGRAM_H_
#define CAIRN_TESTS_PROGRAMS_PROGRAM_H_

#include <gtest/gtest.h>

#include <string>

#include "tests/support/process.h"
#include "tests/support/stack.h"

namespace cairn_test {

// Ends the test, as skipped, when the program is not installed.
#define SKIP_WITHOUT(program)                                                                      \
    if (cairn_test::FindProgram(program).empty()) {                                                \
        GTEST_SKIP() << "not installed on this machine: " program;                                 \
    }

// A command that runs in a directory of its own; `directory` is filled in for each run.
struct Program {
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    int seconds = 120;
    std::string result_file; // compared too, when named: a path in the directory of the run
    int strangers = 0;       // processes that cannot be preloaded into, such as static ones
};

// Runs it on the stack alone, and expects the proof that it did; whether it went well is for the
// caller.
Outcome RunOnTheStack(const Program &program);

// The same without our library, for comparison.
Outcome RunOnTheSystem(const Program &program);

// Runs it on both, and expects the same standard output, exit code 0 and the same result file.
void ExpectSameOnBoth(const Program &program);

// A script or input that lies beside the tests.
std::string Workload(const std::string &name);

} // namespace cairn_test

#endif
