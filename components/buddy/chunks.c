/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * chunks.c - the chunks of a buddy, from a source or by hand: slots, and the way from an address to
 * its slot.
 *
 *     address >> chunk_shift          hash table       slots
 *          0x7f31a ----- home -----> | 3 + 1 |    0 | base, used |
 *          0x7f31b ----------------> | 0 + 1 |    1 | (freed)    |  <- re-used first: the lowest
 *                                    |   0   |    2 | base, used |
 *                                          slot_end | never used |
 *
 * A slot is a place in the index space of granules: slot s holds the granules s << top_order and
 * on. A new chunk goes to the lowest slot that is free, so that the bits in use stay dense.
 *
 * The table is open-addressed and at most half full; an entry is slot + 1, 0 is empty. 64
 * neighbouring chunks keep their order (their entries are 256 bytes side by side, few lines and
 * pages touched); the groups of 64 are scattered, because two dense regions of addresses that
 * fell on each other would otherwise push all entries of one of them out of place by its whole
 * length. Deletion shifts back, so there are no tombstones.
 *
 * Invariants (cairn_buddy_check_chunks): every held chunk is found at its slot; there are as
 * many entries as chunks; a slot below slot_end is held or in freed_slots; slots from slot_end on
 * are untouched; an empty chunk is a free block of the top order, and they are counted.
 *
 * Cost. O(1) expected. Source. Knuth, TAOCP vol. 3, 6.4, algorithm R.
 */

#include "address.h"

/* A larger table is not counted by a check: it may be a large hole in the page tables. */
enum { COUNTED_HASH_MAX = 1 << 16 };

static uint32_t *hash_table(struct cairn_buddy *buddy)
{
    return (uint32_t *)(void *)((char *)buddy + buddy->shape.hash_at);
}

static bool is_chunk_start(const struct cairn_buddy *buddy, uintptr_t address)
{
    return cairn_is_aligned(address, (size_t)1 << buddy->shape.chunk_shift);
}

static void add_entry(struct cairn_buddy *buddy, size_t slot)
{
    uint32_t *table = hash_table(buddy);
    size_t at = cairn_buddy_home_of(buddy, cairn_buddy_slots(buddy)[slot].base);

    while (table[at] != 0)
        at = (at + 1) & (buddy->shape.hash_count - 1);
    table[at] = (uint32_t)slot + 1u;
}

static size_t entry_of(const struct cairn_buddy *buddy, size_t slot)
{
    const uint32_t *table = cairn_buddy_const_table(buddy);
    size_t at = cairn_buddy_home_of(buddy, cairn_buddy_const_slots(buddy)[slot].base);

    while (table[at] != slot + 1) {
        CAIRN_ASSERT(table[at] != 0);
        at = (at + 1) & (buddy->shape.hash_count - 1);
    }
    return at;
}

/* Fills the hole with the next entry that may stand there, which makes a new hole, until none is
   needed. */
static void remove_entry(struct cairn_buddy *buddy, size_t slot)
{
    const struct cairn_buddy_slot *slots = cairn_buddy_slots(buddy);
    uint32_t *table = hash_table(buddy);
    size_t mask = buddy->shape.hash_count - 1;
    size_t hole = entry_of(buddy, slot);
    size_t at;

    for (at = (hole + 1) & mask; table[at] != 0; at = (at + 1) & mask) {
        size_t home = cairn_buddy_home_of(buddy, slots[table[at] - 1u].base);

        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it must not stand before its home */
        table[hole] = table[at];
        hole = at;
    }
    table[hole] = 0;
}

static size_t claim_slot(struct cairn_buddy *buddy)
{
    uint64_t *words = cairn_buddy_words(buddy);
    size_t slot;

    if (cairn_buddy_bitmap_is_empty(words, &buddy->freed_slots)) {
        CAIRN_ASSERT(buddy->slot_end < buddy->shape.slot_limit);
        return buddy->slot_end++;
    }
    slot = cairn_buddy_bitmap_lowest(words, &buddy->freed_slots);
    cairn_buddy_bitmap_clear(words, &buddy->freed_slots, slot);
    return slot;
}

