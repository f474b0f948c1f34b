// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequence `pop` with gaps that can be stretched.

#define CAIRN_INTERRUPTED pop
#include "percpu_interrupted.h"

cairn_interruptions cairn_interruptions_of_pop;

void *cairn_interrupted_pop(const cairn_rseq_view *view, size_t class_idx)
{
    return cairn_rseq_pop(view, view->entries, class_idx);
}
