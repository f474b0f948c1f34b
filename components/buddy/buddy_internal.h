/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * buddy_internal.h - the state of a buddy, and what its files share.
 *
 *     byte 0   struct cairn_buddy
 *              descriptors          one for each order
 *              free blocks          by order, then the freed slots: bitmaps.h
 *              runs                 three bits per granule: runs.h
 *              slots, hash table    over a source only: chunks.c
 *     state_bytes
 *
 * Granules have indices in one space. Over a range, granule 0 is the base rounded down to the
 * largest alignment, so that a block of 2^k granules at a multiple of 2^k is as aligned in memory
 * as in index; the granules before the base (lead) are neither free nor in use, ever. Over a
 * source, the chunk in slot s holds the granules from s << top_order on.
 *
 * Everything is an offset from the struct itself, except what a source needs: function pointers
 * and chunk addresses.
 */

#ifndef CAIRN_BUDDY_INTERNAL_H
#define CAIRN_BUDDY_INTERNAL_H

#include <cairn/base/check.h>
#include <cairn/base/compiler.h>
#include <cairn/buddy.h>

#include "bitmaps.h"
#include "runs.h"

CAIRN_STATIC_ASSERT((int)CAIRN_BUDDY_LEVELS_MAX == (int)CAIRN_BUDDY_BITMAP_LEVELS,
                    "the levels that the header promises");

#define CAIRN_BUDDY_GRANULES_MAX ((size_t)1 << 31)
#define CAIRN_BUDDY_NONE         SIZE_MAX /* no such granule, no such slot */

struct cairn_buddy_slot {
    uintptr_t base;       /* 0: no chunk here */
    size_t used_granules; /* in runs or being purged */
};

/* What follows from a configuration. */
struct cairn_buddy_shape {
    unsigned granule_shift;
    unsigned chunk_shift; /* over a range: 0 */
    unsigned top_order;   /* the largest block: a chunk, or the largest in the range */
    size_t lead_granules; /* over a range: indices before the first granule */
    size_t granule_count; /* indices: 0 ... granule_count - 1 */
    size_t align_max_bytes;
    size_t slot_limit; /* over a range: 0 */
    size_t hash_count;
    size_t words_at; /* the bitmaps, in words from the head of the state */
    size_t runs_at;  /* in bytes from the head of the state */
    size_t slots_at;
    size_t hash_at;
    size_t state_bytes;
    uintptr_t origin; /* over a range: the address of granule 0, or its distance from the state */
};

struct cairn_buddy {
    struct cairn_buddy_shape shape;
    uint32_t nonempty_orders; /* bit k: the bitmap of order k is not empty */
    uint32_t reserved;
    struct cairn_levels levels;
    size_t purging_bytes; /* beside them: neither used nor free */
    size_t purge_at;      /* the granule at which the next purge begins */
    uint64_t steps;       /* of the call under way; 0 between calls */
    uint64_t steps_max;

    struct cairn_source source; /* ops NULL: over a range, or fed by hand */
    size_t chunk_keep_count;    /* fed by hand: SIZE_MAX */
    cairn_buddy_zeroed_fn chunk_is_zeroed;
    void *chunk_is_zeroed_self;
    size_t slot_end; /* slots from here on were never used */

    struct cairn_buddy_bitmap freed_slots; /* below slot_end */
    struct cairn_buddy_bitmap orders[];    /* free blocks */
};

static inline bool cairn_buddy_is_over_source(const struct cairn_buddy *buddy)
{
    return buddy->shape.slot_limit != 0;
}

static inline uint64_t *cairn_buddy_words(struct cairn_buddy *buddy)
{
    return (uint64_t *)(void *)buddy;
}

static inline const uint64_t *cairn_buddy_const_words(const struct cairn_buddy *buddy)
{
    return (const uint64_t *)(const void *)buddy;
}

