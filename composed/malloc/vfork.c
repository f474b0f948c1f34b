/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * vfork.c - vfork() for programs whose child allocates.
 *
 *     parent   suspend | vfork - - - suspended - - - - | resume, return the pid
 *     child                   return 0 ... exec or _exit
 *
 * POSIX forbids that child nearly everything, malloc included. Programs do it all the same, and
 * every malloc with locks survives it, for the child is as good as a thread. Restartable sequences
 * do not: the child runs on its parent's thread pointer and so sees its parent's struct rseq, but
 * the kernel registered that for the parent alone, and does not abort a sequence that was
 * pre-empted in the child. So the parent gives its registration up for as long as the child runs:
 * both see a negative id, and go past the per-CPU arrays to what is under locks. Other threads
 * notice nothing. Locks stay right even in a process of one thread, where they do without atomic
 * operations (lock.h): of parent and child, one is suspended.
 *
 * vfork() returns twice on one stack, so it cannot be C: what the first return leaves of the frame
 * is the child's. The wrapper (vfork.S) keeps the return address and the answer of begin in
 * registers that the system call preserves. On other architectures, libc's remains, and lock mode
 * needs no other.
 *
 * clone.c does the same for children that clone() makes.
 */

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

#include "composed/malloc/frontend.h"

/* Called by the wrapper. */
int cairn_vfork_begin(void);
pid_t cairn_vfork_end(long result, int has_left);

/* In the parent, before. */
int cairn_vfork_begin(void)
{
    return cairn_heap_suspend();
}

/* In the parent, after: `result` is the kernel's. */
pid_t cairn_vfork_end(long result, int has_left)
{
    if (has_left)
        cairn_heap_resume();
    if (result >= 0)
        return (pid_t)result;
    errno = (int)-result;
    return -1;
}
