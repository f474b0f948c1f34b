/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pool.c - blocks of one size: which slab to take from, and which bit is whose.
 *
 *     lists[3] -> slab -> slab       > 3/4 used    taken from first
 *     lists[2] -> slab               > 1/2
 *     lists[1] ->                    > 1/4
 *     lists[0] -> slab -> slab       the rest      taken from last
 *     empty_id -> slab               none used     only when all lists are empty
 *     (full)                         on no list    found again through the pagemap
 *
 * Taking fills an array from the words of a bitmap, lowest bit first, word by word: a set bit is a
 * free block. A new slab enters as the empty one, so that there is one way in.
 *
 * Giving looks a slab up for the first block of each stretch that lies in one slab, sets the bits
 * of the stretch (blocks.c), and files the slab at its end if the number of its free blocks left
 * the bounds of its list. Where the first block is a stretch of its own, the next few are given
 * each for itself, without looking for another stretch:
 *
 *     array     | a a a a a a | b | c | a | d | c | b | ...         by slab
 *               `- stretch ---'`- each for itself ------
 *
 * Within a list a slab goes in front of the first one when its address is lower, and otherwise
 * right behind it: no order, but low addresses drift to the front, at the price of one comparison.
 *
 * One empty slab is kept, or a program that allocates and frees one block at a boundary would take
 * and give a slab each time. Of two, the one with the higher address goes back.
 *
 * Invariants (cairn_pool_check):
 *   I1  list_idx of each slab is what its fullness says, and it is on that list and on no other;
 *   I2  the lists are linked both ways; at most one slab is empty, and it is empty_id;
 *   I3  used_count is the sum of blocks out, slab_count the number of slabs with this pool_id.
 *
 * Cost. take, give: O(1) per block and per slab touched; about 40 instructions for a block alone in
 * its slab. Nothing reads or writes a block.
 */

#include <cairn/pool.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include "blocks.h"
#include "internal.h"

enum { ON_NO_LIST = CAIRN_POOL_LISTS, IS_EMPTY }; /* values of list_idx behind the lists' */

enum { EACH_COUNT = 32 /* given each for itself before a stretch is looked for again */ };

/* The list that the slab belongs on: quarters, rounded up. */
static unsigned list_for(const struct cairn_slab *slab)
{
    unsigned block_count = slab->block_count;
    unsigned free_count = cairn_slab_free_count(slab);
    unsigned used4 = 4u * (block_count - free_count);

    CAIRN_ASSERT(free_count <= block_count);
    if (used4 == 0)
        return IS_EMPTY;
    if (free_count == 0)
        return ON_NO_LIST;
    return (unsigned)(used4 > block_count) + (unsigned)(used4 > 2 * block_count) +
           (unsigned)(used4 > 3 * block_count);
}

static void set_prev(struct cairn_pool *pool, uint32_t slab_id, uint32_t prev_id)
{
    if (slab_id != 0)
        cairn_slabs_lookup(pool->slabs, slab_id)->prev_id = prev_id;
}

static void unlink_slab(struct cairn_pool *pool, struct cairn_slab *slab, uint32_t slab_id)
{
    uint32_t *first_id = &pool->lists[slab->list_idx];

    CAIRN_ASSERT(slab->list_idx < CAIRN_POOL_LISTS);
    CAIRN_ASSERT((slab->prev_id == 0) == (*first_id == slab_id));
    (void)slab_id;
    if (slab->prev_id == 0)
        *first_id = slab->next_id;
    else
        cairn_slabs_lookup(pool->slabs, slab->prev_id)->next_id = slab->next_id;
    set_prev(pool, slab->next_id, slab->prev_id);
}

static void link_slab(struct cairn_pool *pool, struct cairn_slab *slab, uint32_t slab_id,
                      unsigned list_idx)
{
    uint32_t *first_id = &pool->lists[list_idx];
    struct cairn_slab *first;

    CAIRN_ASSERT(list_idx < CAIRN_POOL_LISTS);
    CAIRN_ASSERT(*first_id != slab_id);
    first = *first_id == 0 ? NULL : cairn_slabs_lookup(pool->slabs, *first_id);
    if (first == NULL || slab->base < first->base) {
        slab->prev_id = 0;
        slab->next_id = *first_id;
        *first_id = slab_id;
    } else {
        slab->prev_id = *first_id;
        slab->next_id = first->next_id;
        first->next_id = slab_id;
    }
    set_prev(pool, slab->next_id, slab_id);
}

