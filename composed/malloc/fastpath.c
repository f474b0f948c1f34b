/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * fastpath.c - fills the tables of fastpath.h from the geometry of the slabs.
 */

#include "composed/malloc/fastpath.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

static void init_slab_kind(struct cairn_fastpath *fastpath, unsigned kind,
                           const struct cairn_slab_geometry *geometry)
{
    fastpath->span_mask[kind] = (uint32_t)cairn_pow2_ceil(geometry->slab_bytes) - 1;
    fastpath->multiplier[kind] = geometry->reciprocal;
    fastpath->bound[kind] = geometry->start_bound;
}

/* A medium block begins where its first granule does, which alone is marked. */
static void init_medium_kind(struct cairn_fastpath *fastpath, unsigned kind)
{
    fastpath->span_mask[kind] = CAIRN_BACKEND_GRANULE_MIN_BYTES - 1;
    fastpath->multiplier[kind] = 1;
    fastpath->bound[kind] = 1;
}

static void init_kinds(struct cairn_fastpath *fastpath, const struct cairn_sizeclass *slabs,
                       const struct cairn_backend *backend)
{
    for (unsigned class_idx = 0; class_idx < slabs->class_count; class_idx++)
        init_slab_kind(fastpath, cairn_class_kind(class_idx), &slabs->geometry[class_idx]);
    if (backend->has_medium)
        for (unsigned medium_idx = 0; medium_idx < CAIRN_MEDIUM_COUNT; medium_idx++)
            init_medium_kind(fastpath, backend->medium_kind + medium_idx);
}

void cairn_fastpath_init(struct cairn_fastpath *fastpath, const struct cairn_sizeclass *slabs,
                         const struct cairn_backend *backend)
{
    const struct cairn_pagemap *map = &backend->map;

    if (map->root == fastpath->map_root && map->granule_shift == CAIRN_FASTPATH_GRANULE_SHIFT)
        init_kinds(fastpath, slabs, backend);
    for (size_t size_bytes = 0; size_bytes <= CAIRN_CLASS_FINE_BYTES_MAX; size_bytes++)
        fastpath->fine[size_bytes] = (uint8_t)cairn_class_of(&cairn_stack_classes, size_bytes);
    cairn_store_release(&fastpath->coarse_count, (size_t)CAIRN_CLASS_BYTES_MAX + 1);
    cairn_store_release(&fastpath->fine_count, sizeof(fastpath->fine));
}