static bool is_zeroed(const struct cairn_buddy *buddy, const void *chunk)
{
    if (cairn_source_has(buddy->source, CAIRN_SOURCE_ZEROED))
        return true;
    return buddy->chunk_is_zeroed != NULL &&
           buddy->chunk_is_zeroed(buddy->chunk_is_zeroed_self, chunk);
}

/* Takes in a chunk that has arrived. */
static void adopt_chunk(struct cairn_buddy *buddy, void *chunk, bool is_dirty, const char *where)
{
    size_t granules = (size_t)1 << buddy->shape.top_order;
    size_t chunk_bytes = (size_t)1 << buddy->shape.chunk_shift;
    struct cairn_buddy_slot *place;
    size_t slot, first;

    CAIRN_CHECK(chunk != NULL && is_chunk_start(buddy, (uintptr_t)chunk),
                "a chunk that is not aligned", chunk, where);
    CAIRN_CHECK(cairn_buddy_find_slot(buddy, (uintptr_t)chunk) == CAIRN_BUDDY_NONE,
                "a chunk that is held already", chunk, where);
    slot = claim_slot(buddy);
    first = slot << buddy->shape.top_order;
    place = &cairn_buddy_slots(buddy)[slot];
    CAIRN_ASSERT(place->base == 0 && place->used_granules == 0);
    place->base = (uintptr_t)chunk;
    add_entry(buddy, slot);
    if (is_dirty) {
        cairn_buddy_runs_set_dirty(cairn_buddy_runs(buddy), first, first + granules, true);
        buddy->levels.free_dirty_bytes += chunk_bytes;
    }
    buddy->levels.free_bytes += chunk_bytes;
    buddy->levels.chunk_count++;
    buddy->levels.empty_chunk_count++;
    cairn_buddy_release(buddy, first, first + granules);
}

bool cairn_buddy_add_chunk(struct cairn_buddy *buddy)
{
    size_t chunk_bytes = (size_t)1 << buddy->shape.chunk_shift;
    void *chunk;

    if (buddy->source.ops == NULL || cairn_buddy_is_full(buddy))
        return false;
    chunk = cairn_source_take_one(buddy->source, chunk_bytes, chunk_bytes);
    if (chunk == NULL)
        return false;
    adopt_chunk(buddy, chunk, !is_zeroed(buddy, chunk), __func__);
    return true;
}

bool cairn_buddy_is_full(const struct cairn_buddy *buddy)
{
    return buddy->levels.chunk_count == buddy->shape.slot_limit;
}

void cairn_buddy_feed(struct cairn_buddy *buddy, void *chunk, bool is_zeroed)
{
    CAIRN_CHECK(!cairn_buddy_is_full(buddy), "a buddy without a free slot is fed", chunk, __func__);
    adopt_chunk(buddy, chunk, !is_zeroed, __func__);
    cairn_buddy_end_call(buddy);
}

/* Forgets an empty chunk. Returns it. */
static void *detach_chunk(struct cairn_buddy *buddy, size_t slot)
{
    struct cairn_buddy_run_word *runs = cairn_buddy_runs(buddy);
    struct cairn_buddy_slot *place = &cairn_buddy_slots(buddy)[slot];
    size_t granules = (size_t)1 << buddy->shape.top_order;
    size_t first = slot << buddy->shape.top_order;
    void *chunk = (void *)place->base;

    CAIRN_ASSERT(chunk != NULL && place->used_granules == 0);
    CAIRN_ASSERT(buddy->levels.empty_chunk_count > 0);
    cairn_buddy_take_chunk(buddy, slot);
    buddy->levels.free_dirty_bytes -=
        cairn_buddy_runs_count(runs, CAIRN_BUDDY_FREE_DIRTY, first, first + granules)
        << buddy->shape.granule_shift;
    cairn_buddy_runs_set_dirty(runs, first, first + granules, false);
    remove_entry(buddy, slot);
    place->base = 0;
    cairn_buddy_bitmap_set(cairn_buddy_words(buddy), &buddy->freed_slots, slot);
    buddy->levels.free_bytes -= granules << buddy->shape.granule_shift;
    buddy->levels.chunk_count--;
    buddy->levels.empty_chunk_count--;
    return chunk;
}

