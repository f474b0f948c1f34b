/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * runs.h - three bits per granule: in use, first of a run, dirty; read and written 64 granules at a
 * time.
 *
 *     granule    0 1 2 3 4 5 6 7
 *     in use   1 1 1 1 1 . . .    two runs: granules 0 ... 2 and 3 ... 4
 *     start    1 . . 1 . . . .    a run ends before the next start or a granule not in use
 *     dirty    1 1 1 1 1 1 . .    granule 5 was in use and is free again; 6 and 7 read as zero
 *
 *     in use   dirty
 *       0        0     free, reads as zero
 *       0        1     free, of any content
 *       1        1     in a run
 *       1        0     in a stretch that is being purged, which begins with a start as a run does
 *
 * The three words of 64 granules lie side by side: an operation on a short run touches one cache
 * line, mostly.
 *
 * Invariants. start implies in use; a granule in use without start is as dirty as the one before
 * it; the first granule in use after one that is not has start. All ranges are [first, end) in
 * granules. Cost: one operation per 64 granules.
 */

#ifndef CAIRN_BUDDY_RUNS_H
#define CAIRN_BUDDY_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/check.h>
#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

struct cairn_buddy_run_word {
    uint64_t start;
    uint64_t dirty;
    uint64_t in_use;
};

/* Kinds of granules. */
enum cairn_buddy_sought {
    CAIRN_BUDDY_FREE_DIRTY,
    CAIRN_BUDDY_IN_USE, /* in a run, or being purged */
    CAIRN_BUDDY_RUN,    /* in a run */
    CAIRN_BUDDY_PURGING /* being purged */
};

/* Marks free granules as in use and dirty, without a start. Returns how many of them were dirty
   before. */
size_t cairn_buddy_runs_extend(struct cairn_buddy_run_word *runs, size_t first, size_t end);

/* The same as one run. */
size_t cairn_buddy_runs_mark(struct cairn_buddy_run_word *runs, size_t first, size_t end);

/* Marks granules as free. They stay dirty, or clean when they were being purged. */
void cairn_buddy_runs_unmark(struct cairn_buddy_run_word *runs, size_t first, size_t end);

/* The length of the run, or of the stretch being purged, that starts at `first`, before `limit`; 0
   when none of that kind does. */
size_t cairn_buddy_runs_length(const struct cairn_buddy_run_word *runs,
                               enum cairn_buddy_sought kind, size_t first, size_t limit);

/* The first granule of the kind sought, or `end`. */
size_t cairn_buddy_runs_find(const struct cairn_buddy_run_word *runs,
                             enum cairn_buddy_sought sought, size_t first, size_t end);

/* How many granules are of the kind sought. */
size_t cairn_buddy_runs_count(const struct cairn_buddy_run_word *runs,
                              enum cairn_buddy_sought sought, size_t first, size_t end);

/* One past the last dirty granule, or `first`. */
size_t cairn_buddy_runs_dirty_end(const struct cairn_buddy_run_word *runs, size_t first,
                                  size_t end);

/* Makes all the granules dirty, or not: a run that is marked and then made clean is being
   purged. */
void cairn_buddy_runs_set_dirty(struct cairn_buddy_run_word *runs, size_t first, size_t end,
                                bool is_dirty);

/* Of one granule: what mark does. Returns true when it was dirty before. */
static inline bool cairn_buddy_runs_mark_one(struct cairn_buddy_run_word *runs, size_t granule)
{
    struct cairn_buddy_run_word *word = &runs[granule / 64];
    uint64_t bit = (uint64_t)1 << (granule % 64);
    bool was_dirty = (word->dirty & bit) != 0;

    CAIRN_ASSERT((word->in_use & bit) == 0);
    word->in_use |= bit;
    word->start |= bit;
    if (!was_dirty)
        word->dirty |= bit;
    return was_dirty;
}

/* Of one granule: what unmark does. */
static inline void cairn_buddy_runs_unmark_one(struct cairn_buddy_run_word *runs, size_t granule)
{
    struct cairn_buddy_run_word *word = &runs[granule / 64];
    uint64_t bit = (uint64_t)1 << (granule % 64);

    CAIRN_ASSERT((word->in_use & word->start & bit) != 0);
    word->in_use &= ~bit;
    word->start &= ~bit;
}

/* True when a run of one granule is at `granule` and its word alone says so: never for the last
   granule of a word, because the next one may go on with its run. The first granule of a chunk
   never does. */
static inline bool cairn_buddy_runs_is_one(const struct cairn_buddy_run_word *runs, size_t granule)
{
    const struct cairn_buddy_run_word *word = &runs[granule / 64];
    uint64_t bit = (uint64_t)1 << (granule % 64);
    uint64_t ends = ~word->in_use | word->start;

    return (word->start & word->in_use & word->dirty & bit) != 0 && (ends & bit << 1) != 0;
}

/* Panics on a broken invariant. The range is one whole chunk or range: nothing runs into it. */
void cairn_buddy_runs_check(const struct cairn_buddy_run_word *runs, size_t first, size_t end);

CAIRN_END_DECLS

#endif
