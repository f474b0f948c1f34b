/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * buddy.h - blocks of 2^k granules, split and merged; runs of any length by returning the tail.
 *
 * Idea. Memory is cut into granules. A block of order k is 2^k granules at a multiple of 2^k; its
 * buddy differs in one bit of the index, so finding it is an xor. A run of n granules is cut from
 * the smallest block that holds it, and the tail goes back at once as its natural blocks, so that a
 * run wastes less than one granule:
 *
 *     order 3 |               A               |     alloc(5 granules):
 *     order 2 |       B       |       C       |       take A; keep the granules 0 ... 4;
 *     order 1 |   D   |   E   |   F   |   G   |       give back granule 5 (order 0) and G (order 1).
 *     order 0 | . | . | . | . | . | . | . | . |
 *
 * State. For each order a bitmap of its free blocks, under 64-ary summaries; and three bits per
 * granule: in use, first of a run, dirty. The lowest free block is found by looking at one word per
 * level. About 5.1 bits per granule, all of it in one block that the caller supplies, none of it in
 * the memory managed, which is never read or written. The state of a buddy over a range holds
 * offsets only: it may live in shared memory, mapped at different addresses, beside or before its
 * range (alignments then hold as far as the addresses of the mappings agree modulo them).
 *
 * Three ways to feed it:
 *   range   the caller's [base, base + length): any length, any alignment, no source;
 *   source  chunks of a power of two, taken when needed and given back when empty;
 *   hand    chunks that the caller adds and removes (feed, shed), outside of its lock.
 * A buddy of chunks may start small, and moves to a larger state block when it is full.
 *
 * Invariants (walked by cairn_buddy_check):
 *   I1  a granule is in use, being purged, or covered by exactly one free block, never two of
 *       these;
 *   I2  two free buddies of one order never coexist below the top order;
 *   I3  free granules + used granules + granules being purged == all granules, also counted per
 *       chunk;
 *   I4  a summary bit is set exactly when the word below it is not 0;
 *   I5  the first granule of every run in use, or being purged, is marked, and no free granule is.
 *
 * Cost.    O(orders + levels) steps for alloc and free, at most CAIRN_BUDDY_STEPS_MAX, asserted;
 *          plus one bit operation per 64 granules of the run.
 * Threads. None: the caller serialises (see <cairn/locked.h>).
 * Source.  Knowlton, "A fast storage allocator", CACM 8:10 (1965); fragmentation bound: Robson,
 *          JACM 21:3 (1974).
 */

#ifndef CAIRN_BUDDY_H
#define CAIRN_BUDDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/base/levels.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_BUDDY_ORDERS_MAX = 32,
    CAIRN_BUDDY_LEVELS_MAX = 6,    /* 64^6 > 2^32 granules */
    CAIRN_BUDDY_STEPS_MAX = 4 * 32 /* two tests and two updates per order; derived in blocks.c */
};

/* Says whether a chunk just taken from the source reads as zero. */
typedef bool (*cairn_buddy_zeroed_fn)(void *self, const void *chunk);

/* Empties free memory; 0 when [base, base + length_bytes) reads as zero afterwards. */
typedef int (*cairn_buddy_purge_fn)(void *self, void *base, size_t length_bytes);

struct cairn_buddy_config {
    size_t granule_bytes; /* a power of two >= 16 */
    size_t state_bytes;   /* of the block that the buddy is made in; not read by state_bytes() */

    /* Over a range: base not NULL. */
    void *base;
    size_t length_bytes; /* whole granules within are used */
    size_t align_bytes;  /* the largest alignment that alloc may be asked for; 0: granule_bytes */

    /* Over a source: base NULL. Fed by hand: source.ops NULL too. */
    struct cairn_source source;
    size_t chunk_bytes;      /* a power of two, >= granule_bytes */
    size_t chunk_count_max;  /* how many chunks it can ever hold at once */
    size_t chunk_keep_count; /* empty chunks kept instead of given back at once; by hand: all are */

    /* Asked about a chunk when it arrives; NULL: only what the source's ZEROED trait promises.
       Over a range: asked about it once, with its base; NULL: it is dirty. */
    cairn_buddy_zeroed_fn chunk_is_zeroed;
    void *chunk_is_zeroed_self;
};

/* Memory between cairn_buddy_purge_begin() and cairn_buddy_purge_end(). */
struct cairn_buddy_stretch {
    void *base;
    size_t length_bytes;
    size_t dirty_bytes; /* of these, not known to read as zero */
    bool is_emptied;    /* for the caller to set when all of it reads as zero */
};

