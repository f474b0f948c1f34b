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
 * A block alone in its slab is freed here, a stretch in blocks.c. Every block is checked before its
 * bit is set, so that after a panic the bitmap says exactly which blocks came before. What is to be
 * refused is left to the caller, who has a list to mend first (pool.c).
 */

#ifndef CAIRN_SIZECLASS_BLOCKS_H
#define CAIRN_SIZECLASS_BLOCKS_H

#include "internal.h"

/* What a panic names as the place. */
extern const char cairn_blocks_give_name[];

/* Takes the `count` lowest free blocks. Requires: there are so many. */
void cairn_blocks_take(struct cairn_slab *slab, size_t block_bytes, void **blocks, size_t count);

/* Why a block that lies in a granule of the slab is refused: none begins there, or it is free. */
CAIRN_COLD const char *cairn_blocks_misuse(const struct cairn_slab_geometry *geometry,
                                           const struct cairn_slab *slab, const void *block);

/* Frees the stretch at the head of the array. Returns the place of the next block; when that is in
   the slab still, it is to be refused. Requires: blocks[0] is there, in a granule of the slab. */
void *const *cairn_blocks_free_several(const struct cairn_slab_geometry *geometry,
                                       struct cairn_slab *slab, void *const *blocks,
                                       void *const *end);

/* True unless the array ends, or goes on in another slab. */
CAIRN_HOT_INLINE bool cairn_blocks_goes_on(const struct cairn_slab_geometry *geometry,
                                           const struct cairn_slab *slab, void *const *blocks,
                                           void *const *end)
{
    CAIRN_ASSERT(slab->slab_bytes == geometry->slab_bytes);
    return blocks != end && (uintptr_t)*blocks - slab->base < geometry->slab_bytes;
}

/* True when the bit of a block is set in its word. */
CAIRN_HOT_INLINE bool cairn_blocks_is_set(uint64_t word, size_t block_idx)
{
    return (word >> block_idx % CAIRN_SLAB_WORD_BITS & 1) != 0;
}

/* Notes that the word has free blocks. */
CAIRN_HOT_INLINE void cairn_blocks_note_word(struct cairn_slab *slab, size_t word_idx)
{
    if ((uint8_t)word_idx < slab->first_word)
        slab->first_word = (uint8_t)word_idx;
}

CAIRN_HOT_INLINE void cairn_blocks_note_free(struct cairn_slab *slab, size_t count)
{
    CAIRN_ASSERT(cairn_slab_free_count(slab) + count <= slab->block_count);
    slab->free_room = (int16_t)(slab->free_room - (int16_t)count);
}

/* Frees one block that lies in a granule of the slab; false when it is to be refused. */
CAIRN_HOT_INLINE bool cairn_blocks_free_one(const struct cairn_slab_geometry *geometry,
                                            struct cairn_slab *slab, const void *block)
{
    cairn_slab_product product = cairn_slab_multiply(geometry, (uintptr_t)block - slab->base);
    size_t block_idx = (size_t)(product >> 64);
    size_t word_idx = block_idx / CAIRN_SLAB_WORD_BITS;
    uint64_t *word = cairn_slab_words(slab) + word_idx;

    if (CAIRN_UNLIKELY((uint64_t)product >= geometry->start_bound))
        return false;
    if (CAIRN_UNLIKELY(cairn_blocks_is_set(*word, block_idx)))
        return false;
    *word |= (uint64_t)1 << block_idx % CAIRN_SLAB_WORD_BITS;
    cairn_blocks_note_word(slab, word_idx);
    cairn_blocks_note_free(slab, 1);
    return true;
}

#endif
