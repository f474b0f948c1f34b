/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * blocks.h - the blocks of one slab in its bitmap: what is done for each block, inline.
 *
 * Blocks come back in an array. A stretch of it is what lies in one slab; within a stretch, a run
 * is what lies in one word and goes up or down by one block at a time:
 *
 *     array     | 7 | 8 | 9 | 10 | 64 | 63 | 62 | 30 | other slab ...       by index in the slab
 *               |-- stretch ----------------------| |
 *                     `-- run --'      `- run -'
 *
 * A stretch of one block is freed here, any other in blocks.c. Every block is checked before its
 * bit is set, so that after a panic the bitmap says exactly which blocks came before.
 */

#ifndef CAIRN_SIZECLASS_BLOCKS_H
#define CAIRN_SIZECLASS_BLOCKS_H

#include "internal.h"

/* What a panic names as the place. */
extern const char cairn_blocks_give_name[];

/* Takes the `count` lowest free blocks. Requires: there are so many. */
void cairn_blocks_take(struct cairn_slab *slab, size_t block_bytes, void **blocks, size_t count);

/* cairn_blocks_free_stretch() for a stretch of two blocks or more. */
void *const *cairn_blocks_free_several(const struct cairn_slab_geometry *geometry,
                                       struct cairn_slab *slab, void *const *blocks,
                                       void *const *end);

/* The index of a block that lies in a granule of the slab. Panics when none begins there, or it is
   free. */
CAIRN_HOT_INLINE size_t cairn_blocks_idx(const struct cairn_slab_geometry *geometry,
                                         struct cairn_slab *slab, const void *block)
{
    cairn_slab_product product = cairn_slab_multiply(geometry, (uintptr_t)block - slab->base);
    size_t block_idx = (size_t)(product >> 64);

    CAIRN_CHECK((uint64_t)product < geometry->start_bound, "not the start of a block", block,
                cairn_blocks_give_name);
    CAIRN_CHECK(!cairn_slab_is_free(slab, block_idx), "double free", block, cairn_blocks_give_name);
    return block_idx;
}

/* Sets `count` bits of a word, all of them 0 so far. */
CAIRN_HOT_INLINE void cairn_blocks_set_free(struct cairn_slab *slab, size_t word_idx, uint64_t bits,
                                            size_t count)
{
    uint64_t *word = cairn_slab_words(slab) + word_idx;

    CAIRN_ASSERT((*word & bits) == 0);
    CAIRN_ASSERT((size_t)__builtin_popcountll(bits) == count);
    CAIRN_ASSERT(slab->free_count + count <= slab->block_count);
    *word |= bits;
    slab->free_count = (uint16_t)(slab->free_count + count);
    if (word_idx < slab->first_word)
        slab->first_word = (uint16_t)word_idx;
}

CAIRN_HOT_INLINE void cairn_blocks_free_one(struct cairn_slab *slab, size_t block_idx)
{
    cairn_blocks_set_free(slab, block_idx / CAIRN_SLAB_WORD_BITS,
                          (uint64_t)1 << block_idx % CAIRN_SLAB_WORD_BITS, 1);
}

/* True unless the array ends, or goes on in another slab. */
CAIRN_HOT_INLINE bool cairn_blocks_goes_on(const struct cairn_slab *slab, void *const *blocks,
                                           void *const *end)
{
    return blocks != end && (uintptr_t)*blocks - slab->base < slab->slab_bytes;
}

/* Frees the stretch at the head of the array. Returns the place of the next block. Requires:
   blocks[0] is there and in a granule of the slab. */
CAIRN_HOT_INLINE void *const *cairn_blocks_free_stretch(const struct cairn_slab_geometry *geometry,
                                                        struct cairn_slab *slab,
                                                        void *const *blocks, void *const *end)
{
    CAIRN_ASSERT(blocks != end && (uintptr_t)*blocks >= slab->base);
    if (cairn_blocks_goes_on(slab, blocks + 1, end))
        return cairn_blocks_free_several(geometry, slab, blocks, end);
    cairn_blocks_free_one(slab, cairn_blocks_idx(geometry, slab, *blocks));
    return blocks + 1;
}

#endif
