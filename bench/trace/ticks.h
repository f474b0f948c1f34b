/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * ticks.h - the cheapest clock that all CPUs agree on.
 *
 *     x86-64    the time-stamp counter where it is invariant, in steps of 16: 5 to 10 ns, and one
 *               byte for up to 2000 cycles
 *     Arm       cntvct_el0
 *     else      CLOCK_MONOTONIC, in ns
 *
 * trace_ticks_after() is read when everything before it is done; it stamps what an allocation
 * returned. trace_ticks_before() is read before what follows can be seen by others; it stamps a
 * free. On x86-64 a store is seen by others only once all before it, and so this reading, is done.
 */
#ifndef CAIRN_BENCH_TRACE_TICKS_H
#define CAIRN_BENCH_TRACE_TICKS_H

#include "bench/trace/format.h"

#include <stdint.h>
#include <time.h>

static inline uint64_t trace_monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The counter of each processor: whether it can be used, and its two readings. */
#if defined(__x86_64__)

#include <cpuid.h>
#include <x86intrin.h>

static const enum trace_clock trace_counter = TRACE_CLOCK_TSC;

static inline int trace_has_counter(void)
{
    const unsigned invariant_tsc = 1u << 8; /* EDX of leaf 0x80000007 */
    const unsigned rdtscp = 1u << 27;       /* EDX of leaf 0x80000001 */
    unsigned eax, ebx, ecx, power_edx = 0, feature_edx = 0;

    __get_cpuid(0x80000007u, &eax, &ebx, &ecx, &power_edx);
    __get_cpuid(0x80000001u, &eax, &ebx, &ecx, &feature_edx);
    return (power_edx & invariant_tsc) != 0 && (feature_edx & rdtscp) != 0;
}

static inline uint64_t trace_counter_after(void)
{
    unsigned cpu;

    return __rdtscp(&cpu) >> 4;
}

static inline uint64_t trace_counter_before(void)
{
    return __rdtsc() >> 4;
}

#else

static const enum trace_clock trace_counter = TRACE_CLOCK_CNTVCT;

static inline uint64_t trace_counter_after(void)
{
    uint64_t ticks = 0;

#if defined(__aarch64__)
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks) : : "memory");
#endif
    return ticks;
}

static inline uint64_t trace_counter_before(void)
{
    return trace_counter_after();
}

static inline int trace_has_counter(void)
{
    return trace_counter_after() != 0;
}

#endif

static inline enum trace_clock trace_best_clock(void)
{
    return trace_has_counter() ? trace_counter : TRACE_CLOCK_MONOTONIC;
}

static inline uint64_t trace_ticks_after(enum trace_clock clock)
{
    return __builtin_expect(clock == trace_counter, 1) ? trace_counter_after()
                                                       : trace_monotonic_ns();
}

static inline uint64_t trace_ticks_before(enum trace_clock clock)
{
    return __builtin_expect(clock == trace_counter, 1) ? trace_counter_before()
                                                       : trace_monotonic_ns();
}

#endif
