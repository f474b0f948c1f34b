/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pagesource.c - taking, giving back and resizing: what is tried in which order.
 *
 * Taking a block is two steps that know nothing of each other. Growth (grow.c) adds free extents;
 * cutting takes a block out of free extents. So every path, from the first block of a process to
 * the last one before the limit, is the same sentence:
 *
 *     fits into what is free?  -> cut                            no system call
 *     else grow, then cut                                        one system call or two
 *     else give all free address space back, grow, then cut      pressure: limit, rlimit, fragmentation
 *     else NULL
 *
 * Giving back is one insertion, and a look whether too much dirty memory is free by now
 * (release.c). A block that is too large to be worth keeping is unmapped at once.
 *
 * A block has a node, in the tree of blocks: so a pointer that is no block is known as such, and
 * what is given back becomes a free run without any memory for that.
 *
 * The public functions check, take the lock and call a step; the steps assume the lock. Where a
 * step asks the kernel to map, unmap or empty, the lock is left meanwhile, and other threads may
 * change anything but what is in that step's hands.
 */

#include "extents.h"

#include <cairn/base/check.h>

#include <errno.h>
#include <string.h>

/* User addresses have 47 bits on x86-64 unless asked otherwise; so no sum of two lengths can
   wrap. */
static const size_t length_max_bytes = (size_t)1 << 47;

enum {
    MIB = 1024 * 1024,
    COPIES_PER_FAULT = 8,
    TAIL_MIN_BYTES = 64 * 1024, /* shorter ones are not worth a call of their own */
    TAILS_FACTOR = 15,
    REGROWN_MAX_BYTES = 64 * 1024 * 1024
};

/* --- init and fini ---------------------------------------------------------------------------- */

/* Defaults for a pair of bounds; a bound that is given beats the default of the other. */
static void set_bounds(size_t *low, size_t *high, size_t low_default, size_t high_default)
{
    if (*low == 0)
        *low = *high == 0 ? low_default : cairn_min(low_default, *high);
    if (*high == 0)
        *high = cairn_max(high_default, *low);
}

static void set_defaults(struct cairn_pagesource_config *config)
{
    if (config->os.ops == NULL)
        config->os = cairn_os_linux();
    set_bounds(&config->map_threshold_bytes, &config->map_threshold_max_bytes, (size_t)4 * MIB,
               (size_t)32 * MIB);
    set_bounds(&config->growth_min_bytes, &config->growth_max_bytes, (size_t)1 * MIB,
               (size_t)64 * MIB);
    if (config->retain_min_bytes == 0)
        config->retain_min_bytes = CAIRN_PAGESOURCE_RETAIN_BYTES;
}

static bool is_valid(const struct cairn_pagesource_config *config, size_t page_bytes)
{
    size_t all = config->map_threshold_bytes | config->map_threshold_max_bytes |
                 config->growth_min_bytes | config->growth_max_bytes | config->retain_min_bytes |
                 config->limit_bytes;

    if (!cairn_is_pow2(page_bytes) || !cairn_is_aligned(all, page_bytes))
        return false;
    if (config->map_threshold_max_bytes > length_max_bytes ||
        config->growth_max_bytes > length_max_bytes)
        return false;
    return config->map_threshold_bytes <= config->map_threshold_max_bytes &&
           config->growth_min_bytes <= config->growth_max_bytes &&
           (unsigned)config->policy <= CAIRN_PAGESOURCE_MMAP;
}

int cairn_pagesource_init(struct cairn_pagesource *source,
                          const struct cairn_pagesource_config *config)
{
    struct cairn_pagesource_config chosen = {.policy = CAIRN_PAGESOURCE_AUTO};
    size_t page_bytes;

    if (config != NULL)
        chosen = *config;
    set_defaults(&chosen);
    page_bytes = chosen.os.ops->page_bytes(chosen.os.self);
    if (!is_valid(&chosen, page_bytes))
        return -EINVAL;
    /* All but the nodes: untouched pages of them cost nothing. */
    memset(source, 0, offsetof(struct cairn_pagesource, inline_nodes));
    cairn_lock_init(&source->lock, CAIRN_RANK_PAGES);
    source->config = chosen;
    source->stats.page_bytes = page_bytes;
    source->stats.map_threshold_bytes = chosen.map_threshold_bytes;
    source->due_ms = UINT64_MAX;
    source->node_top = 1; /* 0 is no node */
    source->pieces[0] = source->inline_nodes;
    source->piece_count = 1;
    source->lost_base = UINTPTR_MAX;
    return 0;
}

