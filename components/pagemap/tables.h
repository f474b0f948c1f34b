/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * tables.h - where the tag and the owner of a granule lie, whatever the shape. Internal.
 */

#ifndef CAIRN_PAGEMAP_TABLES_H
#define CAIRN_PAGEMAP_TABLES_H

#include <cairn/pagemap.h>

#include <cairn/base/check.h>

enum { CAIRN_PAGEMAP_LEAF_GRANULES = 1 << CAIRN_PAGEMAP_LEAF_SHIFT };

CAIRN_STATIC_ASSERT(sizeof(struct cairn_pagemap_leaf) ==
                        CAIRN_PAGEMAP_LEAF_GRANULES * (sizeof(uint16_t) + sizeof(uint32_t)),
                    "a leaf is two arrays and nothing else");
CAIRN_STATIC_ASSERT(offsetof(struct cairn_pagemap_leaf, tags) == 0,
                    "the tags of a leaf lead to its owners");

/* How many words the root of a tree has. */
static inline size_t cairn_pagemap_root_count(const struct cairn_pagemap *map)
{
    return map->granule_count >> CAIRN_PAGEMAP_LEAF_SHIFT;
}

/* Both NULL where a tree has no leaf: nothing there was ever marked. */
struct cairn_pagemap_place {
    uint16_t *tag;
    uint32_t *owner;
};

static inline struct cairn_pagemap_place cairn_pagemap_locate(const struct cairn_pagemap *map,
                                                              size_t granule)
{
    struct cairn_pagemap_place place = {NULL, NULL};
    size_t in_leaf = cairn_pagemap_in_leaf(granule);
    struct cairn_pagemap_leaf *leaf;

    CAIRN_ASSERT(granule < map->granule_count);
    if (map->shape == CAIRN_PAGEMAP_WINDOW) {
        place.tag = &map->tags[granule];
        place.owner = &map->owners[granule];
        return place;
    }
    leaf = (struct cairn_pagemap_leaf *)(void *)cairn_pagemap_tags(map, granule);
    if (leaf->tags == map->tags)
        return place;
    place.tag = &leaf->tags[in_leaf];
    place.owner = &leaf->owners[in_leaf];
    return place;
}

/* Makes sure that every granule of the run has a place; false when a leaf cannot be had. */
bool cairn_pagemap_cover(struct cairn_pagemap *map, size_t granule, size_t granule_count);

/* Puts a leaf where the granule has none; false, and the leaf is the caller's, when there is
   one. */
bool cairn_pagemap_hang(struct cairn_pagemap *map, size_t granule, struct cairn_pagemap_leaf *leaf);

#endif
