/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * buddy.c - runs of granules out of blocks: alloc, free, resize, and the source that they make.
 *
 *     alloc(5 granules)   take a block of 8    |========= A =========|   blocks.c
 *                       spill the tail       | the run |  5  |6   7|   blocks.c
 *                       mark the run         |S u u u u|     |     |   runs.c: S start, u in use
 *     free(run, 5)      a run, and of 5?     |S u u u u|     |     |   runs.c
 *                       release [0, 5)       |========= A =========|   blocks.c
 *
 * A run of n granules needs a block of the least order that holds n granules and is aligned as
 * asked; the lowest of the smallest free blocks is taken. Nothing is changed before it is certain
 * that the call succeeds.
 *
 * Who asks for misuse: the start bit tells a run from the inside of one and from free memory; the
 * end of the run (the next start, or the next granule that is not in use) tells whether the length
 * is right. Both are bits that lie away from the memory, so no overflow of a block can forge them.
 * A stretch being purged has the bits of a run that is not dirty: it is not one that can be freed.
 *
 * Cost. See blocks.c for the steps of each call.
 */

#include "buddy_internal.h"

#include <cairn/base/align.h>

/* Over a range, the address of granule 0 where the range is mapped now. Over a source 0. */
static uintptr_t origin_of(const struct cairn_buddy *buddy)
{
    return cairn_buddy_is_over_source(buddy) ? 0 : (uintptr_t)buddy + buddy->shape.origin;
}

void *cairn_buddy_address_of(const struct cairn_buddy *buddy, size_t granule)
{
    const struct cairn_buddy_shape *shape = &buddy->shape;
    uintptr_t base;

    CAIRN_ASSERT(granule < shape->granule_count);
    if (!cairn_buddy_is_over_source(buddy))
        return (void *)(origin_of(buddy) + (granule << shape->granule_shift));
    base = cairn_buddy_const_slots(buddy)[granule >> shape->top_order].base;
    CAIRN_ASSERT(base != 0);
    return (void *)(base +
                    ((granule << shape->granule_shift) & (((size_t)1 << shape->chunk_shift) - 1)));
}

/* The granule in which a pointer lies, or CAIRN_BUDDY_NONE when this buddy does not hold it. */
static size_t granule_of(const struct cairn_buddy *buddy, const void *pointer)
{
    const struct cairn_buddy_shape *shape = &buddy->shape;
    uintptr_t address = (uintptr_t)pointer;
    size_t granule, slot;

    if (!cairn_buddy_is_over_source(buddy)) {
        granule = (address - origin_of(buddy)) >> shape->granule_shift;
        return granule >= shape->lead_granules && granule < shape->granule_count ? granule
                                                                                 : CAIRN_BUDDY_NONE;
    }
    slot = cairn_buddy_find_slot(buddy, address);
    if (slot == CAIRN_BUDDY_NONE)
        return CAIRN_BUDDY_NONE;
    address &= ((uintptr_t)1 << shape->chunk_shift) - 1;
    return (slot << shape->top_order) + (address >> shape->granule_shift);
}

static bool is_granule_start(const struct cairn_buddy *buddy, const void *pointer)
{
    return cairn_is_aligned((uintptr_t)pointer - origin_of(buddy),
                            (size_t)1 << buddy->shape.granule_shift);
}

/* The order of the least block for a run; more than the top order when no block can do. */
static unsigned order_for(const struct cairn_buddy *buddy, size_t granule_count, size_t align_bytes)
{
    const struct cairn_buddy_shape *shape = &buddy->shape;
    unsigned length_order, align_shift;

    CAIRN_ASSERT(cairn_is_pow2(align_bytes));
    if (granule_count == 0 || align_bytes > shape->align_max_bytes)
        return CAIRN_BUDDY_ORDERS_MAX;
    length_order = cairn_log2_ceil(granule_count);
    align_shift = cairn_log2_floor(align_bytes);
    if (align_shift <= shape->granule_shift + length_order)
        return length_order;
    return align_shift - shape->granule_shift;
}

void cairn_buddy_count_used(struct cairn_buddy *buddy, size_t first, size_t count,
                            size_t dirty_count)
{
    struct cairn_buddy_slot *slot;

    CAIRN_ASSERT(dirty_count <= count && dirty_count <= buddy->free_dirty_granules);
    buddy->used_granules += count;
    buddy->free_dirty_granules -= dirty_count;
    if (!cairn_buddy_is_over_source(buddy))
        return;
    slot = &cairn_buddy_slots(buddy)[first >> buddy->shape.top_order];
    if (slot->used_granules == 0)
        buddy->empty_chunk_count--;
    slot->used_granules += count;
    CAIRN_ASSERT(slot->used_granules <= (size_t)1 << buddy->shape.top_order);
}

