/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cpu.c - chooses the method by which CPU ids are read, and the fallback for threads that have
 * none.
 *
 *     requested      LIBC_RSEQ -> OWN_RSEQ -> GETCPU -> (-1)
 *     AUTO --------------^
 *
 * Each arrow is taken when the method before it does not work here. The methods differ in price:
 * one load (below a nanosecond), one load, a vdso call (about 20 ns on x86-64; where the vdso has
 * no getcpu, a system call).
 *
 * Invariants: method is one of the last four of the enum after init; rseq_offset is set for both
 *             rseq methods; the callback is set for CALLBACK.
 *
 * Threads. A cairn_cpu is not written after init. What differs between threads (registered,
 * refused) lies in the thread-local storage of libc or of cpu_rseq.c.
 */

#include <cairn/cpu.h>

#include "cpu_internal.h"

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/syscall.h>

/* sched_getcpu() with errno as before: of all that is called here, only this one may set it. */
static CAIRN_NOINLINE int ask_getcpu(void)
{
    int saved = errno;
    int id = sched_getcpu();

    errno = saved;
    return id >= 0 ? id : -1;
}

CAIRN_NOINLINE int cairn_cpu_current_slow(const struct cairn_cpu *cpu)
{
    ptrdiff_t rseq_offset;
    int id;

    if (cpu->method == CAIRN_CPU_CALLBACK) {
        id = cpu->callback(cpu->callback_self);
        return id >= 0 ? id : -1;
    }
    if (cpu->method == CAIRN_CPU_OWN_RSEQ && cairn_cpu_rseq_own(&rseq_offset)) {
        CAIRN_ASSERT(rseq_offset == cpu->rseq_offset);
        id = cpu_rseq_load_id(rseq_offset);
        if (id >= 0)
            return id;
    }
    return ask_getcpu();
}

int cairn_cpu_current(const struct cairn_cpu *cpu)
{
    int id = cairn_cpu_current_fast(cpu);

    return CAIRN_LIKELY(id >= 0) ? id : cairn_cpu_current_slow(cpu);
}

static void choose(struct cairn_cpu *cpu, enum cairn_cpu_id_method method, const char *reason)
{
    cpu->method = method;
    cpu->reason = reason;
}

/* Not by sched_getcpu(), which others may interpose, for a heap that starts holds a lock. */
static bool kernel_tells(void)
{
    unsigned id;

    return cairn_syscall3(SYS_getcpu, &id, NULL, NULL) == 0;
}

static const char *getcpu_reason(enum cairn_cpu_id_method requested)
{
    if (!kernel_tells())
        return "nothing here tells the CPU: ids are unknown";
    if (requested == CAIRN_CPU_GETCPU)
        return "getcpu was asked for";
    if (requested == CAIRN_CPU_OWN_RSEQ)
        return "own rseq was asked for, but cannot be registered here";
    return "no rseq here: libc registered none, and our own was refused";
}

static bool config_valid(const struct cairn_cpu_config *config)
{
    switch (config->method) {
    case CAIRN_CPU_AUTO:
    case CAIRN_CPU_LIBC_RSEQ:
    case CAIRN_CPU_OWN_RSEQ:
    case CAIRN_CPU_GETCPU:
        return true;
    case CAIRN_CPU_CALLBACK:
        return config->callback != NULL;
    }
    return false;
}

int cairn_cpu_init(struct cairn_cpu *cpu, const struct cairn_cpu_config *config)
{
    enum cairn_cpu_id_method requested = config->method;

    if (!config_valid(config))
        return -EINVAL;
    cpu->rseq_offset = 0;
    cpu->callback = config->callback;
    cpu->callback_self = config->callback_self;

    if (requested == CAIRN_CPU_CALLBACK)
        choose(cpu, CAIRN_CPU_CALLBACK, "ids come from a function");
    else if (requested <= CAIRN_CPU_LIBC_RSEQ && cairn_cpu_rseq_libc(&cpu->rseq_offset))
        choose(cpu, CAIRN_CPU_LIBC_RSEQ, "libc registered rseq");
    else if (requested <= CAIRN_CPU_OWN_RSEQ && cairn_cpu_rseq_own(&cpu->rseq_offset))
        choose(cpu, CAIRN_CPU_OWN_RSEQ, "libc registered no rseq, the kernel accepts our own");
    else
        choose(cpu, CAIRN_CPU_GETCPU, getcpu_reason(requested));
    return 0;
}

const char *cairn_cpu_id_method_name(enum cairn_cpu_id_method method)
{
    switch (method) {
    case CAIRN_CPU_AUTO:
        return "auto";
    case CAIRN_CPU_LIBC_RSEQ:
        return "libc rseq";
    case CAIRN_CPU_OWN_RSEQ:
        return "own rseq";
    case CAIRN_CPU_GETCPU:
        return "getcpu";
    case CAIRN_CPU_CALLBACK:
        return "callback";
    }
    return "unknown";
}
