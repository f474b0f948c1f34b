/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * runs.c - three bits per granule, 64 granules at a time; the picture is in runs.h.
 *
 * Every function walks the words that [first, end) touches and cuts the first and the last with a
 * mask:
 *
 *     word        |      k       |     k + 1    |     k + 2    |
 *     range       |      [=======|==============|=====)        |
 *     mask          111111100000   111111111111   000000011111     (bit 0 on the right)
 *
 * An empty range within a word has an empty mask.
 */

#include "runs.h"

#include <cairn/base/check.h>

/* The bits of word `idx` that stand for granules of [first, end). Requires: neither end lies beyond
   the word. */
static inline uint64_t mask_of(size_t idx, size_t first, size_t end)
{
    size_t word_first = idx * 64;
    uint64_t mask = ~(uint64_t)0;

    CAIRN_ASSERT(first <= end && first < word_first + 64 && end > word_first);
    if (first > word_first)
        mask <<= first - word_first;
    if (end < word_first + 64)
        mask &= ~(uint64_t)0 >> (word_first + 64 - end);
    return mask;
}

static inline size_t count_bits(uint64_t word)
{
    return (size_t)__builtin_popcountll(word);
}

size_t cairn_buddy_runs_extend(struct cairn_buddy_run_word *runs, size_t first, size_t end)
{
    size_t dirty_count = 0;
    size_t idx;

    for (idx = first / 64; idx * 64 < end; idx++) {
        uint64_t mask = mask_of(idx, first, end);

        CAIRN_ASSERT((runs[idx].in_use & mask) == 0);
        dirty_count += count_bits(runs[idx].dirty & mask);
        runs[idx].in_use |= mask;
        runs[idx].dirty |= mask;
    }
    return dirty_count;
}

size_t cairn_buddy_runs_mark(struct cairn_buddy_run_word *runs, size_t first, size_t end)
{
    CAIRN_ASSERT(first < end);
    runs[first / 64].start |= (uint64_t)1 << (first % 64);
    return cairn_buddy_runs_extend(runs, first, end);
}

void cairn_buddy_runs_unmark(struct cairn_buddy_run_word *runs, size_t first, size_t end)
{
    size_t idx;

    for (idx = first / 64; idx * 64 < end; idx++) {
        uint64_t mask = mask_of(idx, first, end);

        CAIRN_ASSERT((runs[idx].in_use & mask) == mask);
        runs[idx].in_use &= ~mask;
        runs[idx].start &= ~mask;
    }
}

static inline uint64_t sought_bits(const struct cairn_buddy_run_word *word,
                                   enum cairn_buddy_sought sought)
{
    switch (sought) {
    case CAIRN_BUDDY_FREE_DIRTY:
        return word->dirty & ~word->in_use;
    case CAIRN_BUDDY_RUN:
        return word->in_use & word->dirty;
    case CAIRN_BUDDY_PURGING:
        return word->in_use & ~word->dirty;
    case CAIRN_BUDDY_IN_USE:
    default:
        return word->in_use;
    }
}

size_t cairn_buddy_runs_length(const struct cairn_buddy_run_word *runs,
                               enum cairn_buddy_sought kind, size_t first, size_t limit)
{
    const struct cairn_buddy_run_word *word = &runs[first / 64];
    size_t idx;

    CAIRN_ASSERT(first < limit);
    if (((word->start & sought_bits(word, kind)) >> (first % 64) & 1) == 0)
        return 0;
    for (idx = (first + 1) / 64; idx * 64 < limit; idx++) {
        uint64_t ends = (~runs[idx].in_use | runs[idx].start) & mask_of(idx, first + 1, limit);

        if (ends != 0)
            return idx * 64 + (size_t)__builtin_ctzll(ends) - first;
    }
    return limit - first;
}

size_t cairn_buddy_runs_find(const struct cairn_buddy_run_word *runs,
                             enum cairn_buddy_sought sought, size_t first, size_t end)
{
    size_t idx;

    for (idx = first / 64; idx * 64 < end; idx++) {
        uint64_t bits = sought_bits(&runs[idx], sought) & mask_of(idx, first, end);

        if (bits != 0)
            return idx * 64 + (size_t)__builtin_ctzll(bits);
    }
    return end;
}

size_t cairn_buddy_runs_count(const struct cairn_buddy_run_word *runs,
                              enum cairn_buddy_sought sought, size_t first, size_t end)
{
    size_t count = 0;
    size_t idx;

    for (idx = first / 64; idx * 64 < end; idx++)
        count += count_bits(sought_bits(&runs[idx], sought) & mask_of(idx, first, end));
    return count;
}

size_t cairn_buddy_runs_dirty_end(const struct cairn_buddy_run_word *runs, size_t first, size_t end)
{
    size_t idx;

    for (idx = (end + 63) / 64; idx-- > first / 64;) {
        uint64_t bits = runs[idx].dirty & mask_of(idx, first, end);

        if (bits != 0)
            return idx * 64 + 64 - (size_t)__builtin_clzll(bits);
    }
    return first;
}

void cairn_buddy_runs_set_dirty(struct cairn_buddy_run_word *runs, size_t first, size_t end,
                                bool is_dirty)
{
    size_t idx;

    for (idx = first / 64; idx * 64 < end; idx++) {
        uint64_t mask = mask_of(idx, first, end);

        runs[idx].dirty = is_dirty ? runs[idx].dirty | mask : runs[idx].dirty & ~mask;
    }
}

void cairn_buddy_runs_check(const struct cairn_buddy_run_word *runs, size_t first, size_t end)
{
    uint64_t before = 0;       /* is the last granule of the word before in use? */
    uint64_t before_dirty = 0; /* and dirty? */
    size_t idx;

    for (idx = first / 64; idx * 64 < end; idx++) {
        uint64_t mask = mask_of(idx, first, end);
        uint64_t in_use = runs[idx].in_use & mask;
        uint64_t start = runs[idx].start & mask;
        uint64_t dirty = runs[idx].dirty & mask;
        uint64_t continued = in_use << 1 | before;

        CAIRN_INVARIANT((start & ~in_use) == 0);
        CAIRN_INVARIANT((in_use & ~start & ~continued) == 0);
        CAIRN_INVARIANT((in_use & ~start & (dirty ^ (dirty << 1 | before_dirty))) == 0);
        before = in_use >> 63;
        before_dirty = dirty >> 63;
    }
}
