// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequence `push` with gaps that can be stretched.

#define CAIRN_GAPS_OF push
#include "percpu_gaps.h"

cairn_gaps cairn_gaps_of_push;

bool cairn_gaps_push(const cairn_rseq_view *view, size_t class_idx, void *block)
{
    return cairn_rseq_push(view, class_idx, block);
}
