/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pool.h - blocks of one size, carved ahead of need from slabs.
 *
 * Idea. A pool keeps the slabs of one block size on lists by how full they are, and takes from the
 * fullest first, so that the emptiest get the chance to become empty and go back. Within a slab the
 * lowest free block is taken first, so pages that were never needed are never touched: carving
 * costs nothing until a block is used.
 *
 *     full      |########|  not on a list
 *     list 3    |####### |  > 3/4 used      <- taken from first
 *     list 0    |#       |  <= 1/4 used
 *     empty     |        |  one kept, the next goes back to the directory
 *
 * Use alone: cairn_pool_init_over() needs nothing but memory. Use in a set: see
 * <cairn/sizeclass.h>.
 *
 * Invariants: popcount of the bitmap == free_count; every slab is on the list its fullness says;
 * counts add up. A block that is given back must be one that is out: anything else (interior,
 * foreign, given twice) panics.
 *
 * Threads: none; the caller serialises per pool. Pools of one directory may run in parallel.
 * Source: Bonwick, "The slab allocator", USENIX Summer 1994, with the bitmap in place of the list
 *         in the blocks.
 */

#ifndef CAIRN_POOL_H
#define CAIRN_POOL_H

#include <cairn/slabs.h>

CAIRN_BEGIN_DECLS

enum { CAIRN_POOL_LISTS = 4 };

/* Private; visible so that the caller can place it. May be moved when no call is running (it has no
   inner pointers). */
struct cairn_pool {
    struct cairn_slabs *slabs;
    struct cairn_slab_geometry geometry;
    uint32_t pool_id;
    uint8_t kind;
    uint8_t kind_max;
    /* A slab on list i has free_bounds[i + 1] <= free_count < free_bounds[i]. */
    uint16_t free_bounds[CAIRN_POOL_LISTS + 3];
    uint32_t lists[CAIRN_POOL_LISTS]; /* ids of the first slab */
    uint32_t empty_id;                /* the one empty slab kept, or 0 */
    uint32_t slab_count;
    size_t used_count; /* blocks out */
};

struct cairn_pool_stats {
    size_t block_bytes;
    size_t slab_bytes;
    size_t slab_count;
    size_t used_count;
    size_t free_count; /* in slabs held */
};

/*
 * Makes a pool of `block_bytes` over a directory. `kind` is the tag of its slabs in the pagemap,
 * `pool_id` is stored in each descriptor, for those who share the directory.
 *
 * Requires: 1 <= kind <= kind_max (the largest kind that means a slab); no other pool of the
 *           directory has the pool_id.
 * Fails:    -EINVAL when no slab geometry exists for it. O(granules).
 */
CAIRN_NODISCARD int cairn_pool_init(struct cairn_pool *pool, struct cairn_slabs *slabs,
                                    size_t block_bytes, uint8_t kind, uint8_t kind_max,
                                    uint32_t pool_id);

/* Gives all slabs back to the directory. Panics when a block is out. */
void cairn_pool_fini(struct cairn_pool *pool);

/* Takes up to `count` blocks, ascending in address within a slab; returns how many. O(count + slabs
   touched). */
size_t cairn_pool_take(struct cairn_pool *pool, void **blocks, size_t count);

/* Gives blocks back, in any order. Panics on one that is not a block of this pool, or is not out.
   O(count). */
void cairn_pool_give(struct cairn_pool *pool, void *const *blocks, size_t count);

/* One block, or NULL. */
void *cairn_pool_alloc(struct cairn_pool *pool);
void cairn_pool_free(struct cairn_pool *pool, void *block);

/* Gives the empty slab back that was kept. Returns the bytes given back. */
size_t cairn_pool_trim(struct cairn_pool *pool);

/* True when `pointer` (any value) begins a block of this pool that is out. O(1). */
bool cairn_pool_is_allocated(const struct cairn_pool *pool, const void *pointer);

struct cairn_pool_stats cairn_pool_stats(const struct cairn_pool *pool);

/* The source: serves block_bytes up to the pool's own, aligned to what the geometry says. Not
   THREAD_SAFE. */
struct cairn_source cairn_pool_as_source(struct cairn_pool *pool);

/* Walks all slabs of the pool; panics on a broken invariant. O(units of the directory), under its
   lock. */
void cairn_pool_check(const struct cairn_pool *pool);

/*
 * A pool with everything it needs, over one range of the caller's memory: no source, no pagemap to
 * set up.
 *
 * Up to 7936 blocks in up to 2 MiB are one slab, and no byte of the memory is lost but by
 * alignment; more memory is cut into slabs of nearly equal size. A granule is chosen that makes the
 * map small and what alignment loses at most 1/64 of the memory.
 */

/* Bytes of state for cairn_pool_init_over(): exact; 0 for arguments that it would refuse at any
   address. */
size_t cairn_pool_alone_state_bytes(size_t block_bytes, size_t memory_bytes);

/*
 * Makes a pool of blocks of `block_bytes` over [memory, memory + memory_bytes).
 *
 * Requires: state aligned to 64 and zero, not moved until fini; 0 < block_bytes <= 2 MiB, rounded
 *           up to a multiple of 8.
 * Returns:  the pool at the head of the state, to be used with the functions above; NULL when the
 *           memory holds no block or the state is too small or misaligned, or block_bytes is out of
 *           range. Aligned:  blocks are aligned to the largest power of two, up to 32 KiB, that
 *           divides the rounded block_bytes and the address of the memory; also when the latter is
 *           odd, to 16 if that divides block_bytes.
 * Owns:     the caller keeps both ranges, and keeps them until fini. Nothing is written into the
 *           memory.
 * Cost:     O(1); the state is touched as blocks are used.
 */
struct cairn_pool *cairn_pool_init_over(void *state, size_t state_bytes, size_t block_bytes,
                                        void *memory, size_t memory_bytes);

/* Ends such a pool. Panics when a block is out. */
void cairn_pool_fini_over(struct cairn_pool *pool);

CAIRN_END_DECLS

#endif
