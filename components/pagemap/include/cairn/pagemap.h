/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pagemap.h - from an address to what lies there: a tag by two loads, an owner by another.
 *
 * Idea. The address space is cut into granules (16 KiB for the malloc). Two parallel tables hold,
 * per granule,
 *
 *     tags[granule]    16 bits:  | index of the granule in its run (8) | kind (8) |    hot: read by every free
 *     owners[granule]  32 bits:  a number of the caller's                              cold: read by refills
 *
 * Kind 0 means "not ours"; other kinds belong to the caller. The index leads from any granule of a
 * run to its first one without another load; it saturates at 255.
 *
 * Two shapes behind one interface:
 *
 *   tree     over the whole address space: a root of one word per leaf, and leaves of 2^18 granules
 *            (4 GiB of addresses for granules of 16 KiB), made when the first granule in them is
 *            marked:
 *
 *                root   | 0 | 0 | d | 0 | d | ...        d: distance in bytes from the empty tags to the tags of a leaf
 *                             leaf  | tags | owners |
 *
 *            A word of 0 leads to the empty tags, a table of zeros: a lookup needs no test for a leaf that is not there.
 *   window   over one given range, in memory that the caller supplies: no system call at all.
 *
 * Threads. No function takes a lock. Lookups may race with changes to other granules; the tag of a
 * granule may be looked up by a thread that got an address in it from the owner. Setting: one
 * thread per granule at a time. Two threads that need the same leaf both make one, and one of the
 * two is given back.
 */

#ifndef CAIRN_PAGEMAP_H
#define CAIRN_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/atomic.h>
#include <cairn/base/compiler.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_PAGEMAP_LEAF_SHIFT = 18 }; /* granules per leaf, log2 */

enum cairn_pagemap_shape { CAIRN_PAGEMAP_TREE = 1, CAIRN_PAGEMAP_WINDOW };

struct cairn_pagemap_leaf {
    uint16_t tags[1u << CAIRN_PAGEMAP_LEAF_SHIFT];
    uint32_t owners[1u << CAIRN_PAGEMAP_LEAF_SHIFT];
};

/* What a granule is marked with. The owner means nothing where the tag is 0. */
struct cairn_pagemap_mark {
    uint32_t owner;
    uint16_t tag;
};

/* Private; visible for the inline lookup. Not moved after init. All zero: every lookup says "not
   ours". */
struct cairn_pagemap {
    ptrdiff_t *root; /* tree; NULL in a window */
    uint16_t *tags;  /* tree: the empty ones; window: its own */
    size_t granule_first;
    size_t granule_count;
    unsigned granule_shift;
    enum cairn_pagemap_shape shape;
    uint32_t *owners;                 /* window */
    struct cairn_pagemap_leaf *spare; /* tree: a leaf on no word of the root, or NULL */
    size_t leaf_count;                /* leaves on the root */
    struct cairn_source leaves;       /* where leaves come from */
};

/* The highest address a user program can have on this machine, log2: 47 on x86-64, 48 on
   aarch64. */
#if defined(__x86_64__)
enum { CAIRN_PAGEMAP_ADDRESS_BITS = 47 };
#else
enum { CAIRN_PAGEMAP_ADDRESS_BITS = 48 };
#endif

/* Bytes of the root and of the empty tags for granules of 2^shift bytes, as constants, for
   tables that lie in a static object. */
#define CAIRN_PAGEMAP_ROOT_BYTES(granule_shift)                                                    \
    ((size_t)8 << (CAIRN_PAGEMAP_ADDRESS_BITS - (granule_shift)-CAIRN_PAGEMAP_LEAF_SHIFT))
#define CAIRN_PAGEMAP_EMPTY_BYTES ((size_t)2 << CAIRN_PAGEMAP_LEAF_SHIFT)

struct cairn_pagemap_config {
    enum cairn_pagemap_shape shape; /* 0: TREE */
    size_t granule_bytes;           /* a power of two: tree 4096 to 64 KiB, window >= 16 */

    /* Tree, over the whole address space. */
    void *root;  /* CAIRN_PAGEMAP_ROOT_BYTES, aligned to 64, reads as zero */
    void *empty; /* CAIRN_PAGEMAP_EMPTY_BYTES, aligned to 64, reads as zero; never written */
    struct cairn_source leaves; /* ZEROED and THREAD_SAFE; serves blocks of the size of a leaf */

