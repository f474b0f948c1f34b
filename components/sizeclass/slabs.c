/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * slabs.c - the directory of slabs: memory, descriptor and marks in the pagemap, brought together.
 *
 *     take    memory (source) -> descriptor, publish (lock) -> marks, bitmap (no lock)
 *     give    check -> marks off (no lock) -> unpublish, descriptor (lock) -> memory (source)
 *
 * Where descriptors lie and which are free is in descriptors.c. base != 0 says that a descriptor is
 * published: other threads that walk over it (cairn_slabs_next) read what the lock guards, base,
 * pool_id and sizes, and nothing else unless the pool is theirs. While a slab is marked and its
 * bitmap filled no other thread has a block of it. The memory comes first and goes last: so another
 * thread cannot mark it anew too early, and no more descriptors are in use than fit the memory,
 * however many threads find it exhausted.
 *
 * A descriptor does not hold its own id: where the caller does not know it, the pagemap says it.
 *
 * Invariants (cairn_slabs_check), besides those of the units:
 *   I1  popcount of the bitmap == free blocks <= block_count, bits behind block_count are 0, words
 *       below first_word are 0;
 *   I2  the first and the last granule of a published slab lead to it in the pagemap;
 *   I3  slab_count and slab_bytes are the sums over the published.
 *
 * Cost. O(1) but for the bitmap (at most 1 KiB) and the granules.
 */

#include "internal.h"

#include <cairn/base/align.h>

#include <errno.h>

enum { SLAB_BYTES_BITS = 24 }; /* of the field in a descriptor */

CAIRN_STATIC_ASSERT(CAIRN_SLAB_BYTES_MAX < 1 << SLAB_BYTES_BITS, "a slab's size fits its field");

static size_t granules_of(const struct cairn_slabs *slabs, size_t slab_bytes)
{
    return (slab_bytes + slabs->config.granule_bytes - 1) >> slabs->config.pagemap->granule_shift;
}

int cairn_slabs_init(struct cairn_slabs *slabs, const struct cairn_slabs_config *config)
{
    if (config->granule_bytes != (size_t)1 << config->pagemap->granule_shift)
        return -EINVAL;
    cairn_lock_init(&slabs->lock, CAIRN_RANK_SLABS);
    slabs->config = *config;
    slabs->slab_count = 0;
    slabs->slab_bytes = 0;
    return cairn_slabs_init_units(slabs);
}

void cairn_slabs_fini(struct cairn_slabs *slabs)
{
    CAIRN_CHECK(slabs->slab_count == 0, "fini of a directory with slabs taken", slabs, __func__);
    CAIRN_ASSERT(slabs->slab_bytes == 0);
    CAIRN_ASSERT(!cairn_lock_is_held(&slabs->lock));
    cairn_slabs_fini_units(slabs);
}

/* A descriptor, published; 0 when there is none. */
static uint32_t publish(struct cairn_slabs *slabs, const struct cairn_slab_geometry *geometry,
                        void *base, uint32_t pool_id)
{
    uint32_t slab_id;
    struct cairn_slab *slab;

    cairn_lock_take(&slabs->lock);
    slab_id = cairn_slabs_pop(slabs, cairn_slab_unit_count(geometry->block_count));
    if (slab_id != 0) {
        slab = cairn_slabs_lookup(slabs, slab_id);
        slab->base = (uintptr_t)base;
        slab->pool_id = pool_id;
        slab->slab_bytes = geometry->slab_bytes & ((1u << SLAB_BYTES_BITS) - 1);
        slabs->slab_count++;
        slabs->slab_bytes += geometry->slab_bytes;
    }
    cairn_lock_release(&slabs->lock);
    return slab_id;
}

/* The descriptor is on its list afterwards. */
static void unpublish(struct cairn_slabs *slabs, struct cairn_slab *slab, uint32_t slab_id)
{
    cairn_lock_take(&slabs->lock);
    CAIRN_ASSERT(slabs->slab_count > 0 && slabs->slab_bytes >= slab->slab_bytes);
    slabs->slab_count--;
    slabs->slab_bytes -= slab->slab_bytes;
    slab->base = 0;
    cairn_slabs_push(slabs, slab_id);
    cairn_lock_release(&slabs->lock);
}

static void free_all_blocks(struct cairn_slab *slab, uint32_t block_count)
{
    uint64_t *words = cairn_slab_words(slab);
    uint32_t full_words = block_count / CAIRN_SLAB_WORD_BITS;
    uint32_t rest = block_count % CAIRN_SLAB_WORD_BITS;

    for (uint32_t i = 0; i < full_words; i++)
        words[i] = UINT64_MAX;
    if (rest > 0)
        words[full_words] = ((uint64_t)1 << rest) - 1;
    slab->block_count = (uint16_t)block_count;
    slab->free_bound = (uint16_t)block_count;
    slab->free_room = 0;
    slab->first_word = 0;
}

static void *take_memory(struct cairn_slabs *slabs, const struct cairn_slab_geometry *geometry)
{
    size_t align_bytes = cairn_max(slabs->config.granule_bytes, geometry->align_bytes);
    void *base = cairn_source_take_one(slabs->config.source, geometry->slab_bytes, align_bytes);

    CAIRN_ASSERT(cairn_is_aligned((uintptr_t)base, align_bytes));
    return base;
}

/* The id of a descriptor that is published, with the memory's granules marked; 0 when there is
   none, or the map cannot. */
static uint32_t publish_marked(struct cairn_slabs *slabs,
                               const struct cairn_slab_geometry *geometry, void *base, uint8_t kind,
                               uint32_t pool_id)
{
    uint32_t slab_id = publish(slabs, geometry, base, pool_id);

    if (slab_id == 0)
        return 0;
    if (cairn_pagemap_set(slabs->config.pagemap, base, granules_of(slabs, geometry->slab_bytes),
                          kind, slab_id) == 0)
        return slab_id;
    unpublish(slabs, cairn_slabs_lookup(slabs, slab_id), slab_id);
    return 0;
}

