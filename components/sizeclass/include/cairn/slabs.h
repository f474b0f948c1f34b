/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * slabs.h - the directory of slabs: runs of granules cut into equal blocks, described out of line.
 *
 *     a slab (user memory)            | block 0 | block 1 | block 2 | ...      | tail |
 *     its descriptor (elsewhere)      { base, counts, links, bitmap: 1 = free }
 *     the pagemap                     granule -> { kind, index in the slab }, descriptor's id
 *
 * One directory serves any number of pools (a size-class set, or a set per CPU). It takes whole
 * slabs from a source, finds the descriptor of an address, and recognises any pointer that is not
 * the start of a block: a reciprocal multiplication turns an offset into an index without dividing.
 *
 * Descriptors are units of 64 bytes; a slab of more than 256 blocks uses as many consecutive units
 * as its bitmap needs. Units lie in the caller's state block, in pieces from a source, or in both,
 * the block first. They are touched only when used, and hold no pointer to each other.
 *
 *     state only            the number of slabs is bounded by the state
 *     source (and state)    each piece doubles the units, up to 2^27 of them (8 GiB)
 *
 * Threads: cairn_slabs_find() takes no lock. Taking and giving whole slabs locks (rank
 *          CAIRN_RANK_SLABS).
 */

#ifndef CAIRN_SLABS_H
#define CAIRN_SLABS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/base/lock.h>
#include <cairn/pagemap.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_SLAB_UNIT_BYTES = 64,
    CAIRN_SLAB_INLINE_WORDS = 4, /* bitmap words in the first unit: 256 blocks */
    CAIRN_SLAB_UNITS_MAX = 16,   /* 4 + 15 * 8 words: 7936 blocks */
    CAIRN_SLAB_GRANULES_MAX = 16,
    CAIRN_SLAB_BLOCKS_MIN = 4,
    CAIRN_SLAB_ALIGN_BYTES_MAX = 32768, /* that of the largest class */
    CAIRN_SLAB_BYTES_MAX = 1 << 21,
    CAIRN_SLABS_FIRST_PIECE_BYTES = 1 << 16,       /* from a source, without a state */
    CAIRN_SLABS_GROWING_STATE_BYTES_MIN = 1 << 11, /* of a state that a source comes after */
    CAIRN_SLABS_UNIT_BITS = 27, /* of an id: the number of its unit; above, that of its piece */
    CAIRN_SLABS_PIECE_ENTRIES = CAIRN_SLABS_UNIT_BITS /* one per bit of a unit's number */
};

__extension__ typedef unsigned __int128 cairn_slab_product; /* of an offset and a reciprocal */

/* How blocks of one size lie in their slabs. */
struct cairn_slab_geometry {
    uint64_t reciprocal;  /* the least above 2^64 / block_bytes */
    uint64_t start_bound; /* below it are the low halves of the products of block starts only */
    uint32_t block_bytes;
    uint32_t slab_bytes;
    uint32_t block_count; /* at most what 16 descriptor units can describe */
    /* Of every block, hence of the slab: the largest power of two that divides block_bytes, at most
       CAIRN_SLAB_ALIGN_BYTES_MAX. It may exceed the granule. */
    uint32_t align_bytes;
};

/* A descriptor's first unit. Private; bitmap words continue into the units after it. */
struct cairn_slab {
    uintptr_t base;
    uint32_t next_id; /* 0: none */
    uint32_t prev_id;
    uint32_t pool_id; /* of the pool that owns the slab */
    /* free_bound blocks are free when free_room more have come back: then the slab belongs on
       another list of the pool. So one number tells the pool when to move it. */
    uint16_t free_bound;
    int16_t free_room;
    uint16_t block_count;
    uint8_t first_word; /* no word below has a free bit */
    uint8_t list_idx;   /* the pool's list it is on */
    uint32_t slab_bytes : 24;
    uint32_t unit_count : 8;
    uint64_t free_words[CAIRN_SLAB_INLINE_WORDS];
};

static inline uint32_t cairn_slab_free_count(const struct cairn_slab *slab)
{
    return (uint16_t)(slab->free_bound - slab->free_room);
}

struct cairn_slabs_config {
    struct cairn_pagemap *pagemap; /* whose granule is the unit of slabs; outlives the directory */
    struct cairn_source source;    /* THREAD_SAFE if the pools are used by several threads */
    size_t granule_bytes;          /* that of the pagemap */
    void *state;                   /* 64 bytes per unit; zero, aligned to 64, lazily touched */
    size_t state_bytes;
    /* Where more units come from when those in the state are used up: ZEROED, THREAD_SAFE; called
       with the directory's lock held. Without `ops` there are no more. */
    struct cairn_source descriptors;
};

