/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * verify.c - walks all state of a buddy and panics on a broken invariant.
 *
 *   I1  a granule is in use or covered by exactly one free block: no free block has a granule in
 *       use or lies inside another, and together they are as many granules as are not in use;
 *   I2  no free block below the top order has a free buddy;
 *   I3  the counters agree with the bits;
 *   I4  summaries agree with what is below them, and so does the mask of orders;
 *   I5  runs are well formed (runs.c).
 *
 * Only indices that were ever used are walked: a large state over zero pages is not touched
 * beyond them.
 */

#include "buddy_internal.h"

static bool is_free(const struct cairn_buddy *buddy, unsigned order, size_t block)
{
    return cairn_buddy_bitmap_test(cairn_buddy_const_words(buddy), &buddy->orders[order], block);
}

static void check_block(const struct cairn_buddy *buddy, unsigned order, size_t block)
{
    size_t first = block << order;
    size_t end = (block + 1) << order;
    unsigned above;

    CAIRN_INVARIANT(first >= buddy->shape.lead_granules && end <= cairn_buddy_walk_end(buddy));
    CAIRN_INVARIANT(
        cairn_buddy_runs_count(cairn_buddy_const_runs(buddy), CAIRN_BUDDY_IN_USE, first, end) == 0);
    if (cairn_buddy_is_over_source(buddy))
        CAIRN_INVARIANT(cairn_buddy_const_slots(buddy)[first >> buddy->shape.top_order].base != 0);
    if (order < buddy->shape.top_order)
        CAIRN_INVARIANT(!is_free(buddy, order, block ^ 1));
    for (above = order + 1; above <= buddy->shape.top_order; above++)
        CAIRN_INVARIANT(!is_free(buddy, above, first >> above));
}

/* Returns how many granules the free blocks of the order hold. */
static size_t check_order(const struct cairn_buddy *buddy, unsigned order)
{
    const uint64_t *words = cairn_buddy_const_words(buddy);
    const struct cairn_buddy_bitmap *bitmap = &buddy->orders[order];
    size_t block_count = cairn_buddy_walk_end(buddy) >> order;
    bool is_nonempty = (buddy->nonempty_orders >> order & 1) != 0;
    size_t found = 0;
    size_t idx;

    cairn_buddy_bitmap_check(words, bitmap, block_count);
    for (idx = 0; idx * 64 < block_count; idx++) {
        uint64_t bits = words[bitmap->level_at[0] + idx];

        for (; bits != 0; bits &= bits - 1, found++)
            check_block(buddy, order, idx * 64 + (size_t)__builtin_ctzll(bits));
    }
    CAIRN_INVARIANT(is_nonempty == (found != 0));
    CAIRN_INVARIANT(is_nonempty != cairn_buddy_bitmap_is_empty(words, bitmap));
    return found << order;
}

/* Runs do not reach from one chunk into the next, so each is checked for itself. */
static void check_runs(const struct cairn_buddy *buddy)
{
    size_t first = 0;

    while (first < cairn_buddy_walk_end(buddy)) {
        size_t limit = cairn_buddy_limit_of(buddy, first);

        cairn_buddy_runs_check(cairn_buddy_const_runs(buddy), first, limit);
        first = limit;
    }
}

void cairn_buddy_check(const struct cairn_buddy *buddy)
{
    const struct cairn_buddy_run_word *runs = cairn_buddy_const_runs(buddy);
    const struct cairn_levels *levels = &buddy->levels;
    unsigned shift = buddy->shape.granule_shift;
    size_t end = cairn_buddy_walk_end(buddy);
    size_t free_count = 0;
    unsigned order;

    for (order = 0; order <= buddy->shape.top_order; order++)
        free_count += check_order(buddy, order);
    CAIRN_INVARIANT(buddy->nonempty_orders >> buddy->shape.top_order <= 1);
    check_runs(buddy);
    CAIRN_INVARIANT(levels->used_bytes == cairn_buddy_runs_count(runs, CAIRN_BUDDY_RUN, 0, end)
                                              << shift);
    CAIRN_INVARIANT(buddy->purging_bytes ==
                    cairn_buddy_runs_count(runs, CAIRN_BUDDY_PURGING, 0, end) << shift);
    CAIRN_INVARIANT(
        cairn_buddy_runs_count(runs, CAIRN_BUDDY_FREE_DIRTY, 0, buddy->shape.lead_granules) == 0);
    CAIRN_INVARIANT(levels->free_dirty_bytes ==
                    cairn_buddy_runs_count(runs, CAIRN_BUDDY_FREE_DIRTY, 0, end) << shift);
    CAIRN_INVARIANT(buddy->purge_at <= end);
    CAIRN_INVARIANT(levels->free_bytes == free_count << shift);
    CAIRN_INVARIANT(cairn_buddy_is_over_source(buddy) ||
                    cairn_buddy_held_bytes(buddy) == (end - buddy->shape.lead_granules) << shift);
    CAIRN_INVARIANT(levels->free_dirty_bytes <= levels->free_bytes);
    CAIRN_INVARIANT(buddy->steps == 0 && buddy->steps_max <= CAIRN_BUDDY_STEPS_MAX);
    if (cairn_buddy_is_over_source(buddy))
        cairn_buddy_check_chunks(buddy);
}
