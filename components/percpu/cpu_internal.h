/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cpu_internal.h - what the files behind cpu.h share, and the id of a thread, inline.
 */

#ifndef CAIRN_PERCPU_CPU_INTERNAL_H
#define CAIRN_PERCPU_CPU_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/cpu.h>

#include "cpu_arch.h"

CAIRN_BEGIN_DECLS

/* cpu_rseq.c: true, and where, when libc registered an area for this thread that shows an id. */
bool cairn_cpu_rseq_libc(ptrdiff_t *rseq_offset);

/* cpu_rseq.c: true, and where, when this thread has an area of ours, now or since an earlier call.
   A thread that was refused once does not ask the kernel again. */
bool cairn_cpu_rseq_own(ptrdiff_t *rseq_offset);

/* cpu_rseq.c: an area that no thread registers, where every cpu_id is -1: from the thread
   pointer. */
ptrdiff_t cairn_cpu_rseq_unregistered(void);

/* cpu_rseq.c: takes the area of this thread from the kernel, so that it shows no id, until resume.
   False when it shows none and that cannot be changed, or the kernel refuses: nothing has changed
   then, and there is nothing to resume. */
bool cairn_cpu_rseq_suspend(ptrdiff_t rseq_offset, bool is_own);

/* cpu_rseq.c: after a suspend that was true. False when the kernel refuses: the thread does without
   from now on. */
bool cairn_cpu_rseq_resume(ptrdiff_t rseq_offset, bool is_own);

/* cpu.c: for the threads and the methods that the one load below does not answer. */
int cairn_cpu_current_slow(const struct cairn_cpu *cpu);

/* The id where one load tells it, else a negative number: then ask cairn_cpu_current_slow(). Both
   rseq methods are that load, for an initial-exec variable lies at the same distance from every
   thread's pointer. Unregistered areas show -1 or -2. */
CAIRN_HOT_INLINE int cairn_cpu_current_fast(const struct cairn_cpu *cpu)
{
    if (CAIRN_LIKELY(cpu->method == CAIRN_CPU_LIBC_RSEQ || cpu->method == CAIRN_CPU_OWN_RSEQ))
        return cpu_rseq_load_id(cpu->rseq_offset);
    return -1;
}

/* A number below `count` that differs between threads, for those without an id. Thread pointers
   stand in equal strides, of a stack each, and a single multiplication maps some strides onto two
   values: glibc's default, 8 MiB and a guard page, times 2^64 / phi is 0.505 of the range. Hence
   the two rounds (the finalizer of splitmix64: Steele, Lea, Flood 2014). */
static inline unsigned cairn_cpu_hash(uintptr_t thread_pointer, unsigned count)
{
    uint64_t hash = thread_pointer;

    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    hash ^= hash >> 31;
    return (unsigned)(((hash >> 32) * count) >> 32);
}

/* The highest number in a list such as "0-3,8-11\n", seen so far. All zero is a fresh one. */
struct cpu_list {
    unsigned long number;  /* being read */
    unsigned long highest; /* of those read */
    bool in_number;
    bool in_range; /* after a separator: a number must follow */
    bool any;
    bool malformed;
};

/* cpu_count.c: feeds a piece of the text; pieces may be cut anywhere. */
void cairn_cpu_list_feed(struct cpu_list *list, const char *text, size_t length_bytes);

/* cpu_count.c: highest id + 1 at the end of the text; 0 when it was empty, malformed or absurd. */
unsigned cairn_cpu_list_end(struct cpu_list *list);

/* Where the kernel says which CPU ids there can ever be. */
#define CPU_POSSIBLE_PATH "/sys/devices/system/cpu/possible"

/* cpu_count.c: the parts of cairn_cpu_possible_count(); 0 when they cannot say. */
unsigned cairn_cpu_count_file(const char *path);
unsigned cairn_cpu_count_affinity(void);

/* cpu_count.c: a number that no CPU id or concurrency id of this kernel reaches, whatever files
   say; 0: unknown. */
unsigned cairn_cpu_id_bound(void);

CAIRN_END_DECLS

#endif
