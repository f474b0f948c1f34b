/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * blocks.c - runs: free blocks that are neighbours in a word of the bitmap, and blocks given back
 * that are neighbours in an array.
 *
 *     word      bit 0                                 bit 63          1 = free
 *               | 0 0 0 0 0 1 1 1 1 1 1 1 0 0 0 ... 0 0 |
 *                 `- 5 out -'`- one run -'`- 52 out ---'
 *
 * Taking. A word whose free blocks are one run becomes a sequence of addresses, four stores at a
 * time; any other is taken bit by bit. A slab that was never used, or emptied, has only such words.
 *
 * Giving. How far a run may go is known before: to the end of the word, of the slab, of the array,
 * and to the first block that is free. Up to there only the array is compared with the sequence,
 * four pointers at a time. A block that is free ends the run and is the first of what comes next,
 * which refuses it. Where no run begins the next few blocks are freed each for itself, without
 * looking for another: in an array without order that would be a branch badly predicted.
 *
 * Cost, in instructions. Per block: three to take it from a run, nine bit by bit; four to give it
 * back in a run, 21 for itself. Per run of one word about 70.
 */

#include "blocks.h"

#include <cairn/base/align.h>

enum { LAST_BIT = CAIRN_SLAB_WORD_BITS - 1, RUN_MIN = 4, LOOK_AGAIN = 16 };

const char cairn_blocks_give_name[] = "cairn_pool_give";

const char *cairn_blocks_misuse(const struct cairn_slab_geometry *geometry,
                                const struct cairn_slab *slab, const void *block)
{
    bool is_start = cairn_slab_is_block_start(geometry, (uintptr_t)block - slab->base);

    return is_start ? "double free" : "not the start of a block";
}

/* The lowest `count` bits. */
static uint64_t mask_of(size_t count)
{
    CAIRN_ASSERT(count >= 1 && count <= CAIRN_SLAB_WORD_BITS);
    return UINT64_MAX >> (CAIRN_SLAB_WORD_BITS - count);
}

/* True when the bits that are set are neighbours; so also for none. */
static bool is_one_run(uint64_t bits)
{
    uint64_t lowest = bits & (~bits + 1);

    return (bits & (bits + lowest)) == 0;
}

static void store_sequence(void **blocks, uintptr_t first, size_t step_bytes, size_t count)
{
    for (; count >= 4; count -= 4) {
        blocks[0] = (void *)first;
        blocks[1] = (void *)(first + step_bytes);
        blocks[2] = (void *)(first + 2 * step_bytes);
        blocks[3] = (void *)(first + 3 * step_bytes);
        blocks += 4;
        first += 4 * step_bytes;
    }
    for (; count > 0; count--) {
        *blocks++ = (void *)first;
        first += step_bytes;
    }
}

/* Takes up to `most` blocks of a word that has one run of free ones; returns how many. */
static size_t take_run(uint64_t *word, uintptr_t base, size_t block_bytes, void **blocks,
                       size_t most)
{
    unsigned lowest_idx = (unsigned)__builtin_ctzll(*word);
    unsigned highest_idx = LAST_BIT - (unsigned)__builtin_clzll(*word);
    size_t count = highest_idx - lowest_idx + 1;

    if (count <= most) {
        *word = 0;
    } else {
        count = most;
        *word &= ~(mask_of(count) << lowest_idx);
    }
    store_sequence(blocks, base + lowest_idx * block_bytes, block_bytes, count);
    return count;
}

/* In 32 bits, which is enough: a word spans at most 128 MiB. */
CAIRN_HOT_INLINE void *take_lowest(uint64_t *bits, uintptr_t base, uint32_t block_bytes)
{
    uint32_t lowest_idx = (uint32_t)__builtin_ctzll(*bits);

    *bits &= *bits - 1;
    return (void *)(base + lowest_idx * block_bytes);
}

/* The same for any word. */
static CAIRN_NOINLINE size_t take_bits(uint64_t *word, uintptr_t base, size_t block_bytes,
                                       void **blocks, size_t most)
{
    uint64_t bits = *word;
    size_t count = cairn_min((unsigned)__builtin_popcountll(bits), most);
    void **const end = blocks + count;

    if (count % 2 != 0)
        *blocks++ = take_lowest(&bits, base, (uint32_t)block_bytes);
    for (; blocks != end; blocks += 2) {
        blocks[0] = take_lowest(&bits, base, (uint32_t)block_bytes);
        blocks[1] = take_lowest(&bits, base, (uint32_t)block_bytes);
    }
    *word = bits;
    return count;
}

