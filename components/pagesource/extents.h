/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * extents.h - what the files of pagesource share: nodes, trees, free runs and the steps of the
 * policy.
 *
 * Internal. Every function assumes that the lock is held; those that call the kernel without it say
 * so ("leaves the lock"): whatever was looked up before may have changed when they return.
 * Addresses are uintptr_t, because this memory is only ever computed about, never touched; ranges
 * are [base, end), multiples of the page size.
 *
 *     pagesource.c   take, give, resize: what to try in which order
 *     metadata.c     guarded regions, reservations
 *     past.c         blocks past the lock; the limit
 *     sources.c      the two sources, statistics
 *       grow.c       more address space: steps, mappings, alignment
 *       release.c    back to the kernel: the retain bound, purging, retries
 *         brk.c      the data segment and those who share it
 *         calls.c    the kernel, counted, and who waits for it
 *         extents.c  free runs: merging, cutting, best fit
 *           tree.c   nodes and ordered sets of them
 *         check.c    all invariants
 */

#ifndef CAIRN_PAGESOURCE_EXTENTS_H
#define CAIRN_PAGESOURCE_EXTENTS_H

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/pagesource.h>

/* Where memory comes from, and so how it can go back. */
enum {
    CAIRN_EXTENT_BREAK = 1, /* data segment */
    CAIRN_EXTENT_MAPPED,    /* mapping */
    CAIRN_EXTENT_METADATA   /* a region of metadata, or a piece of one */
};

enum { CAIRN_PAGESOURCE_RETAIN_BYTES = 4 * 1024 * 1024 }; /* the default */

enum {
    CAIRN_EXTENT_PENDING = 1u << 0, /* free, munmap of some of it failed; purge tries again */
    CAIRN_EXTENT_REGION = 1u << 1,  /* metadata: this node is the record of a whole region */
    CAIRN_EXTENT_RESIZED = 1u << 2  /* a block that changed its length, and may again */
};

/* The ordered sets. The first three are ordered by address, the others by length and then by
   address. */
enum cairn_pagesource_tree {
    CAIRN_TREE_FREE,     /* every free run */
    CAIRN_TREE_BLOCKS,   /* what is given out */
    CAIRN_TREE_RESERVED, /* metadata that is given out */
    CAIRN_TREE_DIRTY,    /* free runs by their longest dirty part, if they have one */
    CAIRN_TREE_FRESH,    /* free runs by their fresh part, if they have one */
    CAIRN_TREE_MIXED,    /* free runs that have both, by their whole length */
    CAIRN_TREE_SPARE     /* metadata that is not given out */
};

/* What one call may need: two nodes for what is cut off a mapping, one for what is between, two for
   what is cut off a run; two for a new region of metadata. */
enum { CAIRN_NODES_PER_CALL = 8 };

static inline size_t cairn_node_bytes(const struct cairn_pagesource_node *node)
{
    return node->end - node->base;
}

static inline size_t cairn_node_fresh_bytes(const struct cairn_pagesource_node *node)
{
    return node->fresh_end - node->fresh_base;
}

static inline size_t cairn_node_dirty_bytes(const struct cairn_pagesource_node *node)
{
    return cairn_node_bytes(node) - cairn_node_fresh_bytes(node);
}

/* Everything that the kernel gave for blocks: the quantity that growth and I2 speak about. */
static inline size_t cairn_pagesource_held_bytes(const struct cairn_pagesource *source)
{
    return source->stats.brk_bytes + source->stats.mapped_bytes;
}

static inline size_t cairn_pagesource_page_bytes(const struct cairn_pagesource *source)
{
    return source->stats.page_bytes;
}

/* --- tree.c: O(log n) ------------------------------------------------------------------------- */

static inline struct cairn_pagesource_node *cairn_extent_node(const struct cairn_pagesource *source,
                                                              uint32_t id)
{
    const size_t first = CAIRN_PAGESOURCE_INLINE_NODES;
    unsigned piece = cairn_log2_floor(id + first) - cairn_log2_floor(first);

    CAIRN_ASSERT(id != 0 && id < source->node_top);
    return source->pieces[piece] + (id + first - (first << piece));
}

/* A node for [base, end), in no tree, nothing of it fresh. Requires: promised or allowed. */
uint32_t cairn_pagesource_new_node(struct cairn_pagesource *source, uintptr_t base, uintptr_t end,
                                   uint32_t origin);
void cairn_pagesource_end_node(struct cairn_pagesource *source, uint32_t id);

/* Keeps CAIRN_NODES_PER_CALL nodes for this call, whatever others do; false when there is no memory
   for them. */
bool cairn_pagesource_promise_nodes(struct cairn_pagesource *source);
void cairn_pagesource_end_promise(struct cairn_pagesource *source);

