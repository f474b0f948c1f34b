/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * tables.c - making and ending the three shapes.
 *
 *     flat        one block:  | tags: 2 bytes a granule | owners: 4 bytes a granule |   reserved, not committed
 *
 *     window      the caller's state:  | owners | tags |       owners first: they need the greater alignment
 *
 *     two-level   root: | leaf * | 0 | leaf * | 0 | 0 | ...          a leaf: | tags | owners |, 96 KiB
 *
 * Over 47 address bits and granules of 16 KiB the flat table takes 48 GiB of address space, of which a heap of
 * 1 GiB touches 384 KiB; the root takes 4 MiB of address space, and a leaf covers 256 MiB.
 *
 * Invariants:
 *   I1  tags is NULL exactly in the two-level shape (and in the map that is all zero);
 *   I2  granule_count is 0 unless the tables are there, so that the inline lookup needs no other test;
 *   I3  leaf_count leaves hang on the root; one that was hung up stays until fini.
 *
 * Threads. Leaves are made under the lock and published by a release store; the lock is held over the take from
 * `tables`, whose own lock ranks above.
 */

#include "tables.h"

#include <cairn/base/align.h>

#include <errno.h>

enum { GRANULE_BYTES_MIN = 4096, WINDOW_GRANULE_BYTES_MIN = 16, STATE_ALIGN_BYTES = 8 };

static const size_t place_bytes = sizeof(uint16_t) + sizeof(uint32_t);

static void clear_map(struct cairn_pagemap *map)
{
    const struct cairn_pagemap nothing = {0};

    *map = nothing;
}

static bool is_granule(size_t granule_bytes, size_t least_bytes)
{
    return cairn_is_pow2(granule_bytes) && granule_bytes >= least_bytes;
}

/* How many pointers the root has. */
static size_t root_count(size_t granule_count)
{
    return ((granule_count - 1) >> CAIRN_PAGEMAP_LEAF_SHIFT) + 1;
}

/* Sets up what the shapes over the whole address space share, but not granule_count. */
static int init_whole(struct cairn_pagemap *map, size_t granule_bytes, struct cairn_source tables,
                      size_t *granule_count)
{
    unsigned bits = cairn_pagemap_address_bits();

    clear_map(map);
    if (!is_granule(granule_bytes, GRANULE_BYTES_MIN) || granule_bytes >= (size_t)1 << bits)
        return -EINVAL;
    if (!cairn_source_has(tables, CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE))
        return -EINVAL;
    map->granule_shift = cairn_log2_floor(granule_bytes);
    map->tables = tables;
    cairn_lock_init(&map->lock, CAIRN_RANK_PAGEMAP);
    *granule_count = (size_t)1 << (bits - map->granule_shift);
    return 0;
}

static bool make_flat(struct cairn_pagemap *map, size_t granule_count)
{
    uint16_t *tags =
        cairn_source_take_one(map->tables, granule_count * place_bytes, CAIRN_CACHE_LINE_BYTES);

    if (tags == NULL)
        return false;
    CAIRN_ASSERT(cairn_is_aligned((size_t)(uintptr_t)tags, CAIRN_CACHE_LINE_BYTES));
    map->shape = CAIRN_PAGEMAP_FLAT;
    map->tags = tags;
    map->owners = (uint32_t *)(void *)(tags + granule_count);
    map->granule_count = granule_count;
    return true;
}

static bool make_two_level(struct cairn_pagemap *map, size_t granule_count)
{
    map->root = cairn_source_take_one(map->tables, root_count(granule_count) * sizeof(*map->root),
                                      CAIRN_CACHE_LINE_BYTES);
    if (map->root == NULL)
        return false;
    map->shape = CAIRN_PAGEMAP_TWO_LEVEL;
    map->granule_count = granule_count;
    return true;
}

int cairn_pagemap_init(struct cairn_pagemap *map, size_t granule_bytes, struct cairn_source tables)
{
    size_t granule_count;
    int result = init_whole(map, granule_bytes, tables, &granule_count);

    if (result != 0)
        return result;
    if (make_flat(map, granule_count) || make_two_level(map, granule_count))
        return 0;
    clear_map(map);
    return -ENOMEM;
}

int cairn_pagemap_init_two_level(struct cairn_pagemap *map, size_t granule_bytes,
                                 struct cairn_source tables)
{
    size_t granule_count;
    int result = init_whole(map, granule_bytes, tables, &granule_count);

    if (result != 0)
        return result;
    if (make_two_level(map, granule_count))
        return 0;
    clear_map(map);
    return -ENOMEM;
}

