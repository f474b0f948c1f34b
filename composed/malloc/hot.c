/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * hot.c - fills the tables of hot.h from the geometry of the slabs.
 */

#include "composed/malloc/hot.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

static void init_kind(struct cairn_hot *hot, unsigned kind,
                      const struct cairn_slab_geometry *geometry)
{
    hot->span_mask[kind] = (uint32_t)cairn_pow2_ceil(geometry->slab_bytes) - 1;
    hot->multiplier[kind] = geometry->reciprocal;
    hot->bound[kind] = geometry->start_bound;
}

/* A run begins where its first granule does, which alone is marked. */
static void init_run_kind(struct cairn_hot *hot, unsigned kind)
{
    hot->span_mask[kind] = CAIRN_GROUND_GRANULE_MIN_BYTES - 1;
    hot->multiplier[kind] = 1;
    hot->bound[kind] = 1;
}

void cairn_hot_init(struct cairn_hot *hot, const struct cairn_stack *stack)
{
    const struct cairn_pagemap *map = &stack->ground.map;

    for (unsigned class_idx = 0; class_idx < CAIRN_CLASS_COUNT; class_idx++)
        init_kind(hot, class_idx + 1, &stack->slabs.geometry[class_idx]);
    if (stack->ground.has_runs)
        for (unsigned run_idx = 0; run_idx < CAIRN_RUN_COUNT; run_idx++)
            init_run_kind(hot, CAIRN_KIND_RUN + run_idx);
    if (map->root == hot->map_root && map->granule_shift == CAIRN_HOT_GRANULE_SHIFT)
        cairn_store_release(&hot->leaf_count, sizeof(hot->map_root) / sizeof(hot->map_root[0]));
    for (size_t size_bytes = 0; size_bytes <= CAIRN_CLASS_FINE_BYTES_MAX; size_bytes++)
        hot->fine[size_bytes] = (uint8_t)cairn_class_of(size_bytes);
    cairn_store_release(&hot->coarse_count, (size_t)CAIRN_CLASS_BYTES_MAX + 1);
    cairn_store_release(&hot->fine_count, sizeof(hot->fine));
}
