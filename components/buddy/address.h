/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * address.h - from an address to its granule, and back. Internal; the table of chunks is described
 * in chunks.c.
 */

#ifndef CAIRN_BUDDY_ADDRESS_H
#define CAIRN_BUDDY_ADDRESS_H

#include "buddy_internal.h"

#include <cairn/base/align.h>

enum { CAIRN_BUDDY_GROUP_SHIFT = 6, CAIRN_BUDDY_GROUP_CHUNKS = 1 << CAIRN_BUDDY_GROUP_SHIFT };

static inline const uint32_t *cairn_buddy_const_table(const struct cairn_buddy *buddy)
{
    return (const uint32_t *)(const void *)((const char *)buddy + buddy->shape.hash_at);
}

/* Where the entry of a chunk would like to be. */
static inline size_t cairn_buddy_home_of(const struct cairn_buddy *buddy, uintptr_t address)
{
    uint64_t chunk = (uint64_t)address >> buddy->shape.chunk_shift;
    uint64_t group = (chunk >> CAIRN_BUDDY_GROUP_SHIFT) * UINT64_C(0x9E3779B97F4A7C15) >> 32;

    return (group << CAIRN_BUDDY_GROUP_SHIFT | chunk % CAIRN_BUDDY_GROUP_CHUNKS) &
           (buddy->shape.hash_count - 1);
}

/* The slot of the chunk in which the address lies, or CAIRN_BUDDY_NONE. */
static inline size_t cairn_buddy_find_slot(const struct cairn_buddy *buddy, uintptr_t address)
{
    const uint32_t *table = cairn_buddy_const_table(buddy);
    const struct cairn_buddy_slot *slots = cairn_buddy_const_slots(buddy);
    size_t at = cairn_buddy_home_of(buddy, address);

    CAIRN_ASSERT(cairn_buddy_is_over_source(buddy));
    for (; table[at] != 0; at = (at + 1) & (buddy->shape.hash_count - 1)) {
        size_t slot = table[at] - 1u;

        CAIRN_ASSERT(slot < buddy->slot_end);
        if ((address - slots[slot].base) >> buddy->shape.chunk_shift == 0)
            return slot;
    }
    return CAIRN_BUDDY_NONE;
}

/* Over a range, the address of granule 0 where the range is mapped now. Over a source 0. */
static inline uintptr_t cairn_buddy_origin_of(const struct cairn_buddy *buddy)
{
    return cairn_buddy_is_over_source(buddy) ? 0 : (uintptr_t)buddy + buddy->shape.origin;
}

/* The address of a granule that is held. */
static inline void *cairn_buddy_address_of(const struct cairn_buddy *buddy, size_t granule)
{
    const struct cairn_buddy_shape *shape = &buddy->shape;
    uintptr_t base;

    CAIRN_ASSERT(granule < shape->granule_count);
    if (!cairn_buddy_is_over_source(buddy))
        return (void *)(cairn_buddy_origin_of(buddy) + (granule << shape->granule_shift));
    base = cairn_buddy_const_slots(buddy)[granule >> shape->top_order].base;
    CAIRN_ASSERT(base != 0);
    return (void *)(base +
                    ((granule << shape->granule_shift) & (((size_t)1 << shape->chunk_shift) - 1)));
}

/* The granule in which a pointer lies, or CAIRN_BUDDY_NONE when this buddy does not hold it. */
static inline size_t cairn_buddy_granule_of(const struct cairn_buddy *buddy, const void *pointer)
{
    const struct cairn_buddy_shape *shape = &buddy->shape;
    uintptr_t address = (uintptr_t)pointer;
    size_t granule, slot;

    if (!cairn_buddy_is_over_source(buddy)) {
        granule = (address - cairn_buddy_origin_of(buddy)) >> shape->granule_shift;
        return granule >= shape->lead_granules && granule < shape->granule_count ? granule
                                                                                 : CAIRN_BUDDY_NONE;
    }
    slot = cairn_buddy_find_slot(buddy, address);
    if (slot == CAIRN_BUDDY_NONE)
        return CAIRN_BUDDY_NONE;
    address -= cairn_buddy_const_slots(buddy)[slot].base;
    return (slot << shape->top_order) + (address >> shape->granule_shift);
}

static inline bool cairn_buddy_is_granule_start(const struct cairn_buddy *buddy,
                                                const void *pointer)
{
    return cairn_is_aligned((uintptr_t)pointer - cairn_buddy_origin_of(buddy),
                            (size_t)1 << buddy->shape.granule_shift);
}

#endif
