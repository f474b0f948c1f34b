/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * alone_test.cc - the arena makes no system call: it runs where the kernel kills for one.
 */

#include <cairn/arena.h>
#include <cairn/arena_locked.h>

#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

#include <gtest/gtest.h>

#include "shadow.h"

namespace {

using cairn_test::Shadow;

alignas(64) unsigned char buffer[2 << 20];
alignas(64) unsigned char shadow_space[sizeof(Shadow)];

/* In a child to which only read, write, exit and sigreturn are left. Exit status, or 1000 +
   signal. */
int status_in_a_cage(int (*body)())
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
            syscall(SYS_exit, 77);
        syscall(SYS_exit, body());
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

int complain(const char *broken)
{
    if (broken == NULL)
        return 0;
    (void)!write(2, broken, strlen(broken));
    return 1;
}

const char *use(size_t bytes)
{
    struct cairn_arena *arena = cairn_arena_init(buffer, bytes);
    Shadow *shadow = new (shadow_space) Shadow(arena, bytes, Shadow::kBlocksMax);

    for (size_t step = 0; step < 20000; step++)
        if (const char *broken = shadow->step(bytes / 20))
            return broken;
    if (const char *broken = shadow->audit())
        return broken;
    if (const char *broken = shadow->release_all())
        return broken;
    cairn_arena_reset(arena);
    cairn_arena_check(arena);
    return NULL;
}

int use_small()
{
    return complain(use(8192));
}

int use_large()
{
    return complain(use(sizeof(buffer)));
}

int use_locked()
{
    struct cairn_arena_locked *arena = cairn_arena_locked_init(buffer, sizeof(buffer));
    void *block = cairn_arena_locked_alloc(arena, 100);

    cairn_arena_locked_free(arena, cairn_arena_locked_realloc(arena, block, 5000));
    cairn_arena_locked_check(arena);
    return cairn_arena_locked_stats(arena).used_bytes == 0 ? 0 : 1;
}

int break_out()
{
    return static_cast<int>(syscall(SYS_getppid));
}

TEST(ArenaAlone, TheCageHolds)
{
    EXPECT_EQ(status_in_a_cage(break_out), 1000 + SIGKILL);
}

TEST(ArenaAlone, MakesNoSystemCall)
{
    EXPECT_EQ(status_in_a_cage(use_small), 0);
    EXPECT_EQ(status_in_a_cage(use_large), 0);
}

TEST(ArenaAlone, TheLockMakesNoSystemCallUnlessThreadsMeet)
{
    EXPECT_EQ(status_in_a_cage(use_locked), 0);
}

} // namespace
