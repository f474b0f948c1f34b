/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * blocks.c - free blocks: split, merge, and the ranges that they make up.
 *
 * Idea. A range [first, end) is a sequence of natural blocks, whose orders rise and then fall.
 * They are not listed: one pass over the orders peels at most one block off each end, and halves
 * what remains.
 *
 *     granules     0 1 2 3 4 5 6 7 8 9 a b    release [3, 10):
 *     order 0          [3]                    3 is odd: put 3, or merge it with 2 if 2 is free
 *     order 1                    [8 9]        10/2 is odd: put 4 (granules 8, 9), or merge it with 5
 *     order 2            [4 5 6 7]            1 is odd: put 1, or merge it with 0
 *
 * Where the neighbour across the end is the buddy and is free, the range grows over it instead:
 * that is the merge. What remains at the top order is a whole top block. The same pass, clearing
 * instead of setting, takes a range out again, because blocks without free buddies can cover a
 * range in one way only: were a natural block M of the range covered by smaller ones, the buddy
 * of the smallest would also lie in M, be covered by nothing smaller, and so be free itself.
 *
 * Steps. A step is one find, test, set or clear in one bitmap (at most CAIRN_BUDDY_LEVELS_MAX
 * words). With T <= 31 the top order, at most:
 *
 *     take_block   1 find, 1 clear                                               2
 *     spill        1 set for each order below the block's                        T
 *     release      2 tests and 2 updates for each order below the top, 1 set     4T + 1
 *     absorb       T tests (a run lies before: no top block); 2 clears for       3T
 *                  each order below the top
 *     carve        2 (T + 1) tests; 2 clears for each order below the top, 1;    4T + 3
 *                  then, as a second call: a test and a set for each order       3T
 *                  before the range, a set after it
 *     alloc        add a chunk (1 set), take_block, spill                        T + 3
 *     free         release, drop the chunk (1 clear)                             4T + 2
 *     resize       release; or absorb and spill                                  4T + 1
 *
 * so no call takes more than 4T + 3 <= 127 < CAIRN_BUDDY_STEPS_MAX (asserted in
 * cairn_buddy_end_call).
 */

#include "buddy_internal.h"

#include <cairn/base/align.h>

CAIRN_STATIC_ASSERT(4 * (CAIRN_BUDDY_ORDERS_MAX - 1) + 3 <= CAIRN_BUDDY_STEPS_MAX,
                    "the bound on the steps of a call");

static bool is_free(struct cairn_buddy *buddy, unsigned order, size_t block)
{
    buddy->steps++;
    return cairn_buddy_bitmap_test(cairn_buddy_words(buddy), &buddy->orders[order], block);
}

static void put(struct cairn_buddy *buddy, unsigned order, size_t block)
{
    CAIRN_ASSERT(order <= buddy->shape.top_order);
    buddy->steps++;
    cairn_buddy_bitmap_set(cairn_buddy_words(buddy), &buddy->orders[order], block);
    buddy->nonempty_orders |= (uint32_t)1 << order;
}

static void take(struct cairn_buddy *buddy, unsigned order, size_t block)
{
    uint64_t *words = cairn_buddy_words(buddy);

    CAIRN_ASSERT((buddy->nonempty_orders >> order & 1) != 0);
    buddy->steps++;
    if (cairn_buddy_bitmap_clear(words, &buddy->orders[order], block))
        buddy->nonempty_orders &= ~((uint32_t)1 << order);
}

unsigned cairn_buddy_take_block(struct cairn_buddy *buddy, unsigned order, size_t *first)
{
    uint32_t fitting = buddy->nonempty_orders >> order;
    unsigned found;
    size_t block;

    CAIRN_ASSERT(order <= buddy->shape.top_order && fitting != 0);
    found = order + (unsigned)__builtin_ctz(fitting);
    buddy->steps++;
    block = cairn_buddy_bitmap_lowest(cairn_buddy_const_words(buddy), &buddy->orders[found]);
    take(buddy, found, block);
    *first = block << found;
    return found;
}

