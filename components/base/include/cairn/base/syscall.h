/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * syscall.h - a system call without libc: no errno, no cancellation point, no symbol.
 *
 * Returns what the kernel returns: >= 0, or -errno. An architecture that is not listed answers
 * -ENOSYS to everything, and the callers fall back (no message before an abort, spinning instead of
 * sleeping).
 */

#ifndef CAIRN_BASE_SYSCALL_H
#define CAIRN_BASE_SYSCALL_H

#include <cairn/base/compiler.h>

#include <stdint.h>

CAIRN_BEGIN_DECLS

struct timespec;

/* Returns: what the kernel returns, as above. Threads: safe. */
long cairn_syscall6(long number, long a, long b, long c, long d, long e, long f);

/*
 * Sleeps while `*word` is `value`, at most `timeout` (NULL: for ever); threads of this process
 * alone wake it.
 *
 * Returns: 0 when it was woken.
 * Fails:   -EAGAIN when the word had another value, -ETIMEDOUT, -EINTR, or -ENOSYS.
 * Cost:    one system call, and the wait.
 * Threads: safe. Source: futex(2).
 */
long cairn_futex_wait(uint32_t *word, uint32_t value, const struct timespec *timeout);

/* Wakes as many of the threads that sleep on the word. Cost: one system call. Threads: safe. */
void cairn_futex_wake(uint32_t *word, int count);

CAIRN_END_DECLS

#define cairn_syscall1(number, a)    cairn_syscall6((number), (long)(a), 0, 0, 0, 0, 0)
#define cairn_syscall2(number, a, b) cairn_syscall6((number), (long)(a), (long)(b), 0, 0, 0, 0)
#define cairn_syscall3(number, a, b, c)                                                            \
    cairn_syscall6((number), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define cairn_syscall4(number, a, b, c, d)                                                         \
    cairn_syscall6((number), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#endif
