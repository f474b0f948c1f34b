/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * descriptors.c - the units that descriptors are made of: where they lie, and which are free.
 *
 *     unit      0  1  2 ...      F-1 | F ...         2F-1 | 2F ...                     4F-1 | ...
 *     piece     | first: F units     | second: F units    | third: 2F units                 |
 *     index     0 ... log2(F)-1      | log2(F)            | log2(F)+1                       |
 *     id        | index (5 bits) | number of the unit (27) |
 *
 *     in one    | 0 never | 1 head | 2 head   3 words | 4 free | ... never touched ... |
 *                                    one descriptor              unit_top     unit_count
 *
 * The first piece is the caller's state, or comes from the source `descriptors` as all others do.
 * Each piece after it doubles the number of units, so the logarithm of a unit is the index of its
 * piece. Both are in an id: 2^27 units, 8 GiB, are the most. An entry holds the address that id 0
 * would have by those of its piece: the address of a unit is one load and one sum. A piece never
 * moves, and goes back only in the end.
 *
 * A descriptor is a run of 1 ... 16 units in one piece. Free ones wait on a list per unit count,
 * last in first out, so that no more memory is used than was once needed; only when the list is
 * empty does unit_top rise. Units are not exchanged between the lists:
 * cairn_sizeclass_state_bytes() counts on that. What is too little at the end of a piece becomes
 * one free descriptor of that many units.
 *
 * Invariants (cairn_slabs_check):
 *   U1  heads lie one behind the other from unit 1 to unit_top, none across the end of a piece;
 *   U2  each is published, or on the list of its unit count (or in the hands of a thread inside
 *       take or give);
 *   U3  exactly the entries of units below unit_count have an address; with a source unit_count is
 *       a power of two.
 *
 * Cost. O(1); one call of the source when the units double.
 * Threads. Under the directory's lock, but for lookups.
 */

#include "internal.h"

#include <cairn/base/align.h>

#include <errno.h>
#include <string.h>

enum {
    FIRST_UNITS = CAIRN_SLABS_FIRST_PIECE_BYTES / CAIRN_SLAB_UNIT_BYTES,
    UNITS_END = 1 << CAIRN_SLABS_UNIT_BITS
};

CAIRN_STATIC_ASSERT(CAIRN_SLABS_PIECE_ENTRIES <= 1 << (32 - CAIRN_SLABS_UNIT_BITS),
                    "the index of a piece fits above the unit in an id");

static bool can_grow(const struct cairn_slabs_config *config)
{
    return config->descriptors.ops != NULL;
}

static bool is_sound(const struct cairn_slabs_config *config)
{
    size_t least_bytes =
        can_grow(config) ? CAIRN_SLABS_GROWING_STATE_BYTES_MIN : 2 * CAIRN_SLAB_UNIT_BYTES;

    if (can_grow(config) &&
        !cairn_source_has(config->descriptors, CAIRN_SOURCE_ZEROED | CAIRN_SOURCE_THREAD_SAFE))
        return false;
    if (config->state == NULL)
        return can_grow(config);
    return config->state_bytes >= least_bytes &&
           cairn_is_aligned((uintptr_t)config->state, CAIRN_SLAB_UNIT_BYTES);
}

/* In the piece that the caller gave, or that comes first. */
static size_t first_unit_count(const struct cairn_slabs_config *config)
{
    size_t unit_count = cairn_min(config->state_bytes / CAIRN_SLAB_UNIT_BYTES, UNITS_END);

    if (config->state == NULL)
        return FIRST_UNITS;
    return can_grow(config) ? (size_t)1 << cairn_log2_floor(unit_count) : unit_count;
}

/* What the index adds to the address of an id. */
static uintptr_t index_bytes(unsigned piece_idx)
{
    return ((uintptr_t)piece_idx << CAIRN_SLABS_UNIT_BITS) * CAIRN_SLAB_UNIT_BYTES;
}

