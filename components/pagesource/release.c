/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * release.c - gives free memory back to the kernel: when, which, and what follows when the kernel
 * refuses.
 *
 * Idea. A page that goes back and is wanted again costs a page fault, as much as hundreds of
 * allocations; one that stays costs memory that others could use. So dirty memory up to a first
 * bound stays until it was idle for some epochs (decay.h). What is above it is released when it was
 * idle for one, and what is above a second bound at once, in this order:
 *
 *     1  the top of the data segment, by sbrk         whatever else lies there stays contiguous
 *     2  the largest run that fits into the excess     unmapped when it is a mapped one, and the address space goes, too;
 *                                                      else emptied, and the address space stays: fresh
 *     3  a part of a run that does not fit             the block that left it behind fits into it again
 *
 * Above the second bound an eighth of it more is released than needed, so that a program which
 * shrinks slowly does not pay one system call per block.
 *
 * A run that goes is first taken out of the trees, so that no other thread can get it, and then
 * given to the kernel without the lock; it still counts as held. What remains of it is put back
 * afterwards.
 *
 * munmap fails when the hole would need one mapping more than the process may have. The run is
 * marked pending and stays free memory, usable; purge and memory pressure try again, together with
 * whatever has become free beside it. A refusal ends the release, so that a kernel which always
 * refuses (mlockall) costs two calls per free and not one per run.
 */

#include "extents.h"

#include <cairn/base/check.h>

/* How many times the least that is kept may wait for its time. */
enum { RETAIN_MAX_FACTOR = 16 };

/* --- runs on their way ------------------------------------------------------------------------ */

bool cairn_pagesource_unmap_node(struct cairn_pagesource *source, uint32_t id)
{
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    size_t bytes = cairn_node_bytes(node);
    bool is_gone;

    CAIRN_ASSERT(node->origin == CAIRN_EXTENT_MAPPED);
    source->stats.transit_bytes += bytes;
    is_gone = cairn_pagesource_os_unmap(source, node->base, bytes);
    source->stats.transit_bytes -= bytes;
    if (is_gone) {
        cairn_pagesource_discount_held(source, CAIRN_EXTENT_MAPPED, bytes);
        cairn_pagesource_end_node(source, id);
    } else {
        node->flags |= CAIRN_EXTENT_PENDING;
        cairn_pagesource_make_free(source, id);
    }
    return is_gone;
}

bool cairn_pagesource_purge_node(struct cairn_pagesource *source, uint32_t id)
{
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    size_t bytes = cairn_node_bytes(node);
    uintptr_t base = node->fresh_base == node->base ? node->fresh_end : node->base;
    uintptr_t end = node->fresh_end == node->end ? node->fresh_base : node->end;
    bool is_empty;

    source->stats.transit_bytes += bytes;
    is_empty = cairn_pagesource_os_purge(source, base, end - base);
    source->stats.transit_bytes -= bytes;
    if (is_empty) {
        node->fresh_base = node->base;
        node->fresh_end = node->end;
    }
    cairn_pagesource_make_free(source, id);
    return is_empty;
}

/* True when the run should be unmapped rather than emptied. */
static bool is_worth_unmapping(const struct cairn_pagesource *source,
                               const struct cairn_pagesource_node *node)
{
    return node->origin == CAIRN_EXTENT_MAPPED && cairn_node_dirty_bytes(node) > 0 &&
           cairn_node_bytes(node) >= source->config.growth_min_bytes &&
           !cairn_pagesource_is_room(source, node);
}

/* --- down to a bound -------------------------------------------------------------------------- */

/* What is kept whatever the history. */
static size_t retain_bytes(const struct cairn_pagesource *source)
{
    return cairn_max(source->config.retain_min_bytes, source->stats.outstanding_bytes / 8);
}

size_t cairn_pagesource_retain_max_bytes(const struct cairn_pagesource *source)
{
    size_t bytes = retain_bytes(source);

    if (source->config.retain_ms == UINT32_MAX)
        return SIZE_MAX;

    /* A size that came and went comes again: the block that raised the border is worth keeping
       whole. */
    if (source->stats.map_threshold_bytes > source->config.map_threshold_bytes)
        bytes = cairn_max(bytes, source->stats.map_threshold_bytes);
    if (source->config.retain_ms == 0)
        return bytes;
    return cairn_max(bytes, cairn_max(RETAIN_MAX_FACTOR * source->config.retain_min_bytes,
                                      source->stats.outstanding_bytes));
}

/* How much dirty memory has lain idle for its time, if that can be said now: for one epoch what is
   beyond the least, for some of them all. */