/* True when `count` nodes may be taken at once without a promise. */
bool cairn_pagesource_may_take_nodes(struct cairn_pagesource *source, uint32_t count);

/* By what a tree orders: a length, 0 when the node does not belong there; or the address. */
static inline size_t cairn_pagesource_measure(const struct cairn_pagesource_node *node,
                                              enum cairn_pagesource_tree tree)
{
    size_t fresh_bytes = cairn_node_fresh_bytes(node);

    switch (tree) {
    case CAIRN_TREE_DIRTY:
        return cairn_max(node->fresh_base - node->base, node->end - node->fresh_end);
    case CAIRN_TREE_FRESH:
        return fresh_bytes;
    case CAIRN_TREE_MIXED:
        return fresh_bytes == 0 || fresh_bytes == cairn_node_bytes(node) ? 0
                                                                         : cairn_node_bytes(node);
    case CAIRN_TREE_SPARE:
        return cairn_node_bytes(node);
    default:
        return node->base;
    }
}

void cairn_pagesource_tree_add(struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                               uint32_t id);
void cairn_pagesource_tree_remove(struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                                  uint32_t id);

/* The first node at or behind (measure, base), and the last one before; 0 when there is none. */
uint32_t cairn_pagesource_tree_from(const struct cairn_pagesource *source,
                                    enum cairn_pagesource_tree tree, size_t measure,
                                    uintptr_t base);
uint32_t cairn_pagesource_tree_below(const struct cairn_pagesource *source,
                                     enum cairn_pagesource_tree tree, size_t measure,
                                     uintptr_t base);

/* In a tree by address: the node that contains the address; 0 when there is none. */
uint32_t cairn_pagesource_tree_at(const struct cairn_pagesource *source,
                                  enum cairn_pagesource_tree tree, uintptr_t address);

/* --- extents.c: O(log n) ---------------------------------------------------------------------- */

/* True when free memory shares a byte with the range. */
bool cairn_pagesource_overlaps(const struct cairn_pagesource *source, uintptr_t base,
                               size_t length_bytes);

/* Makes a node free memory and merges it with its neighbours. What others took of the data segment
   is only counted. */
void cairn_pagesource_make_free(struct cairn_pagesource *source, uint32_t id);

/* Takes a free run, or spare metadata, out of its trees. */
void cairn_pagesource_detach(struct cairn_pagesource *source, uint32_t id);

/* The same, of which only [base, end) is taken; the rest stays, as up to two nodes. Returns the
   node of what is taken. Takes as many nodes as there are rests. */
uint32_t cairn_pagesource_carve(struct cairn_pagesource *source, uint32_t id, uintptr_t base,
                                uintptr_t end);

/* Leaves only [base, end) of a free run. Needs no node. */
void cairn_pagesource_clip(struct cairn_pagesource *source, uint32_t id, uintptr_t base,
                           uintptr_t end);

/* True when a free run is what the block before it may grow over: the block was resized before, and
   the run is not much longer than it. */
bool cairn_pagesource_is_room(const struct cairn_pagesource *source,
                              const struct cairn_pagesource_node *run);

/* Where a block fits best in a tree by length: the node and the address in it; 0 when nowhere. */
uint32_t cairn_pagesource_fit_in(const struct cairn_pagesource *source,
                                 enum cairn_pagesource_tree tree, bool may_take_room,
                                 size_t length_bytes, size_t align_bytes, uintptr_t *start);

/* The same in all free memory: dirty, else fresh, else across both; of each, what is no room
   first. */
uint32_t cairn_pagesource_fit(const struct cairn_pagesource *source, size_t length_bytes,
                              size_t align_bytes, uintptr_t *start);

/* --- calls.c: as in os.h, and counted --------------------------------------------------------- */

/* These three leave the lock. */
uintptr_t cairn_pagesource_os_map(struct cairn_pagesource *source, size_t length_bytes);
bool cairn_pagesource_os_unmap(struct cairn_pagesource *source, uintptr_t base,
                               size_t length_bytes);
bool cairn_pagesource_os_purge(struct cairn_pagesource *source, uintptr_t base,
                               size_t length_bytes);

/* Waits until a call that another thread makes without the lock has ended; false when there is
   none. */
bool cairn_pagesource_await_call(struct cairn_pagesource *source);

uintptr_t cairn_pagesource_os_remap(struct cairn_pagesource *source, uintptr_t base,
                                    size_t old_bytes, size_t new_bytes, bool may_move);
uintptr_t cairn_pagesource_os_sbrk(struct cairn_pagesource *source, intptr_t delta_bytes);
void cairn_pagesource_count_call(struct cairn_pagesource *source, uint64_t *calls, bool is_refused);
uint64_t cairn_pagesource_now_ms(const struct cairn_pagesource *source);