/* Makes `piece` the memory of units first ... first + unit_count - 1. */
static void lay_piece(struct cairn_slabs *slabs, void *piece, size_t first, size_t unit_count)
{
    uintptr_t base = (uintptr_t)piece - first * CAIRN_SLAB_UNIT_BYTES;
    size_t end = first + unit_count;
    unsigned last_idx = cairn_log2_floor(end - 1);

    CAIRN_ASSERT(cairn_is_aligned((uintptr_t)piece, CAIRN_SLAB_UNIT_BYTES));
    CAIRN_ASSERT(end <= UNITS_END);
    for (unsigned i = cairn_log2_floor(first | 1); i <= last_idx; i++) {
        CAIRN_ASSERT(slabs->piece_bases[i] == 0);
        /* release: an id in the piece reaches other threads later, by the lock or by the release of
           the pagemap */
        cairn_store_release(&slabs->piece_bases[i], base - index_bytes(i));
    }
    cairn_store_relaxed(&slabs->unit_count, (uint32_t)end);
}

int cairn_slabs_init_units(struct cairn_slabs *slabs)
{
    const struct cairn_slabs_config *config = &slabs->config;

    if (!is_sound(config))
        return -EINVAL;
    memset(slabs->piece_bases, 0, sizeof(slabs->piece_bases));
    memset(slabs->free_units, 0, sizeof(slabs->free_units));
    slabs->unit_count = 1;
    slabs->unit_top = 1;
    if (config->state != NULL)
        lay_piece(slabs, config->state, 0, first_unit_count(config));
    return 0;
}

static void give_piece(struct cairn_slabs *slabs, size_t first, size_t unit_count)
{
    unsigned piece_idx = cairn_log2_floor(first + unit_count - 1);
    uintptr_t base = slabs->piece_bases[piece_idx] + index_bytes(piece_idx);

    cairn_source_give_one(slabs->config.descriptors, unit_count * CAIRN_SLAB_UNIT_BYTES,
                          (void *)(base + first * CAIRN_SLAB_UNIT_BYTES));
}

void cairn_slabs_fini_units(struct cairn_slabs *slabs)
{
    size_t first_units = first_unit_count(&slabs->config);
    size_t end = slabs->unit_count;

    slabs->unit_count = 0;
    if (!can_grow(&slabs->config))
        return;
    for (; end > first_units; end /= 2)
        give_piece(slabs, end / 2, end / 2);
    if (end == first_units && slabs->config.state == NULL)
        give_piece(slabs, 0, first_units);
}

/* A descriptor that was never used. Requires: so many units are left. */
static uint32_t cut_descriptor(struct cairn_slabs *slabs, uint32_t unit_count)
{
    uint32_t slab_id = cairn_slabs_id_of(slabs->unit_top);
    struct cairn_slab *slab = cairn_slabs_lookup(slabs, slab_id);

    CAIRN_ASSERT(unit_count <= slabs->unit_count - slabs->unit_top);
    slabs->unit_top += unit_count;
    slab->base = 0;
    slab->unit_count = (uint8_t)unit_count;
    return slab_id;
}

/* Takes another piece. Requires: less is left in the last one than some descriptor needs. */
static bool grow(struct cairn_slabs *slabs)
{
    size_t first = slabs->unit_count == 1 ? 0 : slabs->unit_count;
    size_t unit_count = first == 0 ? FIRST_UNITS : first;
    uint32_t rest = slabs->unit_count - slabs->unit_top;
    void *piece;

    CAIRN_ASSERT(rest < CAIRN_SLAB_UNITS_MAX);
    if (!can_grow(&slabs->config) || slabs->unit_count == UNITS_END)
        return false;
    piece = cairn_source_take_one(slabs->config.descriptors, unit_count * CAIRN_SLAB_UNIT_BYTES,
                                  CAIRN_SLAB_UNIT_BYTES);
    if (piece == NULL)
        return false;
    if (rest > 0)
        cairn_slabs_push(slabs, cut_descriptor(slabs, rest));
    lay_piece(slabs, piece, first, unit_count);
    return true;
}