static inline struct cairn_buddy_run_word *cairn_buddy_runs(struct cairn_buddy *buddy)
{
    return (struct cairn_buddy_run_word *)(void *)((char *)buddy + buddy->shape.runs_at);
}

static inline const struct cairn_buddy_run_word *
cairn_buddy_const_runs(const struct cairn_buddy *buddy)
{
    return (const struct cairn_buddy_run_word *)(const void *)((const char *)buddy +
                                                               buddy->shape.runs_at);
}

static inline struct cairn_buddy_slot *cairn_buddy_slots(struct cairn_buddy *buddy)
{
    return (struct cairn_buddy_slot *)(void *)((char *)buddy + buddy->shape.slots_at);
}

static inline const struct cairn_buddy_slot *
cairn_buddy_const_slots(const struct cairn_buddy *buddy)
{
    return (const struct cairn_buddy_slot *)(const void *)((const char *)buddy +
                                                           buddy->shape.slots_at);
}

/* The first index after the chunk, or range, in which the granule lies. */
static inline size_t cairn_buddy_limit_of(const struct cairn_buddy *buddy, size_t granule)
{
    if (!cairn_buddy_is_over_source(buddy))
        return buddy->shape.granule_count;
    return ((granule >> buddy->shape.top_order) + 1) << buddy->shape.top_order;
}

/* Bytes to granules, rounded up. Cannot wrap. */
static inline size_t cairn_buddy_granules_for(const struct cairn_buddy *buddy, size_t length_bytes)
{
    return length_bytes == 0 ? 0 : ((length_bytes - 1) >> buddy->shape.granule_shift) + 1;
}

/* Indices from here on were never used. */
static inline size_t cairn_buddy_walk_end(const struct cairn_buddy *buddy)
{
    if (!cairn_buddy_is_over_source(buddy))
        return buddy->shape.granule_count;
    return buddy->slot_end << buddy->shape.top_order;
}

static inline size_t cairn_buddy_held_bytes(const struct cairn_buddy *buddy)
{
    return buddy->levels.used_bytes + buddy->purging_bytes + buddy->levels.free_bytes;
}

/* Ends a public call: notes how many steps it took. The bound is derived in blocks.c. */
static inline void cairn_buddy_end_call(struct cairn_buddy *buddy)
{
    CAIRN_ASSERT(buddy->steps <= CAIRN_BUDDY_STEPS_MAX);
    if (CAIRN_UNLIKELY(buddy->steps > buddy->steps_max))
        buddy->steps_max = buddy->steps;
    buddy->steps = 0;
}

/* buddy.c */

/* The first granule of a run (CAIRN_BUDDY_RUN), or of a stretch being purged (CAIRN_BUDDY_PURGING),
   of that length; panics when it is anything else. */
size_t cairn_buddy_checked_first(const struct cairn_buddy *buddy, enum cairn_buddy_sought kind,
                                 const void *run, size_t length_bytes, const char *where);

/* Frees granules in use, all of them dirty or none. Ends the call. May give the chunk back. */
void cairn_buddy_free_granules(struct cairn_buddy *buddy, size_t first, size_t end, bool is_dirty);

/* Frees a run of any length. */
void cairn_buddy_free_run(struct cairn_buddy *buddy, void *run, size_t length_bytes);

/* granule.c */

/* Takes a run of one granule, as cairn_buddy_alloc(). Requires: a block is free. */
void *cairn_buddy_alloc_granule(struct cairn_buddy *buddy, bool *is_zeroed);

/* Frees a run, as cairn_buddy_free(). Requires: length_bytes is one granule, rounded up. */
void cairn_buddy_free_granule(struct cairn_buddy *buddy, void *run, size_t length_bytes);

/* blocks.c: ranges are [first, end) in granules. */

/* Takes the lowest block of the least order >= `order`. Requires: there is one. Returns its
   order. */
unsigned cairn_buddy_take_block(struct cairn_buddy *buddy, unsigned order, size_t *first);

