// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequence `stop` with gaps that can be stretched.

#define CAIRN_INTERRUPTED stop
#include "percpu_interrupted.h"

cairn_interruptions cairn_interruptions_of_stop;

bool cairn_interrupted_stop(const cairn_rseq_view *view, uint32_t id, cairn_percpu_shard *stopped)
{
    return cairn_rseq_stop(view, id, stopped);
}