uint32_t cairn_slabs_take_id(struct cairn_slabs *slabs, const struct cairn_slab_geometry *geometry,
                             uint8_t kind, uint32_t pool_id)
{
    void *base = take_memory(slabs, geometry);
    struct cairn_slab *slab;
    uint32_t slab_id;

    CAIRN_ASSERT(kind != 0);
    if (base == NULL)
        return 0;
    slab_id = publish_marked(slabs, geometry, base, kind, pool_id);
    if (slab_id == 0) {
        cairn_source_give_one(slabs->config.source, geometry->slab_bytes, base);
        return 0;
    }
    slab = cairn_slabs_lookup(slabs, slab_id);
    slab->next_id = 0;
    slab->prev_id = 0;
    slab->list_idx = 0;
    free_all_blocks(slab, geometry->block_count);
    return slab_id;
}

void cairn_slabs_give_id(struct cairn_slabs *slabs, uint32_t slab_id)
{
    struct cairn_slab *slab = cairn_slabs_lookup(slabs, slab_id);
    size_t slab_bytes = slab->slab_bytes;
    void *base = (void *)slab->base;

    CAIRN_CHECK(cairn_slab_free_count(slab) == slab->block_count, "give of a slab with blocks out",
                base, "cairn_slabs_give");
    cairn_pagemap_clear(slabs->config.pagemap, base, granules_of(slabs, slab_bytes));
    unpublish(slabs, slab, slab_id);
    cairn_source_give_one(slabs->config.source, slab_bytes, base);
}

struct cairn_slab *cairn_slabs_take(struct cairn_slabs *slabs,
                                    const struct cairn_slab_geometry *geometry, uint8_t kind,
                                    uint32_t pool_id)
{
    return cairn_slabs_at(slabs, cairn_slabs_take_id(slabs, geometry, kind, pool_id));
}

void cairn_slabs_give(struct cairn_slabs *slabs, struct cairn_slab *slab)
{
    CAIRN_CHECK(slab->base != 0, "give of a slab that is not taken", slab, __func__);
    cairn_slabs_give_id(slabs, cairn_slabs_lookup_id(slabs, slab));
}

struct cairn_slab *cairn_slabs_find(const struct cairn_slabs *slabs, const void *pointer,
                                    uint8_t kind_max)
{
    struct cairn_pagemap_mark mark = cairn_pagemap_mark(slabs->config.pagemap, pointer);

    return cairn_slabs_is_slab(mark.tag, kind_max) ? cairn_slabs_lookup(slabs, mark.owner) : NULL;
}

struct cairn_slab *cairn_slabs_at(const struct cairn_slabs *slabs, uint32_t slab_id)
{
    return slab_id == 0 ? NULL : cairn_slabs_lookup(slabs, slab_id);
}

uint32_t cairn_slabs_id(const struct cairn_slabs *slabs, const struct cairn_slab *slab)
{
    return slab == NULL ? 0 : cairn_slabs_lookup_id(slabs, slab);
}

static void check_bitmap(struct cairn_slab *slab)
{
    const uint64_t *words = cairn_slab_words(slab);
    uint32_t word_count = cairn_slab_word_count(slab->block_count);
    uint32_t rest = slab->block_count % CAIRN_SLAB_WORD_BITS;
    uint32_t free_count = 0;

    for (uint32_t i = 0; i < word_count; i++) {
        CAIRN_INVARIANT(i >= slab->first_word || words[i] == 0);
        free_count += (uint32_t)__builtin_popcountll(words[i]);
    }
    CAIRN_INVARIANT(free_count == cairn_slab_free_count(slab));
    CAIRN_INVARIANT(free_count <= slab->block_count);
    CAIRN_INVARIANT(rest == 0 || words[word_count - 1] >> rest == 0);
}

static void check_mapped(const struct cairn_slabs *slabs, const struct cairn_slab *slab,
                         uint32_t slab_id)
{
    const char *base = (const char *)slab->base;

    CAIRN_INVARIANT(cairn_is_aligned(slab->base, slabs->config.granule_bytes));
    CAIRN_INVARIANT(cairn_slabs_find(slabs, base, UINT8_MAX) == slab);
    CAIRN_INVARIANT(cairn_slabs_find(slabs, base + slab->slab_bytes - 1, UINT8_MAX) == slab);
    CAIRN_INVARIANT(cairn_tag_granule_idx(cairn_pagemap_tag(slabs->config.pagemap, base)) == 0);
    CAIRN_INVARIANT(cairn_slabs_lookup_id(slabs, slab) == slab_id);
    CAIRN_INVARIANT(cairn_slab_unit_count(slab->block_count) == slab->unit_count);
}

void cairn_slabs_check(const struct cairn_slabs *slabs)
{
    uint32_t slab_count = 0;
    size_t slab_bytes = 0;
    struct cairn_slab *slab;

    cairn_slabs_check_units(slabs);
    for (uint32_t id = cairn_slabs_next(slabs, 1); id != 0;
         id = cairn_slabs_next(slabs, cairn_slabs_unit_behind(slab, id))) {
        slab = cairn_slabs_lookup(slabs, id);
        check_bitmap(slab);
        check_mapped(slabs, slab, id);
        slab_count++;
        slab_bytes += slab->slab_bytes;
    }
    CAIRN_INVARIANT(slab_count == slabs->slab_count);
    CAIRN_INVARIANT(slab_bytes == slabs->slab_bytes);
}