/* What was lost is still mapped; what of it lies in the data segment stays. */
static void unmap_lost(struct cairn_pagesource *source)
{
    uintptr_t above = UINTPTR_MAX;
    uint32_t id;

    while ((id = cairn_pagesource_tree_below(source, CAIRN_TREE_BLOCKS, above, 0)) != 0) {
        above = cairn_extent_node(source, id)->base;
        if (cairn_extent_node(source, id)->origin != CAIRN_EXTENT_MAPPED)
            continue;
        cairn_pagesource_tree_remove(source, CAIRN_TREE_BLOCKS, id);
        (void)cairn_pagesource_unmap_node(source, id);
    }
}

void cairn_pagesource_fini(struct cairn_pagesource *source)
{
    cairn_lock_take(&source->lock);
    CAIRN_CHECK(source->stats.outstanding_bytes == 0, "page source ended with blocks outstanding",
                source, __func__);
    CAIRN_CHECK(source->roots[CAIRN_TREE_RESERVED] == 0, "page source ended with reservations",
                source, __func__);
    cairn_pagesource_observe_break(source);
    cairn_pagesource_release_all(source);
    cairn_pagesource_purge_all(source);
    cairn_pagesource_end_break(source);
    unmap_lost(source);
    cairn_pagesource_end_metadata(source);
    cairn_lock_release(&source->lock);
}

/* --- taking ----------------------------------------------------------------------------------- */

static bool round_length(const struct cairn_pagesource *source, size_t length_bytes,
                         size_t *rounded)
{
    if (length_bytes == 0 || length_bytes > length_max_bytes)
        return false;
    *rounded = cairn_align_up(length_bytes, cairn_pagesource_page_bytes(source));
    return true;
}

/* Finds room for a block, growing if need be: the run and where in it; 0 when there is none. */
static uint32_t find_room(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes,
                          uintptr_t *start)
{
    uint32_t id = cairn_pagesource_fit(source, length_bytes, align_bytes, start);

    if (id != 0)
        return id;
    *start = cairn_pagesource_grow(source, length_bytes, align_bytes);
    if (*start == 0)
        return 0;
    id = cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, *start);
    CAIRN_CHECK(id != 0, "growth did not make room", source, __func__);
    return id;
}

/* Takes one block; 0 when there is none. Rounded length, alignment of a page at least; nodes are
   promised. */
static uintptr_t take_block(struct cairn_pagesource *source, size_t length_bytes,
                            size_t align_bytes, bool *is_zeroed)
{
    uintptr_t base = 0;
    uint32_t id = find_room(source, length_bytes, align_bytes, &base);
    struct cairn_pagesource_node *node;

    if (id == 0)
        return 0;
    CAIRN_ASSERT(cairn_is_aligned(base, align_bytes));
    id = cairn_pagesource_carve(source, id, base, base + length_bytes);
    node = cairn_extent_node(source, id);
    *is_zeroed = cairn_node_dirty_bytes(node) == 0;
    node->flags = 0;
    cairn_pagesource_tree_add(source, CAIRN_TREE_BLOCKS, id);
    source->stats.outstanding_bytes += length_bytes;
    cairn_decay_shrunk(&source->decay, source->stats.free_dirty_bytes);
    return base;
}

static uintptr_t try_alloc(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes,
                           bool *is_zeroed)
{
    uintptr_t base = 0;

    if (cairn_pagesource_promise_nodes(source)) {
        base = take_block(source, length_bytes, align_bytes, is_zeroed);
        cairn_pagesource_end_promise(source);
    }
    return base;
}

void *cairn_pagesource_alloc(struct cairn_pagesource *source, size_t length_bytes,
                             size_t align_bytes, bool *is_zeroed)
{
    bool is_fresh = false;
    uintptr_t base;

    if (!cairn_is_pow2(align_bytes) || align_bytes > length_max_bytes ||
        !round_length(source, length_bytes, &length_bytes))
        return NULL;
    align_bytes = cairn_max(align_bytes, cairn_pagesource_page_bytes(source));
    cairn_lock_take(&source->lock);
    cairn_pagesource_observe_break(source);
    do
        base = try_alloc(source, length_bytes, align_bytes, &is_fresh);
    while (base == 0 && cairn_pagesource_relieve(source));
    cairn_lock_release(&source->lock);
    if (base != 0 && is_zeroed != NULL)
        *is_zeroed = is_fresh;
    return (void *)base;
}

