/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pagemap.c - marking runs and asking about addresses; the tables are made in tables.c.
 *
 * A run of five granules of kind k and owner w, and what the map says about it:
 *
 *     granule    ... |  g  | g+1 | g+2 | g+3 | g+4 | ...
 *     tag          0 | 0,k | 1,k | 2,k | 3,k | 4,k | 0          index, kind; from the 256th on the index is 255
 *     owner        ? |  w  |  w  |  w  |  w  |  w  | ?          means nothing where the tag is 0
 *
 * Invariants (cairn_pagemap_check):
 *   I1  a granule with an index other than 0 follows one of the same run: kind and owner are the
 *       same, and the index is one less, or both are 255.
 *
 * Order. A tag is stored with release after its owner; who looks for the owner loads the tag with
 * acquire. So a tag that was seen has its owner, even if the address came by a way that orders
 * nothing. Clearing leaves owners alone: it dirties one table only.
 */

#include "tables.h"

#include <cairn/base/align.h>

#include <errno.h>

enum { INDEX_MAX = 255, INDEX_SHIFT = 8 };

static size_t granule_of(const struct cairn_pagemap *map, const void *pointer)
{
    return ((uintptr_t)pointer >> map->granule_shift) - map->granule_first;
}

static bool is_within(const struct cairn_pagemap *map, size_t granule, size_t granule_count)
{
    return granule < map->granule_count && granule_count <= map->granule_count - granule;
}

static void check_base(const struct cairn_pagemap *map, const void *base, const char *where)
{
    CAIRN_CHECK(cairn_is_aligned((size_t)(uintptr_t)base, (size_t)1 << map->granule_shift),
                "run that does not begin on a granule", base, where);
}

static uint16_t tag_of(size_t granule_idx, uint8_t kind)
{
    return (uint16_t)(cairn_min(granule_idx, INDEX_MAX) << INDEX_SHIFT | kind);
}

int cairn_pagemap_prepare(struct cairn_pagemap *map, const void *base, size_t granule_count)
{
    size_t granule = granule_of(map, base);

    check_base(map, base, __func__);
    if (granule_count == 0)
        return 0;
    if (!is_within(map, granule, granule_count))
        return -EINVAL;
    return cairn_pagemap_cover(map, granule, granule_count) ? 0 : -ENOMEM;
}

static void set_place(struct cairn_pagemap_place place, uint16_t tag, uint32_t owner)
{
    cairn_store_relaxed(place.owner, owner);
    /* release: pairs with the acquire in cairn_pagemap_mark() and _owner() */
    cairn_store_release(place.tag, tag);
}

/* A run of one granule, which most are. False, and nothing changed, where it has no place, or is
   not within the map. */
static bool try_set_granule(const struct cairn_pagemap *map, size_t granule, uint8_t kind,
                            uint32_t owner)
{
    struct cairn_pagemap_place place;

    if (CAIRN_UNLIKELY(granule >= map->granule_count))
        return false;
    place = cairn_pagemap_locate(map, granule);
    if (CAIRN_UNLIKELY(place.tag == NULL))
        return false;
    set_place(place, kind, owner);
    return true;
}

static CAIRN_NOINLINE int set_granules(struct cairn_pagemap *map, const void *base,
                                       size_t granule_count, uint8_t kind, uint32_t owner)
{
    size_t granule = granule_of(map, base);
    int error = cairn_pagemap_prepare(map, base, granule_count);

    if (error != 0)
        return error;
    for (size_t i = 0; i < granule_count; i++)
        set_place(cairn_pagemap_locate(map, granule + i), tag_of(i, kind), owner);
    return 0;
}

int cairn_pagemap_set(struct cairn_pagemap *map, void *base, size_t granule_count, uint8_t kind,
                      uint32_t owner)
{
    CAIRN_CHECK(kind != 0, "run of kind 0, which means not ours", base, __func__);
    check_base(map, base, __func__);
    if (CAIRN_LIKELY(granule_count == 1 &&
                     try_set_granule(map, granule_of(map, base), kind, owner)))
        return 0;
    return set_granules(map, base, granule_count, kind, owner);
}

static inline void clear_granule(struct cairn_pagemap *map, size_t granule, const void *base)
{
    struct cairn_pagemap_place place = cairn_pagemap_locate(map, granule);

    CAIRN_CHECK(place.tag != NULL && cairn_load_relaxed(place.tag) != 0,
                "clearing a run that was not marked", base, "cairn_pagemap_clear");
    cairn_store_relaxed(place.tag, (uint16_t)0);
}

static CAIRN_NOINLINE void clear_granules(struct cairn_pagemap *map, const void *base,
                                          size_t granule_count)
{
    size_t granule = granule_of(map, base);

    if (granule_count == 0)
        return;
    CAIRN_CHECK(is_within(map, granule, granule_count), "clearing a run outside the map", base,
                "cairn_pagemap_clear");
    for (size_t i = 0; i < granule_count; i++)
        clear_granule(map, granule + i, base);
}

