// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequence `pop` with gaps that can be stretched.

#define CAIRN_GAPS_OF pop
#include "percpu_gaps.h"

cairn_gaps cairn_gaps_of_pop;

void *cairn_gaps_pop(const cairn_rseq_view *view, size_t class_idx)
{
    return cairn_rseq_pop(view, class_idx);
}
