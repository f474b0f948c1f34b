/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pagemap.h - from an address to what lies there: a tag by one load, an owner by another.
 *
 * Idea. The address space is cut into granules (16 KiB for the malloc). Two parallel tables hold,
 * per granule,
 *
 *     tags[granule]    16 bits:  | index of the granule in its run (8) | kind (8) |    hot: read by every free
 *     owners[granule]  32 bits:  the id of whoever owns the run                        cold: read by refills
 *
 * Kind 0 means "not ours"; other kinds belong to the caller. The index leads from any granule of a
 * run to its first one without another load; it saturates at 255.
 *
 * Three shapes behind one interface:
 *   flat       one table over the whole address space, reserved and never committed: pages of it come into
 *              being as granules are marked, and a page that was never marked reads as "not ours";
 *   two-level  where such a reservation is refused (RLIMIT_AS, strict overcommit): a root of pointers to leaves;
 *   window     over one given range, in memory that the caller supplies: no system call at all.
 *
 * Threads. Lookups take no lock and may race with changes to other granules; a granule's own tag
 * may be looked up by whoever got an address in it from the owner. Setting: one thread per granule
 * at a time.
 */

#ifndef CAIRN_PAGEMAP_H
#define CAIRN_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/atomic.h>
#include <cairn/base/compiler.h>
#include <cairn/base/lock.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_PAGEMAP_LEAF_SHIFT = 14 }; /* granules per leaf of the two-level table, log2 */

enum cairn_pagemap_shape { CAIRN_PAGEMAP_FLAT = 1, CAIRN_PAGEMAP_TWO_LEVEL, CAIRN_PAGEMAP_WINDOW };

struct cairn_pagemap_leaf {
    uint16_t tags[1u << CAIRN_PAGEMAP_LEAF_SHIFT];
    uint32_t owners[1u << CAIRN_PAGEMAP_LEAF_SHIFT];
};

/* What a granule is marked with. The owner means nothing where the tag is 0. */
struct cairn_pagemap_mark {
    uint32_t owner;
    uint16_t tag;
};

/* Private; visible for the inline lookup. Not moved after init. All zero: every lookup says "not ours". */
struct cairn_pagemap {
    uint16_t *tags; /* flat, window; NULL in the two-level shape */
    size_t granule_first;
    size_t granule_count;
    unsigned granule_shift;
    enum cairn_pagemap_shape shape;
    uint32_t *owners;
    struct cairn_pagemap_leaf **root; /* two-level */
    size_t leaf_count;                /* leaves that exist */
    struct cairn_source tables;       /* where the tables came from */
    struct cairn_lock lock;           /* creation of leaves; rank CAIRN_RANK_PAGEMAP */
};

/* The highest address a user program can have on this machine, log2: 47 on x86-64, 48 on aarch64. */
unsigned cairn_pagemap_address_bits(void);

/*
 * Makes a map over the whole address space, flat if `tables` can give that much, two-level
 * otherwise.
 *
 * Requires: granule_bytes a power of two >= 4096; tables is ZEROED and THREAD_SAFE and commits
 *           lazily (cairn_pagesource_as_reserve_source).
 * Fails:    -EINVAL for a bad granule or a source without the traits; -ENOMEM when not even the root of the
 *           two-level table could be had. The map is all zero then.
 * Cost:     O(1). Threads: not safe.
 */
CAIRN_NODISCARD int cairn_pagemap_init(struct cairn_pagemap *map, size_t granule_bytes,
                                       struct cairn_source tables);

/* The same, never flat: for tests, and where address space is dear. */
CAIRN_NODISCARD int cairn_pagemap_init_two_level(struct cairn_pagemap *map, size_t granule_bytes,
                                                 struct cairn_source tables);

/* Bytes of state that a window over `window_bytes` at any alignment needs: exact, O(1). 0 for a bad granule. */
size_t cairn_pagemap_window_state_bytes(size_t window_bytes, size_t granule_bytes);

/*
 * Makes a map over [base, base + window_bytes) in the caller's memory. Granules are counted from
 * address 0, so the first and the last may reach beyond the window.
 *
 * Requires: state is aligned to 8, of at least cairn_pagemap_window_state_bytes(), and reads as
 *           zero.
 * Fails:    -EINVAL for a bad granule (it is a power of two >= 16), a range beyond the address space, or state
 *           that is too little or not aligned. The map is all zero then.
 * Owns:     the caller keeps the state, and keeps it valid until fini.
 */
