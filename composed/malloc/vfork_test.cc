// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// vfork() as unistd.h has it, and what it adds: a child that shows no id. Whether that is enough,
// tests/process tries.

#include <cairn/malloc.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/filter.h"

// As <sys/rseq.h> declares it, where there is one.
extern "C" const ptrdiff_t __rseq_offset __attribute__((weak));

namespace {

int status_of(pid_t child)
{
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
}

bool has_sequences()
{
    struct cairn_malloc_stats stats;
    return cairn_malloc_stats(&stats, sizeof(stats)) && strcmp(stats.mode, "rseq") == 0 &&
           strcmp(stats.cpu, "libc rseq") == 0 && &__rseq_offset != nullptr;
}

/* cpu_id of libc's area. */
int shown_id()
{
    const char *area = static_cast<char *>(__builtin_thread_pointer()) + __rseq_offset;
    return *reinterpret_cast<const volatile int *>(area + 4);
}

TEST(Vfork, IsOurs)
{
    Dl_info ours, theirs;
    ASSERT_NE(dladdr(reinterpret_cast<void *>(&vfork), &ours), 0);
    ASSERT_NE(dladdr(reinterpret_cast<void *>(&fork), &theirs), 0);
    EXPECT_STRNE(ours.dli_fname, theirs.dli_fname);
}

TEST(Vfork, ReturnsNothingToTheChildAndThePidToTheParent)
{
    volatile pid_t seen = 0; // parent and child share their memory
    errno = 77;
    pid_t child = vfork();
    if (child == 0) {
        seen = getpid();
        _exit(7);
    }
    EXPECT_EQ(errno, 77);
    EXPECT_GT(child, 0);
    EXPECT_EQ(child, seen);
    EXPECT_NE(child, getpid());
    int status = status_of(child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(Vfork, EndsWhenTheChildExecutesAProgram)
{
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", "exit 9", static_cast<char *>(nullptr));
        _exit(1);
    }
    EXPECT_EQ(WEXITSTATUS(status_of(child)), 9);
}

/* Writes over the stack below its caller's frame, where that of vfork() was. */
__attribute__((noinline)) void overwrite_the_stack()
{
    volatile char below[4096];
    for (volatile char &byte : below)
        byte = 'x';
}

TEST(Vfork, ReturnsToAParentWhoseStackTheChildHasUsed)
{
    for (int round = 0; round < 100; round++) {
        pid_t child = vfork();
        if (child == 0) {
            overwrite_the_stack();
            _exit(0);
        }
        EXPECT_EQ(status_of(child), 0);
    }
}

TEST(Vfork, LetsParentAndChildShowNoIdMeanwhile)
{
    if (!has_sequences())
        GTEST_SKIP() << "no sequences here";
    EXPECT_GE(shown_id(), 0);
    for (int round = 0; round < 10; round++) {
        volatile int id_in_child = 77;
        pid_t child = vfork();
        if (child == 0) {
            id_in_child = shown_id();
            _exit(0);
        }
        EXPECT_LT(id_in_child, 0);
        EXPECT_GE(shown_id(), 0);
        EXPECT_EQ(status_of(child), 0);
    }
}

TEST(Vfork, GivesAGrandchildTheSame)
{
    if (!has_sequences())
        GTEST_SKIP() << "no sequences here";
    volatile int id_after = 77;
    pid_t child = vfork();
    if (child == 0) {
        pid_t grandchild = vfork();
        if (grandchild == 0)
            _exit(0);
        id_after = shown_id(); // its parent still waits
        _exit(grandchild > 0 && waitpid(grandchild, nullptr, 0) == grandchild ? 0 : 1);
    }
    EXPECT_LT(id_after, 0);
    EXPECT_GE(shown_id(), 0);
    EXPECT_EQ(status_of(child), 0);
}

/* From now on the system call behind vfork() fails with EAGAIN. */
bool deny_vfork()
{
#ifdef SYS_vfork
    constexpr unsigned number = SYS_vfork;
#else
    constexpr unsigned number = SYS_clone;
#endif
    return deny(number, EAGAIN);
}

TEST(Vfork, FailsWithTheReasonAndWithoutAnEffect)
{
    pid_t outer = fork();
    if (outer == 0) {
        if (!deny_vfork())
            _exit(0);
        errno = 0;
        pid_t child = vfork();
        if (child == 0)
            _exit(1);
        bool failed = child == -1 && errno == EAGAIN;
        _exit(failed && (!has_sequences() || shown_id() >= 0) ? 0 : 2);
    }
    EXPECT_EQ(status_of(outer), 0);
}

} // namespace
