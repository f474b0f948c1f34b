// SPDX-License-Identifier: MIT
// SPDX-FileCopyrightText: 2026 The cairn authors

// The sequence `push` with gaps that can be stretched.

#define CAIRN_INTERRUPTED push
#include "percpu_interrupted.h"

cairn_interruptions cairn_interruptions_of_push;

bool cairn_interrupted_push(const cairn_rseq_view *view, size_t class_idx, void *block)
{
    return cairn_rseq_push(view, view->entries, class_idx, block);
}