static void give_slab(struct cairn_pool *pool, uint32_t slab_id)
{
    CAIRN_ASSERT(pool->slab_count > 0);
    CAIRN_ASSERT(cairn_slabs_lookup(pool->slabs, slab_id)->pool_id == pool->pool_id);
    pool->slab_count--;
    cairn_slabs_give_id(pool->slabs, slab_id);
}

/* Keeps this slab, or the one kept so far, as the empty one; the other goes back. */
static void keep_empty(struct cairn_pool *pool, struct cairn_slab *slab, uint32_t slab_id)
{
    uint32_t kept_id = pool->empty_id;

    CAIRN_ASSERT(cairn_slab_free_count(slab) == slab->block_count);
    if (kept_id == 0) {
        pool->empty_id = slab_id;
        return;
    }
    if (slab->base < cairn_slabs_lookup(pool->slabs, kept_id)->base) {
        pool->empty_id = slab_id;
        slab_id = kept_id;
    }
    give_slab(pool, slab_id);
}

/* Says which list the slab is on. Of the empty one no block can come back, so its bound has no
   meaning. */
static void set_list(const struct cairn_pool *pool, struct cairn_slab *slab, unsigned list_idx)
{
    uint32_t free_count = cairn_slab_free_count(slab);

    slab->list_idx = (uint8_t)list_idx;
    slab->free_bound = pool->free_bounds[list_idx];
    slab->free_room = (int16_t)(slab->free_bound - free_count);
}

/* Moves a slab that left the bounds of its list: perhaps back to the directory. */
static __attribute__((noinline)) void file_slab(struct cairn_pool *pool, struct cairn_slab *slab,
                                                uint32_t slab_id)
{
    unsigned list_idx = list_for(slab);

    CAIRN_ASSERT(list_idx != slab->list_idx);
    if (slab->list_idx < CAIRN_POOL_LISTS)
        unlink_slab(pool, slab, slab_id);
    else if (slab->list_idx == IS_EMPTY)
        pool->empty_id = 0;
    set_list(pool, slab, list_idx);
    if (list_idx < CAIRN_POOL_LISTS)
        link_slab(pool, slab, slab_id, list_idx);
    else if (list_idx == IS_EMPTY)
        keep_empty(pool, slab, slab_id);
}

/* Says list_for() again, as bounds: see struct cairn_pool. A full slab leaves with the first block
   given, the empty one with the first taken. */
static void bound_lists(uint16_t *free_bounds, uint32_t block_count)
{
    CAIRN_STATIC_ASSERT(CAIRN_POOL_LISTS == 4, "lists are quarters");
    for (unsigned i = 0; i < CAIRN_POOL_LISTS; i++)
        free_bounds[i] = (uint16_t)((block_count * (CAIRN_POOL_LISTS - i) + 3) / 4);
    free_bounds[ON_NO_LIST] = 1;
    free_bounds[IS_EMPTY] = 0;
    free_bounds[IS_EMPTY + 1] = (uint16_t)block_count;
}

void cairn_pool_init_geometry(struct cairn_pool *pool, struct cairn_slabs *slabs,
                              const struct cairn_slab_geometry *geometry, uint8_t kind,
                              uint8_t kind_max)
{
    CAIRN_ASSERT(kind >= 1 && kind <= kind_max);
    pool->slabs = slabs;
    pool->geometry = *geometry;
    bound_lists(pool->free_bounds, geometry->block_count);
    pool->pool_id = 0;
    pool->kind = kind;
    pool->kind_max = kind_max;
    for (unsigned i = 0; i < CAIRN_POOL_LISTS; i++)
        pool->lists[i] = 0;
    pool->empty_id = 0;
    pool->slab_count = 0;
    pool->used_count = 0;
}

int cairn_pool_init(struct cairn_pool *pool, struct cairn_slabs *slabs, size_t block_bytes,
                    uint8_t kind, uint8_t kind_max, uint32_t pool_id)
{
    struct cairn_slab_geometry geometry;
    int error = cairn_slab_geometry(&geometry, block_bytes, slabs->config.granule_bytes);

    if (error != 0)
        return error;
    cairn_pool_init_geometry(pool, slabs, &geometry, kind, kind_max);
    pool->pool_id = pool_id;
    return 0;
}