uint32_t cairn_slabs_pop(struct cairn_slabs *slabs, uint32_t unit_count)
{
    uint32_t slab_id;
    struct cairn_slab *slab;

    CAIRN_ASSERT(unit_count >= 1 && unit_count <= CAIRN_SLAB_UNITS_MAX);
    CAIRN_ASSERT(slabs->unit_top <= slabs->unit_count);
    slab_id = slabs->free_units[unit_count];
    if (slab_id != 0) {
        slab = cairn_slabs_lookup(slabs, slab_id);
        CAIRN_ASSERT(slab->base == 0 && slab->unit_count == unit_count);
        slabs->free_units[unit_count] = slab->next_id;
        return slab_id;
    }
    if (slabs->unit_count - slabs->unit_top < unit_count && !grow(slabs))
        return 0;
    return cut_descriptor(slabs, unit_count);
}

void cairn_slabs_push(struct cairn_slabs *slabs, uint32_t slab_id)
{
    struct cairn_slab *slab = cairn_slabs_lookup(slabs, slab_id);

    CAIRN_ASSERT(slab->base == 0);
    slab->next_id = slabs->free_units[slab->unit_count];
    slabs->free_units[slab->unit_count] = slab_id;
}

uint32_t cairn_slabs_next(const struct cairn_slabs *slabs, uint32_t unit)
{
    while (unit < slabs->unit_top) {
        uint32_t slab_id = cairn_slabs_id_of(unit);
        const struct cairn_slab *slab = cairn_slabs_lookup(slabs, slab_id);

        if (slab->base != 0)
            return slab_id;
        unit += slab->unit_count;
    }
    return 0;
}

static void check_pieces(const struct cairn_slabs *slabs)
{
    CAIRN_INVARIANT(slabs->unit_top >= 1 && slabs->unit_top <= slabs->unit_count);
    CAIRN_INVARIANT(slabs->unit_count <= UNITS_END);
    CAIRN_INVARIANT(!can_grow(&slabs->config) || cairn_is_pow2(slabs->unit_count));
    for (unsigned i = 0; i < CAIRN_SLABS_PIECE_ENTRIES; i++) {
        CAIRN_INVARIANT((slabs->piece_bases[i] != 0) == ((size_t)1 << i < slabs->unit_count));
        CAIRN_INVARIANT(cairn_is_aligned(slabs->piece_bases[i], CAIRN_SLAB_UNIT_BYTES));
    }
}

/* How many free descriptors are on the lists; panics unless each is a head of the right size. */
static uint32_t count_listed(const struct cairn_slabs *slabs)
{
    uint32_t listed = 0;

    for (uint32_t units = 1; units <= CAIRN_SLAB_UNITS_MAX; units++) {
        for (uint32_t id = slabs->free_units[units]; id != 0;
             id = cairn_slabs_lookup(slabs, id)->next_id) {
            CAIRN_INVARIANT(cairn_slabs_unit_of(id) < slabs->unit_top && listed < slabs->unit_top);
            CAIRN_INVARIANT(cairn_slabs_lookup(slabs, id)->base == 0);
            CAIRN_INVARIANT(cairn_slabs_lookup(slabs, id)->unit_count == units);
            listed++;
        }
    }
    return listed;
}

void cairn_slabs_check_units(const struct cairn_slabs *slabs)
{
    uint32_t free_count = 0;
    uint32_t unit = 1;

    check_pieces(slabs);
    CAIRN_INVARIANT(slabs->free_units[0] == 0);
    while (unit < slabs->unit_top) {
        const struct cairn_slab *slab = cairn_slabs_lookup(slabs, cairn_slabs_id_of(unit));
        uint32_t last = unit + slab->unit_count - 1;

        CAIRN_INVARIANT(slab->unit_count >= 1 && slab->unit_count <= CAIRN_SLAB_UNITS_MAX);
        CAIRN_INVARIANT(last < slabs->unit_top);
        CAIRN_INVARIANT(cairn_slabs_lookup(slabs, cairn_slabs_id_of(last)) ==
                        slab + slab->unit_count - 1);
        free_count += slab->base == 0;
        unit = last + 1;
    }
    CAIRN_INVARIANT(free_count == count_listed(slabs));
}
