/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * granule.c - runs of one granule, which most are: what buddy.c, blocks.c and runs.c do, without
 * their loops over granules and words.
 *
 *     alloc    take a block of 2^k         |======== A ========|
 *              put its halves behind       | run | 0 | 1 |  2  |    one of each order below k
 *     free     is the buddy free? -> take it, and go on with both as a block of the next order
 *              else put the block
 *
 * The lowest order with a free block is the first bit of nonempty_orders, so all orders below it
 * are empty. A block and its buddy lie in one word of a bitmap.
 *
 * A run is recognised by the word that its granule lies in alone: it is of one granule when the
 * next one does not go on with it. Where the next granule lies in another word, the chunk becomes
 * empty, or the run is none, buddy.c does the call instead, with all checks.
 *
 * Steps. With T the top order, T + 2 for alloc, and for free a test and a clear for each order
 * below the top, and a set: 2T + 1. No more than the same calls in blocks.c.
 */

#include "address.h"

/* Takes the lowest of the smallest free blocks, and puts back all of it but its first granule,
   which it returns. */
static size_t take_granule(struct cairn_buddy *buddy)
{
    uint64_t *words = cairn_buddy_words(buddy);
    uint32_t nonempty = buddy->nonempty_orders;
    unsigned found = (unsigned)__builtin_ctz(nonempty);
    const struct cairn_buddy_bitmap *bitmap = &buddy->orders[found];
    bool is_last;
    size_t block = cairn_buddy_bitmap_pop(words, bitmap, &is_last);
    size_t granule = block << found;
    unsigned order;

    if (is_last)
        nonempty &= nonempty - 1;
    for (order = found; order > 0; order--) {
        block *= 2;
        bitmap--;
        cairn_buddy_bitmap_set_first(words, bitmap, block + 1);
    }
    buddy->nonempty_orders = nonempty | (((uint32_t)1 << found) - 1);
    buddy->steps += 2 + found;
    return granule;
}

/* True when the buddy of a block is free. Both bits lie in one word, so there is one beyond the
   end of a range. */
static bool is_buddy_free(const uint64_t *words, const struct cairn_buddy_bitmap *bitmap,
                          size_t block)
{
    return (words[bitmap->level_at[0] + block / 64] & cairn_buddy_bit_of(block ^ 1)) != 0;
}

/* Makes a granule free, merging. */
static void put_granule(struct cairn_buddy *buddy, size_t granule)
{
    uint64_t *words = cairn_buddy_words(buddy);
    uint32_t nonempty = buddy->nonempty_orders;
    unsigned top_order = buddy->shape.top_order;
    const struct cairn_buddy_bitmap *bitmap = buddy->orders;
    size_t block = granule;
    unsigned order;

    for (order = 0; order < top_order && is_buddy_free(words, bitmap, block); order++) {
        if (cairn_buddy_bitmap_clear(words, bitmap, block ^ 1))
            nonempty -= (uint32_t)1 << order;
        block /= 2;
        bitmap++;
    }
    cairn_buddy_bitmap_set(words, bitmap, block);
    buddy->nonempty_orders = nonempty | (uint32_t)1 << order;
    buddy->steps += 2 * order + 1 + (order < top_order);
}

void *cairn_buddy_alloc_granule(struct cairn_buddy *buddy, bool *is_zeroed)
{
    size_t granule = take_granule(buddy);
    bool was_dirty = cairn_buddy_runs_mark_one(cairn_buddy_runs(buddy), granule);

    cairn_buddy_count_used(buddy, granule, 1, was_dirty);
    cairn_buddy_end_call(buddy);
    if (is_zeroed != NULL)
        *is_zeroed = !was_dirty;
    return cairn_buddy_address_of(buddy, granule);
}

/* True when the chunk of a granule in use is not empty without it. */
static bool is_shared(struct cairn_buddy *buddy, size_t granule)
{
    return !cairn_buddy_is_over_source(buddy) ||
           cairn_buddy_slots(buddy)[granule >> buddy->shape.top_order].used_granules > 1;
}

void cairn_buddy_free_granule(struct cairn_buddy *buddy, void *run, size_t length_bytes)
{
    struct cairn_buddy_run_word *runs = cairn_buddy_runs(buddy);
    size_t granule = cairn_buddy_granule_of(buddy, run);

    if (CAIRN_UNLIKELY(granule == CAIRN_BUDDY_NONE || !cairn_buddy_is_granule_start(buddy, run) ||
                       !cairn_buddy_runs_is_one(runs, granule) || !is_shared(buddy, granule))) {
        cairn_buddy_free_run(buddy, run, length_bytes);
        return;
    }
    cairn_buddy_runs_unmark_one(runs, granule);
    cairn_buddy_count_free(buddy, granule, 1, 1);
    put_granule(buddy, granule);
    cairn_buddy_end_call(buddy);
}
