// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#include "bench/measure/report.h"

#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <ostream>

namespace measure_test {

std::string Report::Field(const std::string &name) const
{
    std::string key = "\"" + name + "\": ";
    size_t at = json.find(key);
    if (at == std::string::npos)
        return "(no field)";
    at += key.size();
    return json.substr(at, json.find_first_of(",}", at) - at);
}

double Report::Number(const std::string &name) const
{
    return std::strtod(Field(name).c_str(), nullptr);
}

std::ostream &operator<<(std::ostream &stream, const Report &report)
{
    return stream << report.json << report.outcome;
}

Report MeasureProgram(const Words &options, const Words &program, Command command)
{
    ScratchDirectory scratch;
    Report report;
    command.argv = {kMeasure, "--report", scratch.File("report")};
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    command.argv.push_back("--");
    command.argv.insert(command.argv.end(), program.begin(), program.end());
    report.outcome = RunCommand(command);
    report.json = ReadFile(scratch.File("report"));
    return report;
}

Report Measure(Words verbs, const Words &options)
{
    verbs.insert(verbs.begin(), kSubject);
    Report report = MeasureProgram(options, verbs);
    EXPECT_EQ(report.outcome.exit_code, 0) << report;
    return report;
}

void ExpectAbout(const Report &report, const std::string &field, long mebibytes)
{
    constexpr long kLibcKib = 12 * kMiB; // more than any of our programs has beside what it touches
    EXPECT_GE(report.Number(field), mebibytes * kMiB) << field << report;
    EXPECT_LE(report.Number(field), mebibytes * kMiB + kLibcKib) << field << report;
}

Outcome CallMeasure(Words arguments)
{
    Command command;
    arguments.insert(arguments.begin(), kMeasure);
    command.argv = arguments;
    return RunCommand(command);
}

bool IsGone(const std::string &pid)
{
    pid_t process = std::atoi(pid.c_str());
    EXPECT_GT(process, 0) << pid;
    for (int wait = 0; wait < 500 && kill(process, 0) == 0; wait++)
        usleep(10 * 1000);
    return kill(process, 0) != 0;
}

} // namespace measure_test
