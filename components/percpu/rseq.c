/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rseq.c - whether restartable sequences can be used here, by which index, and how to stop them
 * from elsewhere.
 *
 *     asked for lock mode?                            lock
 *     sequences in this build?                  no:   lock
 *     libc registered an area, or we may?       no:   lock      (cpu.c: qemu, valgrind, seccomp, old kernels)
 *     a bound of the ids that can come?         no:   lock      sequences compare with none
 *     a shard for every possible CPU?           no:   lock      the others would always bypass the shards
 *     membarrier(2) for rseq (Linux 5.10)?      no:   lock      without it no thread could flush another CPU
 *     do they work?                             no:   lock      rseq_selftest.c
 *     otherwise rseq: by mm_cid if the kernel writes it, else by cpu_id
 *
 * Ids. The kernel numbers CPUs below what it calls possible, and gives concurrency ids below that
 * as well. The number of shards may come from a file that is not trusted; safety rests on the size
 * of the kernel's CPU masks alone, up to which there are entries. The entry of an id beyond the
 * shards is permanently stopped.
 *
 * Threads. Chosen once, before the object is shared. A thread that is refused its area later
 * (seccomp) shows a negative cpu_id, and bypasses the shards. A process that is refused the fence
 * later goes on with what needs none.
 */

#include "cpu_internal.h"
#include "shard.h"

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <errno.h>
#include <sys/auxv.h>

/* From linux/membarrier.h and linux/auxvec.h, which older systems have without these. */
enum {
    MEMBARRIER_RSEQ = 1 << 7,
    MEMBARRIER_REGISTER_RSEQ = 1 << 8,
    AUXV_RSEQ_FEATURE_BYTES = 27,
    MM_CID_END = RSEQ_MM_CID + 4
};

static long membarrier(int command)
{
    return cairn_syscall3(CPU_MEMBARRIER_SYSCALL, command, 0, 0);
}

/* A process that did not register, being the child of one that did on a kernel that forgets it,
   does so now. */
bool cairn_rseq_fence(const struct cairn_percpu *percpu)
{
    long result;

    if (percpu->fence == CAIRN_PERCPU_FENCE_NEVER)
        return false;
    result = membarrier(MEMBARRIER_RSEQ);
    if (result == -EPERM && membarrier(MEMBARRIER_REGISTER_RSEQ) == 0)
        result = membarrier(MEMBARRIER_RSEQ);
    return result == 0;
}

static bool has_area(const struct cairn_cpu *cpu)
{
    return cpu->method == CAIRN_CPU_LIBC_RSEQ || cpu->method == CAIRN_CPU_OWN_RSEQ;
}

/* NULL when sequences can be used. */
static const char *unavailable_reason(const struct cairn_percpu *percpu,
                                      enum cairn_percpu_mode requested)
{
    if (requested == CAIRN_PERCPU_LOCK)
        return "lock mode was asked for";
    if (!CAIRN_RSEQ_AVAILABLE)
        return CAIRN_RSEQ_UNAVAILABLE_REASON;
    if (!has_area(&percpu->cpu))
        return "threads have no rseq area here";
    if (cairn_cpu_id_bound() == 0)
        return "the number of possible CPUs is unknown";
    if (cairn_cpu_id_bound() > percpu->entry_count)
        return "fewer entries than ids that can come";
    if (percpu->shard_count < cairn_cpu_possible_count())
        return "fewer shards than possible CPUs";
    if (percpu->entry_count < percpu->shard_count)
        return "fewer entries than shards";
    if (membarrier(MEMBARRIER_REGISTER_RSEQ) != 0)
        return "the kernel has no membarrier for rseq";
    return NULL;
}

/* Libc registers at least 32 bytes, into which the kernel writes mm_cid whatever __rseq_size
   says. */
static bool kernel_writes_cid(const struct cairn_percpu *percpu)
{
    unsigned cid = (unsigned)cpu_rseq_load(percpu->view.area + RSEQ_MM_CID);

    return getauxval(AUXV_RSEQ_FEATURE_BYTES) >= MM_CID_END && cid < percpu->shard_count;
}

void cairn_rseq_refuse(struct cairn_percpu *percpu, const char *reason)
{
    percpu->reason = reason;
    percpu->view.area = cairn_cpu_rseq_unregistered();
    percpu->view.id = percpu->view.area + RSEQ_CPU_ID;
}

bool cairn_rseq_choose(struct cairn_percpu *percpu, enum cairn_percpu_mode requested,
                       bool by_cpu_id)
{
    const char *reason = unavailable_reason(percpu, requested);

    if (reason != NULL) {
        cairn_rseq_refuse(percpu, reason);
        return false;
    }
    percpu->view.area = percpu->cpu.rseq_offset;
    percpu->view.id = percpu->view.area + RSEQ_CPU_ID;
    percpu->reason = "restartable sequences, by CPU id";
    if (!by_cpu_id && kernel_writes_cid(percpu)) {
        percpu->view.id = percpu->view.area + RSEQ_MM_CID;
        percpu->reason = "restartable sequences, by concurrency id";
    }
    return true;
}

/* Is this thread one of those that have an id? */
static bool is_registered(const struct cairn_percpu *percpu)
{
    ptrdiff_t area;

    if (cpu_rseq_load_id(percpu->view.area) >= 0)
        return true;
    return percpu->cpu.method == CAIRN_CPU_OWN_RSEQ && cairn_cpu_rseq_own(&area);
}

int cairn_rseq_id(const struct cairn_percpu *percpu)
{
    return is_registered(percpu) ? cpu_rseq_load(percpu->view.id) : -1;
}

bool cairn_percpu_suspend(const struct cairn_percpu *percpu)
{
    return percpu->mode == CAIRN_PERCPU_RSEQ &&
           cairn_cpu_rseq_suspend(percpu->view.area, percpu->cpu.method == CAIRN_CPU_OWN_RSEQ);
}

/* A refusal is no harm: such a thread bypasses the shards. */
void cairn_percpu_resume(const struct cairn_percpu *percpu)
{
    CAIRN_ASSERT(percpu->mode == CAIRN_PERCPU_RSEQ);
    (void)cairn_cpu_rseq_resume(percpu->view.area, percpu->cpu.method == CAIRN_CPU_OWN_RSEQ);
}