void cairn_pagemap_clear(struct cairn_pagemap *map, void *base, size_t granule_count)
{
    size_t granule = granule_of(map, base);

    check_base(map, base, __func__);
    if (CAIRN_LIKELY(granule_count == 1 && granule < map->granule_count))
        clear_granule(map, granule, base);
    else
        clear_granules(map, base, granule_count);
}

bool cairn_pagemap_claim(struct cairn_pagemap *map, void *base, uint16_t tag)
{
    size_t granule = granule_of(map, base);
    struct cairn_pagemap_place place = {NULL, NULL};

    CAIRN_ASSERT(tag != 0);
    if (granule < map->granule_count)
        place = cairn_pagemap_locate(map, granule);
    return place.tag != NULL && __atomic_compare_exchange_n(place.tag, &tag, (uint16_t)0, false,
                                                            __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

void cairn_pagemap_set_sure(struct cairn_pagemap *map, void *base, uint8_t kind, uint32_t owner,
                            struct cairn_pagemap_leaf *leaf)
{
    size_t granule = granule_of(map, base);

    CAIRN_ASSERT(is_within(map, granule, 1));
    if (leaf != NULL && !cairn_pagemap_hang(map, granule, leaf))
        cairn_pagemap_leaf_give(map, leaf);
    if (cairn_pagemap_set(map, base, 1, kind, owner) != 0)
        cairn_panic("the map refused a granule that has a place", base, __func__);
}

uint32_t cairn_pagemap_owner(const struct cairn_pagemap *map, const void *pointer)
{
    struct cairn_pagemap_mark mark = cairn_pagemap_mark(map, pointer);

    if (CAIRN_UNLIKELY(mark.tag == 0))
        cairn_panic(granule_of(map, pointer) < map->granule_count
                        ? "owner of an address that is not ours"
                        : "owner of an address outside the map",
                    pointer, __func__);
    return mark.owner;
}

/* What lies at a granule, by number from address 0; nothing outside the map. */
static struct cairn_pagemap_mark mark_at(const struct cairn_pagemap *map, size_t granule_number)
{
    const struct cairn_pagemap_mark nothing = {0, 0};
    size_t granule = granule_number - map->granule_first;
    struct cairn_pagemap_place place;

    if (granule >= map->granule_count)
        return nothing;
    place = cairn_pagemap_locate(map, granule);
    if (place.tag == NULL)
        return nothing;
    return (struct cairn_pagemap_mark){cairn_load_relaxed(place.owner),
                                       cairn_load_relaxed(place.tag)};
}

static void check_mark(const struct cairn_pagemap_mark *before,
                       const struct cairn_pagemap_mark *here)
{
    unsigned granule_idx = cairn_tag_granule_idx(here->tag);

    if (here->tag == 0)
        return;
    CAIRN_INVARIANT(cairn_tag_kind(here->tag) != 0);
    if (granule_idx == 0)
        return;
    CAIRN_INVARIANT(cairn_tag_kind(before->tag) == cairn_tag_kind(here->tag));
    CAIRN_INVARIANT(before->owner == here->owner);
    CAIRN_INVARIANT(cairn_min(cairn_tag_granule_idx(before->tag) + 1, INDEX_MAX) == granule_idx);
}

static void check_shape(const struct cairn_pagemap *map)
{
    CAIRN_INVARIANT((map->root != NULL) == (map->shape == CAIRN_PAGEMAP_TREE));
    CAIRN_INVARIANT((map->granule_count == 0) == (map->tags == NULL));
    CAIRN_INVARIANT((map->owners != NULL) == (map->tags != NULL && map->root == NULL));
    CAIRN_INVARIANT((map->leaf_count == 0 && map->spare == NULL) || map->root != NULL);
}

/* Other threads may be making leaves, each of which is hung up before it is counted. */
static void check_tree(const struct cairn_pagemap *map)
{
    size_t counted = cairn_load_acquire(&map->leaf_count);
    size_t hung = 0;
    unsigned empty = 0;

    for (size_t i = 0; i < cairn_pagemap_root_count(map); i++)
        hung += cairn_load_relaxed(&map->root[i]) != 0;
    CAIRN_INVARIANT(hung >= counted);
    for (size_t i = 0; i < CAIRN_PAGEMAP_LEAF_GRANULES; i++)
        empty |= map->tags[i];
    CAIRN_INVARIANT(empty == 0);
}

void cairn_pagemap_check(const struct cairn_pagemap *map, const void *base, size_t length_bytes)
{
    uintptr_t first_address = (uintptr_t)base;
    size_t first;
    size_t last;
    struct cairn_pagemap_mark before;

    check_shape(map);
    if (map->root != NULL)
        check_tree(map);
    if (length_bytes == 0 || map->granule_count == 0)
        return;
    first = cairn_max(first_address >> map->granule_shift, map->granule_first);
    last = (first_address + cairn_min(length_bytes - 1, UINTPTR_MAX - first_address)) >>
           map->granule_shift;
    last = cairn_min(last, map->granule_first + (map->granule_count - 1));
    before = mark_at(map, first - 1);
    for (size_t number = first; number <= last; number++) {
        struct cairn_pagemap_mark here = mark_at(map, number);

        check_mark(&before, &here);
        before = here;
    }
}
