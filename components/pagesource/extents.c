/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * extents.c - free runs: merging, cutting, best fit.
 *
 * Idea. Touching free memory of one origin is one run, and one node. Of what in it reads as zero,
 * the longest stretch is remembered; the rest counts as dirty, though some of it may never have
 * been touched:
 *
 *     address ->        taken |====dirty====|....fresh....|==dirty==| taken
 *                             base     fresh_base     fresh_end    end
 *
 * A run is in the tree by address, in which its neighbours are found, and in up to three trees by
 * length, from which a block is taken in this order: where a dirty part holds it, where a fresh
 * part does, and across both. Of equal lengths the lowest address comes first.
 *
 * An alignment beyond a page may not fit where the length does. Some runs are tried in the order of
 * their lengths; then one is taken in which the block fits wherever it lies.
 *
 * The sums in stats change where a run enters or leaves its trees, and nowhere else. Cost: O(log
 * runs).
 */

#include "extents.h"

#include <cairn/base/check.h>

enum { TRIES_MAX = 32, ROOMS_MAX = 4, ROOM_FACTOR = 16 };

bool cairn_pagesource_overlaps(const struct cairn_pagesource *source, uintptr_t base,
                               size_t length_bytes)
{
    uint32_t id = cairn_pagesource_tree_below(source, CAIRN_TREE_FREE, base + length_bytes, 0);

    return id != 0 && cairn_extent_node(source, id)->end > base;
}

/* Adds a run to the sums; subtracts it when `weight` is -1 (unsigned arithmetic wraps as
   wanted). */
static void count(struct cairn_pagesource *source, const struct cairn_pagesource_node *node,
                  size_t weight)
{
    source->stats.free_extent_count += weight;
    source->stats.free_bytes += weight * cairn_node_bytes(node);
    source->stats.free_dirty_bytes += weight * cairn_node_dirty_bytes(node);
    if ((node->flags & CAIRN_EXTENT_PENDING) != 0)
        source->stats.unmap_pending_bytes += weight * cairn_node_bytes(node);
}

static void enter_lengths(struct cairn_pagesource *source, uint32_t id)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    CAIRN_ASSERT(node->base != 0 && node->base < node->end);
    if (node->origin == CAIRN_EXTENT_METADATA) {
        cairn_pagesource_tree_add(source, CAIRN_TREE_SPARE, id);
        return;
    }
    CAIRN_ASSERT(cairn_is_aligned(node->base | node->end, cairn_pagesource_page_bytes(source)));
    for (enum cairn_pagesource_tree tree = CAIRN_TREE_DIRTY; tree <= CAIRN_TREE_MIXED; tree++)
        if (cairn_pagesource_measure(node, tree) != 0)
            cairn_pagesource_tree_add(source, tree, id);
    count(source, node, 1);
}

/* Before its length changes, or what of it is fresh. */
static void leave_lengths(struct cairn_pagesource *source, uint32_t id)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    if (node->origin == CAIRN_EXTENT_METADATA) {
        cairn_pagesource_tree_remove(source, CAIRN_TREE_SPARE, id);
        return;
    }
    for (enum cairn_pagesource_tree tree = CAIRN_TREE_DIRTY; tree <= CAIRN_TREE_MIXED; tree++)
        if (cairn_pagesource_measure(node, tree) != 0)
            cairn_pagesource_tree_remove(source, tree, id);
    count(source, node, (size_t)-1);
}

/* Puts a run, which touches no other, or a piece of spare metadata into its trees. */
static void attach(struct cairn_pagesource *source, uint32_t id)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    if (node->origin != CAIRN_EXTENT_METADATA) {
        CAIRN_ASSERT(!cairn_pagesource_overlaps(source, node->base, cairn_node_bytes(node)));
        cairn_pagesource_tree_add(source, CAIRN_TREE_FREE, id);
    }
    enter_lengths(source, id);
}

void cairn_pagesource_detach(struct cairn_pagesource *source, uint32_t id)
{
    leave_lengths(source, id);
    if (cairn_extent_node(source, id)->origin != CAIRN_EXTENT_METADATA)
        cairn_pagesource_tree_remove(source, CAIRN_TREE_FREE, id);
}

/* Changes what a node covers and, within that, what is fresh. */
static void set_range(struct cairn_pagesource_node *node, uintptr_t base, uintptr_t end,
                      uintptr_t fresh_base, uintptr_t fresh_end)
{
    node->base = base;
    node->end = end;
    node->fresh_base = cairn_max(base, fresh_base);
    node->fresh_end = cairn_min(end, fresh_end);
    if (node->fresh_base >= node->fresh_end)
        node->fresh_base = node->fresh_end = end;
}

/* --- merging ---------------------------------------------------------------------------------- */

