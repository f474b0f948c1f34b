/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * sizeclass.h - a full set of pools, one per size class, each with its lock.
 *
 *     size -> class (classes.h) -> pool (pool.h) -> slab (slabs.h) -> source
 *
 * The layer between a cache of blocks above and pages below. Blocks move in batches: a batch costs
 * one lock and, per block, one bit. Nothing is ever written into a block.
 *
 * In the pagemap the granules of a slab carry the kind of their class (cairn_class_kind()).
 *
 * Threads: safe; one lock per class (rank CAIRN_RANK_CLASS), so classes do not wait for each other.
 */

#ifndef CAIRN_SIZECLASS_H
#define CAIRN_SIZECLASS_H

#include <cairn/classes.h>
#include <cairn/pool.h>

CAIRN_BEGIN_DECLS

struct cairn_sizeclass_config {
    struct cairn_pagemap *pagemap; /* outlives the set */
    struct cairn_source source;    /* whole slabs; THREAD_SAFE if several threads use the set */
    size_t granule_bytes;          /* that of the pagemap */
    const struct cairn_class_table *classes; /* outlives the set; NULL: cairn_classes_default */
    unsigned class_count;                    /* the classes served, from the smallest; 0: all */
    void *state; /* as in struct cairn_slabs_config, or NULL with a source ... */
    size_t state_bytes;
    struct cairn_source descriptors; /* ... of descriptors: ZEROED, THREAD_SAFE; no `ops`: none */
};

struct cairn_sizeclass_bin {
    struct cairn_lock lock;
    struct cairn_pool pool;
} CAIRN_CACHE_ALIGNED;

/* Private; visible for the inline functions. Not moved after init. */
struct cairn_sizeclass {
    struct cairn_slabs slabs;
    const struct cairn_class_table *classes;
    unsigned class_count; /* the classes served */
    size_t granule_mask;
    unsigned granule_shift;
    struct cairn_slab_geometry geometry[CAIRN_CLASS_COUNT_MAX]; /* hot: read by every free */
    struct cairn_sizeclass_bin bins[CAIRN_CLASS_COUNT_MAX];
};

struct cairn_sizeclass_stats {
    size_t slab_count;
    size_t slab_bytes; /* in all slabs */
    size_t used_bytes; /* blocks out, by the size of their class */
};

/*
 * Bytes of descriptor state that slabs over `memory_bytes` can ever need, whatever the sizes are
 * and in whatever order they come: about 4 % of the memory, of which only what is used is touched.
 * A smaller block of state only lowers the number of slabs. O(classes).
 */
size_t cairn_sizeclass_state_bytes(const struct cairn_class_table *classes, size_t memory_bytes,
                                   size_t granule_bytes);

/*
 * Makes a set of pools, empty.
 *
 * Returns: 0.
 * Fails:   -EINVAL as cairn_slabs_init(), and when a class that is served has no slab geometry.
 * Owns:    the caller keeps what the configuration names, and keeps it valid until fini. The set
 *          must not move.
 * Cost:    O(classes). Threads: not safe.
 */
CAIRN_NODISCARD int cairn_sizeclass_init(struct cairn_sizeclass *set,
                                         const struct cairn_sizeclass_config *config);

/*
 * Gives all slabs back and ends the set.
 *
 * Requires: all blocks were given back; panics otherwise.
 * Cost:     O(classes). Threads: not safe.
 */
void cairn_sizeclass_fini(struct cairn_sizeclass *set);

/*
 * Takes up to `count` blocks of a class.
 *
 * Requires: class_idx < class_count; room for `count` pointers.
 * Returns:  how many were taken; fewer when there is no memory for another slab.
 * Owns:     the caller, until it gives the blocks back.
 * Cost:     O(count), and one call of the source for each new slab.
 * Threads:  safe: a lock per class.
 */
size_t cairn_sizeclass_take(struct cairn_sizeclass *set, unsigned class_idx, void **blocks,
                            size_t count);

/*
 * Gives blocks of one class back.
 *
 * Requires: each is a block of the class that is out; panics otherwise.
 * Cost:     O(count), and one call of the source for each slab that is given back.
 * Threads:  safe: a lock per class.
 */
void cairn_sizeclass_give(struct cairn_sizeclass *set, unsigned class_idx, void *const *blocks,
                          size_t count);

/*
 * The class of the block that begins at `pointer`, given its tag from the pagemap; set->class_count
 * when the tag is not a slab's or no block begins there. Does not say whether the block is out.
 * Lock-free, O(1), no load but of the geometry.
 */
CAIRN_HOT_INLINE unsigned cairn_sizeclass_of(const struct cairn_sizeclass *set, const void *pointer,
                                             uint16_t tag)
{
    size_t class_idx = cairn_class_of_kind(cairn_tag_kind(tag));
    size_t offset_bytes = ((size_t)cairn_tag_granule_idx(tag) << set->granule_shift) +
                          ((uintptr_t)pointer & set->granule_mask);

    if (CAIRN_UNLIKELY(class_idx >= set->class_count))
        return set->class_count;
    if (CAIRN_UNLIKELY(!cairn_slab_is_block_start(&set->geometry[class_idx], offset_bytes)))
        return set->class_count;
    return (unsigned)class_idx;
}

/* True when `pointer` begins a block that is out of its pool (in use, or in a cache above). Takes
   the class's lock. */
bool cairn_sizeclass_is_allocated(struct cairn_sizeclass *set, const void *pointer);

/* Gives every kept empty slab back; returns the bytes. O(classes). Threads: safe. */
size_t cairn_sizeclass_trim(struct cairn_sizeclass *set);

struct cairn_sizeclass_stats cairn_sizeclass_stats(struct cairn_sizeclass *set);
struct cairn_pool_stats cairn_sizeclass_class_stats(struct cairn_sizeclass *set,
                                                    unsigned class_idx);

/* The source, THREAD_SAFE: block_bytes up to CAIRN_CLASS_BYTES_MAX, of the class that holds them
   and is aligned so. */
struct cairn_source cairn_sizeclass_as_source(struct cairn_sizeclass *set);

/* The same for a layer that knows the classes, as a cache per class does: no search, no lookup.
   Requires: block_bytes is exactly that of a class, and align_bytes divides it. */
struct cairn_source cairn_sizeclass_as_exact_source(struct cairn_sizeclass *set);

/* Walks everything while it holds the locks of all classes; panics on a broken invariant.
   O(classes * units). */
void cairn_sizeclass_check(struct cairn_sizeclass *set);

CAIRN_END_DECLS

#endif
