/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * tables.c - making and ending the two shapes, and the leaves of a tree.
 *
 *     window      the caller's state:  | owners | tags |       owners first: they need the greater alignment
 *
 *     tree        the caller's root:   | 0 | d | 0 | d | 0 | ...        a leaf: | tags | owners |, 1.5 MiB
 *
 * Over 47 address bits and granules of 16 KiB the root has 2^15 words, 256 KiB. A leaf covers 4
 * GiB, so that a program whose heap lies in the data segment and among the mappings has two or
 * three. Only what is marked is ever written: a heap of 1 GiB touches 384 KiB of its leaves.
 *
 * Invariants:
 *   I1  root is NULL exactly in a window (and in the map that is all zero);
 *   I2  granule_count is 0 unless the tables are there, so that the inline lookup needs no other
 *       test;
 *   I3  leaf_count leaves hang on the root; one that was hung up stays until fini;
 *   I4  the empty tags are all zero.
 *
 * Threads. A leaf is put on the root by a compare-and-exchange with release; the thread that comes
 * second gives its leaf back. A spare leaf belongs to the thread that exchanged it for NULL.
 */

#include "tables.h"

#include <cairn/base/align.h>

#include <errno.h>

enum {
    GRANULE_BYTES_MIN = 4096,
    GRANULE_BYTES_MAX = 64 * 1024,
    WINDOW_GRANULE_BYTES_MIN = 16,
    STATE_ALIGN_BYTES = 8
};

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

static bool is_table(const void *table)
{
    return table != NULL && cairn_is_aligned((size_t)(uintptr_t)table, CAIRN_CACHE_LINE_BYTES);
}

static int init_tree(struct cairn_pagemap *map, const struct cairn_pagemap_config *config)
{
    if (!is_granule(config->granule_bytes, GRANULE_BYTES_MIN) ||
        config->granule_bytes > GRANULE_BYTES_MAX || !is_table(config->root) ||
        !is_table(config->empty))
        return -EINVAL;
    if (config->leaves.ops == NULL ||
        !cairn_source_has(config->leaves, CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE))
        return -EINVAL;
    map->shape = CAIRN_PAGEMAP_TREE;
    map->root = config->root;
    map->tags = config->empty;
    map->leaves = config->leaves;
    map->granule_shift = cairn_log2_floor(config->granule_bytes);
    map->granule_count = (size_t)1 << (CAIRN_PAGEMAP_ADDRESS_BITS - map->granule_shift);
    CAIRN_ASSERT(cairn_pagemap_root_count(map) * sizeof(*map->root) ==
                 CAIRN_PAGEMAP_ROOT_BYTES(map->granule_shift));
    return 0;
}

/* A window of w > 0 bytes touches most granules when it begins on the last byte of one: that one,
   and those that the other w - 1 bytes need. */
size_t cairn_pagemap_window_state_bytes(size_t window_bytes, size_t granule_bytes)
{
    size_t others_bytes = window_bytes - 1;

    if (window_bytes == 0 || !is_granule(granule_bytes, WINDOW_GRANULE_BYTES_MIN))
        return 0;
    return (1 + others_bytes / granule_bytes + (others_bytes % granule_bytes != 0)) * place_bytes;
}

static int init_window(struct cairn_pagemap *map, const struct cairn_pagemap_config *config)
{
    uintptr_t first = (uintptr_t)config->base;
    size_t window_bytes = config->window_bytes;

    if (!is_granule(config->granule_bytes, WINDOW_GRANULE_BYTES_MIN))
        return -EINVAL;
    if (config->state_bytes <
            cairn_pagemap_window_state_bytes(window_bytes, config->granule_bytes) ||
        !cairn_is_aligned((size_t)(uintptr_t)config->state, STATE_ALIGN_BYTES))
        return -EINVAL;
    if (window_bytes > 0 && window_bytes - 1 > UINTPTR_MAX - first)
        return -EINVAL;
    map->shape = CAIRN_PAGEMAP_WINDOW;
    map->granule_shift = cairn_log2_floor(config->granule_bytes);
    if (window_bytes == 0)
        return 0;
    map->granule_first = first >> map->granule_shift;
    map->granule_count =
        ((first + (window_bytes - 1)) >> map->granule_shift) - map->granule_first + 1;
    CAIRN_ASSERT(map->granule_count * place_bytes <= config->state_bytes);
    map->owners = config->state;
    map->tags = (uint16_t *)(void *)(map->owners + map->granule_count);
    return 0;
}

