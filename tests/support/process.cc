// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

extern char **environ;

namespace cairn_test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostOutput = size_t{64} << 20;

// A test runner speaks to its tests through these; a child that is a test itself must not answer.
bool SpeaksToTheTestRunner(const char *variable)
{
    for (const char *prefix :
         {"GTEST_", "XML_OUTPUT_FILE=", "TEST_", "TESTBRIDGE_", "LD_PRELOAD="}) {
        if (std::strncmp(variable, prefix, std::strlen(prefix)) == 0)
            return true;
    }
    return false;
}

bool Sets(const std::string &assignment, const char *variable)
{
    size_t name = assignment.find('=') + 1;
    return std::strncmp(assignment.c_str(), variable, name) == 0;
}

std::vector<std::string> ChildEnvironment(const std::vector<std::string> &added)
{
    std::vector<std::string> result;
    for (char **variable = environ; *variable != nullptr; variable++) {
        bool replaced = SpeaksToTheTestRunner(*variable);
        for (const std::string &assignment : added)
            replaced = replaced || Sets(assignment, *variable);
        if (!replaced)
            result.push_back(*variable);
    }
    result.insert(result.end(), added.begin(), added.end());
    return result;
}

std::vector<char *> Pointers(const std::vector<std::string> &strings)
{
    std::vector<char *> result;
    for (const std::string &string : strings)
        result.push_back(const_cast<char *>(string.c_str()));
    result.push_back(nullptr);
    return result;
}

[[noreturn]] void GiveUp(const char *what)
{
    std::cerr << "tests/support: " << what << ": " << std::strerror(errno) << std::endl;
    std::abort();
}

struct Pipe {
    int read_end;
    int write_end;
    Pipe()
    {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0)
            GiveUp("pipe");
        read_end = ends[0];
        write_end = ends[1];
    }
};

[[noreturn]] void BecomeTheProgram(const Command &command, const std::string &program, char **argv,
                                   char **environment, int out, int err)
{
    setpgid(0, 0);
    int in = open(command.input.empty() ? "/dev/null" : command.input.c_str(), O_RDONLY);
    if (in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    if (!command.directory.empty() && chdir(command.directory.c_str()) != 0)
        _exit(126);
    if (command.before_exec)
        command.before_exec();
    execve(program.c_str(), argv, environment);
    _exit(127);
}

pid_t Start(const Command &command, int out, int err)
{
    std::string program = FindProgram(command.argv.at(0));
    std::vector<std::string> variables = ChildEnvironment(command.environment);
    std::vector<char *> argv = Pointers(command.argv);
    std::vector<char *> environment = Pointers(variables);
    pid_t pid = fork();
    if (pid < 0)
        GiveUp("fork");
    if (pid == 0)
        BecomeTheProgram(command, program, argv.data(), environment.data(), out, err);
    setpgid(pid, pid);
    return pid;
}

// Reads what is there; false at the end of the stream.
bool Collect(int fd, std::string &text)
{
    char buffer[65536];
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    if (text.size() < kMostOutput)
        text.append(buffer, static_cast<size_t>(got));
    return true;
}

void CollectFromBoth(pollfd streams[2], Outcome &outcome)
{
    for (int i = 0; i < 2; i++) {
        if (streams[i].fd < 0 || streams[i].revents == 0)
            continue;
        if (!Collect(streams[i].fd, i == 0 ? outcome.out : outcome.err))
            streams[i].fd = -1;
    }
}

// True once the child has ended; its status and memory are then in the outcome.
bool Reap(pid_t pid, Outcome &outcome)
{
    int status = 0;
    rusage usage{};
    if (wait4(pid, &status, WNOHANG, &usage) != pid)
        return false;
    if (WIFEXITED(status))
        outcome.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status))
        outcome.signal = WTERMSIG(status);
    outcome.peak_kib = usage.ru_maxrss;
    return true;
}

void Watch(pid_t pid, pollfd streams[2], int seconds, Outcome &outcome)
{
    Clock::time_point deadline = Clock::now() + std::chrono::seconds(seconds);
    bool ended = false;
    while (!ended) {
        bool open = streams[0].fd >= 0 || streams[1].fd >= 0;
        poll(streams, 2, open ? 20 : 5);
        CollectFromBoth(streams, outcome);
        ended = Reap(pid, outcome);
        if (ended || Clock::now() < deadline || outcome.timed_out)
            continue;
        outcome.timed_out = true;
        kill(-pid, SIGKILL);
    }
}

// After the end of the program: its stragglers are killed, and what was in the pipes is read out.
void Finish(pid_t pid, pollfd streams[2], Outcome &outcome)
{
    kill(-pid, SIGKILL);
    for (int round = 0; round < 200 && (streams[0].fd >= 0 || streams[1].fd >= 0); round++) {
        if (poll(streams, 2, 10) == 0 && round > 20)
            break;
        CollectFromBoth(streams, outcome);
    }
}

} // namespace

Outcome RunCommand(const Command &command)
{
    Outcome outcome;
    Pipe out, err;
    pid_t pid = Start(command, out.write_end, err.write_end);
    close(out.write_end);
    close(err.write_end);
    fcntl(out.read_end, F_SETFL, O_NONBLOCK);
    fcntl(err.read_end, F_SETFL, O_NONBLOCK);
    pollfd streams[2] = {{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}};
    Watch(pid, streams, command.seconds, outcome);
    Finish(pid, streams, outcome);
    close(out.read_end);
    close(err.read_end);
    return outcome;
}

std::ostream &operator<<(std::ostream &stream, const Outcome &outcome)
{
    constexpr size_t kShown = 4000;
    auto tail = [](const std::string &text) {
        return text.size() <= kShown ? text : "..." + text.substr(text.size() - kShown);
    };
    if (outcome.timed_out)
        stream << "killed after its time limit; ";
    if (outcome.signal != 0)
        stream << "signal " << outcome.signal << " (" << strsignal(outcome.signal) << ")";
    else
        stream << "exit code " << outcome.exit_code;
    stream << ", peak " << outcome.peak_kib << " KiB";
    if (!outcome.out.empty())
        stream << "\n--- stdout\n" << tail(outcome.out);
    if (!outcome.err.empty())
        stream << "\n--- stderr\n" << tail(outcome.err);
    return stream;
}

std::string FindProgram(const std::string &name)
{
    if (name.find('/') != std::string::npos)
        return name;
    const char *path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        std::string candidate = folder + "/" + name;
        if (access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return "";
}

ScratchDirectory::ScratchDirectory(Kind kind)
{
    const char *base = std::getenv("TEST_TMPDIR");
    if (kind == kShortPath && access("/tmp", W_OK) == 0)
        base = "/tmp";
    path_ = std::string(base != nullptr ? base : "/tmp") + "/cairn.XXXXXX";
    if (mkdtemp(path_.data()) == nullptr)
        GiveUp(path_.c_str());
}

ScratchDirectory::~ScratchDirectory()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    content << file.rdbuf();
    return content.str();
}

void WriteFile(const std::string &path, const std::string &content)
{
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << content;
    file.close();
    if (!file)
        GiveUp(path.c_str());
}

std::vector<std::string> Lines(const std::string &text)
{
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

} // namespace cairn_test
