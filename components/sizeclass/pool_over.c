/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pool_over.c - a pool that stands alone over one range of memory.
 *
 *     state    | pool, directory, map, slots | descriptors | tables of the map | taken slots |
 *     memory   | lost | slab 0        | slab 1        | ...      | slab n-1       | lost |
 *                     ^ the first granule boundary
 *
 * The memory is all there will ever be, so slabs need not be small in order to go back early: there
 * are as few as possible, one if a descriptor can describe it. A source of equal slots, one bit
 * each, stands for the layer below.
 *
 * Granule. The map takes 6 bytes for each, and the memory must begin at one: with
 * g = sqrt(8 * memory) bytes both cost about the same. It is kept below 1/64 of a slab, which
 * bounds what rounding slabs to granules loses.
 *
 *     memory   100 B   4 KiB   64 KiB   1 MiB
 *     granule     16      64      512   2 KiB      in one slab
 *
 * Three shapes, by the number of blocks N and what one slab can hold (7936 blocks, 2 MiB):
 *   one     N fit one slab: it ends with the last block, wherever the granule ends;
 *   equal   n slabs, of 1/n of the memory each, rounded down to granules: at most n blocks and
 *           n + 1 granules are lost;
 *   single  blocks above 32 KiB, of which a slab would hold few: a slab for each.
 *
 * The plan depends on the sizes alone, and only how many slabs there are on the address: so the
 * state has one size.
 */

#include <cairn/pool.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include "internal.h"

enum {
    BLOCK_BYTES_UNIT = 8,
    SINGLE_BLOCKS_BELOW = 64, /* fewer blocks than that in a slab: one each */
    GRANULE_BYTES_MIN = 16,
    GRANULE_BYTES_MAX = 65536,
    GRANULES_PER_SLAB = 64,
    KIND = 1
};

/* What the sizes decide. */
struct plan {
    size_t block_bytes;
    size_t granule_bytes;
    size_t slab_bytes; /* of each slot; in the shape `one` all that there is */
    size_t slab_count; /* at most */
    size_t units_bytes;
    size_t map_bytes;
    size_t words_bytes;
};

/* The layer below: slots of one size. Bit set: taken; so that zero memory is a fresh one. */
struct slots {
    uintptr_t base;
    size_t slot_bytes;
    size_t slot_count;
    size_t taken_count;
    size_t first_word; /* no word below has a free slot */
    uint64_t *taken;
};

/* The head of the state. */
struct alone {
    struct cairn_pool pool;
    struct cairn_slabs slabs;
    struct cairn_pagemap map;
    struct slots slots;
} CAIRN_CACHE_ALIGNED;

CAIRN_STATIC_ASSERT(offsetof(struct alone, pool) == 0, "the pool is at the head of the state");
CAIRN_STATIC_ASSERT(sizeof(struct alone) % CAIRN_SLAB_UNIT_BYTES == 0, "units follow aligned");

/* The lowest free slot, or slot_count. */
static size_t find_slot(struct slots *slots)
{
    size_t word_count = (slots->slot_count + 63) / 64;

    if (slots->taken_count == slots->slot_count)
        return slots->slot_count;
    while (slots->taken[slots->first_word] == UINT64_MAX)
        slots->first_word++;
    CAIRN_ASSERT(slots->first_word < word_count);
    (void)word_count;
    return slots->first_word * 64 + (size_t)__builtin_ctzll(~slots->taken[slots->first_word]);
}

static size_t slots_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    struct slots *slots = self;
    size_t taken = 0;

    CAIRN_ASSERT(block_bytes <= slots->slot_bytes);
    CAIRN_ASSERT(cairn_is_aligned(slots->base, align_bytes));
    for (; taken < count; taken++) {
        size_t slot_idx = find_slot(slots);

        if (slot_idx >= slots->slot_count)
            break;
        slots->taken[slot_idx / 64] |= (uint64_t)1 << (slot_idx % 64);
        slots->taken_count++;
        blocks[taken] = (void *)(slots->base + slot_idx * slots->slot_bytes);
    }
    (void)block_bytes;
    (void)align_bytes;
    return taken;
}

