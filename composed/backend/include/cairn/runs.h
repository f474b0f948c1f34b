/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * runs.h - what the backend of a malloc asks of a run allocator.
 *
 *     slabs, large blocks
 *       | runs of granules
 *     struct cairn_runs_ops         //composed/stack:runs_buddy, or another
 *       | chunks, fed and shed by the backend
 *     page source
 *
 * A run allocator cuts chunks into runs of granules. It has no lock and calls nothing below: the
 * backend serialises the calls, feeds it a chunk when it has no run, and takes back empty chunks.
 * All of its state lies in one block that the backend supplies, none of it in the chunks.
 *
 * The laws of <cairn/source.h> hold for runs as for any block: aligned as asked, disjoint from
 * everything outstanding, inside the chunks that were fed.
 *
 * Threads: none: the backend holds its lock around every call.
 */

#ifndef CAIRN_RUNS_H
#define CAIRN_RUNS_H

#include <stdbool.h>
#include <stddef.h>

#include <cairn/base/compiler.h>
#include <cairn/base/levels.h>

CAIRN_BEGIN_DECLS

struct cairn_runs_config {
    size_t granule_bytes; /* a power of two, at least the page size */
    size_t chunk_bytes;   /* a power of two; every chunk is so long, and aligned so */
    size_t chunk_count_max;
};

/* Free memory on its way to the kernel. */
struct cairn_runs_stretch {
    void *base;
    size_t length_bytes;
    bool is_emptied; /* set by the backend when all of it reads as zero */
};

struct cairn_runs_ops {
    const char *name; /* for reports */

    /* The length of the state for a configuration; 0: so many chunks cannot be served, and the
       backend asks for half of them. */
    size_t (*state_bytes)(const struct cairn_runs_config *config);

    /* Makes an allocator without chunks. Requires: the state reads as zero, aligned to 64; pages of
       it that are not needed should not be touched. Returns 0 or -EINVAL. */
    int (*init)(void *state, size_t state_bytes, const struct cairn_runs_config *config);

    /* A run of length_bytes (a multiple of the granule, at most half a chunk), aligned to
       align_bytes (a power of two, at most half a chunk). is_zeroed may be NULL; else it says
       whether the run is known to read as zero. NULL, and nothing changed: no such run is free. */
    void *(*alloc)(void *state, size_t length_bytes, size_t align_bytes, bool *is_zeroed);

    /* Gives a run back. Stops the program unless it is a run in use of that length. */
    void (*free)(void *state, void *run, size_t length_bytes);

    /* Adds a chunk. Requires: there are fewer than chunk_count_max. */
    void (*feed)(void *state, void *chunk, bool is_zeroed);

    /* ---- the rest may be NULL ---- */

    /* Where it keeps its levels, which are right after each call: asked for once in each state.
       NULL: the backend counts what it took and gave, and takes all free memory for dirty. */
    const struct cairn_levels *(*levels)(const void *state);

    /* Removes an empty chunk if there are more than keep_count; else NULL. NULL: chunks never go
       back. Requires `levels`. */
    void *(*shed)(void *state, size_t keep_count);

    /* True when the pointer lies in a chunk: for a better message when a wrong one is freed. */
    bool (*owns)(const void *state, const void *pointer);

    /* Walks all state; stops the program on a broken invariant. */
    void (*check)(const void *state);

    /* Makes a run longer or shorter in place; false, and nothing changed, when it cannot be. NULL:
       blocks are moved instead. */
    bool (*resize)(void *state, void *run, size_t old_bytes, size_t new_bytes);

    /* Takes up to `count` stretches of dirty free memory, each at least min_bytes long, out of what
       is free, until they have quota_bytes, for the caller to empty without the lock; and makes
       them free again, in any grouping. NULL, both: free memory goes back by whole chunks only. */
    size_t (*purge_begin)(void *state, size_t min_bytes, size_t quota_bytes,
                          struct cairn_runs_stretch *stretches, size_t count);
    void (*purge_end)(void *state, const struct cairn_runs_stretch *stretches, size_t count);

    /* Makes an allocator in another block, with room for chunk_count_max chunks, that is what
       `from` is; `from` is not used afterwards. 0, or -EINVAL and nothing changed. NULL: the number
       of chunks is bounded from the start. */
    int (*move)(void *to, size_t to_bytes, const void *from, size_t chunk_count_max);
};

CAIRN_END_DECLS

#endif
