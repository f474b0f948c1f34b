/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * slabs.c - the directory of slabs: descriptors out of line, found through the pagemap.
 *
 *     state    | unit 0 | 1 head | 2 head   3 words | 4 free | ... never touched ... |
 *                never             one descriptor             unit_top        unit_count
 *
 * A descriptor is a run of 1 ... 16 units. Free ones wait on a list per unit count, last in first
 * out, so that the state stays as small as it once had to be; only when the list is empty does
 * unit_top rise. Units are not exchanged between the lists: cairn_sizeclass_state_bytes() counts on
 * that.
 *
 * Taking a slab: take the memory, reserve a descriptor (lock), mark and describe (no lock: nobody
 * else knows of it), publish (lock). Giving is the same backwards. The memory comes first and goes
 * last: so another thread cannot mark it anew too early, and no more descriptors are in use than
 * fit the memory, however many threads find it exhausted. base != 0 says that a descriptor is
 * published.
 *
 * Invariants (cairn_slabs_check):
 *   I1  heads lie one behind the other from unit 1 to unit_top;
 *   I2  each is published, or on the list of its unit count (or in the hands of a thread inside
 *       take or give);
 *   I3  popcount of the bitmap == free_count <= block_count, bits behind block_count are 0, words
 *       below first_word are 0;
 *   I4  the first and the last granule of a published slab lead to it in the pagemap;
 *   I5  slab_count and slab_bytes are the sums over the published.
 *
 * Cost. O(1) but for the bitmap (at most 1 KiB) and the granules.
 */

#include "internal.h"

#include <cairn/base/align.h>

#include <errno.h>

static size_t granules_of(const struct cairn_slabs *slabs, size_t slab_bytes)
{
    return cairn_align_up(slab_bytes, slabs->config.granule_bytes) / slabs->config.granule_bytes;
}

int cairn_slabs_init(struct cairn_slabs *slabs, const struct cairn_slabs_config *config)
{
    size_t unit_count = config->state_bytes / CAIRN_SLAB_UNIT_BYTES;

    if (config->state == NULL || unit_count < 2 ||
        !cairn_is_aligned((uintptr_t)config->state, CAIRN_SLAB_UNIT_BYTES))
        return -EINVAL;
    if (config->granule_bytes != (size_t)1 << config->pagemap->granule_shift)
        return -EINVAL;
    cairn_lock_init(&slabs->lock, CAIRN_RANK_SLABS);
    slabs->config = *config;
    slabs->unit_count = (uint32_t)cairn_min(unit_count, UINT32_MAX);
    slabs->unit_top = 1;
    for (unsigned i = 0; i <= CAIRN_SLAB_UNITS_MAX; i++)
        slabs->free_units[i] = 0;
    slabs->slab_count = 0;
    slabs->slab_bytes = 0;
    return 0;
}

void cairn_slabs_fini(struct cairn_slabs *slabs)
{
    CAIRN_CHECK(slabs->slab_count == 0, "fini of a directory with slabs taken", slabs, __func__);
    CAIRN_ASSERT(slabs->slab_bytes == 0);
    CAIRN_ASSERT(!cairn_lock_is_held(&slabs->lock));
    slabs->unit_count = 0;
}

/* A descriptor that nobody uses, not published; NULL when the state is exhausted. */
static struct cairn_slab *pop_descriptor(struct cairn_slabs *slabs, uint32_t unit_count)
{
    struct cairn_slab *slab;
    uint32_t slab_id;

    CAIRN_ASSERT(unit_count >= 1 && unit_count <= CAIRN_SLAB_UNITS_MAX);
    CAIRN_ASSERT(slabs->unit_top <= slabs->unit_count);
    slab_id = slabs->free_units[unit_count];
    if (slab_id != 0) {
        slab = cairn_slabs__at(slabs, slab_id);
        CAIRN_ASSERT(slab->base == 0 && slab->unit_count == unit_count);
        slabs->free_units[unit_count] = slab->next_id;
        return slab;
    }
    if (slabs->unit_count - slabs->unit_top < unit_count)
        return NULL;
    slab = cairn_slabs__at(slabs, slabs->unit_top);
    slabs->unit_top += unit_count;
    slab->base = 0;
    slab->unit_count = (uint8_t)unit_count;
    return slab;
}

static void push_descriptor(struct cairn_slabs *slabs, struct cairn_slab *slab)
{
    CAIRN_ASSERT(slab->base == 0);
    slab->next_id = slabs->free_units[slab->unit_count];
    slabs->free_units[slab->unit_count] = cairn_slabs__id(slabs, slab);
}

static struct cairn_slab *reserve(struct cairn_slabs *slabs, uint32_t unit_count)
{
    struct cairn_slab *slab;

    cairn_lock_take(&slabs->lock);
    slab = pop_descriptor(slabs, unit_count);
    cairn_lock_release(&slabs->lock);
    return slab;
}