/* What is fresh of two runs becomes one where it touches; otherwise the longer of both is known
   on. */
static void join(struct cairn_pagesource_node *node, const struct cairn_pagesource_node *low,
                 const struct cairn_pagesource_node *high)
{
    const struct cairn_pagesource_node *fresher =
        cairn_node_fresh_bytes(low) >= cairn_node_fresh_bytes(high) ? low : high;
    bool is_joined = low->fresh_end == high->fresh_base && low->end == high->base;

    CAIRN_ASSERT(low->end == high->base && low->origin == high->origin);
    node->flags = low->flags | high->flags;
    set_range(node, low->base, high->end, is_joined ? low->fresh_base : fresher->fresh_base,
              is_joined ? high->fresh_end : fresher->fresh_end);
}

/* Merges two runs that touch and are in no tree by length. The one that is kept keeps its place in
   the tree by address. */
static void merge(struct cairn_pagesource *source, uint32_t kept, uint32_t gone)
{
    struct cairn_pagesource_node *node = cairn_extent_node(source, kept);
    const struct cairn_pagesource_node old = *node;
    const struct cairn_pagesource_node other = *cairn_extent_node(source, gone);

    if (other.base < old.base)
        join(node, &other, &old);
    else
        join(node, &old, &other);
    cairn_pagesource_end_node(source, gone);
}

/* The run that contains the address, if it is of that origin; 0 if not. */
static uint32_t run_at(const struct cairn_pagesource *source, uintptr_t address, uint32_t origin)
{
    uint32_t id = cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, address);

    return id != 0 && cairn_extent_node(source, id)->origin == origin ? id : 0;
}

/* Puts a run into the trees, merged with its neighbours. */
static void attach_merged(struct cairn_pagesource *source, uint32_t id)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    uint32_t low = run_at(source, node->base - 1, node->origin);
    uint32_t high = run_at(source, node->end, node->origin);

    if (low == 0 && high == 0) {
        attach(source, id);
        return;
    }
    if (low != 0) {
        leave_lengths(source, low);
        merge(source, low, id);
        id = low;
    }
    if (high != 0) {
        leave_lengths(source, high);
        if (low != 0) {
            cairn_pagesource_tree_remove(source, CAIRN_TREE_FREE, high);
            merge(source, low, high);
        } else {
            merge(source, high, id);
            id = high;
        }
    }
    enter_lengths(source, id);
}

void cairn_pagesource_make_free(struct cairn_pagesource *source, uint32_t id)
{
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    uintptr_t end = node->origin == CAIRN_EXTENT_BREAK
                        ? cairn_max(node->base, cairn_min(node->end, source->lost_base))
                        : node->end;

    if (end < node->end) {
        cairn_pagesource_discount_held(source, node->origin, node->end - end);
        set_range(node, node->base, end, node->fresh_base, node->fresh_end);
    }
    if (node->base == end)
        cairn_pagesource_end_node(source, id);
    else if (node->origin == CAIRN_EXTENT_METADATA)
        attach(source, id);
    else
        attach_merged(source, id);
}

/* --- cutting ---------------------------------------------------------------------------------- */

/* Makes [base, end), a part of what `whole` was, a node of its own, in no tree. */
static uint32_t new_part(struct cairn_pagesource *source, const struct cairn_pagesource_node *whole,
                         uintptr_t base, uintptr_t end)
{
    uint32_t id = cairn_pagesource_new_node(source, base, end, whole->origin);
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    node->flags = whole->flags;
    set_range(node, base, end, whole->fresh_base, whole->fresh_end);
    return id;
}

/* What is left of the run before the part, or else behind it, keeps the node and its place in the
   tree by address. */
uint32_t cairn_pagesource_carve(struct cairn_pagesource *source, uint32_t id, uintptr_t base,
                                uintptr_t end)
{
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    const struct cairn_pagesource_node whole = *node;
    uint32_t part;

    CAIRN_ASSERT(whole.base <= base && base < end && end <= whole.end);
    if (base == whole.base && end == whole.end) {
        cairn_pagesource_detach(source, id);
        return id;
    }
    leave_lengths(source, id);
    part = new_part(source, &whole, base, end);
    if (whole.base == base)
        set_range(node, end, whole.end, whole.fresh_base, whole.fresh_end);
    else
        set_range(node, whole.base, base, whole.fresh_base, whole.fresh_end);
    if (whole.base != base && end != whole.end)
        attach(source, new_part(source, &whole, end, whole.end));
    enter_lengths(source, id);
    return part;
}