/* --- giving back ------------------------------------------------------------------------------ */

/* The node of the block that the range is, or is a part of. Stops the program when there is
   none. */
static uint32_t block_at(const struct cairn_pagesource *source, uintptr_t base, size_t length_bytes,
                         const char *where)
{
    uint32_t id = cairn_pagesource_tree_at(source, CAIRN_TREE_BLOCKS, base);

    CAIRN_CHECK(cairn_is_aligned(base, cairn_pagesource_page_bytes(source)) && base != 0,
                "pointer is not page-aligned", (void *)base, where);
    if (id != 0 && cairn_extent_node(source, id)->end - base >= length_bytes)
        return id;
    CAIRN_CHECK(!cairn_pagesource_overlaps(source, base, length_bytes), "memory is already free",
                (void *)base, where);
    cairn_panic("memory is not of this page source", (void *)base, where);
}

/* Takes [base, end) out of a block: a node in no tree, which is the block's if nothing else
   remains. 0 when a node is missing; nothing changed. */
static uint32_t split_block(struct cairn_pagesource *source, uint32_t id, uintptr_t base,
                            uintptr_t end)
{
    struct cairn_pagesource_node *block = cairn_extent_node(source, id);
    uintptr_t old_end = block->end;

    if (block->base == base && old_end == end) {
        cairn_pagesource_tree_remove(source, CAIRN_TREE_BLOCKS, id);
        block->fresh_base = block->fresh_end = end;
        block->flags = 0;
        return id;
    }
    if (!cairn_pagesource_may_take_nodes(source, 2))
        return 0;
    if (block->base == base) {
        block->base = end; /* does not change its place among the blocks */
        block->fresh_base = block->fresh_end = old_end;
    } else {
        block->end = block->fresh_base = block->fresh_end = base;
        if (end < old_end)
            cairn_pagesource_tree_add(
                source, CAIRN_TREE_BLOCKS,
                cairn_pagesource_new_node(source, end, old_end, block->origin));
    }
    return cairn_pagesource_new_node(source, base, end, block->origin);
}

/* A mapped block came back: its size is likely to be asked for again. */
static void raise_threshold(struct cairn_pagesource *source, size_t length_bytes)
{
    size_t max_bytes = source->config.map_threshold_max_bytes;

    if (length_bytes >= source->stats.map_threshold_bytes && length_bytes <= max_bytes)
        source->stats.map_threshold_bytes =
            cairn_min(max_bytes, length_bytes + cairn_pagesource_page_bytes(source));
}

static void give_mapped(struct cairn_pagesource *source, uint32_t id, bool is_whole)
{
    size_t length_bytes = cairn_node_bytes(cairn_extent_node(source, id));
    bool is_too_large;

    if (is_whole)
        raise_threshold(source, length_bytes);
    is_too_large = length_bytes >= source->stats.map_threshold_bytes &&
                   length_bytes > cairn_pagesource_retain_max_bytes(source);
    if (is_too_large)
        (void)cairn_pagesource_unmap_node(source, id);
    else
        cairn_pagesource_make_free(source, id);
}

/* Takes a block or a part of one back, and releases the excess. A part without a node stays where
   it is, emptied. */
static void give_block(struct cairn_pagesource *source, uint32_t block, uintptr_t base,
                       size_t length_bytes)
{
    uint32_t id = split_block(source, block, base, base + length_bytes);

    source->stats.outstanding_bytes -= length_bytes;
    if (id == 0) {
        source->stats.lost_bytes += length_bytes;
        (void)cairn_pagesource_os_purge(source, base, length_bytes);
        return;
    }
    if (cairn_extent_node(source, id)->origin == CAIRN_EXTENT_MAPPED)
        give_mapped(source, id, id == block);
    else
        cairn_pagesource_make_free(source, id);
    cairn_pagesource_release_excess(source);
}