/* --- past.c: the limit ------------------------------------------------------------------------ */

/* Counts bytes against the limit before they are asked of the kernel; false when it forbids them.
   Lock-free. */
bool cairn_pagesource_charge(struct cairn_pagesource *source, size_t more_bytes);
void cairn_pagesource_uncharge(struct cairn_pagesource *source, size_t less_bytes);

/* --- brk.c ------------------------------------------------------------------------------------ */

/* The segment that contains the address; NULL when it is not of the data segment. */
const struct cairn_pagesource_segment *
cairn_pagesource_segment_of(const struct cairn_pagesource *source, uintptr_t address);

/* Notices that others lowered the break into our memory, and forgets what is gone. */
void cairn_pagesource_observe_break(struct cairn_pagesource *source);

/* Extends the data segment so that a block fits: where it does; 0 when it cannot. */
uintptr_t cairn_pagesource_grow_break(struct cairn_pagesource *source, size_t length_bytes,
                                      size_t align_bytes);

/* Extends the segment that ends at `end` by at least `missing_bytes`, if that is where the break
   is. */
bool cairn_pagesource_extend_break(struct cairn_pagesource *source, uintptr_t end,
                                   size_t missing_bytes);

/* Lowers the break over free memory at its top, if any of it is dirty, until `dirty_bytes` dirty
   ones are gone. SIZE_MAX: over all that is free at the top, dirty or not. May leave the lock. */
void cairn_pagesource_shrink_break(struct cairn_pagesource *source, size_t dirty_bytes);

/* Lowers the break over the guard, if nothing lies above it. */
void cairn_pagesource_end_break(struct cairn_pagesource *source);

/* --- grow.c ----------------------------------------------------------------------------------- */

/* By how much to grow if the kernel lets us: 1/8 of what is held, within the configured bounds. */
size_t cairn_pagesource_step_bytes(const struct cairn_pagesource *source);

/* Counts bytes newly held, which were charged before, or no longer held. */
void cairn_pagesource_count_held(struct cairn_pagesource *source, uint32_t origin,
                                 size_t more_bytes);
void cairn_pagesource_discount_held(struct cairn_pagesource *source, uint32_t origin,
                                    size_t less_bytes);

/* Counts [base, end) as newly held, and makes it free and fresh. Takes a promised node. */
void cairn_pagesource_adopt(struct cairn_pagesource *source, uintptr_t base, uintptr_t end,
                            uint32_t origin, uint32_t flags);

/* Obtains address space in which a block fits, by the policy's order of means: where it does; 0
   when all are refused. Leaves the lock, but not after the block fits. */
uintptr_t cairn_pagesource_grow(struct cairn_pagesource *source, size_t length_bytes,
                                size_t align_bytes);

/* --- release.c: leaves the lock --------------------------------------------------------------- */

/* How much dirty free memory may be kept for a while. */
size_t cairn_pagesource_retain_max_bytes(const struct cairn_pagesource *source);

/* Gives dirty memory back until the retain bound is kept; does nothing below it. */
void cairn_pagesource_release_excess(struct cairn_pagesource *source);

/* Gives all dirty memory back, and retries what is pending. Returns how many dirty bytes went. */
size_t cairn_pagesource_purge_all(struct cairn_pagesource *source);

/* Gives all free address space back, dirty or fresh; true when any went. */
bool cairn_pagesource_release_all(struct cairn_pagesource *source);

/* After a refusal: gives all that is free back, or waits for what other threads have in transit.
   True when trying again may help. */
bool cairn_pagesource_relieve(struct cairn_pagesource *source);

/* Unmaps what a node in no tree says, and ends the node; makes it free and pending when that is
   refused. */
bool cairn_pagesource_unmap_node(struct cairn_pagesource *source, uint32_t id);

/* Empties a node in no tree, from its first to its last dirty page, and makes it free; false when
   that is refused. */
bool cairn_pagesource_purge_node(struct cairn_pagesource *source, uint32_t id);

/* --- metadata.c ------------------------------------------------------------------------------- */

/* A piece of metadata, zeroed, in no tree; 0 when refused. Takes up to three nodes. */
uint32_t cairn_pagesource_take_metadata(struct cairn_pagesource *source, size_t length_bytes,
                                        size_t align_bytes);

/* The same for a public reservation. Takes the lock. */
void *cairn_pagesource_reserve_aligned(struct cairn_pagesource *source, size_t length_bytes,
                                       size_t align_bytes);

/* Unmaps all regions, and with them the nodes. */
void cairn_pagesource_end_metadata(struct cairn_pagesource *source);

#endif