/* Books granules as free; gives the chunk back when it is one too many that is empty. */
static void count_free(struct cairn_buddy *buddy, size_t first, size_t count, size_t dirty_count)
{
    struct cairn_buddy_slot *slot;

    CAIRN_ASSERT(count <= buddy->used_granules);
    buddy->used_granules -= count;
    buddy->free_dirty_granules += dirty_count;
    if (!cairn_buddy_is_over_source(buddy))
        return;
    slot = &cairn_buddy_slots(buddy)[first >> buddy->shape.top_order];
    CAIRN_ASSERT(count <= slot->used_granules);
    slot->used_granules -= count;
    if (slot->used_granules > 0)
        return;
    buddy->empty_chunk_count++;
    if (buddy->empty_chunk_count > buddy->chunk_keep_count)
        cairn_buddy_drop_chunk(buddy, first >> buddy->shape.top_order);
}

void *cairn_buddy_alloc(struct cairn_buddy *buddy, size_t length_bytes, size_t align_bytes,
                        bool *is_zeroed)
{
    size_t count = cairn_buddy_granules_for(buddy, length_bytes);
    unsigned order = order_for(buddy, count, align_bytes);
    size_t first, dirty_count;
    unsigned taken_order;

    if (order > buddy->shape.top_order)
        return NULL;
    if (buddy->nonempty_orders >> order == 0 && !cairn_buddy_add_chunk(buddy))
        return NULL;
    taken_order = cairn_buddy_take_block(buddy, order, &first);
    cairn_buddy_spill(buddy, first + count, first + ((size_t)1 << taken_order));
    dirty_count = cairn_buddy_runs_mark(cairn_buddy_runs(buddy), first, first + count);
    cairn_buddy_count_used(buddy, first, count, dirty_count);
    cairn_buddy_end_call(buddy);
    if (is_zeroed != NULL)
        *is_zeroed = dirty_count == 0;
    return cairn_buddy_address_of(buddy, first);
}

size_t cairn_buddy_checked_first(const struct cairn_buddy *buddy, enum cairn_buddy_sought kind,
                                 const void *run, size_t length_bytes, const char *where)
{
    size_t first = granule_of(buddy, run);
    size_t held_count;

    CAIRN_CHECK(first != CAIRN_BUDDY_NONE, "memory that this buddy does not hold", run, where);
    held_count = cairn_buddy_runs_length(cairn_buddy_const_runs(buddy), kind, first,
                                         cairn_buddy_limit_of(buddy, first));
    CAIRN_CHECK(held_count != 0 && is_granule_start(buddy, run),
                kind == CAIRN_BUDDY_RUN ? "no run in use begins here (freed twice, or inside a run)"
                                        : "no stretch being purged begins here",
                run, where);
    CAIRN_CHECK(held_count == cairn_buddy_granules_for(buddy, length_bytes),
                "a run of another length", run, where);
    return first;
}

void cairn_buddy_free_granules(struct cairn_buddy *buddy, size_t first, size_t end, bool is_dirty)
{
    cairn_buddy_runs_unmark(cairn_buddy_runs(buddy), first, end);
    cairn_buddy_release(buddy, first, end);
    count_free(buddy, first, end - first, is_dirty ? end - first : 0);
    cairn_buddy_end_call(buddy);
}

void cairn_buddy_free(struct cairn_buddy *buddy, void *run, size_t length_bytes)
{
    size_t first = cairn_buddy_checked_first(buddy, CAIRN_BUDDY_RUN, run, length_bytes, __func__);

    cairn_buddy_free_granules(buddy, first, first + cairn_buddy_granules_for(buddy, length_bytes),
                              true);
}

size_t cairn_buddy_run_bytes(const struct cairn_buddy *buddy, const void *pointer)
{
    size_t first = granule_of(buddy, pointer);

    if (first == CAIRN_BUDDY_NONE || !is_granule_start(buddy, pointer))
        return 0;
    return cairn_buddy_runs_length(cairn_buddy_const_runs(buddy), CAIRN_BUDDY_RUN, first,
                                   cairn_buddy_limit_of(buddy, first))
           << buddy->shape.granule_shift;
}