void cairn_pagesource_free(struct cairn_pagesource *source, void *base, size_t length_bytes)
{
    size_t rounded = 0;

    CAIRN_CHECK(round_length(source, length_bytes, &rounded), "length is not of a block", base,
                __func__);
    cairn_lock_take(&source->lock);
    cairn_pagesource_observe_break(source);
    give_block(source, block_at(source, (uintptr_t)base, rounded, __func__), (uintptr_t)base,
               rounded);
    cairn_lock_release(&source->lock);
}

/* --- resizing --------------------------------------------------------------------------------- */

/* The free run that begins at the end of a block and has its origin; 0 if there is none. */
static uint32_t run_behind(const struct cairn_pagesource *source,
                           const struct cairn_pagesource_node *block)
{
    uint32_t id = cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, block->end);

    return id != 0 && cairn_extent_node(source, id)->origin == block->origin ? id : 0;
}

/* Where the free memory behind a block ends; where the block does, if there is none. */
static uintptr_t free_end_behind(const struct cairn_pagesource *source,
                                 const struct cairn_pagesource_node *block)
{
    uint32_t id = run_behind(source, block);

    return id != 0 ? cairn_extent_node(source, id)->end : block->end;
}

/* Sets where a block lies, and counts what it has grown by. */
static void set_block(struct cairn_pagesource *source, struct cairn_pagesource_node *block,
                      uintptr_t base, uintptr_t end)
{
    source->stats.outstanding_bytes += end - base - cairn_node_bytes(block);
    block->base = base;
    block->end = block->fresh_base = block->fresh_end = end;
}

/* Extends a block over the free memory behind it, which the data segment may first get more of. */
static bool extend(struct cairn_pagesource *source, struct cairn_pagesource_node *block,
                   uintptr_t new_end)
{
    uintptr_t free_end = free_end_behind(source, block);
    uint32_t id;

    if (free_end < new_end &&
        (block->origin != CAIRN_EXTENT_BREAK ||
         !cairn_pagesource_extend_break(source, free_end, new_end - free_end)))
        return false;
    id = run_behind(source, block);
    cairn_pagesource_clip(source, id, new_end, cairn_extent_node(source, id)->end);
    source->regrown_bytes =
        cairn_min(source->regrown_bytes + (new_end - block->end), (size_t)REGROWN_MAX_BYTES);
    set_block(source, block, block->base, new_end);
    cairn_decay_shrunk(&source->decay, source->stats.free_dirty_bytes);
    return true;
}

/* Lets the kernel find the room for a mapped block, and for room_bytes behind it; false when it
   cannot. */
static bool remap_block(struct cairn_pagesource *source, uint32_t id, size_t new_bytes,
                        size_t room_bytes, bool may_move)
{
    struct cairn_pagesource_node *block = cairn_extent_node(source, id);
    size_t more_bytes = new_bytes + room_bytes - cairn_node_bytes(block);
    uintptr_t moved;

    if (!cairn_pagesource_charge(source, more_bytes))
        return false;
    moved = cairn_pagesource_os_remap(source, block->base, cairn_node_bytes(block),
                                      new_bytes + room_bytes, may_move);
    if (moved == 0) {
        cairn_pagesource_uncharge(source, more_bytes);
        return false;
    }
    cairn_pagesource_count_held(source, CAIRN_EXTENT_MAPPED, more_bytes - room_bytes);
    cairn_pagesource_tree_remove(source, CAIRN_TREE_BLOCKS, id);
    set_block(source, block, moved, moved + new_bytes);
    cairn_pagesource_tree_add(source, CAIRN_TREE_BLOCKS, id);
    if (room_bytes > 0)
        cairn_pagesource_adopt(source, moved + new_bytes, moved + new_bytes + room_bytes,
                               CAIRN_EXTENT_MAPPED, 0);
    return true;
}

/* A block that grows is likely to grow again: behind one that has to move there is room, which
   costs nothing until it is touched. */
static bool move_block(struct cairn_pagesource *source, uint32_t id, size_t new_bytes,
                       bool may_move)
{
    const struct cairn_pagesource_node *block = cairn_extent_node(source, id);
    size_t room_bytes = may_move ? cairn_min(new_bytes, source->config.growth_max_bytes) : 0;

    if (block->origin == CAIRN_EXTENT_BREAK)
        return false;
    return (room_bytes > 0 && remap_block(source, id, new_bytes, room_bytes, may_move)) ||
           remap_block(source, id, new_bytes, 0, may_move);
}

