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

#include "address.h"

/* The order of the least block for a run; more than the top order when no block can do. */
static unsigned order_for(const struct cairn_buddy *buddy, size_t granule_count, size_t align_bytes)
{
    const struct cairn_buddy_shape *shape = &buddy->shape;
    unsigned length_order, align_shift;

    if (granule_count == 0 || align_bytes > shape->align_max_bytes)
        return CAIRN_BUDDY_ORDERS_MAX;
    length_order = cairn_log2_ceil(granule_count);
    align_shift = cairn_log2_floor(align_bytes);
    if (align_shift <= shape->granule_shift + length_order)
        return length_order;
    return align_shift - shape->granule_shift;
}

static CAIRN_NOINLINE void *alloc_run(struct cairn_buddy *buddy, size_t length_bytes,
                                      size_t align_bytes, bool *is_zeroed)
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

/* True for 1 ... the bytes of a granule. */
static bool is_one_granule(const struct cairn_buddy *buddy, size_t bytes)
{
    return (bytes - 1) >> buddy->shape.granule_shift == 0;
}

void *cairn_buddy_alloc(struct cairn_buddy *buddy, size_t length_bytes, size_t align_bytes,
                        bool *is_zeroed)
{
    CAIRN_ASSERT(cairn_is_pow2(align_bytes));
    if (CAIRN_LIKELY(is_one_granule(buddy, length_bytes) && is_one_granule(buddy, align_bytes) &&
                     buddy->nonempty_orders != 0))
        return cairn_buddy_alloc_granule(buddy, is_zeroed);
    return alloc_run(buddy, length_bytes, align_bytes, is_zeroed);
}

size_t cairn_buddy_checked_first(const struct cairn_buddy *buddy, enum cairn_buddy_sought kind,
                                 const void *run, size_t length_bytes, const char *where)
{
    size_t first = cairn_buddy_granule_of(buddy, run);
    size_t held_count;

    CAIRN_CHECK(first != CAIRN_BUDDY_NONE, "memory that this buddy does not hold", run, where);
    held_count = cairn_buddy_runs_length(cairn_buddy_const_runs(buddy), kind, first,
                                         cairn_buddy_limit_of(buddy, first));
    CAIRN_CHECK(held_count != 0 && cairn_buddy_is_granule_start(buddy, run),
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
    cairn_buddy_count_free(buddy, first, end - first, is_dirty ? end - first : 0);
    cairn_buddy_end_call(buddy);
}

void cairn_buddy_free_run(struct cairn_buddy *buddy, void *run, size_t length_bytes)
{
    size_t first =
        cairn_buddy_checked_first(buddy, CAIRN_BUDDY_RUN, run, length_bytes, "cairn_buddy_free");

    cairn_buddy_free_granules(buddy, first, first + cairn_buddy_granules_for(buddy, length_bytes),
                              true);
}

void cairn_buddy_free(struct cairn_buddy *buddy, void *run, size_t length_bytes)
{
    if (CAIRN_LIKELY(is_one_granule(buddy, length_bytes)))
        cairn_buddy_free_granule(buddy, run, length_bytes);
    else
        cairn_buddy_free_run(buddy, run, length_bytes);
}

size_t cairn_buddy_run_bytes(const struct cairn_buddy *buddy, const void *pointer)
{
    size_t first = cairn_buddy_granule_of(buddy, pointer);

    if (first == CAIRN_BUDDY_NONE || !cairn_buddy_is_granule_start(buddy, pointer))
        return 0;
    return cairn_buddy_runs_length(cairn_buddy_const_runs(buddy), CAIRN_BUDDY_RUN, first,
                                   cairn_buddy_limit_of(buddy, first))
           << buddy->shape.granule_shift;
}

bool cairn_buddy_owns(const struct cairn_buddy *buddy, const void *pointer)
{
    return cairn_buddy_granule_of(buddy, pointer) != CAIRN_BUDDY_NONE;
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

const struct cairn_levels *cairn_buddy_levels(const struct cairn_buddy *buddy)
{
    return &buddy->levels;
}

struct cairn_buddy_stats cairn_buddy_stats(const struct cairn_buddy *buddy)
{
    unsigned shift = buddy->shape.granule_shift;
    const struct cairn_levels *levels = &buddy->levels;
    struct cairn_buddy_stats stats = {0};

    stats.granule_bytes = (size_t)1 << shift;
    stats.held_bytes = cairn_buddy_held_bytes(buddy);
    stats.used_bytes = levels->used_bytes;
    stats.free_bytes = levels->free_bytes;
    stats.purging_bytes = buddy->purging_bytes;
    stats.free_dirty_bytes = levels->free_dirty_bytes;
    if (buddy->nonempty_orders != 0)
        stats.largest_free_bytes = (size_t)1 << (cairn_log2_floor(buddy->nonempty_orders) + shift);
    stats.chunk_count = levels->chunk_count;
    stats.empty_chunk_count = levels->empty_chunk_count;
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
