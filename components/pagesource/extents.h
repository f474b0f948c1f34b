/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * extents.h - what the files of pagesource share: the table of extents and the steps of the policy.
 *
 * Internal. Every function assumes that the lock is held. Addresses are uintptr_t, because this memory is only
 * ever computed about, never touched; ranges are [base, end), both multiples of the page size.
 *
 *     pagesource.c   take, give, resize: what to try in which order
 *     reserve.c      address space for metadata; emptying
 *     sources.c      the two sources, fork, statistics
 *       grow.c       more address space: steps, mappings, alignment, room in the table
 *       release.c    back to the kernel: the retain bound, purging, retries
 *         brk.c      the data segment and those who share it
 *         calls.c    the kernel, counted
 *         extents.c  the table
 *         check.c    all invariants
 */

#ifndef CAIRN_PAGESOURCE_EXTENTS_H
#define CAIRN_PAGESOURCE_EXTENTS_H

#include <cairn/pagesource.h>

/* Where an extent comes from, and so how it can go back. */
enum {
    CAIRN_EXTENT_BREAK = 1, /* data segment */
    CAIRN_EXTENT_MAPPED,    /* mapping */
    CAIRN_EXTENT_KEPT /* an ended reservation whose munmap failed: waits, is never handed out */
};

/* In what state it is. Touching extents of one origin merge when all flags are equal. */
enum {
    CAIRN_EXTENT_FRESH = 1u << 0,  /* reads as zero and costs no memory */
    CAIRN_EXTENT_PENDING = 1u << 1 /* munmap failed; purge tries again */
};

static inline uintptr_t cairn_extent_end(const struct cairn_pagesource_extent *extent)
{
    return extent->base + extent->length_bytes;
}

static inline bool cairn_extent_is_dirty(const struct cairn_pagesource_extent *extent)
{
    return extent->origin != CAIRN_EXTENT_KEPT && (extent->flags & CAIRN_EXTENT_FRESH) == 0;
}

/* Everything that the kernel gave for blocks: the quantity that growth, limit and I2 speak about. */
static inline size_t cairn_pagesource__held(const struct cairn_pagesource *source)
{
    return source->stats.brk_bytes + source->stats.mapped_bytes;
}

static inline size_t cairn_pagesource__page(const struct cairn_pagesource *source)
{
    return source->stats.page_bytes;
}

/* --- extents.c ----------------------------------------------------------------------------------------------- */

/* The index of the first extent that ends above `address`; extent_count if there is none. */
size_t cairn_pagesource__index(const struct cairn_pagesource *source, uintptr_t address);

/* True when some extent shares a byte with the range. */
bool cairn_pagesource__overlaps(const struct cairn_pagesource *source, uintptr_t base,
                                size_t length_bytes);

/* Adds an extent, merging it with its neighbours. Keeps the sums in stats. The table has room (I6). */
void cairn_pagesource__insert(struct cairn_pagesource *source,
                              struct cairn_pagesource_extent extent);

/* Takes a range out of the extents that cover it wholly. True when all of it was fresh. */
bool cairn_pagesource__remove(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes);

/* Replaces the flags of a range inside one extent. */
void cairn_pagesource__set_flags(struct cairn_pagesource *source, uintptr_t base,
                                 size_t length_bytes, uint32_t flags);

/* Where a block fits best: dirty, else fresh, else across touching extents; 0 when nowhere. */
uintptr_t cairn_pagesource__fit(const struct cairn_pagesource *source, size_t length_bytes,
                                size_t align_bytes);

/* The ends of the run (touching extents of one origin) that holds extent `idx`, as indices. */
size_t cairn_pagesource__run_first(const struct cairn_pagesource *source, size_t idx);
size_t cairn_pagesource__run_last(const struct cairn_pagesource *source, size_t idx);

/* --- calls.c: as in os.h, and counted ------------------------------------------------------------------------ */

uintptr_t cairn_pagesource__map(struct cairn_pagesource *source, size_t length_bytes,
                                unsigned flags);
bool cairn_pagesource__unmap(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes);
bool cairn_pagesource__purge(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes);
uintptr_t cairn_pagesource__remap(struct cairn_pagesource *source, uintptr_t base, size_t old_bytes,
                                  size_t new_bytes, bool may_move);
uintptr_t cairn_pagesource__sbrk(struct cairn_pagesource *source, intptr_t delta_bytes);

/* --- brk.c --------------------------------------------------------------------------------------------------- */

/* The segment that contains the address; NULL when it is not of the data segment. */
const struct cairn_pagesource_segment *
cairn_pagesource__segment_of(const struct cairn_pagesource *source, uintptr_t address);

/* Notices that others lowered the break into our memory, and forgets what is gone. */
void cairn_pagesource__observe_break(struct cairn_pagesource *source);

/* Extends the data segment so that a block fits; false when it cannot. */
bool cairn_pagesource__grow_break(struct cairn_pagesource *source, size_t length_bytes,
                                  size_t align_bytes);

/* Extends the segment that ends at `end` by at least `missing_bytes`, if that is where the break is. */
bool cairn_pagesource__extend_break(struct cairn_pagesource *source, uintptr_t end,
                                    size_t missing_bytes);

/* Lowers the break over free memory at its top, if any of it is dirty, until `dirty_bytes` dirty ones are gone.
   SIZE_MAX: over all that is free at the top, dirty or not. */
void cairn_pagesource__shrink_break(struct cairn_pagesource *source, size_t dirty_bytes);

/* --- grow.c -------------------------------------------------------------------------------------------------- */

/* Makes the table large enough for `slot_count` more pages held or reservations (I6); false when refused. */
bool cairn_pagesource__ensure(struct cairn_pagesource *source, size_t slot_count);

/* Replaces a table that is far larger than needed by a smaller one. */
void cairn_pagesource__shrink_table(struct cairn_pagesource *source);

/* True when the limit and the table allow holding so much more. */
bool cairn_pagesource__may_hold(struct cairn_pagesource *source, size_t more_bytes);

/* By how much to grow if the kernel lets us: 1/8 of what is held, within the configured bounds. */
size_t cairn_pagesource__step(const struct cairn_pagesource *source);

/* Counts bytes newly held, and makes them an extent. */
void cairn_pagesource__adopt(struct cairn_pagesource *source,
                             struct cairn_pagesource_extent extent);
void cairn_pagesource__count_held(struct cairn_pagesource *source, uint32_t origin,
                                  size_t more_bytes);

/* Obtains address space in which a block fits, by the policy's order of means; false when all are refused. */
bool cairn_pagesource__grow(struct cairn_pagesource *source, size_t length_bytes,
                            size_t align_bytes);

/* --- release.c ----------------------------------------------------------------------------------------------- */

/* How much dirty free memory may stay. */
size_t cairn_pagesource__retain_bytes(const struct cairn_pagesource *source);

/* What may be kept for a while: the same where there is no delay. */
size_t cairn_pagesource__retain_max_bytes(const struct cairn_pagesource *source);

/* Gives dirty memory back until the retain bound is kept; does nothing below it. */
void cairn_pagesource__trim(struct cairn_pagesource *source);

/* Gives all dirty memory back, and retries what is pending. */
void cairn_pagesource__purge_all(struct cairn_pagesource *source);

/* Gives all free address space back, dirty or fresh; true when less is held afterwards. */
bool cairn_pagesource__release_all(struct cairn_pagesource *source);

#endif