/* Makes the tail of a block just taken free, where nothing can merge. Requires: `end` ends that
   block. */
void cairn_buddy_spill(struct cairn_buddy *buddy, size_t first, size_t end);

/* Makes any range free, merging. Returns true when that frees a block of the top order. */
bool cairn_buddy_release(struct cairn_buddy *buddy, size_t first, size_t end);

/* Takes the blocks of a free range that follows a run in its chunk, the last one whole. Returns
   where they end. */
size_t cairn_buddy_absorb(struct cairn_buddy *buddy, size_t first, size_t end);

/* Takes a free range out of the free blocks, where it may begin and end inside of one. Ends one
   call's worth of steps. */
void cairn_buddy_carve(struct cairn_buddy *buddy, size_t first, size_t end);

/* Takes the free block that is the whole chunk in a slot. */
void cairn_buddy_take_chunk(struct cairn_buddy *buddy, size_t slot);

/* chunks.c */

/* Takes a chunk from the source; it becomes a free block of the top order. False when there is
   none to have. */
bool cairn_buddy_add_chunk(struct cairn_buddy *buddy);

/* Gives an empty chunk back to the source. */
void cairn_buddy_drop_chunk(struct cairn_buddy *buddy, size_t slot);

/* Gives all empty chunks back to the source, if there is one. */
void cairn_buddy_drop_empty(struct cairn_buddy *buddy);

/* Fills the slots and the table, which are untouched, from those of a buddy with fewer slots. */
void cairn_buddy_copy_chunks(struct cairn_buddy *to, const struct cairn_buddy *from);

/* Panics on a broken invariant among slots and hash table. */
void cairn_buddy_check_chunks(const struct cairn_buddy *buddy);

/* Books `count` free granules from `first` on, of which dirty_count were dirty, as used. */
static inline void cairn_buddy_count_used(struct cairn_buddy *buddy, size_t first, size_t count,
                                          size_t dirty_count)
{
    struct cairn_levels *levels = &buddy->levels;
    unsigned shift = buddy->shape.granule_shift;
    struct cairn_buddy_slot *slot;

    CAIRN_ASSERT(dirty_count <= count && dirty_count << shift <= levels->free_dirty_bytes);
    levels->used_bytes += count << shift;
    levels->free_bytes -= count << shift;
    levels->free_dirty_bytes -= dirty_count << shift;
    if (!cairn_buddy_is_over_source(buddy))
        return;
    slot = &cairn_buddy_slots(buddy)[first >> buddy->shape.top_order];
    if (slot->used_granules == 0)
        levels->empty_chunk_count--;
    slot->used_granules += count;
    CAIRN_ASSERT(slot->used_granules <= (size_t)1 << buddy->shape.top_order);
}

/* Books granules in use as free; gives the chunk back when it is one too many that is empty. */
static inline void cairn_buddy_count_free(struct cairn_buddy *buddy, size_t first, size_t count,
                                          size_t dirty_count)
{
    struct cairn_levels *levels = &buddy->levels;
    unsigned shift = buddy->shape.granule_shift;
    struct cairn_buddy_slot *slot;

    CAIRN_ASSERT(count << shift <= levels->used_bytes);
    levels->used_bytes -= count << shift;
    levels->free_bytes += count << shift;
    levels->free_dirty_bytes += dirty_count << shift;
    if (!cairn_buddy_is_over_source(buddy))
        return;
    slot = &cairn_buddy_slots(buddy)[first >> buddy->shape.top_order];
    CAIRN_ASSERT(count <= slot->used_granules);
    slot->used_granules -= count;
    if (CAIRN_LIKELY(slot->used_granules > 0))
        return;
    levels->empty_chunk_count++;
    if (levels->empty_chunk_count > buddy->chunk_keep_count)
        cairn_buddy_drop_chunk(buddy, first >> buddy->shape.top_order);
}

#endif