/* Private; visible so that the caller can place it. Not moved after init. */
struct cairn_slabs {
    struct cairn_lock lock;
    struct cairn_slabs_config config;
    /* By the upper bits of an id: what is to be added to 64 times an id for its address. */
    uintptr_t piece_bases[CAIRN_SLABS_PIECE_ENTRIES];
    uint32_t unit_count;                           /* units below have memory; 1: none has */
    uint32_t unit_top;                             /* units below were used once; 0 never is */
    uint32_t free_units[CAIRN_SLAB_UNITS_MAX + 1]; /* free descriptors by unit count, by id */
    uint32_t slab_count;
    size_t slab_bytes; /* in all slabs */
};

/*
 * How blocks of `block_bytes` are laid out over granules: the smallest slab of at least
 * CAIRN_SLAB_BLOCKS_MIN blocks whose tail wastes at most 1/16, or else the one of least waste, with
 * 1, 2, 4 ... CAIRN_SLAB_GRANULES_MAX granules. The tail includes blocks that the largest
 * descriptor has no bit for.
 *
 * Returns: 0, or -EINVAL when no such slab exists, block_bytes is not a multiple of 8, or
 *          granule_bytes is not a power of two from 16 to 128 KiB. O(granules). Pure.
 */
CAIRN_NODISCARD int cairn_slab_geometry(struct cairn_slab_geometry *geometry, size_t block_bytes,
                                        size_t granule_bytes);

/* Above, the index of the block that `offset_bytes` into a slab lies in; below, whether it begins
   there. */
CAIRN_HOT_INLINE cairn_slab_product cairn_slab_multiply(const struct cairn_slab_geometry *geometry,
                                                        size_t offset_bytes)
{
    return (cairn_slab_product)offset_bytes * geometry->reciprocal;
}

/* The index of the block that `offset_bytes` into the slab lies in. Requires: offset_bytes <
   slab_bytes. */
CAIRN_HOT_INLINE uint32_t cairn_slab_block_idx(const struct cairn_slab_geometry *geometry,
                                               size_t offset_bytes)
{
    return (uint32_t)(cairn_slab_multiply(geometry, offset_bytes) >> 64);
}

/* True when a block begins exactly `offset_bytes` into a slab of this geometry. Requires:
   offset_bytes < 2^22. */
CAIRN_HOT_INLINE bool cairn_slab_is_block_start(const struct cairn_slab_geometry *geometry,
                                                size_t offset_bytes)
{
    return (uint64_t)cairn_slab_multiply(geometry, offset_bytes) < geometry->start_bound;
}

/*
 * Makes a directory. Reads and writes nothing in the state, and takes nothing from a source. O(1).
 *
 * Requires: the state, if there is one, and the sources are valid until fini. Of a state that a
 *           source comes after, the largest power of two of units is used.
 * Fails:    -EINVAL for a misaligned state, one below two units (id 0 means none), or below
 *           CAIRN_SLABS_GROWING_STATE_BYTES_MIN with a source for descriptors; for neither of the
 *           two; for such a source that is not ZEROED and THREAD_SAFE; for granules that differ.
 */
CAIRN_NODISCARD int cairn_slabs_init(struct cairn_slabs *slabs,
                                     const struct cairn_slabs_config *config);

/* Ends it: gives the pieces for descriptors back. Panics when a slab is still taken. */
void cairn_slabs_fini(struct cairn_slabs *slabs);

/*
 * Takes a slab from the source, describes it (all blocks free) and marks its granules with `kind`.
 *
 * Returns: the descriptor, or NULL when the source or the pagemap is exhausted, or the state is and
 *          the source for descriptors refuses or is not there: nothing changed, and the next call
 *          tries again.
 * Cost:    O(granules + bitmap words); the source and the pagemap are called without the lock, the
 *          source for descriptors with it. Touches no block.
 * Threads: safe.
 */
struct cairn_slab *cairn_slabs_take(struct cairn_slabs *slabs,
                                    const struct cairn_slab_geometry *geometry, uint8_t kind,
                                    uint32_t pool_id);

/* Gives a slab back; all of its blocks must be free. Threads: safe. */
void cairn_slabs_give(struct cairn_slabs *slabs, struct cairn_slab *slab);

/* The slab that `pointer` lies in; NULL when its granule is not a slab's. Lock-free, O(1). The
   caller knows that the slab is not given back meanwhile (it holds a block of it, or the pool's
   lock). Kinds above `kind_max` are not slabs. */
struct cairn_slab *cairn_slabs_find(const struct cairn_slabs *slabs, const void *pointer,
                                    uint8_t kind_max);

/* Id to descriptor and back; id 0 is NULL. The way back asks the pagemap. O(1). Requires: the slab
   is taken. */
struct cairn_slab *cairn_slabs_at(const struct cairn_slabs *slabs, uint32_t slab_id);
uint32_t cairn_slabs_id(const struct cairn_slabs *slabs, const struct cairn_slab *slab);

/* Panics on a broken invariant of the directory or of any descriptor. O(units). Requires: no other
   thread is inside. */
void cairn_slabs_check(const struct cairn_slabs *slabs);

CAIRN_END_DECLS

#endif
