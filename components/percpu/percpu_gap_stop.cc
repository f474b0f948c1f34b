// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequence `stop` with gaps that can be stretched.

#define CAIRN_GAPS_OF stop
#include "percpu_gaps.h"

cairn_gaps cairn_gaps_of_stop;

bool cairn_gaps_stop(const cairn_rseq_view *view, uint32_t id, cairn_percpu_shard *nothing)
{
    return cairn_rseq_stop(view, id, nothing);
}
