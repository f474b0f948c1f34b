/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * clock.h - milliseconds that never go back, without a system call and without libc.
 *
 * Idea. The kernel maps a small shared library, the vDSO, into every process; its function reads
 * the time from a page that the kernel keeps up to date. libc's clock_gettime() calls the same
 * function, but another library may stand before libc's, and where there is no vDSO, libc makes a
 * system call that a filter may not expect of a malloc.
 *
 * Cost: some nanoseconds. The time moves in ticks of the kernel (1 to 10 ms).
 */

#ifndef CAIRN_BASE_CLOCK_H
#define CAIRN_BASE_CLOCK_H

#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

/*
 * Finds the clock. Calls getauxval(3), nothing else. May be called again.
 *
 * Cost:    O(symbols of the vDSO).
 * Threads: safe.
 */
void cairn_clock_init(void);

/*
 * Returns: milliseconds since some moment in the past. Always 0 before cairn_clock_init() and where
 *          there is no vDSO: then no time passes.
 * Cost:    some nanoseconds.
 * Threads: safe.
 */
uint64_t cairn_clock_ms(void);

/* The same in microseconds, by a clock that is finer and costs a little more. Not comparable. */
uint64_t cairn_clock_us(void);

/* Private, for the test: the address of a defined symbol of an ELF image that lies in memory as it
   was loaded; NULL when it has none, or the image cannot be understood. */
const void *cairn_clock_find_symbol(const void *image, const char *name);

CAIRN_END_DECLS

#endif
