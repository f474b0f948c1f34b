// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#include "tests/support/stack.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

namespace cairn_test {
namespace {

namespace fs = std::filesystem;

std::string FindLibrary()
{
    const char *given = std::getenv("CAIRN_TEST_LIBRARY");
    if (given == nullptr || *given == '\0')
        return "";
    fs::path path = fs::absolute(given);
    if (fs::exists(path))
        return path.string();
    std::cerr << "tests/support: no library at " << path << std::endl;
    std::abort();
}

std::string WithPreload(const std::string &more)
{
    std::string value = "LD_PRELOAD=" + LibraryUnderTest();
    if (!LibraryUnderTest().empty() && !more.empty())
        value += ":";
    return value + more;
}

bool EndsWith(const std::string &text, const std::string &end)
{
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The two paths may reach one file through different links.
bool IsTheLibrary(const std::string &object)
{
    if (LibraryUnderTest().empty())
        return true;
    std::error_code failed;
    return EndsWith(LibraryUnderTest(), object) ||
           fs::equivalent(object, LibraryUnderTest(), failed);
}

void Count(WitnessedOutcome &result)
{
    for (const std::string &line : result.witnesses) {
        std::string object = line.substr(line.rfind(' ') + 1);
        (IsTheLibrary(object) ? result.processes_on_stack : result.processes_elsewhere)++;
    }
}

} // namespace

const std::string &LibraryUnderTest()
{
    static const std::string library = FindLibrary();
    return library;
}

std::string StackName()
{
    return LibraryUnderTest().empty() ? "system" : fs::path(LibraryUnderTest()).filename().string();
}

bool StackIsOurs()
{
    return std::getenv("CAIRN_TEST_STACK") != nullptr || StackName().rfind("libcairn", 0) == 0;
}

std::string DataFile(const std::string &path)
{
    const char *runfiles = std::getenv("TEST_SRCDIR");
    const char *workspace = std::getenv("TEST_WORKSPACE");
    // cairn is the main repository, or one that the test depends on: by its name, or by that of
    // modules.
    for (const char *repository : {workspace, "cairn", "cairn~", "cairn+"}) {
        if (runfiles == nullptr || repository == nullptr)
            continue;
        fs::path found = fs::path(runfiles) / repository / path;
        if (fs::exists(found))
            return found.string();
    }
    fs::path beside = fs::read_symlink("/proc/self/exe").parent_path() / fs::path(path).filename();
    if (fs::exists(beside))
        return beside.string();
    std::cerr << "tests/support: no data file " << path << std::endl;
    std::abort();
}

Command DataCommand(const std::string &words)
{
    Command command;
    std::istringstream rest(words);
    for (std::string word; rest >> word;)
        command.argv.push_back(word);
    command.argv[0] = DataFile(command.argv[0]);
    return command;
}

std::vector<std::string> StackEnvironment()
{
    if (LibraryUnderTest().empty())
        return {};
    return {WithPreload("")};
}

Outcome RunOnStack(Command command)
{
    for (const std::string &assignment : StackEnvironment())
        command.environment.push_back(assignment);
    return RunCommand(command);
}

WitnessedOutcome RunWitnessed(Command command)
{
    ScratchDirectory scratch;
    WitnessedOutcome result;
    command.environment.push_back(WithPreload(DataFile("tests/support/witness.so")));
    command.environment.push_back("CAIRN_TEST_WITNESS=" + scratch.File("witness"));
    result.outcome = RunCommand(command);
    result.witnesses = Lines(ReadFile(scratch.File("witness")));
    Count(result);
    return result;
}

} // namespace cairn_test
