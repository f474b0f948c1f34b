/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * check.h - three levels of assertion, and the one way in which cairn stops a program.
 *
 *   CAIRN_CHECK      always on, O(1): guards memory safety where a caller hands something in;
 *   CAIRN_ASSERT     debug builds, O(1): preconditions and local invariants;
 *   CAIRN_INVARIANT  always on, but written only inside the `_check()` functions, which walk
 *                    everything.
 *
 * All three end in cairn_panic(), which prints one line and raises SIGABRT. It allocates nothing
 * and takes no lock.
 */

#ifndef CAIRN_BASE_CHECK_H
#define CAIRN_BASE_CHECK_H

#include <cairn/base/compiler.h>
#include <cairn/base/config.h>

CAIRN_BEGIN_DECLS

/*
 * Prints "cairn: <what> (pointer 0x<pointer>) in <where>" on stderr and aborts the process.
 *
 * Requires: what and where are NUL-terminated; pointer is any value, printed but never followed.
 * Returns:  never.
 * Threads:  safe. Uses raw system calls only: no libc, so that a freestanding guest can link it.
 *           The symbol is weak: a guest that wants another end defines its own cairn_panic.
 */
CAIRN_NORETURN void cairn_panic(const char *what, const void *pointer, const char *where);

/*
 * Called by cairn_panic() after the line is written and before the signal is raised; NULL: nothing.
 *
 * The thread may hold locks of the layer that found the misuse, and the program's handler of
 * SIGABRT may allocate or fork. The malloc shuts its gate here, so that no call waits for those
 * locks. Threads: set once, before a panic can happen.
 */
extern void (*cairn_panic_hook)(void);

CAIRN_END_DECLS

/* Stops the program unless `condition` holds; `what` names the misuse, `pointer` the block, `where`
   the call. */
#define CAIRN_CHECK(condition, what, pointer, where)                                               \
    do {                                                                                           \
        if (CAIRN_UNLIKELY(!(condition)))                                                          \
            cairn_panic((what), (pointer), (where));                                               \
    } while (0)

#define CAIRN_ASSERT(condition)                                                                    \
    do {                                                                                           \
        if (CAIRN_DEBUG && CAIRN_UNLIKELY(!(condition)))                                           \
            cairn_panic("assertion failed: " #condition, (const void *)0, __func__);               \
    } while (0)

#define CAIRN_INVARIANT(condition)                                                                 \
    do {                                                                                           \
        if (CAIRN_UNLIKELY(!(condition)))                                                          \
            cairn_panic("invariant broken: " #condition, (const void *)0, __func__);               \
    } while (0)

#endif