/* A window of w > 0 bytes touches most granules when it begins on the last byte of one: that one, and those that
   the other w - 1 bytes need. */
size_t cairn_pagemap_window_state_bytes(size_t window_bytes, size_t granule_bytes)
{
    size_t others_bytes = window_bytes - 1;

    if (window_bytes == 0 || !is_granule(granule_bytes, WINDOW_GRANULE_BYTES_MIN))
        return 0;
    return (1 + others_bytes / granule_bytes + (others_bytes % granule_bytes != 0)) * place_bytes;
}

int cairn_pagemap_init_window(struct cairn_pagemap *map, void *base, size_t window_bytes,
                              size_t granule_bytes, void *state, size_t state_bytes)
{
    uintptr_t first = (uintptr_t)base;

    clear_map(map);
    if (!is_granule(granule_bytes, WINDOW_GRANULE_BYTES_MIN))
        return -EINVAL;
    if (state_bytes < cairn_pagemap_window_state_bytes(window_bytes, granule_bytes) ||
        !cairn_is_aligned((size_t)(uintptr_t)state, STATE_ALIGN_BYTES))
        return -EINVAL;
    if (window_bytes > 0 && window_bytes - 1 > UINTPTR_MAX - first)
        return -EINVAL;
    map->shape = CAIRN_PAGEMAP_WINDOW;
    map->granule_shift = cairn_log2_floor(granule_bytes);
    cairn_lock_init(&map->lock, CAIRN_RANK_PAGEMAP);
    if (window_bytes == 0)
        return 0;
    map->granule_first = first >> map->granule_shift;
    map->granule_count =
        ((first + (window_bytes - 1)) >> map->granule_shift) - map->granule_first + 1;
    CAIRN_ASSERT(map->granule_count * place_bytes <= state_bytes);
    map->owners = state;
    map->tags = (uint16_t *)(void *)(map->owners + map->granule_count);
    return 0;
}

static void give_leaves(struct cairn_pagemap *map)
{
    for (size_t i = 0; map->leaf_count > 0; i++) {
        CAIRN_ASSERT(i < root_count(map->granule_count));
        if (map->root[i] == NULL)
            continue;
        cairn_source_give_one(map->tables, sizeof(struct cairn_pagemap_leaf), map->root[i]);
        map->leaf_count--;
    }
}

void cairn_pagemap_fini(struct cairn_pagemap *map)
{
    CAIRN_CHECK(!cairn_lock_is_held(&map->lock), "pagemap ended while in use", map, __func__);
    if (map->shape == CAIRN_PAGEMAP_FLAT)
        cairn_source_give_one(map->tables, map->granule_count * place_bytes, map->tags);
    if (map->shape == CAIRN_PAGEMAP_TWO_LEVEL) {
        give_leaves(map);
        cairn_source_give_one(map->tables, root_count(map->granule_count) * sizeof(*map->root),
                              map->root);
    }
    clear_map(map);
}

/* Requires the lock. */
static bool hang_up_leaf(struct cairn_pagemap *map, size_t leaf_idx)
{
    struct cairn_pagemap_leaf *leaf;

    if (map->root[leaf_idx] != NULL)
        return true; /* another thread was faster */
    leaf = cairn_source_take_one(map->tables, sizeof(*leaf), CAIRN_CACHE_LINE_BYTES);
    if (leaf == NULL)
        return false;
    CAIRN_ASSERT(leaf->tags[0] == 0 && leaf->tags[CAIRN_PAGEMAP_LEAF_GRANULES - 1] == 0);
    /* release: pairs with the acquire in cairn_pagemap__place() */
    cairn_store_release(&map->root[leaf_idx], leaf);
    map->leaf_count++;
    return true;
}

bool cairn_pagemap__cover(struct cairn_pagemap *map, size_t granule, size_t granule_count)
{
    size_t end = granule + granule_count;

    CAIRN_ASSERT(granule_count > 0);
    if (map->shape != CAIRN_PAGEMAP_TWO_LEVEL)
        return true;
    for (size_t i = granule >> CAIRN_PAGEMAP_LEAF_SHIFT; i <= (end - 1) >> CAIRN_PAGEMAP_LEAF_SHIFT;
         i++) {
        bool is_there;

        if (cairn_load_relaxed(&map->root[i]) != NULL)
            continue;
        cairn_lock_take(&map->lock);
        is_there = hang_up_leaf(map, i);
        cairn_lock_release(&map->lock);
        if (!is_there)
            return false;
    }
    return true;
}
