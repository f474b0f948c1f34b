// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// running.h - how the tests run a workload, and what they expect of it.
#ifndef CAIRN_BENCH_WORKLOADS_RUNNING_H
#define CAIRN_BENCH_WORKLOADS_RUNNING_H

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace cairn_test {

using Arguments = std::vector<std::string>;

Outcome RunWorkload(const std::string &name, const Arguments &arguments,
                    const Arguments &environment = {},
                    const std::function<void()> &before_exec = nullptr);

// The numbers of a result, "extra" among the others; fails unless the last line is one, of the right form.
std::map<std::string, double> Result(const Outcome &outcome);

// What the preloaded library counted.
std::map<std::string, uint64_t> Count(const std::string &name, const Arguments &arguments);

void ExpectRefusal(const Outcome &outcome, const std::string &line);

// Runs a workload on a malloc of which one function lies.
void ExpectToNotice(const std::string &lie, const std::string &name, const Arguments &arguments,
                    const std::string &line);

} // namespace cairn_test

#endif
