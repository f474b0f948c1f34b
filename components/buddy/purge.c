/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * purge.c - empties free memory that is dirty.
 *
 *     in use    1 1 . . . . . . . . 1 1
 *     dirty     1 1 . . 1 1 . 1 . . 1 1
 *                       [=====)     one call: from the first dirty grain of the stretch to the last
 *
 * A stretch of free grains is emptied in one call, over the clean grains between its dirty ones
 * too: a call costs more than a clean grain. What is not dirty at either end is left alone. A
 * stretch ends where its chunk does.
 *
 * Empty chunks go back to the source as they are: emptying what leaves would be in vain.
 */

#include "buddy_internal.h"

struct purge {
    struct cairn_buddy *buddy;
    size_t min_bytes;
    cairn_buddy_purge_fn empty;
    void *self;
    size_t emptied_grains;
};

static void purge_stretch(struct purge *purge, size_t first, size_t end)
{
    struct cairn_buddy *buddy = purge->buddy;
    struct cairn_buddy_run_word *runs = cairn_buddy__runs(buddy);
    size_t length_bytes, dirty_count;

    end = cairn_buddy__runs_dirty_end(runs, first, end);
    first = cairn_buddy__runs_find(runs, CAIRN_BUDDY_DIRTY, first, end);
    length_bytes = (end - first) << buddy->shape.grain_shift;
    if (length_bytes == 0 || length_bytes < purge->min_bytes)
        return;
    if (purge->empty(purge->self, cairn_buddy__address_of(buddy, first), length_bytes) != 0)
        return;
    dirty_count = cairn_buddy__runs_count_dirty(runs, first, end);
    CAIRN_ASSERT(dirty_count > 0 && dirty_count <= buddy->free_dirty_grains);
    cairn_buddy__runs_set_dirty(runs, first, end, false);
    buddy->free_dirty_grains -= dirty_count;
    purge->emptied_grains += dirty_count;
}

/* All stretches of free grains in a range or chunk. */
static void purge_between(struct purge *purge, size_t first, size_t limit)
{
    const struct cairn_buddy_run_word *runs = cairn_buddy__const_runs(purge->buddy);

    while (first < limit) {
        size_t free_first = cairn_buddy__runs_find(runs, CAIRN_BUDDY_FREE, first, limit);
        size_t free_end = cairn_buddy__runs_find(runs, CAIRN_BUDDY_IN_USE, free_first, limit);

        purge_stretch(purge, free_first, free_end);
        first = free_end;
    }
}

static void purge_slot(struct purge *purge, size_t slot)
{
    struct cairn_buddy *buddy = purge->buddy;
    const struct cairn_buddy_slot *place = &cairn_buddy__slots(buddy)[slot];
    size_t first = slot << buddy->shape.top_order;

    if (place->base == 0)
        return;
    if (place->used_grains == 0) {
        cairn_buddy__drop_chunk(buddy, slot);
        cairn_buddy__end_call(buddy);
        return;
    }
    purge_between(purge, first, cairn_buddy__limit_of(buddy, first));
}

size_t cairn_buddy_purge(struct cairn_buddy *buddy, size_t min_bytes, cairn_buddy_purge_fn purge,
                         void *self)
{
    struct purge walk = {buddy, min_bytes, purge, self, 0};
    size_t slot;

    if (!cairn_buddy__is_over_source(buddy))
        purge_between(&walk, buddy->shape.lead_grains, buddy->shape.grain_count);
    for (slot = 0; slot < buddy->slot_end; slot++)
        purge_slot(&walk, slot);
    return walk.emptied_grains << buddy->shape.grain_shift;
}