    /* Window, over [base, base + window_bytes). Granules are counted from address 0, so the first
       and the last may reach beyond it. */
    void *base;
    size_t window_bytes;
    void *state; /* aligned to 8, reads as zero */
    size_t state_bytes;
};

/*
 * Bytes of state that a window over `window_bytes` at any alignment needs.
 *
 * Returns: the exact number; 0 for a bad granule, or no bytes.
 * Cost:    O(1).
 * Threads: safe.
 */
size_t cairn_pagemap_window_state_bytes(size_t window_bytes, size_t granule_bytes);

/*
 * Makes a map in which nothing is marked.
 *
 * Requires: what the config says of its tables or its state.
 * Returns:  0.
 * Fails:    -EINVAL for an unknown shape or a bad granule; in a tree for a table that is NULL or
 *           not aligned, or a source without the traits; in a window for a range beyond the address
 *           space, or state that is too little or not aligned. The map is all zero then.
 * Owns:     the caller keeps tables and state, and keeps them valid until fini. The map must not
 *           move.
 * Cost:     O(1): nothing is taken.
 * Threads:  not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_pagemap_init(struct cairn_pagemap *map,
                                       const struct cairn_pagemap_config *config);

/*
 * Gives the leaves back; the map is all zero then.
 *
 * Requires: no lookup is under way.
 * Cost:     O(root) in a tree, O(1) in a window.
 * Threads:  not safe.
 */
void cairn_pagemap_fini(struct cairn_pagemap *map);

/*
 * Marks a run: granule i of it gets {index min(i, 255), kind} and `owner`.
 *
 * Requires: base aligned to a granule; kind 1 ... 255.
 * Returns:  0.
 * Fails:    -ENOMEM when a leaf cannot be had, -EINVAL when the run is not within the map: nothing
 *           is marked.
 * Cost:     O(granules).
 * Threads:  one thread per granule at a time; owners are written before tags (release).
 */
CAIRN_NODISCARD int cairn_pagemap_set(struct cairn_pagemap *map, void *base, size_t granule_count,
                                      uint8_t kind, uint32_t owner);

/*
 * Makes sure that a run can be marked: no cairn_pagemap_set() within it fails afterwards.
 *
 * Requires: base aligned to a granule.
 * Returns:  0.
 * Fails:    as cairn_pagemap_set().
 * Cost:     O(leaves of the run).
 * Threads:  safe.
 */
CAIRN_NODISCARD int cairn_pagemap_prepare(struct cairn_pagemap *map, const void *base,
                                          size_t granule_count);

/*
 * Unmarks a run that was marked, or the last part of one. Never fails.
 *
 * Requires: base aligned to a granule; every granule of it is marked.
 * Cost:     O(granules).
 * Threads:  one thread per granule at a time.
 */
void cairn_pagemap_clear(struct cairn_pagemap *map, void *base, size_t granule_count);

/*
 * Unmarks one granule if its tag is `tag`, at once.
 *
 * Requires: base aligned to a granule within the map; tag not 0.
 * Returns:  true when it did: of two threads that try, one is told true.
 * Cost:     O(1).
 * Threads:  safe.
 */
bool cairn_pagemap_claim(struct cairn_pagemap *map, void *base, uint16_t tag);

/*
 * A leaf in hand, for a block that is about to move to a place that is not known yet: marking it
 * there must not fail.
 *
 * cairn_pagemap_leaf_take() returns a leaf, or NULL when none can be had, or the map is a window,
 * which needs none. cairn_pagemap_set_sure() marks one granule, with that leaf if the place has
 * none, and takes the leaf back in any case. It cannot fail for a granule within the map; without a
 * leaf (NULL) it panics if the place has none and none can be had. cairn_pagemap_leaf_give() takes
 * a leaf back unused (NULL: nothing): as the spare one, which is next to be used, or, if there is a
 * spare one, to the source. Threads: safe.
 */
struct cairn_pagemap_leaf *cairn_pagemap_leaf_take(struct cairn_pagemap *map);
void cairn_pagemap_leaf_give(struct cairn_pagemap *map, struct cairn_pagemap_leaf *leaf);
void cairn_pagemap_set_sure(struct cairn_pagemap *map, void *base, uint8_t kind, uint32_t owner,
                            struct cairn_pagemap_leaf *leaf);

/* The tags of the leaf that a granule of a tree lies in: the empty ones where there is none. */
CAIRN_HOT_INLINE uint16_t *cairn_pagemap_tags(const struct cairn_pagemap *map, uintptr_t granule)
{
    const ptrdiff_t *word = &map->root[granule >> CAIRN_PAGEMAP_LEAF_SHIFT];

    /* What is read at the distance depends on it, which orders the two loads: a leaf that is seen
       reads as zero at least. */
    return (uint16_t *)(void *)((char *)map->tags + cairn_load_relaxed(word));
}