void cairn_pool_fini(struct cairn_pool *pool)
{
    CAIRN_CHECK(pool->used_count == 0, "fini of a pool with blocks out", pool, __func__);
    cairn_pool_trim(pool);
    CAIRN_ASSERT(pool->slab_count == 0);
    pool->slabs = NULL;
}

/* The id of a slab with a free block, or 0. */
static uint32_t slab_to_take_from(struct cairn_pool *pool)
{
    for (unsigned i = CAIRN_POOL_LISTS; i-- > 0;)
        if (pool->lists[i] != 0)
            return pool->lists[i];
    if (pool->empty_id != 0)
        return pool->empty_id;
    pool->empty_id = cairn_slabs_take_id(pool->slabs, &pool->geometry, pool->kind, pool->pool_id);
    if (pool->empty_id == 0)
        return 0;
    pool->slab_count++;
    set_list(pool, cairn_slabs_lookup(pool->slabs, pool->empty_id), IS_EMPTY);
    return pool->empty_id;
}

size_t cairn_pool_take(struct cairn_pool *pool, void **blocks, size_t count)
{
    size_t taken = 0;

    CAIRN_ASSERT(pool->slabs != NULL);
    while (taken < count) {
        uint32_t slab_id = slab_to_take_from(pool);
        struct cairn_slab *slab;
        size_t part;

        if (slab_id == 0)
            break;
        slab = cairn_slabs_lookup(pool->slabs, slab_id);
        part = cairn_min(count - taken, cairn_slab_free_count(slab));
        cairn_blocks_take(slab, pool->geometry.block_bytes, blocks + taken, part);
        if (cairn_slab_free_count(slab) < pool->free_bounds[slab->list_idx + 1])
            file_slab(pool, slab, slab_id);
        taken += part;
    }
    pool->used_count += taken;
    return taken;
}

/* Panics: the block lies in no slab of this pool. */
static CAIRN_COLD CAIRN_NORETURN void refuse(const struct cairn_pool *pool, const void *block)
{
    uint16_t tag = cairn_pagemap_tag(pool->slabs->config.pagemap, block);

    cairn_panic(cairn_slabs_is_slab(tag, pool->kind_max) ? "pointer is not from this pool"
                                                         : "pointer is not from this heap",
                block, cairn_blocks_give_name);
}

/* The id of the slab that a block given back lies in. Most lie in the section. */
CAIRN_HOT_INLINE uint32_t id_at(const struct cairn_pool *pool,
                                const struct cairn_pagemap_section *section, const void *block)
{
    uintptr_t granule = ((uintptr_t)block >> section->granule_shift) - section->granule_first;
    struct cairn_pagemap_mark mark;

    if (CAIRN_UNLIKELY(granule >= section->granule_count)) {
        mark = cairn_pagemap_mark(pool->slabs->config.pagemap, block);
        if (cairn_tag_kind(mark.tag) != pool->kind)
            refuse(pool, block);
        return mark.owner;
    }
    /* acquire: pairs with the release in cairn_pagemap_set() */
    if (CAIRN_UNLIKELY(cairn_tag_kind(cairn_load_acquire(&section->tags[granule])) != pool->kind))
        refuse(pool, block);
    return cairn_load_relaxed(&section->owners[granule]);
}

CAIRN_HOT_INLINE struct cairn_slab *own_slab(const struct cairn_pool *pool, uint32_t slab_id,
                                             const void *block)
{
    struct cairn_slab *slab = cairn_slabs_lookup(pool->slabs, slab_id);

    if (CAIRN_UNLIKELY(slab->pool_id != pool->pool_id))
        refuse(pool, block);
    CAIRN_ASSERT(slab->block_count == pool->geometry.block_count);
    return slab;
}