int cairn_pagemap_init(struct cairn_pagemap *map, const struct cairn_pagemap_config *config)
{
    clear_map(map);
    switch ((int)config->shape) {
    case 0:
    case CAIRN_PAGEMAP_TREE:
        return init_tree(map, config);
    case CAIRN_PAGEMAP_WINDOW:
        return init_window(map, config);
    default:
        return -EINVAL;
    }
}

static struct cairn_pagemap_leaf *take_leaf(struct cairn_pagemap *map)
{
    struct cairn_pagemap_leaf *leaf = cairn_source_take_one(
        map->leaves, sizeof(struct cairn_pagemap_leaf), CAIRN_CACHE_LINE_BYTES);

    CAIRN_ASSERT(leaf == NULL ||
                 (leaf->tags[0] == 0 && leaf->tags[CAIRN_PAGEMAP_LEAF_GRANULES - 1] == 0));
    return leaf;
}

static void give_leaf(struct cairn_pagemap *map, struct cairn_pagemap_leaf *leaf)
{
    cairn_source_give_one(map->leaves, sizeof(*leaf), leaf);
}

struct cairn_pagemap_leaf *cairn_pagemap_leaf_take(struct cairn_pagemap *map)
{
    struct cairn_pagemap_leaf *leaf;

    if (map->shape == CAIRN_PAGEMAP_WINDOW)
        return NULL;
    leaf = __atomic_exchange_n(&map->spare, NULL, __ATOMIC_ACQUIRE);
    return leaf != NULL ? leaf : take_leaf(map);
}

void cairn_pagemap_leaf_give(struct cairn_pagemap *map, struct cairn_pagemap_leaf *leaf)
{
    struct cairn_pagemap_leaf *expected = NULL;

    if (leaf != NULL && !cairn_cas_release(&map->spare, &expected, leaf))
        give_leaf(map, leaf);
}

static void give_leaves(struct cairn_pagemap *map)
{
    for (size_t i = 0; i < cairn_pagemap_root_count(map); i++) {
        if (map->root[i] == 0)
            continue;
        give_leaf(map, (void *)((char *)map->tags + map->root[i]));
        map->root[i] = 0;
        map->leaf_count--;
    }
    CAIRN_ASSERT(map->leaf_count == 0);
    if (map->spare != NULL)
        give_leaf(map, map->spare);
}

void cairn_pagemap_fini(struct cairn_pagemap *map)
{
    if (map->shape == CAIRN_PAGEMAP_TREE)
        give_leaves(map);
    clear_map(map);
}

bool cairn_pagemap_hang(struct cairn_pagemap *map, size_t granule, struct cairn_pagemap_leaf *leaf)
{
    ptrdiff_t *word = &map->root[granule >> CAIRN_PAGEMAP_LEAF_SHIFT];
    ptrdiff_t distance = (char *)leaf - (char *)map->tags;
    ptrdiff_t expected = 0;

    CAIRN_ASSERT(map->root != NULL && distance != 0);
    if (!cairn_cas_release(word, &expected, distance))
        return false;
    cairn_add_relaxed(&map->leaf_count, (size_t)1);
    return true;
}

static bool has_leaf(const struct cairn_pagemap *map, size_t leaf_idx)
{
    /* acquire: pairs with the release in cairn_pagemap_hang() */
    return cairn_load_acquire(&map->root[leaf_idx]) != 0;
}

static bool make_leaf(struct cairn_pagemap *map, size_t leaf_idx)
{
    struct cairn_pagemap_leaf *leaf = cairn_pagemap_leaf_take(map);

    if (leaf == NULL) /* another thread may have had more luck */
        return has_leaf(map, leaf_idx);
    if (!cairn_pagemap_hang(map, leaf_idx << CAIRN_PAGEMAP_LEAF_SHIFT, leaf))
        cairn_pagemap_leaf_give(map, leaf);
    return true;
}

bool cairn_pagemap_cover(struct cairn_pagemap *map, size_t granule, size_t granule_count)
{
    size_t last = (granule + granule_count - 1) >> CAIRN_PAGEMAP_LEAF_SHIFT;

    CAIRN_ASSERT(granule_count > 0);
    if (map->shape == CAIRN_PAGEMAP_WINDOW)
        return true;
    for (size_t i = granule >> CAIRN_PAGEMAP_LEAF_SHIFT; i <= last; i++)
        if (!has_leaf(map, i) && !make_leaf(map, i))
            return false;
    return true;
}