void cairn_blocks_take(struct cairn_slab *slab, size_t block_bytes, void **blocks, size_t count)
{
    uint64_t *word = cairn_slab_words(slab) + slab->first_word;
    size_t word_bytes = CAIRN_SLAB_WORD_BITS * block_bytes;
    uintptr_t base = slab->base + slab->first_word * word_bytes;
    size_t taken = 0;

    CAIRN_ASSERT(count > 0 && count <= cairn_slab_free_count(slab));
    for (;; word++, base += word_bytes) {
        if (*word == 0)
            continue;
        if (is_one_run(*word))
            taken += take_run(word, base, block_bytes, blocks + taken, count - taken);
        else
            taken += take_bits(word, base, block_bytes, blocks + taken, count - taken);
        if (taken == count)
            break;
    }
    slab->first_word = (uint8_t)(word - cairn_slab_words(slab));
    slab->free_room = (int16_t)(slab->free_room + (int16_t)count);
}

/* How many neighbours are out, from this one up to the end of the word. */
static size_t out_above(uint64_t free_word, unsigned bit_idx)
{
    uint64_t rest = free_word >> bit_idx;

    return rest == 0 ? CAIRN_SLAB_WORD_BITS - bit_idx : (unsigned)__builtin_ctzll(rest);
}

/* How many neighbours are out, from this one down to the beginning of the word. */
static size_t out_below(uint64_t free_word, unsigned bit_idx)
{
    uint64_t rest = free_word << (LAST_BIT - bit_idx);

    return rest == 0 ? bit_idx + 1 : (unsigned)__builtin_clzll(rest);
}

static bool begins_with_four(void *const *blocks, uintptr_t first, size_t step_bytes)
{
    return (uintptr_t)blocks[0] == first && (uintptr_t)blocks[1] == first + step_bytes &&
           (uintptr_t)blocks[2] == first + 2 * step_bytes &&
           (uintptr_t)blocks[3] == first + 3 * step_bytes;
}

/* How many pointers at the head of the array are a sequence, up to `most`. Requires: the first four
   are. */
static size_t sequence_length(void *const *blocks, size_t step_bytes, size_t most)
{
    uintptr_t next = (uintptr_t)blocks[0] + RUN_MIN * step_bytes;
    size_t length = RUN_MIN;

    if (most <= RUN_MIN)
        return most;
    for (; length + 4 <= most && begins_with_four(blocks + length, next, step_bytes); length += 4)
        next += 4 * step_bytes;
    for (; length < most && (uintptr_t)blocks[length] == next; length++)
        next += step_bytes;
    return length;
}

/* Frees the run at the head of the array; returns the place of the next block, which is the same
   when the first is to be refused. Downwards it ends with block 0; only upwards could it leave the
   blocks for the tail. */
static CAIRN_NOINLINE void *const *free_run(const struct cairn_slab_geometry *geometry,
                                            struct cairn_slab *slab, void *const *blocks,
                                            void *const *end)
{
    cairn_slab_product product = cairn_slab_multiply(geometry, (uintptr_t)*blocks - slab->base);
    size_t block_idx = (size_t)(product >> 64);
    size_t word_idx = block_idx / CAIRN_SLAB_WORD_BITS;
    unsigned bit_idx = block_idx % CAIRN_SLAB_WORD_BITS;
    uint64_t *word = cairn_slab_words(slab) + word_idx;
    size_t most = (size_t)(end - blocks);
    size_t step_bytes = (uintptr_t)blocks[1] - (uintptr_t)blocks[0];
    size_t length;

    if (CAIRN_UNLIKELY((uint64_t)product >= geometry->start_bound ||
                       cairn_blocks_is_set(*word, block_idx)))
        return blocks;
    if (step_bytes == geometry->block_bytes) {
        most = cairn_min(most, geometry->block_count - block_idx);
        length = sequence_length(blocks, step_bytes, cairn_min(most, out_above(*word, bit_idx)));
    } else {
        length = sequence_length(blocks, step_bytes, cairn_min(most, out_below(*word, bit_idx)));
        bit_idx -= (unsigned)length - 1;
    }
    CAIRN_ASSERT((*word & mask_of(length) << bit_idx) == 0);
    *word |= mask_of(length) << bit_idx;
    cairn_blocks_note_word(slab, word_idx);
    cairn_blocks_note_free(slab, length);
    return blocks + length;
}