static void slots_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct slots *slots = self;

    CAIRN_ASSERT(block_bytes <= slots->slot_bytes);
    (void)block_bytes;
    for (size_t i = 0; i < count; i++) {
        size_t slot_idx = ((uintptr_t)blocks[i] - slots->base) / slots->slot_bytes;
        uint64_t bit = (uint64_t)1 << (slot_idx % 64);

        CAIRN_ASSERT(slot_idx < slots->slot_count);
        CAIRN_ASSERT((slots->taken[slot_idx / 64] & bit) != 0);
        slots->taken[slot_idx / 64] &= ~bit;
        slots->taken_count--;
        slots->first_word = cairn_min(slots->first_word, slot_idx / 64);
    }
}

static const struct cairn_source_ops slots_ops = {"slots of a pool", 0, slots_take, slots_give};

/* The granule for so much memory in slabs of about `span_bytes`. */
static size_t granule_for(size_t memory_bytes, size_t span_bytes)
{
    size_t root_bytes = (size_t)1 << ((cairn_log2_floor(memory_bytes) + 3) / 2);
    size_t share_bytes = cairn_max(span_bytes / GRANULES_PER_SLAB, GRANULE_BYTES_MIN);
    size_t granule_bytes = cairn_min(root_bytes, (size_t)1 << cairn_log2_floor(share_bytes));

    return cairn_min(cairn_max(granule_bytes, GRANULE_BYTES_MIN), GRANULE_BYTES_MAX);
}

/* Slabs are rounded to what keeps blocks as aligned in all of them as in the first. */
static size_t rounding_of(const struct plan *plan)
{
    size_t align_bytes =
        cairn_min(cairn_pow2_divisor(plan->block_bytes), CAIRN_SLAB_ALIGN_BYTES_MAX);

    return cairn_max(align_bytes, plan->granule_bytes);
}

/* Chooses the shape. Requires: plan->block_bytes, which fits. */
static void shape_slabs(struct plan *plan, size_t memory_bytes)
{
    size_t fitting = memory_bytes / plan->block_bytes;
    size_t per_slab = cairn_min(CAIRN_SLAB_BYTES_MAX / plan->block_bytes, CAIRN_SLAB_BLOCKS_MAX);
    size_t share_bytes;

    if (fitting <= per_slab) {
        plan->granule_bytes = granule_for(memory_bytes, memory_bytes);
        plan->slab_bytes = fitting * plan->block_bytes;
        plan->slab_count = 1;
        return;
    }
    if (per_slab < SINGLE_BLOCKS_BELOW) {
        plan->granule_bytes = granule_for(memory_bytes, plan->block_bytes);
        plan->slab_bytes = cairn_align_up(plan->block_bytes, rounding_of(plan));
        plan->slab_count = memory_bytes / plan->slab_bytes;
        return;
    }
    plan->granule_bytes = granule_for(memory_bytes, per_slab * plan->block_bytes);
    plan->slab_count = (fitting + per_slab - 1) / per_slab;
    share_bytes = (memory_bytes - plan->granule_bytes) / plan->slab_count;
    plan->slab_bytes =
        cairn_align_down(cairn_min(share_bytes, CAIRN_SLAB_BYTES_MAX), rounding_of(plan));
}

/* Fills in the plan; false when there is none for such sizes. */
static bool make_plan(struct plan *plan, size_t block_bytes, size_t memory_bytes)
{
    size_t units;

    if (block_bytes == 0 || block_bytes > CAIRN_SLAB_BYTES_MAX)
        return false;
    plan->block_bytes = cairn_align_up(block_bytes, BLOCK_BYTES_UNIT);
    if (memory_bytes < plan->block_bytes)
        return false;
    shape_slabs(plan, memory_bytes);
    CAIRN_ASSERT(plan->slab_count > 0 && plan->slab_bytes >= plan->block_bytes);
    units = cairn_slab_unit_count((uint32_t)(plan->slab_bytes / plan->block_bytes));
    if (plan->slab_count > (((size_t)1 << CAIRN_SLABS_UNIT_BITS) - 1) / units)
        return false;
    plan->units_bytes = (plan->slab_count * units + 1) * CAIRN_SLAB_UNIT_BYTES;
    plan->map_bytes = cairn_align_up(
        cairn_pagemap_window_state_bytes(memory_bytes, plan->granule_bytes), sizeof(uint64_t));
    plan->words_bytes = (plan->slab_count + 63) / 64 * sizeof(uint64_t);
    return true;
}

static size_t state_bytes_of(const struct plan *plan)
{
    return sizeof(struct alone) + plan->units_bytes + plan->map_bytes + plan->words_bytes;
}