CAIRN_NODISCARD int cairn_pagemap_init_window(struct cairn_pagemap *map, void *base,
                                              size_t window_bytes, size_t granule_bytes,
                                              void *state, size_t state_bytes);

/* Gives the tables back; the map is all zero then. Requires: nobody looks up any more. O(root) if two-level. */
void cairn_pagemap_fini(struct cairn_pagemap *map);

/*
 * Marks a run: granule i of it gets {index min(i, 255), kind} and `owner`.
 *
 * Requires: base aligned to a granule; kind 1 ... 255.
 * Fails:    -ENOMEM when a leaf of the two-level table cannot be had, -EINVAL when the run is not within the map:
 *           nothing is marked.
 * Cost:     O(granules). Threads: as said above; owners are written before tags (release).
 */
CAIRN_NODISCARD int cairn_pagemap_set(struct cairn_pagemap *map, void *base, size_t granule_count,
                                      uint8_t kind, uint32_t owner);

/* Unmarks a run that was marked, or the last part of one. Never fails. O(granules). */
void cairn_pagemap_clear(struct cairn_pagemap *map, void *base, size_t granule_count);

/* Lookups in the two-level table. Requires: granule < map->granule_count. */
uint16_t cairn_pagemap_tag_slow(const struct cairn_pagemap *map, uintptr_t granule);
struct cairn_pagemap_mark cairn_pagemap_mark_slow(const struct cairn_pagemap *map,
                                                  uintptr_t granule);

/* The tag of the granule that `pointer` (any value) lies in; 0 when it is not ours. One load in the flat shape. */
CAIRN_HOT_INLINE uint16_t cairn_pagemap_tag(const struct cairn_pagemap *map, const void *pointer)
{
    uintptr_t granule = ((uintptr_t)pointer >> map->granule_shift) - map->granule_first;

    if (CAIRN_UNLIKELY(granule >= map->granule_count))
        return 0;
    if (CAIRN_UNLIKELY(map->tags == NULL))
        return cairn_pagemap_tag_slow(map, granule);
    return cairn_load_relaxed(&map->tags[granule]);
}

/* The tag and the owner at once, of any pointer: for whoever goes on to the owner anyway. Two loads in the flat
   shape. */
CAIRN_HOT_INLINE struct cairn_pagemap_mark cairn_pagemap_mark(const struct cairn_pagemap *map,
                                                              const void *pointer)
{
    uintptr_t granule = ((uintptr_t)pointer >> map->granule_shift) - map->granule_first;
    struct cairn_pagemap_mark mark = {0, 0};

    if (CAIRN_UNLIKELY(granule >= map->granule_count))
        return mark;
    if (CAIRN_UNLIKELY(map->tags == NULL))
        return cairn_pagemap_mark_slow(map, granule);
    /* acquire: pairs with the release in cairn_pagemap_set(), so that a tag that is there has its owner */
    mark.tag = cairn_load_acquire(&map->tags[granule]);
    mark.owner = cairn_load_relaxed(&map->owners[granule]);
    return mark;
}

CAIRN_HOT_INLINE uint8_t cairn_tag_kind(uint16_t tag)
{
    return (uint8_t)(tag & 0xff);
}

/* How many granules before this one the run begins (255: 255 or more). */
CAIRN_HOT_INLINE unsigned cairn_tag_granule_idx(uint16_t tag)
{
    return (unsigned)tag >> 8;
}

/* The owner given to cairn_pagemap_set(). Requires: the tag of `pointer` is not 0. */
uint32_t cairn_pagemap_owner(const struct cairn_pagemap *map, const void *pointer);

/* Holds the lock across fork(). */
void cairn_pagemap_prefork(struct cairn_pagemap *map);
void cairn_pagemap_postfork(struct cairn_pagemap *map);

/*
 * Walks the marked granules of [base, base + length_bytes): panics when a run's indices are not 0,
 * 1, 2 ... or its kind or owner changes within. The range may begin and end inside runs, and reach
 * beyond the map. O(granules).
 */
void cairn_pagemap_check(const struct cairn_pagemap *map, const void *base, size_t length_bytes);

CAIRN_END_DECLS

#endif
