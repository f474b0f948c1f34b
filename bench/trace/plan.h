/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * plan.h - a trace made ready to be played: a list of operations for each thread.
 *
 *     thread 1   malloc s0 | start 2 | malloc s1 | ------------------- | free s1
 *     thread 2                        ... resize s0 turn 1 | free s0 turn 2
 *
 * An object lives in a slot. Each operation on a slot has a turn, 0, 1, 2 ..., and waits until the one
 * before it is done: a free in one thread waits for the allocation in another. Otherwise the threads run
 * freely, each in its own order. All waiting is for what comes earlier in the trace, so it ends.
 *
 * A thread is started by the one that made the call before its first. In a paced plan, an operation also
 * waits until all of the epoch before its own are done: EPOCH_CALLS calls of the trace.
 */
#ifndef CAIRN_BENCH_TRACE_PLAN_H
#define CAIRN_BENCH_TRACE_PLAN_H

#include "bench/trace/reader.h"
#include "bench/trace/region.h"

#include <stdbool.h>
#include <stdint.h>

enum { EPOCH_CALLS = 1024 };

enum plan_code {
    PLAN_MALLOC,
    PLAN_CALLOC,
    PLAN_ALIGNED,
    PLAN_RESIZE,
    PLAN_FREE,
    PLAN_START, /* slot: the thread */
    PLAN_EPOCH, /* slot: the epoch that begins; turn: calls that the thread made in the one before */
};

#define PLAN_LARGEST_BYTES ((UINT64_C(1) << 48) - 1)

struct plan_op {
    uint32_t slot;
    uint32_t turn;
    uint64_t packed; /* size << 16 | align_log2 << 8 | code */
};

static inline enum plan_code plan_code_of(const struct plan_op *op)
{
    return (enum plan_code)(op->packed & 0xff);
}

static inline unsigned plan_align_log2_of(const struct plan_op *op)
{
    return op->packed >> 8 & 0xff;
}

static inline uint64_t plan_size_of(const struct plan_op *op)
{
    return op->packed >> 16;
}

struct plan_thread {
    uint64_t first_op;
    uint64_t op_count;
    uint32_t epoch; /* while planning: the last one, + 1 */
    uint32_t epoch_calls;
};

struct plan {
    struct region ops;     /* of struct plan_op, thread by thread */
    struct region threads; /* of struct plan_thread */
    struct region turns;   /* of uint32_t, by slot; while planning */
    uint64_t op_count;
    uint64_t calls;
    uint64_t skipped_calls; /* frees of unknown blocks, and calls that had failed */
    uint64_t peak_live_bytes;
    uint64_t end_live_bytes;
    uint32_t thread_count;
    uint32_t first_thread; /* the one that the program began with */
    uint32_t slot_count;
    uint32_t epoch_count; /* 0: not paced */
};

/* Reads the whole trace, twice. */
void plan_make(struct plan *plan, const struct trace_file *file, bool is_paced);
void plan_release(struct plan *plan);

const struct plan_thread *plan_thread_at(const struct plan *plan, uint32_t thread);
const struct plan_op *plan_ops_of(const struct plan *plan, uint32_t thread);

#endif