static void unreserve(struct cairn_slabs *slabs, struct cairn_slab *slab)
{
    cairn_lock_take(&slabs->lock);
    push_descriptor(slabs, slab);
    cairn_lock_release(&slabs->lock);
}

static void publish(struct cairn_slabs *slabs, struct cairn_slab *slab, void *base)
{
    cairn_lock_take(&slabs->lock);
    slab->base = (uintptr_t)base;
    slabs->slab_count++;
    slabs->slab_bytes += slab->slab_bytes;
    cairn_lock_release(&slabs->lock);
}

/* The slab's memory; the descriptor is on its list afterwards. */
static void *unpublish(struct cairn_slabs *slabs, struct cairn_slab *slab)
{
    void *base = (void *)slab->base;

    cairn_lock_take(&slabs->lock);
    CAIRN_ASSERT(slabs->slab_count > 0 && slabs->slab_bytes >= slab->slab_bytes);
    slabs->slab_count--;
    slabs->slab_bytes -= slab->slab_bytes;
    slab->base = 0;
    push_descriptor(slabs, slab);
    cairn_lock_release(&slabs->lock);
    return base;
}

static void free_all_blocks(struct cairn_slab *slab, uint32_t block_count)
{
    uint64_t *words = cairn_slab__words(slab);
    uint32_t full_words = block_count / CAIRN_SLAB_WORD_BITS;
    uint32_t rest = block_count % CAIRN_SLAB_WORD_BITS;

    for (uint32_t i = 0; i < full_words; i++)
        words[i] = UINT64_MAX;
    if (rest > 0)
        words[full_words] = ((uint64_t)1 << rest) - 1;
    slab->block_count = (uint16_t)block_count;
    slab->free_count = (uint16_t)block_count;
    slab->first_word = 0;
}

static void *take_memory(struct cairn_slabs *slabs, const struct cairn_slab_geometry *geometry)
{
    size_t align_bytes = cairn_max(slabs->config.granule_bytes, geometry->align_bytes);
    void *base = cairn_source_take_one(slabs->config.source, geometry->slab_bytes, align_bytes);

    CAIRN_ASSERT(cairn_is_aligned((uintptr_t)base, align_bytes));
    return base;
}

/* A descriptor with the memory's granules marked, not published; NULL when there is none, or the
   map cannot. */
static struct cairn_slab *reserve_marked(struct cairn_slabs *slabs, void *base,
                                         const struct cairn_slab_geometry *geometry, uint8_t kind)
{
    struct cairn_slab *slab = reserve(slabs, cairn_slab__unit_count(geometry->block_count));

    if (slab == NULL)
        return NULL;
    if (cairn_pagemap_set(slabs->config.pagemap, base, granules_of(slabs, geometry->slab_bytes),
                          kind, cairn_slabs__id(slabs, slab)) == 0)
        return slab;
    unreserve(slabs, slab);
    return NULL;
}

struct cairn_slab *cairn_slabs_take(struct cairn_slabs *slabs,
                                    const struct cairn_slab_geometry *geometry, uint8_t kind,
                                    uint32_t pool_id)
{
    void *base = take_memory(slabs, geometry);
    struct cairn_slab *slab;

    CAIRN_ASSERT(kind != 0);
    if (base == NULL)
        return NULL;
    slab = reserve_marked(slabs, base, geometry, kind);
    if (slab == NULL) {
        cairn_source_give_one(slabs->config.source, geometry->slab_bytes, base);
        return NULL;
    }
    slab->next_id = 0;
    slab->prev_id = 0;
    slab->pool_id = pool_id;
    slab->list_idx = 0;
    slab->slab_bytes = geometry->slab_bytes;
    free_all_blocks(slab, geometry->block_count);
    publish(slabs, slab, base);
    return slab;
}

void cairn_slabs_give(struct cairn_slabs *slabs, struct cairn_slab *slab)
{
    size_t slab_bytes = slab->slab_bytes;
    void *base;

    CAIRN_CHECK(slab->base != 0, "give of a slab that is not taken", slab, __func__);
    CAIRN_CHECK(slab->free_count == slab->block_count, "give of a slab with blocks out",
                (void *)slab->base, __func__);
    cairn_pagemap_clear(slabs->config.pagemap, (void *)slab->base, granules_of(slabs, slab_bytes));
    base = unpublish(slabs, slab);
    cairn_source_give_one(slabs->config.source, slab_bytes, base);
}

struct cairn_slab *cairn_slabs_find(const struct cairn_slabs *slabs, const void *pointer,
                                    uint8_t kind_max)
{
    struct cairn_pagemap_mark mark = cairn_pagemap_mark(slabs->config.pagemap, pointer);

    return cairn_slabs__is_slab(mark.tag, kind_max) ? cairn_slabs__at(slabs, mark.owner) : NULL;
}