/* True when it costs less to copy the block into memory that was touched before than to touch new
   pages, and no other block's room is taken for it. */
static bool is_worth_copying(const struct cairn_pagesource *source, size_t old_bytes,
                             size_t new_bytes)
{
    uintptr_t start;

    return (new_bytes - old_bytes) * COPIES_PER_FAULT >= old_bytes &&
           cairn_pagesource_fit_in(source, CAIRN_TREE_DIRTY, false, new_bytes,
                                   cairn_pagesource_page_bytes(source), &start) != 0;
}

static bool grow_block(struct cairn_pagesource *source, uint32_t id, size_t new_bytes,
                       bool may_move)
{
    struct cairn_pagesource_node *block = cairn_extent_node(source, id);
    uintptr_t new_end = block->base + new_bytes;
    bool is_grown;

    if (may_move && free_end_behind(source, block) < new_end &&
        is_worth_copying(source, cairn_node_bytes(block), new_bytes))
        return false;
    if (!cairn_pagesource_promise_nodes(source))
        return false;
    is_grown = extend(source, block, new_end) || move_block(source, id, new_bytes, may_move);
    block->flags |= is_grown ? CAIRN_EXTENT_RESIZED : 0;
    cairn_pagesource_end_promise(source);
    return is_grown;
}

/* True when what is cut off a block is to stay for it to grow again, like all that is free. While
   much is free already, only as much stays as blocks grew over again lately. */
static bool tail_stays(struct cairn_pagesource *source, size_t length_bytes)
{
    size_t dirty_bytes = source->stats.free_dirty_bytes + length_bytes;

    if (length_bytes < TAIL_MIN_BYTES || source->config.retain_ms == UINT32_MAX ||
        dirty_bytes <= TAILS_FACTOR * source->config.retain_min_bytes)
        return true;
    if (source->regrown_bytes < length_bytes)
        return false;
    source->regrown_bytes -= length_bytes;
    return true;
}

/* What does not stay is emptied at once, for the program has said that it does not need it; its
   addresses stay. The nodes for it are there. */
static void give_tail(struct cairn_pagesource *source, uint32_t block, uintptr_t base,
                      size_t length_bytes)
{
    uint32_t id;

    cairn_extent_node(source, block)->flags |= CAIRN_EXTENT_RESIZED;
    if (tail_stays(source, length_bytes)) {
        give_block(source, block, base, length_bytes);
        return;
    }
    id = split_block(source, block, base, base + length_bytes);
    CAIRN_ASSERT(id != 0 && id != block);
    source->stats.outstanding_bytes -= length_bytes;
    (void)cairn_pagesource_purge_node(source, id);
}

static uintptr_t resize_block(struct cairn_pagesource *source, uintptr_t base, size_t old_bytes,
                              size_t new_bytes, bool may_move)
{
    uint32_t id = block_at(source, base, old_bytes, "cairn_pagesource_resize");

    if (new_bytes > old_bytes)
        return grow_block(source, id, new_bytes, may_move) ? cairn_extent_node(source, id)->base
                                                           : 0;
    if (new_bytes < old_bytes) {
        if (!cairn_pagesource_may_take_nodes(source, 2))
            return 0;
        give_tail(source, id, base + new_bytes, old_bytes - new_bytes);
    }
    return base;
}

void *cairn_pagesource_resize(struct cairn_pagesource *source, void *base, size_t old_bytes,
                              size_t new_bytes, size_t align_bytes, bool may_move)
{
    uintptr_t resized;

    if (!round_length(source, new_bytes, &new_bytes))
        return NULL;
    CAIRN_CHECK(round_length(source, old_bytes, &old_bytes), "length is not of a block", base,
                __func__);
    /* The kernel aligns what it moves to pages only. */
    may_move = may_move && align_bytes <= cairn_pagesource_page_bytes(source);
    cairn_lock_take(&source->lock);
    cairn_pagesource_observe_break(source);
    resized = resize_block(source, (uintptr_t)base, old_bytes, new_bytes, may_move);
    cairn_lock_release(&source->lock);
    return (void *)resized;
}