static size_t idle_bytes(struct cairn_pagesource *source, size_t dirty_bytes)
{
    size_t spare_bytes = dirty_bytes - cairn_min(dirty_bytes, retain_bytes(source));
    size_t idle_bytes = 0;
    uint64_t due_ms = UINT64_MAX;

    if (source->config.retain_ms != 0 && source->config.retain_ms != UINT32_MAX &&
        dirty_bytes > 0) {
        idle_bytes = cairn_decay_note(&source->decay, cairn_pagesource_now_ms(source),
                                      source->config.retain_ms, dirty_bytes);
        idle_bytes = cairn_max(cairn_min(idle_bytes, spare_bytes), source->decay.old_bytes);
        if (idle_bytes < dirty_bytes)
            due_ms = source->decay.epoch_ms + source->config.retain_ms;
    }
    cairn_store_relaxed(&source->due_ms, due_ms);
    cairn_store_relaxed(&source->is_over_base, due_ms != UINT64_MAX && spare_bytes > idle_bytes);
    return idle_bytes;
}

/* How much dirty memory is to be given back now. */
static size_t excess_bytes(struct cairn_pagesource *source)
{
    size_t dirty_bytes = source->stats.free_dirty_bytes;
    size_t most_bytes = cairn_pagesource_retain_max_bytes(source);
    size_t excess = idle_bytes(source, dirty_bytes);

    if (dirty_bytes > most_bytes)
        excess = cairn_max(excess, dirty_bytes - (most_bytes - most_bytes / 8));
    return cairn_align_up(excess, cairn_pagesource_page_bytes(source));
}

/* The longest dirty part that fits into the excess, else the shortest of all: the number of its
   run. */
static uint32_t choose(const struct cairn_pagesource *source, size_t excess)
{
    uint32_t id = cairn_pagesource_tree_below(source, CAIRN_TREE_DIRTY, excess + 1, 0);

    return id != 0 ? id : cairn_pagesource_tree_from(source, CAIRN_TREE_DIRTY, 1, 0);
}

/* Empties the longer dirty part of a run, but no more than `excess`, beside what is fresh; how
   much, 0 when refused. */
static size_t purge_part(struct cairn_pagesource *source, uint32_t id, size_t excess)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    size_t low_bytes = node->fresh_base - node->base;
    size_t high_bytes = node->end - node->fresh_end;
    size_t bytes = cairn_min(cairn_max(low_bytes, high_bytes), excess);
    uintptr_t base = low_bytes >= high_bytes ? node->fresh_base - bytes : node->fresh_end;

    if (!cairn_pagesource_may_take_nodes(source, 2))
        return 0;
    id = cairn_pagesource_carve(source, id, base, base + bytes);
    return cairn_pagesource_purge_node(source, id) ? bytes : 0;
}

void cairn_pagesource_release_excess(struct cairn_pagesource *source)
{
    size_t excess = excess_bytes(source);
    size_t dirty_bytes = source->stats.free_dirty_bytes;
    bool may_unmap = true;
    uint32_t id;

    if (excess == 0)
        return;
    cairn_pagesource_shrink_break(source, excess);
    excess -= cairn_min(excess, dirty_bytes - source->stats.free_dirty_bytes);
    while (excess > 0 && (id = choose(source, excess)) != 0) {
        const struct cairn_pagesource_node *node = cairn_extent_node(source, id);
        size_t gone_bytes = cairn_node_dirty_bytes(node);

        if (may_unmap && gone_bytes <= excess && is_worth_unmapping(source, node)) {
            cairn_pagesource_detach(source, id);
            may_unmap = cairn_pagesource_unmap_node(source, id);
            gone_bytes = may_unmap ? gone_bytes : 0;
        } else {
            gone_bytes = purge_part(source, id, excess);
            if (gone_bytes == 0)
                break;
        }
        excess -= gone_bytes;
    }
    cairn_decay_shrunk(&source->decay, source->stats.free_dirty_bytes);
}

void cairn_pagesource_tick(struct cairn_pagesource *source)
{
    uint64_t due_ms = cairn_load_relaxed(&source->due_ms);

    if (due_ms == UINT64_MAX || cairn_pagesource_now_ms(source) < due_ms)
        return;
    cairn_lock_take(&source->lock);
    cairn_pagesource_observe_break(source);
    cairn_pagesource_release_excess(source);
    cairn_lock_release(&source->lock);
}

