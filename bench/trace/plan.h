/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * plan.h - the file between planner and replayer: a list of operations for each thread of a trace.
 *
 *     plan | thread 1, thread 2, ... | operations of thread 1 | operations of thread 2 | ...
 *
 *     thread 1   malloc s0 | start 2 | malloc s1 | ------------------- | free s1
 *     thread 2                        ... resize s0 turn 1 | free s0 turn 2
 *
 * An object lives in a slot. Each operation on a slot has a turn, 0, 1, 2 ..., and waits until the
 * one before it is done: a free in one thread waits for the allocation in another. Otherwise the
 * threads run freely, each in its own order. All waiting is for what comes earlier in the trace, so
 * it ends.
 *
 * A thread is started by the one that made the call before its first.
 * The planner is a program of its own, so that the replayer's malloc serves nothing but the replay.
 */
#ifndef CAIRN_BENCH_TRACE_PLAN_H
#define CAIRN_BENCH_TRACE_PLAN_H

#include <stdint.h>

#define PLAN_MAGIC UINT64_C(0x316e616c706e7263)

enum { PLAN_SIZE_SHIFT = 16 };

enum plan_code {
    PLAN_MALLOC,
    PLAN_CALLOC,
    PLAN_ALIGNED,
    PLAN_RESIZE,
    PLAN_FREE,
    PLAN_START, /* slot: the thread */
};

struct plan_op {
    uint32_t slot;
    uint32_t turn;
    uint64_t packed; /* size << 16 | align_log2 << 8 | code */
};

struct plan_thread {
    uint64_t first_op;
    uint64_t op_count;
};

struct plan {
    uint64_t magic;
    uint64_t op_count;
    uint64_t calls;
    uint64_t skipped_calls; /* frees of unknown blocks, and calls that had failed */
    uint64_t peak_live_bytes;
    uint64_t end_live_bytes;
    uint32_t thread_count;
    uint32_t first_thread; /* the one that the program began with */
    uint32_t slot_count;
    uint32_t unused;
};

static inline const struct plan_thread *plan_threads(const struct plan *plan)
{
    return (const struct plan_thread *)(plan + 1);
}

static inline enum plan_code plan_code_of(const struct plan_op *op)
{
    return (enum plan_code)(op->packed & 0xff);
}

static inline uint64_t plan_size_of(const struct plan_op *op)
{
    return op->packed >> PLAN_SIZE_SHIFT;
}

#endif