void cairn_buddy_spill(struct cairn_buddy *buddy, size_t first, size_t end)
{
    unsigned order;

    for (order = 0; first < end; order++) {
        CAIRN_ASSERT(end % 2 == 0);
        if (first % 2 != 0)
            put(buddy, order, first++);
        first /= 2;
        end /= 2;
    }
}

/* The odd block at the left end: merges with the one before it, or is put. Returns where the rest
   begins. */
static size_t peel_left(struct cairn_buddy *buddy, unsigned order, size_t first)
{
    CAIRN_ASSERT(first % 2 != 0);
    if (is_free(buddy, order, first - 1)) {
        take(buddy, order, first - 1);
        return first - 1;
    }
    put(buddy, order, first);
    return first + 1;
}

/* The even block before the odd right end: merges with the one after it, or is put. Returns where
   the rest ends. */
static size_t peel_right(struct cairn_buddy *buddy, unsigned order, size_t end)
{
    CAIRN_ASSERT(end % 2 != 0);
    if (is_free(buddy, order, end)) {
        take(buddy, order, end);
        return end + 1;
    }
    put(buddy, order, end - 1);
    return end - 1;
}

bool cairn_buddy_release(struct cairn_buddy *buddy, size_t first, size_t end)
{
    unsigned order;

    CAIRN_ASSERT(first < end && end <= buddy->shape.granule_count);
    for (order = 0; order < buddy->shape.top_order && first < end; order++) {
        if (first % 2 != 0)
            first = peel_left(buddy, order, first);
        if (end % 2 != 0)
            end = peel_right(buddy, order, end);
        CAIRN_ASSERT(first <= end);
        first /= 2;
        end /= 2;
    }
    if (first == end)
        return false;
    CAIRN_ASSERT(end - first == 1 && order == buddy->shape.top_order);
    put(buddy, order, first);
    return true;
}

void cairn_buddy_take_chunk(struct cairn_buddy *buddy, size_t slot)
{
    take(buddy, buddy->shape.top_order, slot);
}

/* The order of the free block in which a free granule lies. */
static unsigned order_at(struct cairn_buddy *buddy, size_t granule)
{
    unsigned order = 0;

    while (!is_free(buddy, order, granule >> order)) {
        CAIRN_ASSERT(order < buddy->shape.top_order);
        order++;
    }
    return order;
}

/* Takes all blocks of a range that begins and ends where free blocks do. */
static void take_range(struct cairn_buddy *buddy, size_t first, size_t end)
{
    unsigned order;

    for (order = 0; order < buddy->shape.top_order && first < end; order++) {
        if (first % 2 != 0)
            take(buddy, order, first++);
        if (end % 2 != 0)
            take(buddy, order, --end);
        CAIRN_ASSERT(first <= end);
        first /= 2;
        end /= 2;
    }
    if (first < end) {
        CAIRN_ASSERT(end - first == 1);
        take(buddy, order, first);
    }
}

size_t cairn_buddy_absorb(struct cairn_buddy *buddy, size_t first, size_t end)
{
    CAIRN_ASSERT(first < end);
    end = cairn_align_up(end, (size_t)1 << order_at(buddy, end - 1));
    take_range(buddy, first, end);
    return end;
}

/* What is put back lies in the two outer blocks, with the buddies of its blocks: nothing merges. */
void cairn_buddy_carve(struct cairn_buddy *buddy, size_t first, size_t end)
{
    size_t outer_first = cairn_align_down(first, (size_t)1 << order_at(buddy, first));
    size_t outer_end = cairn_align_up(end, (size_t)1 << order_at(buddy, end - 1));

    CAIRN_ASSERT(first < end);
    take_range(buddy, outer_first, outer_end);
    cairn_buddy_end_call(buddy);
    if (outer_first < first)
        cairn_buddy_release(buddy, outer_first, first);
    cairn_buddy_spill(buddy, end, outer_end);
}