/* Gives the blocks before `stop` back as if each were alone in its slab. */
static CAIRN_NOINLINE void give_each(struct cairn_pool *pool, void *const *blocks,
                                     void *const *stop)
{
    const struct cairn_pagemap_section section =
        cairn_pagemap_section(pool->slabs->config.pagemap, *blocks);

    do {
        const void *block = *blocks;
        uint32_t slab_id = id_at(pool, &section, block);
        struct cairn_slab *slab = own_slab(pool, slab_id, block);

        if (CAIRN_UNLIKELY(!cairn_blocks_free_one(&pool->geometry, slab, block)))
            cairn_panic(cairn_blocks_misuse(&pool->geometry, slab, block), block,
                        cairn_blocks_give_name);
        if (slab->free_room == 0)
            file_slab(pool, slab, slab_id);
    } while (++blocks != stop);
}

/* Gives the stretch at the head of the array back; returns the place of the next block, which is
   the same when the stretch is no more than one block. */
static void *const *give_stretch(struct cairn_pool *pool, void *const *blocks, void *const *end)
{
    struct cairn_pagemap_mark mark = cairn_pagemap_mark(pool->slabs->config.pagemap, *blocks);
    const char *what = NULL;
    struct cairn_slab *slab;

    if (CAIRN_UNLIKELY(cairn_tag_kind(mark.tag) != pool->kind))
        refuse(pool, *blocks);
    slab = own_slab(pool, mark.owner, *blocks);
    if (!cairn_blocks_goes_on(&pool->geometry, slab, blocks + 1, end))
        return blocks;
    blocks = cairn_blocks_free_several(&pool->geometry, slab, blocks, end);
    if (CAIRN_UNLIKELY(cairn_blocks_goes_on(&pool->geometry, slab, blocks, end)))
        what = cairn_blocks_misuse(&pool->geometry, slab, *blocks);
    if (slab->free_room <= 0)
        file_slab(pool, slab, mark.owner);
    if (CAIRN_UNLIKELY(what != NULL))
        cairn_panic(what, *blocks, cairn_blocks_give_name);
    return blocks;
}

void cairn_pool_give(struct cairn_pool *pool, void *const *blocks, size_t count)
{
    void *const *end = blocks + count;

    CAIRN_ASSERT(pool->slabs != NULL);
    while (blocks != end) {
        void *const *next = blocks + 1 == end ? blocks : give_stretch(pool, blocks, end);

        if (next == blocks) {
            next += cairn_min((size_t)(end - blocks), EACH_COUNT);
            give_each(pool, blocks, next);
        }
        blocks = next;
    }
    CAIRN_ASSERT(pool->used_count >= count);
    pool->used_count -= count;
}

void *cairn_pool_alloc(struct cairn_pool *pool)
{
    void *block;

    return cairn_pool_take(pool, &block, 1) == 1 ? block : NULL;
}

void cairn_pool_free(struct cairn_pool *pool, void *block)
{
    cairn_pool_give(pool, &block, 1);
}

size_t cairn_pool_trim(struct cairn_pool *pool)
{
    uint32_t slab_id = pool->empty_id;

    if (slab_id == 0)
        return 0;
    CAIRN_ASSERT(cairn_slabs_lookup(pool->slabs, slab_id)->list_idx == IS_EMPTY);
    pool->empty_id = 0;
    give_slab(pool, slab_id);
    return pool->geometry.slab_bytes;
}

/* The kind first: only slabs of this pool's kind are known to stay while its caller looks. */
bool cairn_pool_is_allocated(const struct cairn_pool *pool, const void *pointer)
{
    struct cairn_pagemap_mark mark = cairn_pagemap_mark(pool->slabs->config.pagemap, pointer);
    struct cairn_slab *slab;
    size_t offset_bytes;

    if (cairn_tag_kind(mark.tag) != pool->kind)
        return false;
    slab = cairn_slabs_lookup(pool->slabs, mark.owner);
    if (slab->pool_id != pool->pool_id)
        return false;
    offset_bytes = (uintptr_t)pointer - slab->base;
    if (!cairn_slab_is_block_start(&pool->geometry, offset_bytes))
        return false;
    return !cairn_slab_is_free(slab, cairn_slab_block_idx(&pool->geometry, offset_bytes));
}

struct cairn_pool_stats cairn_pool_stats(const struct cairn_pool *pool)
{
    struct cairn_pool_stats stats;

    stats.block_bytes = pool->geometry.block_bytes;
    stats.slab_bytes = pool->geometry.slab_bytes;
    stats.slab_count = pool->slab_count;
    stats.used_count = pool->used_count;
    stats.free_count = pool->slab_count * pool->geometry.block_count - pool->used_count;
    return stats;
}

