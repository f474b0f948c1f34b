/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bitmaps.h - a set of small integers that finds its least member by one word per level.
 *
 *     level 2   1                                   one word: which words of level 1 are not 0
 *     level 1   1 0 0 1 ............                one bit per word of level 0
 *     level 0   0110 0000 0000 0001 ............    one bit per member
 *
 * Invariant. A bit above is set exactly when the word below it is not 0.
 *
 * Relies on nothing but offsets: the descriptor says where in the caller's words each level lies,
 * so the whole may be mapped elsewhere. All bits zero is the empty set, so a large set over zero
 * pages costs what it uses.
 *
 * Cost. test: one word. set, clear, lowest: at most one word per level; set and clear mostly stop
 * at level 0.
 */

#ifndef CAIRN_BUDDY_BITMAPS_H
#define CAIRN_BUDDY_BITMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/check.h>
#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_BUDDY_BITMAP_LEVELS = 6 }; /* 64^6 > 2^32 */

struct cairn_buddy_bitmap {
    uint32_t bit_count;
    uint32_t level_count;
    uint32_t level_at[CAIRN_BUDDY_BITMAP_LEVELS]; /* word index of a level; 0 holds the bits */
};
CAIRN_STATIC_ASSERT(sizeof(struct cairn_buddy_bitmap) == 32, "two descriptors to a cache line");

/* How many words a set of 0 < bit_count <= 2^32 - 1 members needs, all levels together. */
size_t cairn_buddy_bitmap_words(size_t bit_count);

/* Lays the set out from word `word_at` on, the top level first. Returns the word after it. */
size_t cairn_buddy_bitmap_layout(struct cairn_buddy_bitmap *bitmap, size_t bit_count,
                                 size_t word_at);

/* Copies a set into an empty one with room for as many members or more. */
void cairn_buddy_bitmap_copy(uint64_t *to_words, const struct cairn_buddy_bitmap *to,
                             const uint64_t *from_words, const struct cairn_buddy_bitmap *from);

/* Panics unless every summary agrees with what is below it, over the first `bit_count` members. */
void cairn_buddy_bitmap_check(const uint64_t *words, const struct cairn_buddy_bitmap *bitmap,
                              size_t bit_count);

/* False also for a bit beyond the end, so that callers need not know where a partial order ends. */
static inline bool cairn_buddy_bitmap_test(const uint64_t *words,
                                           const struct cairn_buddy_bitmap *bitmap, size_t bit)
{
    return bit < bitmap->bit_count &&
           (words[bitmap->level_at[0] + bit / 64] >> (bit % 64) & 1) != 0;
}

static inline bool cairn_buddy_bitmap_is_empty(const uint64_t *words,
                                               const struct cairn_buddy_bitmap *bitmap)
{
    return words[bitmap->level_at[bitmap->level_count - 1]] == 0;
}

static inline uint64_t cairn_buddy_bit_of(size_t bit)
{
    return (uint64_t)1 << (bit % 64);
}

/* Sets a bit of a level. Returns true when its word was 0. */
static inline bool cairn_buddy_word_set(uint64_t *words, uint32_t level_at, size_t bit)
{
    uint64_t *word = &words[level_at + bit / 64];
    uint64_t before = *word;

    *word = before | cairn_buddy_bit_of(bit);
    return before == 0;
}

/* Clears a bit of a level. Returns true when its word is 0 now. */
static inline bool cairn_buddy_word_clear(uint64_t *words, uint32_t level_at, size_t bit)
{
    uint64_t *word = &words[level_at + bit / 64];

    *word &= ~cairn_buddy_bit_of(bit);
    return *word == 0;
}

/* Adds a member that is not in the set. Two levels are written out: most updates end there. */
static inline void cairn_buddy_bitmap_set(uint64_t *words, const struct cairn_buddy_bitmap *bitmap,
                                          size_t bit)
{
    const uint32_t *level_at = bitmap->level_at;
    uint32_t level;

    CAIRN_ASSERT(bit < bitmap->bit_count);
    CAIRN_ASSERT(!cairn_buddy_bitmap_test(words, bitmap, bit));
    if (!cairn_buddy_word_set(words, level_at[0], bit) || bitmap->level_count == 1)
        return;
    if (!cairn_buddy_word_set(words, level_at[1], bit /= 64))
        return;
    for (level = 2; CAIRN_UNLIKELY(level < bitmap->level_count); level++)
        if (!cairn_buddy_word_set(words, level_at[level], bit /= 64))
            return;
}