void cairn_pagesource_clip(struct cairn_pagesource *source, uint32_t id, uintptr_t base,
                           uintptr_t end)
{
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    CAIRN_ASSERT(node->base <= base && base <= end && end <= node->end);
    if (base == end) {
        cairn_pagesource_detach(source, id);
        cairn_pagesource_end_node(source, id);
        return;
    }
    leave_lengths(source, id);
    set_range(node, base, end, node->fresh_base, node->fresh_end);
    enter_lengths(source, id);
}

/* --- best fit --------------------------------------------------------------------------------- */

struct request {
    size_t length_bytes;
    size_t align_bytes;
};

static bool fits(const struct request *request, uintptr_t base, uintptr_t end, uintptr_t *start)
{
    *start = cairn_align_up(base, request->align_bytes);
    return *start >= base && *start < end && end - *start >= request->length_bytes;
}

/* Of two dirty parts the shorter one is tried first. */
static bool fits_node(const struct request *request, const struct cairn_pagesource_node *node,
                      enum cairn_pagesource_tree tree, uintptr_t *start)
{
    bool is_low_first = node->fresh_base - node->base <= node->end - node->fresh_end;

    if (tree == CAIRN_TREE_FRESH)
        return fits(request, node->fresh_base, node->fresh_end, start);
    if (tree != CAIRN_TREE_DIRTY)
        return fits(request, node->base, node->end, start);
    return (is_low_first && fits(request, node->base, node->fresh_base, start)) ||
           fits(request, node->fresh_end, node->end, start) ||
           fits(request, node->base, node->fresh_base, start);
}

bool cairn_pagesource_is_room(const struct cairn_pagesource *source,
                              const struct cairn_pagesource_node *run)
{
    const struct cairn_pagesource_node *block;
    uint32_t id;

    if (run->origin != CAIRN_EXTENT_MAPPED)
        return false;
    id = cairn_pagesource_tree_at(source, CAIRN_TREE_BLOCKS, run->base - 1);
    if (id == 0)
        return false;
    block = cairn_extent_node(source, id);
    return (block->flags & CAIRN_EXTENT_RESIZED) != 0 && block->origin == CAIRN_EXTENT_MAPPED &&
           cairn_node_bytes(run) <= ROOM_FACTOR * cairn_node_bytes(block);
}

/* Runs from `id` on, in the order of their lengths: the first that fits and is no room; where a few
   that fit are all rooms, the first of these if it may be taken. 0: none; *rest is the first that
   was not tried. */
static uint32_t fit_from(const struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                         bool may_take_room, const struct request *request, uint32_t id,
                         uintptr_t *start, uint32_t *rest)
{
    unsigned rooms = 0;
    uint32_t room = 0;
    uintptr_t at;

    for (unsigned tries = 0; id != 0 && tries < TRIES_MAX && rooms < ROOMS_MAX; tries++) {
        const struct cairn_pagesource_node *node = cairn_extent_node(source, id);

        if (fits_node(request, node, tree, &at)) {
            bool is_room = tree != CAIRN_TREE_SPARE && cairn_pagesource_is_room(source, node);

            if (!is_room || (may_take_room && room == 0)) {
                *start = at;
                room = id;
            }
            if (!is_room)
                return id;
            rooms++;
        }
        id = cairn_pagesource_tree_from(source, tree, cairn_pagesource_measure(node, tree),
                                        node->base + 1);
    }
    *rest = rooms < ROOMS_MAX ? id : 0;
    return room;
}

uint32_t cairn_pagesource_fit_in(const struct cairn_pagesource *source,
                                 enum cairn_pagesource_tree tree, bool may_take_room,
                                 size_t length_bytes, size_t align_bytes, uintptr_t *start)
{
    const struct request request = {length_bytes, align_bytes};
    size_t granule_bytes =
        tree == CAIRN_TREE_SPARE ? CAIRN_CACHE_LINE_BYTES : cairn_pagesource_page_bytes(source);
    uint32_t id = cairn_pagesource_tree_from(source, tree, length_bytes, 0);
    uint32_t rest = 0;

    id = fit_from(source, tree, may_take_room, &request, id, start, &rest);
    if (id != 0 || rest == 0 || !may_take_room)
        return id;
    id = cairn_pagesource_tree_from(source, tree, length_bytes + align_bytes - granule_bytes, 0);
    return id != 0 && fits_node(&request, cairn_extent_node(source, id), tree, start) ? id : 0;
}

uint32_t cairn_pagesource_fit(const struct cairn_pagesource *source, size_t length_bytes,
                              size_t align_bytes, uintptr_t *start)
{
    uint32_t id = 0;

    if (source->stats.free_bytes < length_bytes)
        return 0;
    for (enum cairn_pagesource_tree tree = CAIRN_TREE_DIRTY; id == 0 && tree <= CAIRN_TREE_MIXED;
         tree++)
        id = cairn_pagesource_fit_in(source, tree, true, length_bytes, align_bytes, start);
    return id;
}