struct cairn_buddy_stats {
    size_t granule_bytes;
    size_t held_bytes;       /* the range, or the chunks held */
    size_t used_bytes;       /* in runs, rounded up to granules */
    size_t purging_bytes;    /* in stretches between purge_begin and purge_end */
    size_t free_bytes;       /* held_bytes - used_bytes - purging_bytes */
    size_t free_dirty_bytes; /* free, and not known to read as zero */
    size_t largest_free_bytes;
    size_t chunk_count;
    size_t empty_chunk_count; /* of these, without a run and without a stretch being purged */
    size_t chunk_count_max;   /* over a range: 0 */
    size_t state_bytes;
    uint64_t steps_max; /* the most steps that one call has taken */
};

/* At the head of the caller's state block; the bitmaps follow it. Fields are private
   (buddy_internal.h). */
struct cairn_buddy;

/*
 * How much state a buddy of this configuration needs: exact.
 *
 * Returns: bytes, a multiple of 64; 0 when the configuration is invalid (as cairn_buddy_init says).
 * Cost:    O(orders).
 * Threads: safe.
 */
size_t cairn_buddy_state_bytes(const struct cairn_buddy_config *config);

/*
 * Makes a buddy in the caller's state block.
 *
 * Requires: the block is aligned to 64, reads as zero and stays in place (relative to the range)
 *           until fini; it does not overlap the range. Pages of it that are never needed are never
 *           touched. Panics when it is not aligned, or overlaps.
 * Returns:  0.
 * Fails:    -EINVAL for a configuration out of the bounds named, a range without a whole granule,
 *           more than 2^31 granules, or too small a state block.
 * Owns:     the caller keeps the block, and keeps it valid until fini.
 * Cost:     O(orders) over a source, O(orders + length / granule / 64) over a range.
 */
CAIRN_NODISCARD int cairn_buddy_init(struct cairn_buddy *buddy,
                                     const struct cairn_buddy_config *config);

/*
 * Gives all chunks back to the source. Panics when a run is in use or a stretch is being purged, or
 * when a buddy fed by hand holds a chunk. The state block must be zeroed before another buddy is
 * made in it.
 *
 * Cost: O(slots ever used + granules held / 64).
 */
void cairn_buddy_fini(struct cairn_buddy *buddy);

/*
 * How much state this buddy needs for that many chunks: exact.
 *
 * Returns: bytes; 0 when it cannot have so many, or has more already, or is over a range.
 * Cost:    O(orders).
 */
size_t cairn_buddy_state_bytes_for(const struct cairn_buddy *buddy, size_t chunk_count_max);

/*
 * Makes a buddy in another state block that is what `from` is, with room for more chunks: the same
 * chunks, runs, stretches being purged and statistics. `from` may then be discarded, without fini:
 * only one of the two may be used. A source made of `from` must be made anew.
 *
 * Requires: the block `to` is aligned to 64 and reads as zero. Panics when it is not aligned.
 * Returns:  0.
 * Fails:    -EINVAL when cairn_buddy_state_bytes_for() says 0, or more than state_bytes.
 * Cost:     O(state of from); pages of `to` that are not needed are not touched.
 */
CAIRN_NODISCARD int cairn_buddy_move(struct cairn_buddy *to, size_t state_bytes,
                                     const struct cairn_buddy *from, size_t chunk_count_max);

/* True when there is no room for another chunk. Over a range: always. O(1). */
bool cairn_buddy_is_full(const struct cairn_buddy *buddy);

/*
 * Adds a chunk that the caller obtained; is_zeroed says whether it is known to read as zero.
 *
 * Requires: not full; the chunk is of chunk_bytes, aligned to them, and not held. Over a source:
 *           the source takes it back. Panics when full, misaligned or held.
 * Owns:     the buddy, until shed.
 * Cost:     O(1) expected, and one operation per 64 granules if dirty.
 */
void cairn_buddy_feed(struct cairn_buddy *buddy, void *chunk, bool is_zeroed);

/*
 * Removes an empty chunk when there are more than keep_count.
 *
 * Returns: the chunk, or NULL, and nothing changed.
 * Owns:    the caller, who gives it back where it came from.
 * Cost:    O(levels + granules in a chunk / 64).
 */
void *cairn_buddy_shed(struct cairn_buddy *buddy, size_t keep_count);