void cairn_buddy_drop_chunk(struct cairn_buddy *buddy, size_t slot)
{
    void *chunk = detach_chunk(buddy, slot);

    cairn_source_give_one(buddy->source, (size_t)1 << buddy->shape.chunk_shift, chunk);
}

void *cairn_buddy_shed(struct cairn_buddy *buddy, size_t keep_count)
{
    void *chunk;

    if (buddy->levels.empty_chunk_count <= keep_count)
        return NULL;
    chunk = detach_chunk(buddy, cairn_buddy_bitmap_lowest(cairn_buddy_const_words(buddy),
                                                          &buddy->orders[buddy->shape.top_order]));
    cairn_buddy_end_call(buddy);
    return chunk;
}

void cairn_buddy_drop_empty(struct cairn_buddy *buddy)
{
    while (buddy->source.ops != NULL && buddy->levels.empty_chunk_count > 0)
        cairn_source_give_one(buddy->source, (size_t)1 << buddy->shape.chunk_shift,
                              cairn_buddy_shed(buddy, 0));
}

void cairn_buddy_copy_chunks(struct cairn_buddy *to, const struct cairn_buddy *from)
{
    struct cairn_buddy_slot *slots = cairn_buddy_slots(to);
    size_t slot;

    for (slot = 0; slot < from->slot_end; slot++) {
        slots[slot] = cairn_buddy_const_slots(from)[slot];
        if (slots[slot].base != 0)
            add_entry(to, slot);
    }
}

static size_t count_entries(const struct cairn_buddy *buddy)
{
    const uint32_t *table = cairn_buddy_const_table(buddy);
    size_t count = 0;
    size_t at;

    for (at = 0; at < buddy->shape.hash_count; at++)
        count += table[at] != 0;
    return count;
}

static void check_slot(const struct cairn_buddy *buddy, size_t slot)
{
    const struct cairn_buddy_slot *place = &cairn_buddy_const_slots(buddy)[slot];
    size_t first = slot << buddy->shape.top_order;
    size_t used = cairn_buddy_runs_count(cairn_buddy_const_runs(buddy), CAIRN_BUDDY_IN_USE, first,
                                         cairn_buddy_limit_of(buddy, first));
    bool is_freed =
        cairn_buddy_bitmap_test(cairn_buddy_const_words(buddy), &buddy->freed_slots, slot);

    CAIRN_INVARIANT((place->base == 0) == is_freed);
    CAIRN_INVARIANT(place->used_granules == used);
    if (is_freed) {
        CAIRN_INVARIANT(used == 0);
        return;
    }
    CAIRN_INVARIANT(is_chunk_start(buddy, place->base));
    CAIRN_INVARIANT(cairn_buddy_find_slot(buddy, place->base) == slot);
}

void cairn_buddy_check_chunks(const struct cairn_buddy *buddy)
{
    const struct cairn_buddy_slot *slots = cairn_buddy_const_slots(buddy);
    size_t chunk_count = 0;
    size_t empty_count = 0;
    size_t slot;

    CAIRN_INVARIANT(buddy->slot_end <= buddy->shape.slot_limit);
    for (slot = 0; slot < buddy->slot_end; slot++) {
        check_slot(buddy, slot);
        chunk_count += slots[slot].base != 0;
        empty_count += slots[slot].base != 0 && slots[slot].used_granules == 0;
    }
    CAIRN_INVARIANT(chunk_count == buddy->levels.chunk_count);
    CAIRN_INVARIANT(empty_count == buddy->levels.empty_chunk_count);
    if (buddy->shape.hash_count <= COUNTED_HASH_MAX)
        CAIRN_INVARIANT(count_entries(buddy) == chunk_count);
    CAIRN_INVARIANT(cairn_buddy_held_bytes(buddy) == chunk_count << buddy->shape.chunk_shift);
    cairn_buddy_bitmap_check(cairn_buddy_const_words(buddy), &buddy->freed_slots, buddy->slot_end);
}