/* Shrinks the plan to what the address leaves of the memory; false when that holds no block. */
static bool fit_plan(struct plan *plan, uintptr_t memory, size_t memory_bytes, uintptr_t *base)
{
    size_t lost_bytes = (size_t)(0 - memory) & (plan->granule_bytes - 1);
    size_t left_bytes = memory_bytes - cairn_min(lost_bytes, memory_bytes);

    *base = memory + lost_bytes;
    if (plan->slab_count == 1) {
        size_t fitting = cairn_min(plan->slab_bytes, left_bytes) / plan->block_bytes;

        plan->slab_bytes = fitting * plan->block_bytes;
        return fitting > 0;
    }
    plan->slab_count = cairn_min(plan->slab_count, left_bytes / plan->slab_bytes);
    return plan->slab_count > 0;
}

size_t cairn_pool_alone_state_bytes(size_t block_bytes, size_t memory_bytes)
{
    struct plan plan;

    return make_plan(&plan, block_bytes, memory_bytes) ? state_bytes_of(&plan) : 0;
}

static void init_slots(struct slots *slots, const struct plan *plan, uintptr_t base, char *words)
{
    slots->base = base;
    slots->slot_bytes = plan->slab_bytes;
    slots->slot_count = plan->slab_count;
    slots->taken_count = 0;
    slots->first_word = 0;
    slots->taken = (uint64_t *)(void *)words;
}

static void describe(struct cairn_slab_geometry *geometry, const struct plan *plan, uintptr_t base)
{
    cairn_slab_describe(geometry, (uint32_t)plan->block_bytes, (uint32_t)plan->slab_bytes,
                        (uint32_t)(plan->slab_bytes / plan->block_bytes));
    geometry->align_bytes = (uint32_t)cairn_min(geometry->align_bytes, cairn_pow2_divisor(base));
    CAIRN_ASSERT(plan->slab_count == 1 ||
                 cairn_is_aligned(plan->slab_bytes, geometry->align_bytes));
}

/* Puts the parts together. Requires: state_bytes_of(plan) zero bytes at `alone`, plan fitted to
   `base`. */
static bool assemble(struct alone *alone, const struct plan *plan, const struct plan *fitted,
                     uintptr_t base)
{
    char *units = (char *)(alone + 1);
    char *map = units + plan->units_bytes;
    size_t window_bytes = fitted->slab_count * fitted->slab_bytes;
    struct cairn_slabs_config config = {.pagemap = &alone->map,
                                        .source = {&slots_ops, &alone->slots},
                                        .granule_bytes = plan->granule_bytes,
                                        .state = units,
                                        .state_bytes = plan->units_bytes};
    const struct cairn_pagemap_config window = {.shape = CAIRN_PAGEMAP_WINDOW,
                                                .granule_bytes = plan->granule_bytes,
                                                .base = (void *)base,
                                                .window_bytes = window_bytes,
                                                .state = map,
                                                .state_bytes = plan->map_bytes};
    struct cairn_slab_geometry geometry;

    init_slots(&alone->slots, fitted, base, map + plan->map_bytes);
    if (cairn_pagemap_init(&alone->map, &window) != 0)
        return false;
    if (cairn_slabs_init(&alone->slabs, &config) != 0)
        return false;
    describe(&geometry, fitted, base);
    cairn_pool_init_geometry(&alone->pool, &alone->slabs, &geometry, KIND, KIND);
    return true;
}

struct cairn_pool *cairn_pool_init_over(void *state, size_t state_bytes, size_t block_bytes,
                                        void *memory, size_t memory_bytes)
{
    struct alone *alone = state;
    struct plan plan;
    struct plan fitted;
    uintptr_t base;

    if (!make_plan(&plan, block_bytes, memory_bytes) || state_bytes < state_bytes_of(&plan) ||
        !cairn_is_aligned((uintptr_t)state, CAIRN_SLAB_UNIT_BYTES))
        return NULL;
    fitted = plan;
    if (!fit_plan(&fitted, (uintptr_t)memory, memory_bytes, &base))
        return NULL;
    return assemble(alone, &plan, &fitted, base) ? &alone->pool : NULL;
}

void cairn_pool_fini_over(struct cairn_pool *pool)
{
    struct alone *alone = (struct alone *)(void *)pool;

    cairn_pool_fini(pool);
    cairn_slabs_fini(&alone->slabs);
    cairn_pagemap_fini(&alone->map);
    CAIRN_ASSERT(alone->slots.taken_count == 0);
}
