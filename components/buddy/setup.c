/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * setup.c - from a configuration to the layout of the state, and to a buddy in it.
 *
 *     range, align_bytes = 8 granules:
 *
 *                 |<- lead ->|<-------------- the granules -------------->|
 *     index       0          3         8                  16            21
 *     address   origin     first                                        end
 *                          ^ base, rounded up to a granule                ^ base + length, down
 *
 * The seed of a range is one release of [lead, granule_count): it puts the largest natural blocks
 * by itself.
 *
 * The layout is computed by one function for cairn_buddy_state_bytes() and cairn_buddy_init(), so
 * they cannot differ.
 */

#include "buddy_internal.h"

#include <cairn/base/align.h>

#include <errno.h>

/* Granules by addresses: first, end and origin. False when there is none, or too many. */
static bool shape_range(struct cairn_buddy_shape *shape, const struct cairn_buddy_config *config)
{
    size_t align_bytes = cairn_max(config->align_bytes, config->granule_bytes);
    uintptr_t base = (uintptr_t)config->base;
    uintptr_t end, first;

    if (config->align_bytes != 0 && !cairn_is_pow2(config->align_bytes))
        return false;
    if (__builtin_add_overflow(base, config->length_bytes, &end) ||
        !cairn_try_align_up(base, config->granule_bytes, &first))
        return false;
    end = cairn_align_down(end, config->granule_bytes);
    if (first >= end)
        return false;
    shape->origin = cairn_align_down(first, align_bytes);
    shape->lead_granules = (first - shape->origin) >> shape->granule_shift;
    shape->granule_count = (end - shape->origin) >> shape->granule_shift;
    if (shape->granule_count > CAIRN_BUDDY_GRANULES_MAX)
        return false;
    shape->align_max_bytes = align_bytes;
    shape->top_order = cairn_log2_floor(shape->granule_count);
    return true;
}

/* How many chunks. Requires: the top order is known. False when there are too many, or none. */
static bool shape_slots(struct cairn_buddy_shape *shape, size_t chunk_count_max)
{
    if (chunk_count_max == 0 || chunk_count_max > CAIRN_BUDDY_GRANULES_MAX >> shape->top_order)
        return false;
    shape->granule_count = chunk_count_max << shape->top_order;
    shape->slot_limit = chunk_count_max;
    shape->hash_count = cairn_pow2_ceil(2 * chunk_count_max);
    return true;
}

static bool shape_source(struct cairn_buddy_shape *shape, const struct cairn_buddy_config *config)
{
    size_t chunk_bytes = config->chunk_bytes;

    if (!cairn_is_pow2(chunk_bytes) || chunk_bytes < config->granule_bytes)
        return false;
    shape->chunk_shift = cairn_log2_floor(chunk_bytes);
    shape->top_order = shape->chunk_shift - shape->granule_shift;
    shape->align_max_bytes = chunk_bytes;
    return shape->top_order < CAIRN_BUDDY_ORDERS_MAX && shape_slots(shape, config->chunk_count_max);
}

/* Where everything lies. Requires: the granules, orders and slots are known. */
static void shape_layout(struct cairn_buddy_shape *shape)
{
    size_t head_bytes =
        sizeof(struct cairn_buddy) + (shape->top_order + 1) * sizeof(struct cairn_buddy_bitmap);
    size_t words = cairn_align_up(head_bytes, sizeof(uint64_t)) / sizeof(uint64_t);
    unsigned order;

    CAIRN_ASSERT(shape->top_order < CAIRN_BUDDY_ORDERS_MAX);
    shape->words_at = words;
    for (order = 0; order <= shape->top_order; order++)
        words += cairn_buddy_bitmap_words(shape->granule_count >> order);
    if (shape->slot_limit != 0)
        words += cairn_buddy_bitmap_words(shape->slot_limit);
    shape->runs_at = words * sizeof(uint64_t);
    shape->slots_at =
        shape->runs_at + (shape->granule_count + 63) / 64 * sizeof(struct cairn_buddy_run_word);
    shape->hash_at = shape->slots_at + shape->slot_limit * sizeof(struct cairn_buddy_slot);
    shape->state_bytes = cairn_align_up(shape->hash_at + shape->hash_count * sizeof(uint32_t),
                                        CAIRN_CACHE_LINE_BYTES);
}

static bool shape_of(const struct cairn_buddy_config *config, struct cairn_buddy_shape *shape)
{
    struct cairn_buddy_shape none = {0};

    *shape = none;
    if (!cairn_is_pow2(config->granule_bytes) || config->granule_bytes < 16)
        return false;
    shape->granule_shift = cairn_log2_floor(config->granule_bytes);
    if (config->base != NULL ? !shape_range(shape, config) : !shape_source(shape, config))
        return false;
    shape_layout(shape);
    return true;
}

size_t cairn_buddy_state_bytes(const struct cairn_buddy_config *config)
{
    struct cairn_buddy_shape shape;

    return shape_of(config, &shape) ? shape.state_bytes : 0;
}

static void lay_out_bitmaps(struct cairn_buddy *buddy)
{
    const struct cairn_buddy_shape *shape = &buddy->shape;
    size_t words = shape->words_at;
    unsigned order;

    for (order = 0; order <= shape->top_order; order++)
        words =
            cairn_buddy_bitmap_layout(&buddy->orders[order], shape->granule_count >> order, words);
    if (shape->slot_limit != 0)
        words = cairn_buddy_bitmap_layout(&buddy->freed_slots, shape->slot_limit, words);
    CAIRN_ASSERT(words * sizeof(uint64_t) == shape->runs_at);
}

