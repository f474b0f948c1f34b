/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cpu_arch.h - what rseq looks like on each architecture. The only file of the component that asks
 * which one it is.
 *
 *     thread pointer + rseq_offset -> struct rseq
 *        0  cpu_id_start    4  cpu_id    8  rseq_cs    16  flags    20  node_id    24  mm_cid    32
 *
 * An architecture that is not listed never chooses rseq.
 */

#ifndef CAIRN_PERCPU_CPU_ARCH_H
#define CAIRN_PERCPU_CPU_ARCH_H

#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

/* Fields of struct rseq. */
enum { RSEQ_CPU_ID = 4, RSEQ_CS = 8, RSEQ_MM_CID = 24 };

/* Where libc's and our own area lie at a fixed distance from. */
CAIRN_HOT_INLINE uintptr_t cpu_thread_pointer(void)
{
    return (uintptr_t)CAIRN_THREAD_POINTER();
}

/* The signature is what stands before each abort handler: registration must name the one that libc
   and librseq use, or no other code in the process could share the area. Values: rseq(2), glibc's
   bits/rseq.h. CPU_RSEQ_HAS_KNOWN_BUG: some kernels accept a registration but fail to abort
   pre-empted sequences; rseq_selftest.c. */

#if defined(__x86_64__)

enum {
    CPU_HAS_RSEQ = 1,
    CPU_RSEQ_SYSCALL = 334,
    CPU_MEMBARRIER_SYSCALL = 324,
    CPU_RSEQ_HAS_KNOWN_BUG = 0
};
static const uint32_t CPU_RSEQ_SIGNATURE = 0x53053053u;

/* 32 bits at a distance from the thread pointer. Volatile: the kernel changes them behind the
   compiler's back. */
CAIRN_HOT_INLINE int cpu_rseq_load(ptrdiff_t distance)
{
    int value;

    __asm__ volatile("movl %%fs:(%1), %0" : "=r"(value) : "r"(distance));
    return value;
}

#elif defined(__aarch64__)

enum {
    CPU_HAS_RSEQ = 1,
    CPU_RSEQ_SYSCALL = 293,
    CPU_MEMBARRIER_SYSCALL = 283,
    CPU_RSEQ_HAS_KNOWN_BUG = 1
};
static const uint32_t CPU_RSEQ_SIGNATURE = 0xd428bc00u;

CAIRN_HOT_INLINE int cpu_rseq_load(ptrdiff_t distance)
{
    return *(const volatile int *)(cpu_thread_pointer() + (uintptr_t)distance);
}

#else

enum {
    CPU_HAS_RSEQ = 0,
    CPU_RSEQ_SYSCALL = -1,
    CPU_MEMBARRIER_SYSCALL = -1,
    CPU_RSEQ_HAS_KNOWN_BUG = 0
};
static const uint32_t CPU_RSEQ_SIGNATURE = 0;

CAIRN_HOT_INLINE int cpu_rseq_load(ptrdiff_t distance)
{
    (void)distance;
    return -1;
}

#endif

/* cpu_id of the calling thread. */
CAIRN_HOT_INLINE int cpu_rseq_load_id(ptrdiff_t rseq_offset)
{
    return cpu_rseq_load(rseq_offset + RSEQ_CPU_ID);
}

#endif