/* The place of a granule among the tags of its leaf. */
CAIRN_HOT_INLINE size_t cairn_pagemap_in_leaf(uintptr_t granule)
{
    return granule & (((size_t)1 << CAIRN_PAGEMAP_LEAF_SHIFT) - 1);
}

/* The tag of the granule that `pointer` (any value) lies in; 0 when it is not ours. */
CAIRN_HOT_INLINE uint16_t cairn_pagemap_tag(const struct cairn_pagemap *map, const void *pointer)
{
    uintptr_t granule = ((uintptr_t)pointer >> map->granule_shift) - map->granule_first;

    if (CAIRN_UNLIKELY(granule >= map->granule_count))
        return 0;
    if (map->root == NULL)
        return cairn_load_relaxed(&map->tags[granule]);
    return cairn_load_relaxed(&cairn_pagemap_tags(map, granule)[cairn_pagemap_in_leaf(granule)]);
}

/* The tag and the owner at once, of any pointer. */
CAIRN_HOT_INLINE struct cairn_pagemap_mark cairn_pagemap_mark(const struct cairn_pagemap *map,
                                                              const void *pointer)
{
    uintptr_t granule = ((uintptr_t)pointer >> map->granule_shift) - map->granule_first;
    struct cairn_pagemap_mark mark = {0, 0};
    const uint16_t *tags = map->tags;
    const uint32_t *owners = map->owners;

    if (CAIRN_UNLIKELY(granule >= map->granule_count))
        return mark;
    if (map->root != NULL) {
        tags = cairn_pagemap_tags(map, granule);
        owners = ((const struct cairn_pagemap_leaf *)(const void *)tags)->owners;
        granule = cairn_pagemap_in_leaf(granule);
    }
    /* acquire: pairs with the release in cairn_pagemap_set(), so that a tag that is there has its
       owner */
    mark.tag = cairn_load_acquire(&tags[granule]);
    if (mark.tag != 0) /* the empty tags have no owners behind them */
        mark.owner = cairn_load_relaxed(&owners[granule]);
    return mark;
}

/* What one leaf of a tree covers, or a whole window, for several lookups in a row: most addresses
   of a program lie in one. */
struct cairn_pagemap_section {
    uintptr_t granule_first; /* counted from address 0 */
    size_t granule_count;
    unsigned granule_shift;
    const uint16_t *tags;
    const uint32_t *owners; /* of granules whose tag is not 0 */
};

/* The section that `pointer` (any value) lies in; of no granules when it is outside the map. Holds
   until fini, unless the tree had no leaf there: then until one is made. */
static inline struct cairn_pagemap_section cairn_pagemap_section(const struct cairn_pagemap *map,
                                                                 const void *pointer)
{
    uintptr_t granule = ((uintptr_t)pointer >> map->granule_shift) - map->granule_first;
    struct cairn_pagemap_section section = {map->granule_first, map->granule_count,
                                            map->granule_shift, map->tags, map->owners};

    if (granule >= map->granule_count) {
        section.granule_count = 0;
    } else if (map->root != NULL) {
        section.granule_first = granule - cairn_pagemap_in_leaf(granule);
        section.granule_count = (size_t)1 << CAIRN_PAGEMAP_LEAF_SHIFT;
        section.tags = cairn_pagemap_tags(map, granule);
        section.owners = ((const struct cairn_pagemap_leaf *)(const void *)section.tags)->owners;
    }
    return section;
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

/*
 * The owner given to cairn_pagemap_set().
 *
 * Requires: the tag of `pointer` is not 0.
 * Cost:     O(1).
 * Threads:  safe for a granule that stays marked meanwhile.
 */
uint32_t cairn_pagemap_owner(const struct cairn_pagemap *map, const void *pointer);

/*
 * Walks the marked granules of [base, base + length_bytes): panics when a run's indices are not 0,
 * 1, 2 ... or its kind or owner changes within, and when a tree misses a leaf or something wrote to
 * its empty tags. The range may begin and end inside runs, and reach beyond the map. O(granules),
 * and O(root + empty tags) in a tree.
 */
void cairn_pagemap_check(const struct cairn_pagemap *map, const void *base, size_t length_bytes);

CAIRN_END_DECLS

#endif