/* True when a run begins here that is worth its price. */
static bool begins_with_run(void *const *blocks, void *const *end, size_t block_bytes)
{
    size_t step_bytes;

    if (end - blocks < RUN_MIN)
        return false;
    step_bytes = (uintptr_t)blocks[1] - (uintptr_t)blocks[0];
    if (step_bytes != block_bytes && 0 - step_bytes != block_bytes)
        return false;
    return begins_with_four(blocks, (uintptr_t)blocks[0], step_bytes);
}

/* The word of the bitmap that blocks are being freed in: it stays in a register as long as they are
   of it, for to write and read it for each would take longer than all the rest. */
struct open_word {
    uint64_t bits;
    size_t word_idx;
};

CAIRN_HOT_INLINE void open_another(struct cairn_slab *slab, struct open_word *open, size_t word_idx)
{
    cairn_slab_words(slab)[open->word_idx] = open->bits;
    open->bits = cairn_slab_words(slab)[word_idx];
    open->word_idx = word_idx;
    cairn_blocks_note_word(slab, word_idx);
}

/* Frees blocks, each for itself, up to `stop`, to the end of the stretch, or to the first that is
   to be refused; returns the place of the next. What lies outside the slab has a higher index than
   any block (geometry.c), so an index in the open word needs no other test. */
CAIRN_HOT_INLINE void *const *free_each(const struct cairn_slab_geometry *geometry,
                                        struct cairn_slab *slab, struct open_word *open,
                                        void *const *blocks, void *const *stop)
{
    for (; blocks != stop; blocks++) {
        cairn_slab_product product = cairn_slab_multiply(geometry, (uintptr_t)*blocks - slab->base);
        size_t block_idx = (size_t)(product >> 64);
        uint64_t bit = (uint64_t)1 << block_idx % CAIRN_SLAB_WORD_BITS;

        if (CAIRN_UNLIKELY((uint64_t)product >= geometry->start_bound))
            break;
        if (block_idx / CAIRN_SLAB_WORD_BITS != open->word_idx) {
            if (block_idx >= geometry->block_count)
                break;
            open_another(slab, open, block_idx / CAIRN_SLAB_WORD_BITS);
        }
        if (CAIRN_UNLIKELY((open->bits & bit) != 0))
            break;
        open->bits |= bit;
    }
    return blocks;
}

/* Frees blocks of a stretch, each for itself, up to where a run begins or to the first that is to
   be refused; returns the place of the next. */
static CAIRN_NOINLINE void *const *free_some(const struct cairn_slab_geometry *geometry,
                                             struct cairn_slab *slab, void *const *blocks,
                                             void *const *end)
{
    struct open_word open = {cairn_slab_words(slab)[slab->first_word], slab->first_word};
    void *const *const begin = blocks;
    void *const *stop;

    do {
        stop = end - blocks > LOOK_AGAIN ? blocks + LOOK_AGAIN : end;
        blocks = free_each(geometry, slab, &open, blocks, stop);
    } while (blocks == stop && stop != end && !begins_with_run(blocks, end, geometry->block_bytes));
    cairn_slab_words(slab)[open.word_idx] = open.bits;
    cairn_blocks_note_free(slab, (size_t)(blocks - begin));
    return blocks;
}

void *const *cairn_blocks_free_several(const struct cairn_slab_geometry *geometry,
                                       struct cairn_slab *slab, void *const *blocks,
                                       void *const *end)
{
    void *const *begin;

    do {
        begin = blocks;
        if (begins_with_run(blocks, end, geometry->block_bytes))
            blocks = free_run(geometry, slab, blocks, end);
        else
            blocks = free_some(geometry, slab, blocks, end);
    } while (blocks != begin && cairn_blocks_goes_on(geometry, slab, blocks, end));
    return blocks;
}