struct cairn_slab *cairn_slabs_at(const struct cairn_slabs *slabs, uint32_t slab_id)
{
    return slab_id == 0 ? NULL : cairn_slabs__at(slabs, slab_id);
}

uint32_t cairn_slabs_id(const struct cairn_slabs *slabs, const struct cairn_slab *slab)
{
    return slab == NULL ? 0 : cairn_slabs__id(slabs, slab);
}

struct cairn_slab *cairn_slabs__next(const struct cairn_slabs *slabs, uint32_t slab_id)
{
    while (slab_id < slabs->unit_top) {
        struct cairn_slab *slab = cairn_slabs__at(slabs, slab_id);

        if (slab->base != 0)
            return slab;
        slab_id += slab->unit_count;
    }
    return NULL;
}

void cairn_slabs_prefork(struct cairn_slabs *slabs)
{
    cairn_lock_fork_take(&slabs->lock);
}

void cairn_slabs_postfork(struct cairn_slabs *slabs)
{
    cairn_lock_fork_release(&slabs->lock);
}

static void check_bitmap(struct cairn_slab *slab)
{
    const uint64_t *words = cairn_slab__words(slab);
    uint32_t word_count = cairn_slab__word_count(slab->block_count);
    uint32_t rest = slab->block_count % CAIRN_SLAB_WORD_BITS;
    uint32_t free_count = 0;

    for (uint32_t i = 0; i < word_count; i++) {
        CAIRN_INVARIANT(i >= slab->first_word || words[i] == 0);
        free_count += (uint32_t)__builtin_popcountll(words[i]);
    }
    CAIRN_INVARIANT(free_count == slab->free_count);
    CAIRN_INVARIANT(slab->free_count <= slab->block_count);
    CAIRN_INVARIANT(rest == 0 || words[word_count - 1] >> rest == 0);
}

static void check_mapped(const struct cairn_slabs *slabs, const struct cairn_slab *slab)
{
    const char *base = (const char *)slab->base;
    uint32_t slab_id = cairn_slabs__id(slabs, slab);

    CAIRN_INVARIANT(cairn_is_aligned(slab->base, slabs->config.granule_bytes));
    CAIRN_INVARIANT(cairn_slabs_find(slabs, base, UINT8_MAX) == slab);
    CAIRN_INVARIANT(cairn_slabs_find(slabs, base + slab->slab_bytes - 1, UINT8_MAX) == slab);
    CAIRN_INVARIANT(cairn_tag_granule_idx(cairn_pagemap_tag(slabs->config.pagemap, base)) == 0);
    CAIRN_INVARIANT(slab_id + slab->unit_count <= slabs->unit_top);
    CAIRN_INVARIANT(cairn_slab__unit_count(slab->block_count) == slab->unit_count);
}

/* How many free descriptors are on the lists; panics unless each is a head of the right size. */
static uint32_t count_listed(const struct cairn_slabs *slabs)
{
    uint32_t listed = 0;

    for (uint32_t units = 1; units <= CAIRN_SLAB_UNITS_MAX; units++) {
        for (uint32_t id = slabs->free_units[units]; id != 0;
             id = cairn_slabs__at(slabs, id)->next_id) {
            CAIRN_INVARIANT(id < slabs->unit_top && listed < slabs->unit_top);
            CAIRN_INVARIANT(cairn_slabs__at(slabs, id)->base == 0);
            CAIRN_INVARIANT(cairn_slabs__at(slabs, id)->unit_count == units);
            listed++;
        }
    }
    return listed;
}

static void check_all(const struct cairn_slabs *slabs)
{
    uint32_t slab_count = 0;
    uint32_t free_count = 0;
    size_t slab_bytes = 0;
    uint32_t id = 1;

    while (id < slabs->unit_top) {
        struct cairn_slab *slab = cairn_slabs__at(slabs, id);

        CAIRN_INVARIANT(slab->unit_count >= 1 && slab->unit_count <= CAIRN_SLAB_UNITS_MAX);
        id += slab->unit_count;
        if (slab->base == 0) {
            free_count++;
            continue;
        }
        check_bitmap(slab);
        check_mapped(slabs, slab);
        slab_count++;
        slab_bytes += slab->slab_bytes;
    }
    CAIRN_INVARIANT(id == slabs->unit_top && id <= slabs->unit_count);
    CAIRN_INVARIANT(slab_count == slabs->slab_count);
    CAIRN_INVARIANT(slab_bytes == slabs->slab_bytes);
    CAIRN_INVARIANT(free_count == count_listed(slabs));
}

void cairn_slabs_check(const struct cairn_slabs *slabs)
{
    CAIRN_INVARIANT(slabs->unit_top >= 1 && slabs->unit_top <= slabs->unit_count);
    CAIRN_INVARIANT(slabs->free_units[0] == 0);
    check_all(slabs);
}
