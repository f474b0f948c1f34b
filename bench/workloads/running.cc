// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Runs workloads and reads what they say.
#include "bench/workloads/running.h"

#include <gtest/gtest.h>

#include <regex>

namespace cairn_test {

Outcome RunWorkload(const std::string &name, const Arguments &arguments,
                    const Arguments &environment, const std::function<void()> &before_exec)
{
    Command command;
    command.argv = {"bench/workloads/" + name};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.environment = environment;
    command.before_exec = before_exec;
    return RunCommand(command);
}

std::map<std::string, double> Result(const Outcome &outcome)
{
    static const std::string number = R"((\d+(?:\.\d+)?))";
    static const std::regex form(
        R"re(\{"ops": \d+, "seconds": \d+\.\d{9}(, "extra": \{"[a-z_]+": \d+(, "[a-z_]+": \d+)*\})?\})re");
    static const std::regex pair(R"re("([a-z_]+)": )re" + number);
    std::map<std::string, double> result;
    std::vector<std::string> lines = Lines(outcome.out);
    EXPECT_TRUE(outcome.ok()) << outcome;
    if (lines.empty() || !std::regex_match(lines.back(), form)) {
        ADD_FAILURE() << "no result: " << outcome;
        return result;
    }
    for (std::sregex_iterator it(lines.back().begin(), lines.back().end(), pair), end; it != end;
         ++it)
        result[(*it)[1]] = std::stod((*it)[2]);
    return result;
}

void ExpectRefusal(const Outcome &outcome, const std::string &line)
{
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_EQ(outcome.err, line + "\n");
    EXPECT_EQ(outcome.out, "");
}

std::map<std::string, uint64_t> Count(const std::string &name, const Arguments &arguments)
{
    static const std::regex pair(R"re(([a-z]+)=(\d+))re");
    Outcome outcome = RunWorkload(name, arguments, {"LD_PRELOAD=bench/workloads/balance.so"});
    std::map<std::string, uint64_t> counts;
    EXPECT_TRUE(outcome.ok()) << outcome;
    EXPECT_EQ(outcome.err.rfind("balance: made=", 0), 0u) << outcome;
    for (std::sregex_iterator it(outcome.err.begin(), outcome.err.end(), pair), end; it != end;
         ++it)
        counts[(*it)[1]] = std::stoull((*it)[2]);
    return counts;
}

void ExpectToNotice(const std::string &lie, const std::string &name, const Arguments &arguments,
                    const std::string &line)
{
    Outcome outcome =
        RunWorkload(name, arguments, {"LD_PRELOAD=bench/workloads/balance.so", "LIE=" + lie});
    EXPECT_EQ(outcome.exit_code, 1) << outcome;
    EXPECT_TRUE(std::regex_match(outcome.err, std::regex(line + "\n"))) << outcome;
}

} // namespace cairn_test