static void start_source(struct cairn_buddy *buddy, const struct cairn_buddy_config *config)
{
    buddy->source = config->source;
    buddy->chunk_keep_count = config->source.ops == NULL ? SIZE_MAX : config->chunk_keep_count;
    buddy->chunk_is_zeroed = config->chunk_is_zeroed;
    buddy->chunk_is_zeroed_self = config->chunk_is_zeroed_self;
}

/* Frees all granules of the range. Its address becomes a distance, so that both may be mapped
   elsewhere. */
static void start_range(struct cairn_buddy *buddy, const struct cairn_buddy_config *config)
{
    size_t first = buddy->shape.lead_granules;
    size_t end = buddy->shape.granule_count;
    uintptr_t first_address = buddy->shape.origin + (first << buddy->shape.granule_shift);
    uintptr_t end_address = buddy->shape.origin + (end << buddy->shape.granule_shift);
    uintptr_t state = (uintptr_t)buddy;

    CAIRN_CHECK(state >= end_address || state + buddy->shape.state_bytes <= first_address,
                "the state of a buddy lies in its range", buddy, "cairn_buddy_init");
    buddy->shape.origin -= state;
    buddy->levels.free_bytes = end_address - first_address;
    if (config->chunk_is_zeroed == NULL ||
        !config->chunk_is_zeroed(config->chunk_is_zeroed_self, config->base)) {
        cairn_buddy_runs_set_dirty(cairn_buddy_runs(buddy), first, end, true);
        buddy->levels.free_dirty_bytes = end_address - first_address;
    }
    cairn_buddy_release(buddy, first, end);
    buddy->steps = 0;
}

int cairn_buddy_init(struct cairn_buddy *buddy, const struct cairn_buddy_config *config)
{
    struct cairn_buddy none = {0};
    struct cairn_buddy_shape shape;

    if (!shape_of(config, &shape) || config->state_bytes < shape.state_bytes)
        return -EINVAL;
    CAIRN_CHECK(cairn_is_aligned((uintptr_t)buddy, CAIRN_CACHE_LINE_BYTES),
                "the state of a buddy is not aligned to 64", buddy, __func__);
    *buddy = none;
    buddy->shape = shape;
    lay_out_bitmaps(buddy);
    if (cairn_buddy_is_over_source(buddy))
        start_source(buddy, config);
    else
        start_range(buddy, config);
    return 0;
}

/* The shape of the same buddy with room for other chunks. False when that is no growth. */
static bool shape_grown(const struct cairn_buddy *buddy, size_t chunk_count_max,
                        struct cairn_buddy_shape *shape)
{
    *shape = buddy->shape;
    if (!cairn_buddy_is_over_source(buddy) || chunk_count_max < shape->slot_limit ||
        !shape_slots(shape, chunk_count_max))
        return false;
    shape_layout(shape);
    return true;
}

size_t cairn_buddy_state_bytes_for(const struct cairn_buddy *buddy, size_t chunk_count_max)
{
    struct cairn_buddy_shape shape;

    return shape_grown(buddy, chunk_count_max, &shape) ? shape.state_bytes : 0;
}

/* All that lies behind the head. Slots keep their numbers, and so do granules. */
static void copy_state(struct cairn_buddy *to, const struct cairn_buddy *from)
{
    uint64_t *to_words = cairn_buddy_words(to);
    const uint64_t *from_words = cairn_buddy_const_words(from);
    size_t word_count = (cairn_buddy_walk_end(from) + 63) / 64;
    unsigned order;
    size_t idx;

    for (order = 0; order <= from->shape.top_order; order++)
        cairn_buddy_bitmap_copy(to_words, &to->orders[order], from_words, &from->orders[order]);
    cairn_buddy_bitmap_copy(to_words, &to->freed_slots, from_words, &from->freed_slots);
    for (idx = 0; idx < word_count; idx++)
        cairn_buddy_runs(to)[idx] = cairn_buddy_const_runs(from)[idx];
    cairn_buddy_copy_chunks(to, from);
}

int cairn_buddy_move(struct cairn_buddy *to, size_t state_bytes, const struct cairn_buddy *from,
                     size_t chunk_count_max)
{
    struct cairn_buddy_shape shape;

    if (!shape_grown(from, chunk_count_max, &shape) || state_bytes < shape.state_bytes)
        return -EINVAL;
    CAIRN_CHECK(cairn_is_aligned((uintptr_t)to, CAIRN_CACHE_LINE_BYTES),
                "the state of a buddy is not aligned to 64", to, __func__);
    *to = *from;
    to->shape = shape;
    lay_out_bitmaps(to);
    copy_state(to, from);
    return 0;
}

void cairn_buddy_fini(struct cairn_buddy *buddy)
{
    CAIRN_CHECK(buddy->levels.used_bytes + buddy->purging_bytes == 0,
                "a buddy ended with runs in use", buddy, __func__);
    cairn_buddy_drop_empty(buddy);
    CAIRN_CHECK(buddy->levels.chunk_count == 0, "a buddy ended with chunks that it was fed", buddy,
                __func__);
}
