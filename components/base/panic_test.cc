// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

struct End {
    std::vector<std::string> writes; // each write(2) on fd 2, apart
    int status;

    bool IsAbort() const
    {
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    }
};

// Runs `body` in a child whose fd 2 is a pipe in packet mode, in which each write stays apart.
End RunInChild(const std::function<void()> &body)
{
    int ends[2];
    End end;
    char packet[4096];
    ssize_t bytes;

    EXPECT_EQ(pipe2(ends, O_DIRECT), 0);
    pid_t child = fork();
    if (child == 0) {
        const rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    while ((bytes = read(ends[0], packet, sizeof(packet))) > 0)
        end.writes.emplace_back(packet, static_cast<size_t>(bytes));
    close(ends[0]);
    EXPECT_EQ(waitpid(child, &end.status, 0), child);
    return end;
}

void ExpectAbortWith(const std::function<void()> &body, const std::string &line)
{
    End end = RunInChild(body);

    EXPECT_TRUE(end.IsAbort()) << "status " << end.status;
    EXPECT_EQ(end.writes, std::vector<std::string>{line});
}

void *At(uintptr_t address)
{
    return reinterpret_cast<void *>(address);
}

TEST(Panic, WritesExactlyOneLineInOneWrite)
{
    ExpectAbortWith([] { cairn_panic("double free", At(0x7f00deadbee0), "free"); },
                    "cairn: double free (pointer 0x7f00deadbee0) in free\n");
}

TEST(Panic, LeavesOutAPointerThatIsNull)
{
    ExpectAbortWith([] { cairn_panic("out of ideas", nullptr, "init"); },
                    "cairn: out of ideas in init\n");
}

TEST(Panic, PrintsAnyPointerValue)
{
    ExpectAbortWith([] { cairn_panic("x", At(1), "y"); }, "cairn: x (pointer 0x1) in y\n");
    ExpectAbortWith([] { cairn_panic("x", At(0x10), "y"); }, "cairn: x (pointer 0x10) in y\n");
    ExpectAbortWith([] { cairn_panic("x", At(UINTPTR_MAX), "y"); },
                    "cairn: x (pointer 0xffffffffffffffff) in y\n");
}

TEST(Panic, CutsALongLineAndStillEndsIt)
{
    for (size_t length = 230; length < 270; length++) {
        const std::string what(length, 'w');
        const std::string whole = "cairn: " + what + " in here";

        ExpectAbortWith([&] { cairn_panic(what.c_str(), nullptr, "here"); },
                        whole.substr(0, 255) + "\n");
    }
}

TEST(Panic, AbortsWhenTheSignalIsBlocked)
{
    ExpectAbortWith(
        [] {
            sigset_t all;

            sigfillset(&all);
            sigprocmask(SIG_BLOCK, &all, nullptr);
            cairn_panic("what", nullptr, "where");
        },
        "cairn: what in where\n");
}

TEST(Panic, AbortsWhenTheSignalIsIgnored)
{
    ExpectAbortWith(
        [] {
            signal(SIGABRT, SIG_IGN);
            cairn_panic("what", nullptr, "where");
        },
        "cairn: what in where\n");
}

TEST(Panic, CallsAHandlerOnceAndAbortsWhenItReturns)
{
    End end = RunInChild([] {
        struct sigaction action = {};

        action.sa_handler = [](int) { (void)!write(2, "handler", 7); };
        action.sa_flags = SA_RESTART;
        sigfillset(&action.sa_mask);
        sigaction(SIGABRT, &action, nullptr);
        cairn_panic("what", nullptr, "where");
    });

    EXPECT_TRUE(end.IsAbort()) << end.status;
    EXPECT_EQ(end.writes, (std::vector<std::string>{"cairn: what in where\n", "handler"}));
}

TEST(Panic, LetsAHandlerEndTheProgram)
{
    End end = RunInChild([] {
        signal(SIGABRT, [](int) { _exit(42); });
        cairn_panic("what", nullptr, "where");
    });

    EXPECT_TRUE(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 42) << end.status;
}

TEST(Panic, RaisesTheSignalInTheThreadThatPanics)
{
    static thread_local bool panicking;
    End end = RunInChild([] {
        signal(SIGABRT, [](int) { (void)!write(2, panicking ? "same" : "other", 5); });
        std::thread([] {
            panicking = true;
            cairn_panic("what", nullptr, "where");
        }).join();
    });

    EXPECT_TRUE(end.IsAbort()) << end.status;
    ASSERT_EQ(end.writes.size(), 2u);
    EXPECT_STREQ(end.writes[1].c_str(), "same");
}

TEST(PanicHook, RunsOnceAfterTheLineAndBeforeTheSignal)
{
    End end = RunInChild([] {
        signal(SIGABRT, [](int) { (void)!write(2, "handler", 7); });
        cairn_panic_hook = [] { (void)!write(2, "hook", 4); };
        cairn_panic("what", nullptr, "where");
    });

    EXPECT_TRUE(end.IsAbort()) << end.status;
    EXPECT_EQ(end.writes, (std::vector<std::string>{"cairn: what in where\n", "hook", "handler"}));
}

TEST(PanicHook, IsNotThereAtFirstAndNeedNotBe)
{
    EXPECT_EQ(cairn_panic_hook, nullptr);
    ExpectAbortWith(
        [] {
            cairn_panic_hook = [] { (void)!write(2, "hook", 4); };
            cairn_panic_hook = nullptr;
            cairn_panic("what", nullptr, "where");
        },
        "cairn: what in where\n");
}

// One that ends the program itself: what it says is the last word.
TEST(PanicHook, RunsInTheThreadThatPanics)
{
    static thread_local bool panicking;
    End end = RunInChild([] {
        cairn_panic_hook = [] { _exit(panicking ? 7 : 8); };
        std::thread([] {
            panicking = true;
            CAIRN_CHECK(false, "what", nullptr, "where");
        }).join();
    });

    EXPECT_TRUE(WIFEXITED(end.status) && WEXITSTATUS(end.status) == 7) << end.status;
}

TEST(Panic, AbortsWithoutAWordWhenStandardErrorIsClosed)
{
    End end = RunInChild([] {
        close(2);
        cairn_panic("what", nullptr, "where");
    });

    EXPECT_TRUE(end.IsAbort()) << end.status;
    EXPECT_TRUE(end.writes.empty());
}

TEST(Check, SaysWhatWhichAndWhere)
{
    int block;

    ExpectAbortWith([] { CAIRN_CHECK(1 > 2, "bad size", At(0xabc), "give"); },
                    "cairn: bad size (pointer 0xabc) in give\n");
    CAIRN_CHECK(2 > 1, "good size", &block, "give");
}

TEST(Check, EvaluatesItsConditionOnceAndTheRestNever)
{
    int conditions = 0, texts = 0, places = 0;

    CAIRN_CHECK(++conditions > 0, (texts++, "text"), nullptr, (places++, "where"));
    CAIRN_INVARIANT(++conditions > 0);
    EXPECT_EQ(conditions, 2);
    EXPECT_EQ(texts + places, 0);
}

TEST(Check, IsOneStatement)
{
    bool reached = false;

    if (reached)
        CAIRN_CHECK(false, "not reached", nullptr, "if");
    else
        reached = true;
    EXPECT_TRUE(reached);
}

TEST(Invariant, NamesTheConditionInEveryBuild)
{
    End end = RunInChild([] { CAIRN_INVARIANT(2 + 2 == 5); });

    EXPECT_TRUE(end.IsAbort());
    ASSERT_EQ(end.writes.size(), 1u);
    EXPECT_EQ(end.writes[0].find("cairn: invariant broken: 2 + 2 == 5 in "), 0u) << end.writes[0];
}

TEST(Assert, IsForDebugBuildsOnly)
{
    int evaluated = 0;

    CAIRN_ASSERT(++evaluated > 0);
    EXPECT_EQ(evaluated, CAIRN_DEBUG);

    End end = RunInChild([] { CAIRN_ASSERT(2 + 2 == 5); });

    EXPECT_EQ(end.IsAbort(), CAIRN_DEBUG == 1);
    ASSERT_EQ(end.writes.size(), size_t{CAIRN_DEBUG});
    if (end.IsAbort()) {
        EXPECT_EQ(end.writes[0].find("cairn: assertion failed: 2 + 2 == 5 in "), 0u);
    }
}

TEST(Syscall, AnswersWhatTheKernelAnswersAndLeavesErrnoAlone)
{
    errno = EXDEV;
    EXPECT_EQ(cairn_syscall1(SYS_getpid, 0), getpid());
    EXPECT_EQ(cairn_syscall1(SYS_close, -1), -EBADF);
    EXPECT_EQ(cairn_syscall1(100000, 0), -ENOSYS);
    EXPECT_EQ(errno, EXDEV);
}

// Each argument in its place: pread64 uses four, mmap all six.
TEST(Syscall, PassesSixArguments)
{
    char name[] = "/tmp/cairn_syscall_XXXXXX";
    int fd = mkstemp(name);
    char text[4] = {};
    const std::string content = std::string(8192, '.') + "abc";

    ASSERT_GE(fd, 0);
    ASSERT_EQ(write(fd, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    EXPECT_EQ(cairn_syscall4(SYS_pread64, fd, text, 3, 8192), 3);
    EXPECT_STREQ(text, "abc");
    long address =
        cairn_syscall6(SYS_mmap, 0, 4096, 1 /* PROT_READ */, 2 /* MAP_PRIVATE */, fd, 8192);
    ASSERT_GT(address, 0);
    EXPECT_STREQ(reinterpret_cast<const char *>(address), "abc");
    EXPECT_EQ(cairn_syscall2(SYS_munmap, address, 4096), 0);
    EXPECT_EQ(cairn_syscall3(SYS_lseek, fd, 5, SEEK_SET), 5);
    close(fd);
    unlink(name);
}

} // namespace
