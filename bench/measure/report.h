// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Runs measure and reads its report.
#ifndef CAIRN_BENCH_MEASURE_REPORT_H_
#define CAIRN_BENCH_MEASURE_REPORT_H_

#include "tests/support/process.h"

#include <iosfwd>
#include <string>
#include <vector>

namespace measure_test {

using cairn_test::Command;
using cairn_test::Outcome;
using cairn_test::ReadFile;
using cairn_test::RunCommand;
using cairn_test::ScratchDirectory;
using Words = std::vector<std::string>;

inline const char *const kMeasure = "bench/measure/measure";
inline const char *const kSubject = "bench/measure/subject";
inline const char *const kStaticSubject = "bench/measure/static_subject";
inline const char *const kLibrary = "bench/measure/libpreloadable.so";
constexpr long kMiB = 1024;

struct Report {
    Outcome outcome;
    std::string json;

    std::string Field(const std::string &name) const;
    double Number(const std::string &name) const;
};

std::ostream &operator<<(std::ostream &stream, const Report &report);

// measure --report FILE <options> -- <program>
Report MeasureProgram(const Words &options, const Words &program, Command command = {});

// The same with the subject for program; measure itself must succeed.
Report Measure(Words verbs, const Words &options = {});

// The field, in KiB, is what the program touched and little more.
void ExpectAbout(const Report &report, const std::string &field, long mebibytes);

// measure <arguments>
Outcome CallMeasure(Words arguments);

// Waits for a process that was killed; false when it lives on.
bool IsGone(const std::string &pid);

} // namespace measure_test

#endif
