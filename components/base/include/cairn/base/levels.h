/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * levels.h - how much memory an allocator of runs holds, and how much of it is free.
 *
 * The allocator keeps them in its state, so that who looks at them after each call has no call more
 * to make.
 */

#ifndef CAIRN_BASE_LEVELS_H
#define CAIRN_BASE_LEVELS_H

#include <stddef.h>

/* Sums over all chunks: used + free + being purged == held. */
struct cairn_levels {
    size_t used_bytes; /* in runs */
    size_t chunk_count;
    size_t free_bytes;
    size_t empty_chunk_count; /* of the chunks, without a run and without a stretch being purged */
    size_t free_dirty_bytes;  /* of free_bytes: not known to read as zero */
};

#endif