static size_t pool_source_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                               size_t count)
{
    struct cairn_pool *pool = self;

    CAIRN_ASSERT(block_bytes > 0 && cairn_is_pow2(align_bytes));
    if (block_bytes > pool->geometry.block_bytes || align_bytes > pool->geometry.align_bytes)
        return 0;
    return cairn_pool_take(pool, blocks, count);
}

static void pool_source_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_pool *pool = self;

    CAIRN_ASSERT(block_bytes > 0 && block_bytes <= pool->geometry.block_bytes);
    (void)block_bytes;
    cairn_pool_give(pool, blocks, count);
}

struct cairn_source cairn_pool_as_source(struct cairn_pool *pool)
{
    static const struct cairn_source_ops ops = {"pool", 0, pool_source_take, pool_source_give};

    return (struct cairn_source){&ops, pool};
}

/* Walks one list; returns its length. */
static uint32_t check_list(const struct cairn_pool *pool, unsigned list_idx)
{
    uint32_t count = 0;
    uint32_t prev_id = 0;

    for (uint32_t id = pool->lists[list_idx]; id != 0;) {
        const struct cairn_slab *slab = cairn_slabs_lookup(pool->slabs, id);

        CAIRN_INVARIANT(slab->base != 0 && slab->pool_id == pool->pool_id);
        CAIRN_INVARIANT(slab->prev_id == prev_id);
        CAIRN_INVARIANT(slab->list_idx == list_idx);
        CAIRN_INVARIANT(++count <= pool->slab_count);
        prev_id = id;
        id = slab->next_id;
    }
    return count;
}

static void check_slab(const struct cairn_pool *pool, struct cairn_slab *slab, uint32_t slab_id)
{
    const uint64_t *words = cairn_slab_words(slab);
    uint32_t free_count = 0;
    struct cairn_pagemap_mark mark =
        cairn_pagemap_mark(pool->slabs->config.pagemap, (const void *)slab->base);

    CAIRN_INVARIANT(slab->block_count == pool->geometry.block_count);
    CAIRN_INVARIANT(slab->slab_bytes == pool->geometry.slab_bytes);
    CAIRN_INVARIANT(slab->list_idx == list_for(slab));
    CAIRN_INVARIANT((slab->list_idx == IS_EMPTY) == (pool->empty_id == slab_id));
    for (uint32_t i = 0; i < cairn_slab_word_count(slab->block_count); i++)
        free_count += (uint32_t)__builtin_popcountll(words[i]);
    CAIRN_INVARIANT(free_count == cairn_slab_free_count(slab));
    CAIRN_INVARIANT(slab->free_bound == pool->free_bounds[slab->list_idx]);
    CAIRN_INVARIANT(cairn_tag_kind(mark.tag) == pool->kind && mark.owner == slab_id);
}

/* The lock of the directory keeps the heads in place; those of other pools may change under it, but
   their ids not. */
void cairn_pool_check(const struct cairn_pool *pool)
{
    struct cairn_slabs *slabs = pool->slabs;
    uint32_t listed = 0;
    uint32_t on_lists = 0;
    uint32_t slab_count = 0;
    size_t used_count = 0;
    struct cairn_slab *slab;

    for (unsigned i = 0; i < CAIRN_POOL_LISTS; i++)
        listed += check_list(pool, i);
    cairn_lock_take(&slabs->lock);
    for (uint32_t id = cairn_slabs_next(slabs, 1); id != 0;
         id = cairn_slabs_next(slabs, cairn_slabs_unit_behind(slab, id))) {
        slab = cairn_slabs_lookup(slabs, id);
        if (slab->pool_id != pool->pool_id)
            continue;
        check_slab(pool, slab, id);
        slab_count++;
        on_lists += slab->list_idx < CAIRN_POOL_LISTS;
        used_count += (size_t)slab->block_count - cairn_slab_free_count(slab);
    }
    cairn_lock_release(&slabs->lock);
    CAIRN_INVARIANT(slab_count == pool->slab_count);
    CAIRN_INVARIANT(used_count == pool->used_count);
    CAIRN_INVARIANT(on_lists == listed);
}
