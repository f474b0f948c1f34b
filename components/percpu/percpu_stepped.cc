// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequences as they are, each in a function of its own that a debugger can go through, counting aborts.

#include "percpu_stepped.h"

#include <cstdint>

#define CAIRN_RSEQ_GAP(number) ""
#define CAIRN_RSEQ_ABORTED     "lock incq cairn_stepped_aborts(%%rip)\n\t"
#define CAIRN_RSEQ_CLOBBERS
#include <cairn/percpu/rseq.h>

uint64_t cairn_stepped_aborts;

void *cairn_stepped_pop(const cairn_rseq_view *view, size_t class_idx)
{
    return cairn_rseq_pop(view, class_idx);
}

bool cairn_stepped_push(const cairn_rseq_view *view, size_t class_idx, void *block)
{
    return cairn_rseq_push(view, class_idx, block);
}

bool cairn_stepped_stop(const cairn_rseq_view *view, uint32_t id, cairn_percpu_shard *nothing)
{
    return cairn_rseq_stop(view, id, nothing);
}