void cairn_pagesource_set_bounds(struct cairn_pagesource *source,
                                 const struct cairn_pagesource_bounds *bounds)
{
    size_t all_bytes = bounds->retain_min_bytes | bounds->limit_bytes;

    CAIRN_CHECK(cairn_is_aligned(all_bytes, cairn_pagesource_page_bytes(source)),
                "bound is not of whole pages", source, __func__);
    cairn_lock_take(&source->lock);
    source->config.retain_min_bytes = bounds->retain_min_bytes != 0
                                          ? bounds->retain_min_bytes
                                          : (size_t)CAIRN_PAGESOURCE_RETAIN_BYTES;
    cairn_store_relaxed(&source->config.limit_bytes, bounds->limit_bytes);
    source->limited_at_bytes = cairn_load_relaxed(&source->charged_bytes);
    source->config.retain_ms = bounds->retain_ms;
    cairn_store_relaxed(&source->due_ms, 0); /* to be looked at anew */
    cairn_lock_release(&source->lock);
}

/* --- everything ------------------------------------------------------------------------------- */

/* Tries to unmap a run, if that is worth it, and else to empty it; how many dirty bytes went. */
static size_t purge_run(struct cairn_pagesource *source, uint32_t id, bool *may_purge)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    uintptr_t base = node->base;
    size_t dirty_bytes = cairn_node_dirty_bytes(node);

    if ((node->flags & CAIRN_EXTENT_PENDING) != 0 || is_worth_unmapping(source, node)) {
        cairn_pagesource_detach(source, id);
        if (cairn_pagesource_unmap_node(source, id))
            return dirty_bytes;
        id = cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, base);
    }
    if (id == 0 || !*may_purge)
        return 0;
    dirty_bytes = cairn_node_dirty_bytes(cairn_extent_node(source, id));
    if (dirty_bytes == 0)
        return 0;
    cairn_pagesource_detach(source, id);
    *may_purge = cairn_pagesource_purge_node(source, id);
    return *may_purge ? dirty_bytes : 0;
}

size_t cairn_pagesource_purge_all(struct cairn_pagesource *source)
{
    size_t gone_bytes = source->stats.free_dirty_bytes;
    uintptr_t above = UINTPTR_MAX;
    bool may_purge = true;
    uint32_t id;

    CAIRN_ASSERT(cairn_lock_is_held(&source->lock));
    cairn_pagesource_shrink_break(source, SIZE_MAX);
    gone_bytes -= source->stats.free_dirty_bytes;
    while ((id = cairn_pagesource_tree_below(source, CAIRN_TREE_FREE, above, 0)) != 0) {
        above = cairn_extent_node(source, id)->base;
        gone_bytes += purge_run(source, id, &may_purge);
    }
    cairn_decay_shrunk(&source->decay, source->stats.free_dirty_bytes);
    return gone_bytes;
}

bool cairn_pagesource_release_all(struct cairn_pagesource *source)
{
    size_t brk_bytes = source->stats.brk_bytes;
    uintptr_t above = UINTPTR_MAX;
    bool is_any_gone;
    uint32_t id;

    cairn_pagesource_shrink_break(source, SIZE_MAX);
    is_any_gone = source->stats.brk_bytes < brk_bytes;
    while ((id = cairn_pagesource_tree_below(source, CAIRN_TREE_FREE, above, 0)) != 0) {
        above = cairn_extent_node(source, id)->base;
        if (cairn_extent_node(source, id)->origin != CAIRN_EXTENT_MAPPED)
            continue;
        cairn_pagesource_detach(source, id);
        is_any_gone = cairn_pagesource_unmap_node(source, id) || is_any_gone;
    }
    return is_any_gone;
}

bool cairn_pagesource_relieve(struct cairn_pagesource *source)
{
    return cairn_pagesource_release_all(source) || cairn_pagesource_await_call(source);
}

bool cairn_pagesource_release(struct cairn_pagesource *source)
{
    bool is_any_gone;

    cairn_lock_take(&source->lock);
    cairn_pagesource_observe_break(source);
    is_any_gone = cairn_pagesource_relieve(source);
    cairn_lock_release(&source->lock);
    return is_any_gone;
}

size_t cairn_pagesource_purge(struct cairn_pagesource *source)
{
    size_t released_bytes;

    cairn_lock_take(&source->lock);
    cairn_pagesource_observe_break(source);
    released_bytes = cairn_pagesource_purge_all(source);
    cairn_lock_release(&source->lock);
    return released_bytes;
}

int cairn_pagesource_purge_range(struct cairn_pagesource *source, void *base, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    size_t page_mask = cairn_pagesource_page_bytes(source) - 1;
    int result;

    CAIRN_CHECK((((uintptr_t)base | length_bytes) & page_mask) == 0, "range is not of whole pages",
                base, __func__);
    if (length_bytes == 0)
        return 0;
    result = os->ops->purge(os->self, base, length_bytes);
    cairn_lock_take(&source->lock);
    cairn_pagesource_count_call(source, &source->stats.purge_calls, result != 0);
    cairn_lock_release(&source->lock);
    return result;
}
