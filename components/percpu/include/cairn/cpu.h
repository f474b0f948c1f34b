/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cpu.h - which CPU a thread runs on, as cheaply as the machine at hand can say.
 *
 * Three methods, chosen once:
 *   libc rseq  the area that glibc >= 2.35 registers for every thread (__rseq_offset, __rseq_size):
 *              one load;
 *   own rseq   where libc registered none (older glibc, glibc.pthread.rseq=0): an area of our own,
 *              registered by each thread at its first call: one load and a test;
 *   getcpu     sched_getcpu(): a vdso call or a system call.
 *
 * Rules: the area is only read, never written; an id is a hint that may be out of date at once (it
 * picks a shard, which has a lock); ids may be sparse and may exceed what was counted. A thread
 * that has no id (rseq -1 or -2: unregistered, refused by seccomp, valgrind, qemu) is asked by
 * getcpu, and if that fails too is "-1".
 *
 * Threads: safe after cairn_cpu_init(). Source: rseq(2), Linux include/uapi/linux/rseq.h; glibc
 *          manual, "Restartable Sequences".
 */

#ifndef CAIRN_CPU_H
#define CAIRN_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum cairn_cpu_id_method {
    CAIRN_CPU_AUTO = 0,
    CAIRN_CPU_LIBC_RSEQ,
    CAIRN_CPU_OWN_RSEQ,
    CAIRN_CPU_GETCPU,
    CAIRN_CPU_CALLBACK /* tests: ids from a function */
};

struct cairn_cpu_config {
    enum cairn_cpu_id_method method; /* the one that is requested; 0: AUTO */
    /* CALLBACK: says the id of the calling thread; may say -1, -2, sparse or absurd ones. */
    int (*callback)(void *self);
    void *callback_self;
};

struct cairn_cpu {
    enum cairn_cpu_id_method method;
    const char *reason;    /* why this method, for the statistics: a static sentence */
    ptrdiff_t rseq_offset; /* libc rseq: from the thread pointer */
    int (*callback)(void *self);
    void *callback_self;
};

/*
 * Chooses a method. AUTO takes the first that works; another is taken if it works on this machine,
 * else the next one down the list is, and `reason` says so. The last resort answers -1.
 *
 * Returns:  0.
 * Fails:    -EINVAL for an unknown method, or CALLBACK without a callback: nothing is changed.
 * Owns:     the caller keeps the struct; there is nothing to end.
 * Cost:     O(1): at most two system calls.
 * Threads:  not safe; initialise before sharing. May register an area of ours for this thread.
 */
CAIRN_NODISCARD int cairn_cpu_init(struct cairn_cpu *cpu, const struct cairn_cpu_config *config);

/*
 * The CPU id of the calling thread.
 *
 * Returns: an id >= 0, or -1 when it cannot be found. Keeps errno.
 * Cost:    one load by rseq; else a vdso call or a system call. A thread's first call may register
 *          its area: one system call.
 * Threads: safe, and signal-safe.
 */
int cairn_cpu_current(const struct cairn_cpu *cpu);

/*
 * CPUs that could ever be online here: /sys/devices/system/cpu/possible, else the affinity mask,
 * else 1.
 *
 * Returns: the highest possible id + 1. Keeps errno.
 * Cost:    O(1) system calls, raw: the file is read each time.
 * Threads: safe.
 */
unsigned cairn_cpu_possible_count(void);

/* Returns: a static name, for reports; "unknown" for any other value. Threads: safe. */
const char *cairn_cpu_id_method_name(enum cairn_cpu_id_method method);

CAIRN_END_DECLS

#endif
