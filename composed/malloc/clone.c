/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * clone.c - clone() for programs whose child allocates.
 *
 *     CLONE_VM   CLONE_VFORK   CLONE_SETTLS
 *       no            any            any       a copy of the process: as fork(), with the gate closed meanwhile
 *       yes           yes            no        as vfork: the parent suspends, and resumes when the child has called exec or exit
 *       yes           no             no        parent and child go on at once, on one thread pointer: the parent leaves for good
 *       yes           any            yes       a thread with an area of its own, or none
 *
 * vfork.c says why a child on its parent's thread pointer must find no registration there. Where
 * the two go on at once, it is not known when the child ends. So that one thread, and threads that
 * it makes later (glibc), go past the per-CPU arrays from then on. Libc does not count such a
 * child, and goes on saying that the process has one thread; lock.h is told.
 *
 * A copy has one thread, and whatever other threads were at is half done in it, as after fork().
 * Libc runs no fork handlers here, so this file does: the child's before its function. A child with
 * a thread pointer of its own is not known as the thread that closed the gate; the gate stays
 * closed in it, and the kernel serves it.
 *
 * What is shared in the other cases is the programs' affair: errno, the C library's buffers.
 * Everything here is on the parent's stack, or in registers: nothing is allocated. vfork.S has the
 * system call, and the name.
 *
 * Not covered: a bare system call. posix_spawn(), system() and popen() of glibc make their children
 * by themselves, and allocate nothing in them.
 */

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

#include <cairn/base/lock.h>

#include "composed/malloc/frontend.h"

/* vfork.S calls the first, and has the second. Where it is empty, neither is used. */
int cairn_clone(int (*run)(void *), void *stack, int flags, void *argument, pid_t *parent_tid,
                void *thread_pointer, pid_t *child_tid);
CAIRN_WEAK long cairn_clone_raw(int (*run)(void *), void *stack, int flags, void *argument,
                                pid_t *parent_tid, void *thread_pointer, pid_t *child_tid);

static bool is_beside(int flags)
{
    return (flags & CLONE_VM) != 0 && (flags & CLONE_VFORK) == 0;
}

/* True when this thread is to resume. */
static bool leave(int flags)
{
    if (is_beside(flags))
        cairn_lock_expect_threads();
    return (flags & (CLONE_VM | CLONE_SETTLS)) == CLONE_VM && cairn_heap_suspend();
}

struct start {
    int (*run)(void *);
    void *argument;
};

/* In the child, which has a copy of its parent's stack, too. */
static int start_copy(void *self)
{
    const struct start *start = self;

    cairn_frontend_after_fork_in_child();
    return start->run(start->argument);
}

/* What is variadic in <sched.h> comes in the same registers. A parameter that the caller did not
   pass is not used either: no flag asks for it. */
int cairn_clone(int (*run)(void *), void *stack, int flags, void *argument, pid_t *parent_tid,
                void *thread_pointer, pid_t *child_tid)
{
    bool is_copy = (flags & CLONE_VM) == 0 && cairn_heap_is_ready();
    struct start start = {run, argument};
    long result = -EINVAL;

    if (run != NULL && stack != NULL) {
        bool has_left = leave(flags);

        if (is_copy)
            cairn_frontend_before_fork();
        result =
            cairn_clone_raw(is_copy ? start_copy : run, stack, flags, is_copy ? &start : argument,
                            parent_tid, thread_pointer, child_tid);
        if (is_copy)
            cairn_frontend_after_fork();
        if (has_left && (result < 0 || !is_beside(flags)))
            cairn_heap_resume();
    }
    if (result >= 0)
        return (int)result;
    errno = (int)-result;
    return -1;
}
