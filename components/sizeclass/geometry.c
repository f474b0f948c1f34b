/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * geometry.c - how many granules a slab has, and how an offset in it becomes a block.
 *
 *     | block 0 | block 1 | ...                                | block n-1 | tail |
 *     |<- granule ->|<- granule ->|<-    ...    ->|<- granule ->|
 *
 * Small slabs become empty sooner and lose less when they are nearly empty; large ones waste less
 * in the tail. So the first number of granules is taken that holds enough blocks and wastes at most
 * 1/16. Only powers of two are tried: what one class gives back then fits the others
 * (docs/decisions/0031).
 *
 * The index of a block is offset / block_bytes. With the least integer r above 2^64 / block_bytes,
 * which is (2^64 + e) / block_bytes for some 0 < e <= block_bytes, an offset of q blocks and s
 * bytes has the product
 *
 *     offset * r = q * 2^64  +  q * e + s * r       with s * r <= 2^64 - (2^64 - e * s) / block_bytes
 *
 * Its upper half is q, for the rest is below 2^64 as long as (q + 1) * e * block_bytes is: true for
 * offsets up to 2^22 and blocks of up to 2^21. Its lower half tells where blocks begin: for s == 0
 * it is q * e, and otherwise at least r. So one comparison with (block_count - 1) * e + 1, which is
 * below r, finds both what is no start and what lies behind the last block.
 */

#include "internal.h"

#include <cairn/base/align.h>

#include <errno.h>

enum { BLOCK_BYTES_UNIT = 8, WASTE_SHIFT = 4, GRANULE_BYTES_MIN = 16 };

/* Sets what turns an offset into an index; block_bytes and block_count are there. */
static void invert(struct cairn_slab_geometry *geometry)
{
    uint64_t reciprocal = UINT64_MAX / geometry->block_bytes + 1;
    uint64_t excess = reciprocal * geometry->block_bytes; /* mod 2^64; 0 for powers of two */

    if (excess == 0) {
        reciprocal++;
        excess = geometry->block_bytes;
    }
    geometry->reciprocal = reciprocal;
    geometry->start_bound = (geometry->block_count - 1) * excess + 1;
    CAIRN_ASSERT(excess <= geometry->block_bytes);
    CAIRN_ASSERT(geometry->start_bound <= reciprocal);
}

void cairn_slab_describe(struct cairn_slab_geometry *geometry, uint32_t block_bytes,
                         uint32_t slab_bytes, uint32_t block_count)
{
    CAIRN_ASSERT(block_bytes >= BLOCK_BYTES_UNIT && block_bytes <= CAIRN_SLAB_BYTES_MAX);
    CAIRN_ASSERT(slab_bytes <= CAIRN_SLAB_BYTES_MAX);
    CAIRN_ASSERT(block_count > 0 && block_count <= CAIRN_SLAB_BLOCKS_MAX);
    CAIRN_ASSERT((uint64_t)block_count * block_bytes <= slab_bytes);
    geometry->block_bytes = block_bytes;
    geometry->slab_bytes = slab_bytes;
    geometry->block_count = block_count;
    invert(geometry);
    geometry->align_bytes =
        (uint32_t)cairn_min(cairn_pow2_divisor(block_bytes), CAIRN_SLAB_ALIGN_BYTES_MAX);
}

static uint64_t blocks_in(uint64_t slab_bytes, uint64_t block_bytes)
{
    return cairn_min(slab_bytes / block_bytes, CAIRN_SLAB_BLOCKS_MAX);
}

int cairn_slab_geometry(struct cairn_slab_geometry *geometry, size_t block_bytes,
                        size_t granule_bytes)
{
    uint64_t best_bytes = 0;
    uint64_t best_waste = 0;

    if (block_bytes == 0 || block_bytes % BLOCK_BYTES_UNIT != 0 ||
        block_bytes > CAIRN_SLAB_BYTES_MAX || !cairn_is_pow2(granule_bytes) ||
        granule_bytes < GRANULE_BYTES_MIN ||
        granule_bytes > CAIRN_SLAB_BYTES_MAX / CAIRN_SLAB_GRANULES_MAX)
        return -EINVAL;
    for (uint64_t granules = 1; granules <= CAIRN_SLAB_GRANULES_MAX; granules *= 2) {
        uint64_t slab_bytes = granules * granule_bytes;
        uint64_t waste_bytes = slab_bytes - blocks_in(slab_bytes, block_bytes) * block_bytes;

        if (slab_bytes / block_bytes < CAIRN_SLAB_BLOCKS_MIN)
            continue;
        if (best_bytes == 0 || waste_bytes * best_bytes < best_waste * slab_bytes) {
            best_bytes = slab_bytes;
            best_waste = waste_bytes;
        }
        if (best_waste <= best_bytes >> WASTE_SHIFT)
            break;
    }
    if (best_bytes == 0)
        return -EINVAL;
    cairn_slab_describe(geometry, (uint32_t)block_bytes, (uint32_t)best_bytes,
                        (uint32_t)blocks_in(best_bytes, block_bytes));
    return 0;
}