/* Adds a member to an empty set. */
static inline void cairn_buddy_bitmap_set_first(uint64_t *words,
                                                const struct cairn_buddy_bitmap *bitmap, size_t bit)
{
    const uint32_t *level_at = bitmap->level_at;
    uint32_t level;

    CAIRN_ASSERT(bit < bitmap->bit_count);
    CAIRN_ASSERT(cairn_buddy_bitmap_is_empty(words, bitmap));
    words[level_at[0] + bit / 64] = cairn_buddy_bit_of(bit);
    if (bitmap->level_count == 1)
        return;
    bit /= 64;
    words[level_at[1] + bit / 64] = cairn_buddy_bit_of(bit);
    for (level = 2; CAIRN_UNLIKELY(level < bitmap->level_count); level++) {
        bit /= 64;
        words[level_at[level] + bit / 64] = cairn_buddy_bit_of(bit);
    }
}

/* Removes a member of the set. Returns true when it was the last one. */
static inline bool cairn_buddy_bitmap_clear(uint64_t *words,
                                            const struct cairn_buddy_bitmap *bitmap, size_t bit)
{
    const uint32_t *level_at = bitmap->level_at;
    uint32_t level;

    CAIRN_ASSERT(cairn_buddy_bitmap_test(words, bitmap, bit));
    if (!cairn_buddy_word_clear(words, level_at[0], bit))
        return false;
    if (bitmap->level_count == 1)
        return true;
    if (!cairn_buddy_word_clear(words, level_at[1], bit /= 64))
        return false;
    for (level = 2; CAIRN_UNLIKELY(level < bitmap->level_count); level++)
        if (!cairn_buddy_word_clear(words, level_at[level], bit /= 64))
            return false;
    return true;
}

/* The least member. Requires: not empty. */
static inline size_t cairn_buddy_bitmap_lowest(const uint64_t *words,
                                               const struct cairn_buddy_bitmap *bitmap)
{
    size_t bit = 0;
    uint32_t level;

    CAIRN_ASSERT(!cairn_buddy_bitmap_is_empty(words, bitmap));
    for (level = bitmap->level_count - 1; level > 0; level--)
        bit = bit * 64 + (unsigned)__builtin_ctzll(words[bitmap->level_at[level] + bit]);
    bit = bit * 64 + (unsigned)__builtin_ctzll(words[bitmap->level_at[0] + bit]);
    CAIRN_ASSERT(bit < bitmap->bit_count);
    return bit;
}

/* Removes the least member of a set of two levels. Says whether it was the last one. */
static inline size_t cairn_buddy_bitmap_pop_of_two(uint64_t *words,
                                                   const struct cairn_buddy_bitmap *bitmap,
                                                   bool *is_last)
{
    uint64_t *above = &words[bitmap->level_at[1]];
    size_t idx = (unsigned)__builtin_ctzll(*above);
    uint64_t *word = &words[bitmap->level_at[0] + idx];
    size_t bit = idx * 64 + (unsigned)__builtin_ctzll(*word);

    *is_last = false;
    *word &= *word - 1;
    if (*word == 0) {
        *above &= *above - 1;
        *is_last = *above == 0;
    }
    return bit;
}

/* Removes the least member. Requires: not empty. Says whether it was the last one. */
static inline size_t cairn_buddy_bitmap_pop(uint64_t *words,
                                            const struct cairn_buddy_bitmap *bitmap, bool *is_last)
{
    size_t bit;

    CAIRN_ASSERT(!cairn_buddy_bitmap_is_empty(words, bitmap));
    if (CAIRN_LIKELY(bitmap->level_count == 2))
        return cairn_buddy_bitmap_pop_of_two(words, bitmap, is_last);
    bit = cairn_buddy_bitmap_lowest(words, bitmap);
    *is_last = cairn_buddy_bitmap_clear(words, bitmap, bit);
    return bit;
}

CAIRN_END_DECLS

#endif
