/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * length.h - the length of a block, and the page of its granule where it begins, in the 32 bits of
 * an owner.
 *
 *     bit   31        30 29     28 ................ 0
 *         | coarse | offset   | length                |     in pages; coarse: in 4096 pages, rounded up by the allocation
 *
 * A block begins at a page of a granule, of which there are at most four (granules of 16 KiB; where
 * pages are as large or larger, the granule is the page). 29 bits of pages of 4 KiB are 2 TiB.
 * Lengths above are multiples of 4096 pages, up to 2^53 bytes: more than there are addresses.
 */

#ifndef CAIRN_COMPOSED_BACKEND_LENGTH_H
#define CAIRN_COMPOSED_BACKEND_LENGTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

enum { CAIRN_LENGTH_BITS = 29, CAIRN_LENGTH_COARSE_SHIFT = 12 };

#define CAIRN_LENGTH_COARSE 0x80000000u

/* Rounds up to what can be written down. False when the sum wraps. */
static inline bool cairn_length_round(size_t length_bytes, size_t page_bytes, size_t *rounded_bytes)
{
    size_t unit_bytes = page_bytes;

    if (length_bytes >> CAIRN_LENGTH_BITS >= page_bytes)
        unit_bytes <<= CAIRN_LENGTH_COARSE_SHIFT;
    return cairn_try_align_up(length_bytes, unit_bytes, rounded_bytes);
}

static inline uint32_t cairn_length_code(size_t length_bytes, size_t page_bytes, size_t page_idx)
{
    size_t pages = length_bytes / page_bytes;
    uint32_t coarse = 0;

    CAIRN_ASSERT(length_bytes % page_bytes == 0 && page_idx < 4);
    if (pages >> CAIRN_LENGTH_BITS != 0) {
        coarse = CAIRN_LENGTH_COARSE;
        pages >>= CAIRN_LENGTH_COARSE_SHIFT;
        CAIRN_ASSERT(length_bytes == pages * page_bytes << CAIRN_LENGTH_COARSE_SHIFT);
    }
    CAIRN_ASSERT(pages >> CAIRN_LENGTH_BITS == 0);
    return coarse | (uint32_t)page_idx << CAIRN_LENGTH_BITS | (uint32_t)pages;
}

static inline size_t cairn_length_bytes(uint32_t code, size_t page_bytes)
{
    size_t pages = code & ((1u << CAIRN_LENGTH_BITS) - 1);

    return (pages * page_bytes) << ((code & CAIRN_LENGTH_COARSE) != 0 ? CAIRN_LENGTH_COARSE_SHIFT
                                                                      : 0);
}

/* Which page of its granule the block begins at. */
static inline size_t cairn_length_page_idx(uint32_t code)
{
    return code >> CAIRN_LENGTH_BITS & 3;
}

#endif