bool cairn_buddy_owns(const struct cairn_buddy *buddy, const void *pointer)
{
    return granule_of(buddy, pointer) != CAIRN_BUDDY_NONE;
}

/* Adds the free granules [end, new_end) to the run that ends at `end`. */
static bool grow_run(struct cairn_buddy *buddy, size_t end, size_t new_end)
{
    struct cairn_buddy_run_word *runs = cairn_buddy_runs(buddy);
    size_t taken_end, dirty_count;

    if (cairn_buddy_runs_find(runs, CAIRN_BUDDY_IN_USE, end, new_end) != new_end)
        return false;
    taken_end = cairn_buddy_absorb(buddy, end, new_end);
    cairn_buddy_spill(buddy, new_end, taken_end);
    dirty_count = cairn_buddy_runs_extend(runs, end, new_end);
    cairn_buddy_count_used(buddy, end, new_end - end, dirty_count);
    cairn_buddy_end_call(buddy);
    return true;
}

bool cairn_buddy_resize(struct cairn_buddy *buddy, void *run, size_t old_bytes, size_t new_bytes)
{
    size_t old_count = cairn_buddy_granules_for(buddy, old_bytes);
    size_t new_count = cairn_buddy_granules_for(buddy, new_bytes);
    size_t first = cairn_buddy_checked_first(buddy, CAIRN_BUDDY_RUN, run, old_bytes, __func__);

    if (new_count == 0 || new_count > cairn_buddy_limit_of(buddy, first) - first)
        return false;
    if (new_count > old_count)
        return grow_run(buddy, first + old_count, first + new_count);
    if (new_count < old_count)
        cairn_buddy_free_granules(buddy, first + new_count, first + old_count, true);
    return true;
}

struct cairn_buddy_levels cairn_buddy_levels(const struct cairn_buddy *buddy)
{
    unsigned shift = buddy->shape.granule_shift;

    CAIRN_ASSERT(buddy->purging_granules <= buddy->used_granules &&
                 buddy->used_granules <= buddy->held_granules);
    return (struct cairn_buddy_levels){
        .used_bytes = (buddy->used_granules - buddy->purging_granules) << shift,
        .free_bytes = (buddy->held_granules - buddy->used_granules) << shift,
        .free_dirty_bytes = buddy->free_dirty_granules << shift,
        .chunk_count = buddy->chunk_count,
        .empty_chunk_count = buddy->empty_chunk_count,
    };
}

struct cairn_buddy_stats cairn_buddy_stats(const struct cairn_buddy *buddy)
{
    unsigned shift = buddy->shape.granule_shift;
    struct cairn_buddy_levels levels = cairn_buddy_levels(buddy);
    struct cairn_buddy_stats stats = {0};

    stats.granule_bytes = (size_t)1 << shift;
    stats.held_bytes = buddy->held_granules << shift;
    stats.used_bytes = levels.used_bytes;
    stats.free_bytes = levels.free_bytes;
    stats.purging_bytes = buddy->purging_granules << shift;
    stats.free_dirty_bytes = levels.free_dirty_bytes;
    if (buddy->nonempty_orders != 0)
        stats.largest_free_bytes = (size_t)1 << (cairn_log2_floor(buddy->nonempty_orders) + shift);
    stats.chunk_count = levels.chunk_count;
    stats.empty_chunk_count = levels.empty_chunk_count;
    stats.chunk_count_max = buddy->shape.slot_limit;
    stats.state_bytes = buddy->shape.state_bytes;
    stats.steps_max = buddy->steps_max;
    return stats;
}

static size_t buddy_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    size_t taken = 0;

    while (taken < count) {
        blocks[taken] = cairn_buddy_alloc(self, block_bytes, align_bytes, NULL);
        if (blocks[taken] == NULL)
            break;
        taken++;
    }
    return taken;
}

static void buddy_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    size_t idx;

    for (idx = 0; idx < count; idx++)
        cairn_buddy_free(self, blocks[idx], block_bytes);
}

struct cairn_source cairn_buddy_as_source(struct cairn_buddy *buddy)
{
    static const struct cairn_source_ops over_range = {"buddy", 0, buddy_take, buddy_give};
    static const struct cairn_source_ops over_source = {"buddy", CAIRN_SOURCE_NATURAL_ALIGN,
                                                        buddy_take, buddy_give};
    struct cairn_source source = {&over_range, buddy};

    if (cairn_buddy_is_over_source(buddy))
        source.ops = &over_source;
    return source;
}
