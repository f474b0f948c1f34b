// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequences as they are, each in a function of its own that a debugger can go through, counting
// aborts.

#include "percpu_single_step.h"

#include <cstdint>

#define CAIRN_RSEQ_GAP(number) ""
#define CAIRN_RSEQ_ABORTED     "lock incq cairn_single_step_aborts(%%rip)\n\t"
#define CAIRN_RSEQ_CLOBBERS
#include <cairn/percpu/rseq.h>

uint64_t cairn_single_step_aborts;

void *cairn_single_step_pop(const cairn_rseq_view *view, size_t class_idx)
{
    return cairn_rseq_pop(view, view->entries, class_idx);
}

bool cairn_single_step_push(const cairn_rseq_view *view, size_t class_idx, void *block)
{
    return cairn_rseq_push(view, view->entries, class_idx, block);
}

bool cairn_single_step_stop(const cairn_rseq_view *view, uint32_t id, cairn_percpu_shard *stopped)
{
    return cairn_rseq_stop(view, id, stopped);
}
