/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * internal.h - what the files of this component share: descriptors by id, and the words of their
 * bitmaps.
 *
 *     unit   n         n + 1             n + 2             n + 3
 *            | head 32 | words 0 ... 3 | words 4 ... 11  | words 12 ... 19 | next descriptor
 *              32 bytes   32 bytes        64 bytes          64 bytes
 *
 * The bitmap is one array that runs on over the units: that the head and its words fill a unit
 * exactly is asserted.
 */

#ifndef CAIRN_SIZECLASS_INTERNAL_H
#define CAIRN_SIZECLASS_INTERNAL_H

#include <cairn/pool.h>
#include <cairn/slabs.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

CAIRN_STATIC_ASSERT(sizeof(struct cairn_slab) == CAIRN_SLAB_UNIT_BYTES, "a head fills one unit");
CAIRN_STATIC_ASSERT(offsetof(struct cairn_slab, free_words) +
                            CAIRN_SLAB_INLINE_WORDS * sizeof(uint64_t) ==
                        CAIRN_SLAB_UNIT_BYTES,
                    "the bitmap runs on into the next unit without a gap");

enum {
    CAIRN_SLAB_WORD_BITS = 64,
    CAIRN_SLAB_UNIT_WORDS = CAIRN_SLAB_UNIT_BYTES / 8,
    CAIRN_SLAB_WORDS_MAX =
        CAIRN_SLAB_INLINE_WORDS + (CAIRN_SLAB_UNITS_MAX - 1) * CAIRN_SLAB_UNIT_WORDS,
    CAIRN_SLAB_BLOCKS_MAX = CAIRN_SLAB_WORDS_MAX * CAIRN_SLAB_WORD_BITS
};

/* An id is the number of the descriptor's first unit, and above it that of the piece: the logarithm
   of the former, which takes longer to find than to read. */
static inline uint32_t cairn_slabs_id_of(uint32_t unit)
{
    CAIRN_ASSERT(unit > 0 && unit >> CAIRN_SLABS_UNIT_BITS == 0);
    return unit | cairn_log2_floor(unit) << CAIRN_SLABS_UNIT_BITS;
}

static inline uint32_t cairn_slabs_unit_of(uint32_t slab_id)
{
    return slab_id & (((uint32_t)1 << CAIRN_SLABS_UNIT_BITS) - 1);
}

/* The descriptor, without the lock: an id reaches a thread after its piece did (descriptors.c), and
   the entry of the piece never changes again. Four instructions. */
CAIRN_HOT_INLINE struct cairn_slab *cairn_slabs_lookup(const struct cairn_slabs *slabs,
                                                       uint32_t slab_id)
{
    CAIRN_ASSERT(slab_id == cairn_slabs_id_of(cairn_slabs_unit_of(slab_id)));
    CAIRN_ASSERT(cairn_slabs_unit_of(slab_id) < cairn_load_relaxed(&slabs->unit_count));
    return (struct cairn_slab *)(slabs->piece_bases[slab_id >> CAIRN_SLABS_UNIT_BITS] +
                                 (uintptr_t)slab_id * CAIRN_SLAB_UNIT_BYTES);
}

/* The id of a slab that is taken: from the pagemap, for a descriptor has no room for it. */
static inline uint32_t cairn_slabs_lookup_id(const struct cairn_slabs *slabs,
                                             const struct cairn_slab *slab)
{
    CAIRN_ASSERT(slab->base != 0);
    return cairn_pagemap_owner(slabs->config.pagemap, (const void *)slab->base);
}

/* The bitmap. Through a char pointer, because it is longer than the array at its beginning says. */
static inline uint64_t *cairn_slab_words(struct cairn_slab *slab)
{
    return (uint64_t *)(void *)((char *)slab + offsetof(struct cairn_slab, free_words));
}

static inline uint32_t cairn_slab_word_count(uint32_t block_count)
{
    return (block_count + CAIRN_SLAB_WORD_BITS - 1) / CAIRN_SLAB_WORD_BITS;
}

/* Units of a descriptor for that many blocks. */
static inline uint32_t cairn_slab_unit_count(uint32_t block_count)
{
    uint32_t word_count = cairn_slab_word_count(block_count);

    if (word_count <= CAIRN_SLAB_INLINE_WORDS)
        return 1;
    return 1 + (word_count - CAIRN_SLAB_INLINE_WORDS + CAIRN_SLAB_UNIT_WORDS - 1) /
                   CAIRN_SLAB_UNIT_WORDS;
}

/* True when block `block_idx` is free. */
static inline bool cairn_slab_is_free(struct cairn_slab *slab, size_t block_idx)
{
    CAIRN_ASSERT(block_idx < slab->block_count);
    return (cairn_slab_words(slab)[block_idx / CAIRN_SLAB_WORD_BITS] >>
                (block_idx % CAIRN_SLAB_WORD_BITS) &
            1) != 0;
}

/* True for the tag of a granule that is a slab's. */
static inline bool cairn_slabs_is_slab(uint16_t tag, uint8_t kind_max)
{
    return (uint8_t)(cairn_tag_kind(tag) - 1) < kind_max;
}

/* Fills in everything of a geometry that follows from these three. */
void cairn_slab_describe(struct cairn_slab_geometry *geometry, uint32_t block_bytes,
                         uint32_t slab_bytes, uint32_t block_count);

/* cairn_slabs_take() and cairn_slabs_give() by id; 0: NULL. */
uint32_t cairn_slabs_take_id(struct cairn_slabs *slabs, const struct cairn_slab_geometry *geometry,
                             uint8_t kind, uint32_t pool_id);
void cairn_slabs_give_id(struct cairn_slabs *slabs, uint32_t slab_id);

/* The units of descriptors, from the config of the directory. Fails: -EINVAL as
   cairn_slabs_init(). */
int cairn_slabs_init_units(struct cairn_slabs *slabs);
void cairn_slabs_fini_units(struct cairn_slabs *slabs);

/* The id of a descriptor without an owner, with base 0 and its unit_count set; 0 when there is none
   and none can be had. Requires: the directory's lock. */
uint32_t cairn_slabs_pop(struct cairn_slabs *slabs, uint32_t unit_count);

/* Takes it back. Requires: the directory's lock, base is 0. */
void cairn_slabs_push(struct cairn_slabs *slabs, uint32_t slab_id);

/* The id of the first slab in use from `unit` on (the first unit of a descriptor, or 1), or 0.
   Requires: the directory's lock. */
uint32_t cairn_slabs_next(const struct cairn_slabs *slabs, uint32_t unit);

/* The unit behind a descriptor. */
static inline uint32_t cairn_slabs_unit_behind(const struct cairn_slab *slab, uint32_t slab_id)
{
    return cairn_slabs_unit_of(slab_id) + slab->unit_count;
}

void cairn_slabs_check_units(const struct cairn_slabs *slabs);

/* cairn_pool_init() with a geometry of the caller's making. */
void cairn_pool_init_geometry(struct cairn_pool *pool, struct cairn_slabs *slabs,
                              const struct cairn_slab_geometry *geometry, uint8_t kind,
                              uint8_t kind_max);

#endif
