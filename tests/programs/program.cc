// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#include "tests/programs/program.h"

#include <filesystem>

namespace cairn_test {
namespace {

Command CommandIn(const std::string &directory, const Program &program)
{
    Command command;
    command.argv = program.argv;
    command.environment = program.environment;
    // Nothing of the user's own configuration may tell the two runs apart.
    command.environment.push_back("HOME=" + directory);
    command.environment.push_back("LC_ALL=C");
    command.environment.push_back("TMPDIR=" + directory);
    command.directory = directory;
    command.seconds = program.seconds;
    return command;
}

// Both runs see the same path, for programs write the directory they ran in into what they make.
class Place {
  public:
    const std::string &Fresh()
    {
        std::filesystem::remove_all(path_);
        std::filesystem::create_directory(path_);
        return path_;
    }
    std::string File(const std::string &name) const
    {
        return path_ + "/" + name;
    }

  private:
    ScratchDirectory scratch_{ScratchDirectory::kShortPath};
    std::string path_ = scratch_.File("run");
};

void ExpectProof(const WitnessedOutcome &run, int strangers)
{
    EXPECT_GE(run.processes_on_stack, 1) << "no process ran on " << StackName();
    EXPECT_LE(run.processes_elsewhere, strangers) << "some process ran on another malloc";
    if (run.processes_elsewhere <= strangers)
        return;
    for (const std::string &line : run.witnesses)
        std::cout << line << "\n";
}

std::string FirstDifference(const std::string &a, const std::string &b)
{
    size_t at = 0;
    while (at < a.size() && at < b.size() && a[at] == b[at])
        at++;
    size_t from = at > 80 ? at - 80 : 0;
    return "at byte " + std::to_string(at) + ":\n  system: " + a.substr(from, 200) +
           "\n  stack:  " + b.substr(from, 200);
}

void ExpectSameText(const char *what, const std::string &system, const std::string &stack)
{
    EXPECT_TRUE(system == stack) << what << " differs " << FirstDifference(system, stack);
}

} // namespace

Outcome RunOnTheStack(const Program &program)
{
    Place place;
    WitnessedOutcome run = RunWitnessed(CommandIn(place.Fresh(), program));
    ExpectProof(run, program.strangers);
    return run.outcome;
}

Outcome RunOnTheSystem(const Program &program)
{
    Place place;
    return RunCommand(CommandIn(place.Fresh(), program));
}

void ExpectSameOnBoth(const Program &program)
{
    Place place;
    Outcome system = RunCommand(CommandIn(place.Fresh(), program));
    ASSERT_TRUE(system.ok()) << program.argv[0] << " on the system's malloc: " << system;
    std::string system_result =
        program.result_file.empty() ? "" : ReadFile(place.File(program.result_file));
    WitnessedOutcome run = RunWitnessed(CommandIn(place.Fresh(), program));
    ASSERT_TRUE(run.outcome.ok()) << program.argv[0] << " on " << StackName() << ": "
                                  << run.outcome;
    ExpectProof(run, program.strangers);
    ExpectSameText("standard output", system.out, run.outcome.out);
    ASSERT_FALSE(system.out.empty() && system_result.empty()) << "there was nothing to compare";
    if (program.result_file.empty())
        return;
    ExpectSameText("the result", system_result, ReadFile(place.File(program.result_file)));
}

std::string Workload(const std::string &name)
{
    return DataFile("tests/programs/" + name);
}

} // namespace cairn_test
