/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * shard.c - what happens to an array when it is empty or full, and its limit.
 *
 *     oldest [ p p p p p p p p . . . . . . . . ] newest     limit: from one batch up to capacity, by batches
 *            flush <- half     ^ count ^ limit
 *
 * The limit. A refill followed by a flush, or the other way round, means that blocks left which came back: a longer
 * array would have kept them. Then the limit grows by a batch. Refills alone (a program that builds) or flushes alone
 * (one that tears down, or frees what another CPU allocates) say nothing of the kind, and a longer array would only
 * hold memory. So the limit follows the amplitude of the allocations and not their number.
 *
 * Cost. O(batch) pointers moved for a refill, O(limit) for a flush.
 */

#include "shard.h"

#include <cairn/base/align.h>

#include <string.h>

const struct cairn_lock cairn_shard_rank = {0, CAIRN_RANK_SHARD};

static void raise_limit(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                        struct cairn_percpu_array *array)
{
    const struct cairn_percpu_class *class = &percpu->classes[class_idx];

    cairn_store_relaxed(&percpu->fronts[shard_idx].used, 1u);
    array->limit = (uint16_t)cairn_min((size_t)array->limit + class->batch, class->capacity);
    array->refills = 0;
    array->flushes = 0;
}

/* Saturates: only zero or not matters, and a wrapped counter would read as "never". */
static void note(uint16_t *events)
{
    if (*events < UINT16_MAX)
        (*events)++;
}

static void adapt_limit(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                        struct cairn_percpu_array *array)
{
    bool first = array->limit == 0;
    bool swings = array->refills > 0 && array->flushes > 0;

    CAIRN_ASSERT(array->limit <= percpu->classes[class_idx].capacity);
    if (first || (swings && array->limit < percpu->classes[class_idx].capacity))
        raise_limit(percpu, shard_idx, class_idx, array);
}

size_t cairn_shard_refill(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                          void *const *blocks, size_t count)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    struct cairn_percpu_array *array = &shard->arrays[class_idx];
    void **top;
    size_t put;

    shard_lock(percpu, shard_idx);
    note(&array->refills);
    adapt_limit(percpu, shard_idx, class_idx, array);
    CAIRN_ASSERT(array->count <= array->limit);
    put = cairn_min(count, (size_t)array->limit - array->count);
    top = shard_slots(percpu, shard, class_idx) + array->count;
    for (size_t at = 0; at < put; at++)
        top[at] = blocks[put - 1 - at];
    cairn_store_relaxed(&array->count, (uint16_t)(array->count + put));
    shard_unlock(percpu, shard_idx);
    return put;
}

/* Under the lock. */
static void remove_oldest(struct cairn_percpu_array *array, void **slots, void **oldest,
                          size_t count)
{
    size_t left = array->count - count;

    CAIRN_ASSERT(count <= array->count);
    memcpy(oldest, slots, count * sizeof(void *));
    memmove(slots, slots + count, left * sizeof(void *));
    cairn_store_relaxed(&array->count, (uint16_t)left);
}

size_t cairn_shard_overflow(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                            void *block, void **oldest)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    struct cairn_percpu_array *array = &shard->arrays[class_idx];
    void **slots = shard_slots(percpu, shard, class_idx);
    size_t moved = 0;

    CAIRN_ASSERT(array->count == array->limit);
    note(&array->flushes);
    adapt_limit(percpu, shard_idx, class_idx, array);
    if (array->count == array->limit) {
        moved = array->count / 2u;
        CAIRN_ASSERT(moved > 0 && moved <= SHARD_FLUSH_MAX);
        remove_oldest(array, slots, oldest, moved);
    }
    shard_put(array, slots, block);
    return moved;
}

size_t cairn_shard_take_oldest(struct cairn_percpu *percpu, unsigned shard_idx, unsigned class_idx,
                               void **oldest, size_t count)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    struct cairn_percpu_array *array = &shard->arrays[class_idx];
    size_t moved;

    if (cairn_load_relaxed(&array->count) == 0)
        return 0;
    shard_lock(percpu, shard_idx);
    moved = cairn_min(count, array->count);
    remove_oldest(array, shard_slots(percpu, shard, class_idx), oldest, moved);
    shard_unlock(percpu, shard_idx);
    return moved;
}

static void check_array(const struct cairn_percpu_class *class,
                        const struct cairn_percpu_array *array, void *const *slots)
{
    CAIRN_INVARIANT(array->count <= array->limit);
    CAIRN_INVARIANT(array->limit <= class->capacity);
    CAIRN_INVARIANT(array->limit == 0 || array->limit >= class->batch);
    for (size_t below = 1; below <= SHARD_NEWEST; below++)
        CAIRN_INVARIANT(*(slots - below) == NULL);
    for (size_t at = 0; at < array->count; at++) {
        CAIRN_INVARIANT(slots[at] != NULL);
        for (size_t before = 0; before < at; before++)
            CAIRN_INVARIANT(slots[before] != slots[at]);
    }
}

void cairn_shard_check(struct cairn_percpu *percpu, unsigned shard_idx)
{
    struct cairn_percpu_shard *shard = shard_at(percpu, shard_idx);
    bool used;

    shard_lock(percpu, shard_idx);
    used = shard_used(percpu, shard_idx);
    for (unsigned class_idx = 0; class_idx < percpu->class_count; class_idx++) {
        /* Reading the arrays of an idle shard maps the zero page; reading its slots would do so for many pages. */
        CAIRN_INVARIANT(used || shard->arrays[class_idx].limit == 0);
        if (shard->arrays[class_idx].limit > 0)
            check_array(&percpu->classes[class_idx], &shard->arrays[class_idx],
                        shard_slots(percpu, shard, class_idx));
    }
    shard_unlock(percpu, shard_idx);
}
