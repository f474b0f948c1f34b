// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors
//
// Runs a program to its end and says what became of it: exit code or signal, both outputs, peak
// memory. Every run has a time limit; what the program leaves behind in its process group is ended
// with it.
#ifndef CAIRN_TESTS_SUPPORT_PROCESS_H_
#define CAIRN_TESTS_SUPPORT_PROCESS_H_

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace cairn_test {

struct Command {
    std::vector<std::string> argv;        // argv[0] is looked up on PATH
    std::vector<std::string> environment; // "NAME=value", added to a cleaned copy of ours
    std::string directory;                // where to run it; empty: here
    std::string input;                    // a file for standard input; empty: /dev/null
    int seconds = 60;                     // after which it is killed
    std::function<void()> before_exec;    // runs in the child, e.g. setrlimit
};

struct Outcome {
    bool timed_out = false;
    int exit_code = -1; // -1: did not exit by itself
    int signal = 0;     // 0: no signal
    std::string out;
    std::string err;
    long peak_kib = 0;

    bool ok() const
    {
        return !timed_out && exit_code == 0;
    }
};

std::ostream &operator<<(std::ostream &stream, const Outcome &outcome);

Outcome RunCommand(const Command &command);

// The path of a program on PATH, or "" when it is not installed.
std::string FindProgram(const std::string &name);

// A fresh directory below TEST_TMPDIR (or /tmp), removed in the end with everything in it. A short
// path is for programs that bind sockets in it: their names are limited to 108 bytes.
class ScratchDirectory {
  public:
    enum Kind { kInTestDirectory, kShortPath };
    explicit ScratchDirectory(Kind kind = kInTestDirectory);
    ~ScratchDirectory();
    ScratchDirectory(const ScratchDirectory &) = delete;
    ScratchDirectory &operator=(const ScratchDirectory &) = delete;
    const std::string &path() const
    {
        return path_;
    }
    std::string File(const std::string &name) const
    {
        return path_ + "/" + name;
    }

  private:
    std::string path_;
};

std::string ReadFile(const std::string &path);
void WriteFile(const std::string &path, const std::string &content);
std::vector<std::string> Lines(const std::string &text);

} // namespace cairn_test

#endif