/*
 * Takes a run of at least `length_bytes`, aligned to `align_bytes`: the head of the lowest of the
 * smallest free blocks that are large enough for both.
 *
 * Requires: align_bytes a power of two; is_zeroed may be NULL.
 * Returns:  the run, of length_bytes rounded up to granules; *is_zeroed says whether it is known to
 *           read as zero. NULL and *is_zeroed untouched when length_bytes is 0, no free block is
 *           large enough and no source gives more, or the size or alignment exceeds a chunk
 *           (range: the config's align_bytes): then nothing changed.
 * Owns:     the caller, until cairn_buddy_free().
 * Cost:     as in the head; at most one call of the source. Panics when it gives a chunk that is
 *           misaligned or held.
 */
void *cairn_buddy_alloc(struct cairn_buddy *buddy, size_t length_bytes, size_t align_bytes,
                        bool *is_zeroed);

/*
 * Gives a run back. Panics unless `run` is the start of a run in use of that length (rounded up to
 * granules).
 *
 * Cost: as in the head; may give an empty chunk back to the source.
 */
void cairn_buddy_free(struct cairn_buddy *buddy, void *run, size_t length_bytes);

/*
 * The length of the run that begins at `pointer`.
 *
 * Returns: a multiple of the granule; 0 when no run in use begins there, for any pointer value.
 * Cost:    O(length / granule / 64).
 */
size_t cairn_buddy_run_bytes(const struct cairn_buddy *buddy, const void *pointer);

/* True when `pointer` lies in memory that the buddy holds, free or in use. O(1). */
bool cairn_buddy_owns(const struct cairn_buddy *buddy, const void *pointer);

/*
 * Makes a run longer or shorter without moving it. Panics unless it is a run in use of old_bytes.
 *
 * Returns: true; or false and nothing changed when new_bytes is 0, or what follows is not free up
 *          to there, or not in the same chunk. Granules that are added are of unknown content.
 * Cost:    as in the head.
 */
bool cairn_buddy_resize(struct cairn_buddy *buddy, void *run, size_t old_bytes, size_t new_bytes);

/*
 * Empties free memory that is dirty: calls `purge` for each stretch of free granules, cut to its
 * first and last dirty granule, that is then at least min_bytes long, and notes those that it
 * emptied (a stretch that it could not empty stays dirty). All empty chunks, those that
 * chunk_keep_count keeps too, go back to the source instead, if there is one.
 *
 * Requires: purge does not call the buddy.
 * Returns:  how many bytes are zero that were not known to be.
 * Cost:     O(slots ever used + granules held / 64), and what purge does.
 */
size_t cairn_buddy_purge(struct cairn_buddy *buddy, size_t min_bytes, cairn_buddy_purge_fn purge,
                         void *self);

/*
 * Takes free memory that is dirty out of the free blocks, so that the caller may empty it without
 * its lock: up to `count` stretches as cairn_buddy_purge() finds them, until they have quota_bytes
 * dirty bytes (the last may exceed that: none is split). Each call goes on where the one before it
 * ended. Until purge_end the stretches are neither free nor used, and no run begins there. All
 * other calls are allowed meanwhile, also more of these and cairn_buddy_move().
 *
 * Returns: how many; 0 when a whole pass found none, or count or quota_bytes is 0.
 * Owns:    the caller, until purge_end.
 * Cost:    at most one pass, O(slots ever used * granules of a chunk / 64); for each stretch as for
 *          two calls in the head.
 */
size_t cairn_buddy_purge_begin(struct cairn_buddy *buddy, size_t min_bytes, size_t quota_bytes,
                               struct cairn_buddy_stretch *stretches, size_t count);

/*
 * Makes stretches free again, in any order and grouping: those with is_emptied clean, the others
 * dirty all over. Panics unless each is a stretch being purged.
 *
 * Cost: as for a free of each.
 */
void cairn_buddy_purge_end(struct cairn_buddy *buddy, const struct cairn_buddy_stretch *stretches,
                           size_t count);

/* Of the statistics what a caller may want after each call. They lie in the state, and change with
   each call; a buddy that was moved has others. O(1). */
const struct cairn_levels *cairn_buddy_levels(const struct cairn_buddy *buddy);

/* A snapshot. O(1). */
struct cairn_buddy_stats cairn_buddy_stats(const struct cairn_buddy *buddy);

/*
 * The source: blocks of any number of granules. NATURAL_ALIGN over a source. Not THREAD_SAFE. Give
 * panics like free.
 *
 * Requires: the buddy stays where it is.
 * Cost:     O(1); take and give a block as alloc and free.
 */
struct cairn_source cairn_buddy_as_source(struct cairn_buddy *buddy);

/* Walks all state; panics on a broken invariant. O(granules). */
void cairn_buddy_check(const struct cairn_buddy *buddy);

CAIRN_END_DECLS

#endif
