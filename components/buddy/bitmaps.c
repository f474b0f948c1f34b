/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bitmaps.c - bits under 64-ary summaries; the picture is in bitmaps.h.
 *
 * A word that was not 0 before a set, or is not 0 after a clear, leaves its summary as it is, so
 * most updates end at level 0. The levels lie one after the other, the top first: a small set and
 * its summaries share a cache line.
 *
 * Sizes. 64^6 > 2^32, so six levels hold whatever a 32-bit count can name.
 */

#include "bitmaps.h"

static size_t words_for(size_t bit_count)
{
    return (bit_count + 63) / 64;
}

size_t cairn_buddy_bitmap_words(size_t bit_count)
{
    size_t total = 0;

    CAIRN_ASSERT(bit_count > 0 && bit_count <= UINT32_MAX);
    do {
        bit_count = words_for(bit_count);
        total += bit_count;
    } while (bit_count > 1);
    return total;
}

size_t cairn_buddy_bitmap_layout(struct cairn_buddy_bitmap *bitmap, size_t bit_count,
                                 size_t word_at)
{
    size_t end = word_at + cairn_buddy_bitmap_words(bit_count);
    size_t at = end;
    uint32_t level = 0;

    CAIRN_ASSERT(end <= UINT32_MAX);
    bitmap->bit_count = (uint32_t)bit_count;
    do {
        CAIRN_ASSERT(level < CAIRN_BUDDY_BITMAP_LEVELS);
        bit_count = words_for(bit_count);
        at -= bit_count;
        bitmap->level_at[level++] = (uint32_t)at;
    } while (bit_count > 1);
    bitmap->level_count = level;
    CAIRN_ASSERT(at == word_at);
    return end;
}

void cairn_buddy_bitmap_copy(uint64_t *to_words, const struct cairn_buddy_bitmap *to,
                             const uint64_t *from_words, const struct cairn_buddy_bitmap *from)
{
    size_t idx;

    for (idx = 0; idx * 64 < from->bit_count; idx++) {
        uint64_t bits = from_words[from->level_at[0] + idx];

        for (; bits != 0; bits &= bits - 1)
            cairn_buddy_bitmap_set(to_words, to, idx * 64 + (size_t)__builtin_ctzll(bits));
    }
}

void cairn_buddy_bitmap_check(const uint64_t *words, const struct cairn_buddy_bitmap *bitmap,
                              size_t bit_count)
{
    uint32_t level;

    CAIRN_INVARIANT(bit_count <= bitmap->bit_count);
    for (level = 1; level < bitmap->level_count; level++) {
        size_t idx;

        bit_count = words_for(bit_count);
        for (idx = 0; idx < bit_count; idx++) {
            bool is_below = words[bitmap->level_at[level - 1] + idx] != 0;
            uint64_t above = words[bitmap->level_at[level] + idx / 64];

            CAIRN_INVARIANT(((above & cairn_buddy_bit_of(idx)) != 0) == is_below);
        }
    }
}
