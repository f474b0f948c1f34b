/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * arena.c - the stack over a buffer, and who serves which request.
 *
 *     alloc / free
 *       | small                | larger
 *     pools   one per class    |
 *       | one slab             |
 *     slabs   pagemap window   |
 *       | a run of granules    | a run of the buddy's granules
 *     buddy ------------------+
 *       | once
 *     the buffer
 *
 * build() below is this picture as code.
 *
 * Down. A small request asks its class first. When that has nothing, the cap is near and waste no
 * longer matters, so what is left is tried in order of size: larger classes, and the run of the
 * buddy in its place among them. Only when all of that fails is the answer NULL. So a request up to
 * stats.largest_free_bytes always succeeds.
 *
 * Up. free() asks the pagemap: a tag names the class, and the pool recognises anything that is not
 * the start of a block in use; without a tag the pointer must be the start of a run of the buddy.
 * There is no third case.
 *
 * Invariants (walked by cairn_arena_check, with those of each layer):
 *   I1  only the pool that a block was freed into last may keep an empty slab, and it loses it when
 *       memory runs short; so a heap whose blocks are all freed is one free range again, but for
 *       that slab;
 *   I2  blocks out of the pools + runs that are not slabs == used_bytes;
 *   I3  a failed request changes nothing but failed_count (and the slab of I1).
 *
 * Cost. Small: a table, a bitmap word, two counters. Otherwise the buddy's:
 * O(log(buffer / granule)).
 */

#include <cairn/arena.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/classes.h>

#include <string.h>

#include "arena_internal.h"

enum { ALIGN_BYTES = 16, ALIGN_TINY_BYTES = 8 };

/* A block in use: of a pool, or, without one, a run of the buddy. */
struct piece {
    struct cairn_pool *pool;
    size_t usable_bytes;
};

/* ---- The stack, from the buffer upwards ---- */

static int build_runs(struct cairn_arena *arena)
{
    const struct cairn_arena_layout *at = &arena->layout;
    const struct cairn_buddy_config config = {
        .granule_bytes = at->shape.buddy_granule_bytes,
        .state_bytes = at->buddy_bytes,
        .base = at->memory,
        .length_bytes = at->memory_bytes,
        .align_bytes = cairn_arena_run_align_bytes(&at->shape),
    };

    arena->buddy = (struct cairn_buddy *)(void *)at->buddy_state;
    return cairn_buddy_init(arena->buddy, &config);
}

static int build_slabs(struct cairn_arena *arena)
{
    const struct cairn_arena_layout *at = &arena->layout;
    const struct cairn_slabs_config config = {
        .pagemap = &arena->pagemap,
        .source = cairn_buddy_as_source(arena->buddy),
        .granule_bytes = at->shape.granule_bytes,
        .state = at->unit_state,
        .state_bytes = at->unit_bytes,
    };
    const struct cairn_pagemap_config window = {
        .shape = CAIRN_PAGEMAP_WINDOW,
        .granule_bytes = at->shape.granule_bytes,
        .base = at->memory,
        .window_bytes = at->memory_bytes,
        .state = at->map_state,
        .state_bytes = at->map_bytes,
    };
    int error = cairn_pagemap_init(&arena->pagemap, &window);

    return error != 0 ? error : cairn_slabs_init(&arena->slabs, &config);
}

static int build_pools(struct cairn_arena *arena)
{
    unsigned class_count = arena->layout.shape.class_count;
    int error = 0;

    for (unsigned class_idx = 0; class_idx < class_count && error == 0; class_idx++)
        error = cairn_pool_init(
            &arena->pools[class_idx], &arena->slabs, cairn_classes_default.block_bytes[class_idx],
            (uint8_t)cairn_class_kind(class_idx), (uint8_t)class_count, class_idx);
    return error;
}

/* Requires: all state but arena->layout reads as zero. A map that is zero has no tags, so without
   slabs all is runs. */
static void build(struct cairn_arena *arena)
{
    int error = build_runs(arena);

    if (error == 0 && arena->layout.shape.class_count != 0)
        error = build_slabs(arena);
    if (error == 0)
        error = build_pools(arena);
    CAIRN_CHECK(error == 0, "the layers refuse the layout", arena, __func__);
}

struct cairn_arena *cairn_arena_init(void *buffer, size_t buffer_bytes)
{
    struct cairn_arena_layout layout;
    struct cairn_arena *arena = cairn_arena_cut(&layout, buffer, buffer_bytes);

    if (arena == NULL)
        return NULL;
    memset(arena, 0, (size_t)(layout.memory - (char *)arena));
    arena->layout = layout;
    arena->stats.buffer_bytes = buffer_bytes;
    arena->stats.state_bytes = (size_t)(layout.memory - (char *)arena);
    build(arena);
    arena->stats.usable_bytes = cairn_buddy_stats(arena->buddy).held_bytes;
    return arena;
}

/* The lock stays as it is: the caller may hold it. */
void cairn_arena_reset(struct cairn_arena *arena)
{
    struct cairn_arena_layout *at = &arena->layout;
    size_t pools_bytes = at->shape.class_count * sizeof(struct cairn_pool);

    memset(at->buddy_state, 0, (size_t)(at->memory - at->buddy_state));
    memset(&arena->pagemap, 0, sizeof(arena->pagemap));
    memset(&arena->slabs, 0, sizeof(arena->slabs));
    memset(arena->pools, 0, pools_bytes);
    arena->kept = NULL;
    arena->stats = (struct cairn_arena_stats){
        .buffer_bytes = arena->stats.buffer_bytes,
        .state_bytes = arena->stats.state_bytes,
        .usable_bytes = arena->stats.usable_bytes,
    };
    build(arena);
}

/* ---- Taking ---- */

static size_t run_bytes_for(const struct cairn_arena *arena, size_t size_bytes)
{
    return cairn_align_up(cairn_max(size_bytes, 1), arena->layout.shape.buddy_granule_bytes);
}

/* The first class that is worth asking; class_count when none is. */
static unsigned first_class(const struct cairn_arena *arena, size_t size_bytes)
{
    unsigned class_count = arena->layout.shape.class_count;

    if (size_bytes > CAIRN_CLASS_BYTES_MAX)
        return class_count;
    return (unsigned)cairn_min(cairn_class_of(&cairn_classes_default, size_bytes), class_count);
}

/* Asks classes from *class_idx on, up to blocks of limit_bytes; leaves *class_idx at the first not
   asked. */
static struct cairn_pool *take_from_pools(struct cairn_arena *arena, unsigned *class_idx,
                                          size_t limit_bytes, size_t align_bytes, void **block)
{
    for (; *class_idx < arena->layout.shape.class_count; ++*class_idx) {
        struct cairn_pool *pool = &arena->pools[*class_idx];

        if (pool->geometry.block_bytes > limit_bytes)
            break;
        if (pool->geometry.align_bytes < align_bytes)
            continue;
        *block = cairn_pool_alloc(pool);
        if (CAIRN_LIKELY(*block != NULL))
            return pool;
    }
    return NULL;
}

/* The best that is left, without giving the kept slab up: classes that waste no more than a run, a
   run, other classes. */
static void *take_once(struct cairn_arena *arena, size_t size_bytes, size_t align_bytes,
                       struct piece *piece)
{
    unsigned class_idx = first_class(arena, size_bytes);
    size_t run_bytes = run_bytes_for(arena, size_bytes);
    void *block = NULL;

    piece->pool = take_from_pools(arena, &class_idx, run_bytes, align_bytes, &block);
    if (piece->pool == NULL)
        block = cairn_buddy_alloc(arena->buddy, run_bytes, align_bytes, NULL);
    if (block == NULL)
        piece->pool = take_from_pools(arena, &class_idx, SIZE_MAX, align_bytes, &block);
    piece->usable_bytes = piece->pool == NULL ? run_bytes : piece->pool->geometry.block_bytes;
    return block;
}

/* Gives the empty slab back that a pool may have kept; true when there was one. */
static bool give_kept_slab(struct cairn_arena *arena)
{
    struct cairn_pool *kept = arena->kept;

    arena->kept = NULL;
    return kept != NULL && cairn_pool_trim(kept) != 0;
}

static void count_taken(struct cairn_arena *arena, size_t usable_bytes)
{
    struct cairn_arena_stats *stats = &arena->stats;

    stats->alloc_count++;
    stats->used_bytes += usable_bytes;
    stats->used_peak_bytes = cairn_max(stats->used_peak_bytes, stats->used_bytes);
}

/* A block or NULL; does not count a failure. */
static void *take(struct cairn_arena *arena, size_t size_bytes, size_t align_bytes)
{
    struct piece piece;
    void *block;

    if (CAIRN_UNLIKELY(size_bytes > arena->layout.memory_bytes))
        return NULL;
    block = take_once(arena, size_bytes, align_bytes, &piece);
    if (CAIRN_UNLIKELY(block == NULL) && give_kept_slab(arena))
        block = take_once(arena, size_bytes, align_bytes, &piece);
    if (CAIRN_UNLIKELY(block == NULL))
        return NULL;
    CAIRN_ASSERT(piece.usable_bytes >= size_bytes);
    CAIRN_ASSERT(cairn_is_aligned((uintptr_t)block, align_bytes));
    count_taken(arena, piece.usable_bytes);
    return block;
}

static size_t align_bytes_for(size_t size_bytes)
{
    return size_bytes <= ALIGN_TINY_BYTES ? ALIGN_TINY_BYTES : ALIGN_BYTES;
}

void *cairn_arena_alloc(struct cairn_arena *arena, size_t size_bytes)
{
    void *block = take(arena, size_bytes, align_bytes_for(size_bytes));

    arena->stats.failed_count += block == NULL;
    return block;
}

void *cairn_arena_calloc(struct cairn_arena *arena, size_t count, size_t size_bytes)
{
    size_t total_bytes;
    void *block;

    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        total_bytes = SIZE_MAX; /* more than any arena has */
    block = cairn_arena_alloc(arena, total_bytes);
    if (block != NULL)
        memset(block, 0, total_bytes);
    return block;
}

void *cairn_arena_alloc_aligned(struct cairn_arena *arena, size_t size_bytes, size_t align_bytes)
{
    void *block;

    if (!cairn_is_pow2(align_bytes) || align_bytes > CAIRN_ARENA_ALIGN_MAX)
        return NULL;
    block = take(arena, size_bytes, cairn_max(align_bytes, align_bytes_for(size_bytes)));
    arena->stats.failed_count += block == NULL;
    return block;
}

/* ---- Finding and giving back ---- */

/* The class's pool or the run that `block` belongs to; panics when it is in neither. A pool says
   later whether it is out. */
static struct piece piece_at(const struct cairn_arena *arena, const void *block, const char *where)
{
    unsigned kind = cairn_tag_kind(cairn_pagemap_tag(&arena->pagemap, block));
    struct piece piece = {NULL, 0};

    if (CAIRN_LIKELY(kind != 0)) {
        CAIRN_ASSERT(kind <= arena->layout.shape.class_count);
        piece.pool = (struct cairn_pool *)(uintptr_t)&arena->pools[kind - 1];
        piece.usable_bytes = piece.pool->geometry.block_bytes;
        return piece;
    }
    piece.usable_bytes = cairn_buddy_run_bytes(arena->buddy, block);
    CAIRN_CHECK(piece.usable_bytes != 0, "not a block in use of this arena", block, where);
    return piece;
}

/* The same as piece_at, of a block that is surely in use. */
static struct piece piece_in_use(const struct cairn_arena *arena, const void *block,
                                 const char *where)
{
    struct piece piece = piece_at(arena, block, where);

    if (piece.pool != NULL)
        CAIRN_CHECK(cairn_pool_is_allocated(piece.pool, block), "not a block in use of this arena",
                    block, where);
    return piece;
}

static void give(struct cairn_arena *arena, void *block, struct piece piece)
{
    if (piece.pool == NULL) {
        cairn_buddy_free(arena->buddy, block, piece.usable_bytes);
    } else {
        cairn_pool_free(piece.pool, block);
        if (arena->kept != piece.pool)
            (void)give_kept_slab(arena);
        arena->kept = piece.pool;
    }
    CAIRN_ASSERT(arena->stats.used_bytes >= piece.usable_bytes);
    arena->stats.used_bytes -= piece.usable_bytes;
    arena->stats.free_count++;
}

void cairn_arena_free(struct cairn_arena *arena, void *block)
{
    if (block != NULL)
        give(arena, block, piece_at(arena, block, __func__));
}

size_t cairn_arena_usable_bytes(const struct cairn_arena *arena, const void *block)
{
    return piece_in_use(arena, block, __func__).usable_bytes;
}

/* ---- Resizing ---- */

static bool resize_run(struct cairn_arena *arena, void *run, size_t old_bytes, size_t size_bytes)
{
    size_t new_bytes = run_bytes_for(arena, size_bytes);
    struct cairn_arena_stats *stats = &arena->stats;

    if (new_bytes != old_bytes && !cairn_buddy_resize(arena->buddy, run, old_bytes, new_bytes))
        return false;
    stats->used_bytes = stats->used_bytes - old_bytes + new_bytes;
    stats->used_peak_bytes = cairn_max(stats->used_peak_bytes, stats->used_bytes);
    return true;
}

/* True when the block is now of size_bytes where it is: the same class, or a run that stays one. */
static bool resize_in_place(struct cairn_arena *arena, void *block, struct piece piece,
                            size_t size_bytes)
{
    unsigned class_idx = first_class(arena, size_bytes);

    if (piece.pool != NULL)
        return &arena->pools[class_idx] == piece.pool;
    if (class_idx < arena->layout.shape.class_count)
        return run_bytes_for(arena, size_bytes) == piece.usable_bytes;
    return resize_run(arena, block, piece.usable_bytes, size_bytes);
}

/* No room for a smaller block: this one will do. A run at least gives its end back. */
static void *keep_smaller(struct cairn_arena *arena, void *block, struct piece piece,
                          size_t size_bytes)
{
    bool done = piece.pool != NULL || resize_run(arena, block, piece.usable_bytes, size_bytes);

    CAIRN_ASSERT(done);
    (void)done;
    return block;
}

void *cairn_arena_realloc(struct cairn_arena *arena, void *block, size_t size_bytes)
{
    struct piece piece;
    void *moved;

    if (block == NULL)
        return cairn_arena_alloc(arena, size_bytes);
    piece = piece_in_use(arena, block, __func__);
    if (size_bytes <= arena->layout.memory_bytes &&
        resize_in_place(arena, block, piece, size_bytes))
        return block;
    moved = take(arena, size_bytes, align_bytes_for(size_bytes));
    if (moved == NULL && size_bytes <= piece.usable_bytes)
        return keep_smaller(arena, block, piece, size_bytes);
    arena->stats.failed_count += moved == NULL;
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, cairn_min(piece.usable_bytes, size_bytes));
    give(arena, block, piece);
    return moved;
}

/* ---- Looking ---- */

bool cairn_arena_owns(const struct cairn_arena *arena, const void *pointer)
{
    return cairn_buddy_owns(arena->buddy, pointer);
}

/* The largest class that could give a block without a new slab; 0 when none. */
static size_t largest_pooled_bytes(const struct cairn_arena *arena)
{
    for (unsigned class_count = arena->layout.shape.class_count; class_count > 0; class_count--) {
        struct cairn_pool_stats stats = cairn_pool_stats(&arena->pools[class_count - 1]);

        if (stats.free_count > 0)
            return stats.block_bytes;
    }
    return 0;
}

struct cairn_arena_stats cairn_arena_stats(struct cairn_arena *arena)
{
    struct cairn_arena_stats stats = arena->stats;

    (void)give_kept_slab(arena);
    stats.largest_free_bytes =
        cairn_max(cairn_buddy_stats(arena->buddy).largest_free_bytes, largest_pooled_bytes(arena));
    return stats;
}

static size_t check_pools(const struct cairn_arena *arena)
{
    size_t used_bytes = 0;

    for (unsigned class_idx = 0; class_idx < arena->layout.shape.class_count; class_idx++) {
        const struct cairn_pool *pool = &arena->pools[class_idx];

        CAIRN_INVARIANT(pool->slabs == &arena->slabs);
        CAIRN_INVARIANT(pool->pool_id == class_idx && pool->kind == cairn_class_kind(class_idx));
        CAIRN_INVARIANT(pool->empty_id == 0 || pool == arena->kept);
        cairn_pool_check(pool);
        used_bytes += pool->used_count * pool->geometry.block_bytes;
    }
    return used_bytes;
}

void cairn_arena_check(const struct cairn_arena *arena)
{
    const struct cairn_arena_layout *at = &arena->layout;
    const struct cairn_arena_stats *stats = &arena->stats;
    size_t pooled_bytes = check_pools(arena);
    size_t runs_bytes = cairn_buddy_stats(arena->buddy).used_bytes - arena->slabs.slab_bytes;

    cairn_arena_layout_check(at, arena);
    cairn_buddy_check(arena->buddy);
    if (at->shape.class_count != 0) {
        cairn_slabs_check(&arena->slabs);
        cairn_pagemap_check(&arena->pagemap, at->memory, at->memory_bytes);
    }
    CAIRN_INVARIANT(pooled_bytes + runs_bytes == stats->used_bytes);
    CAIRN_INVARIANT(stats->used_bytes <= stats->used_peak_bytes);
    CAIRN_INVARIANT(stats->used_peak_bytes <= stats->usable_bytes);
    CAIRN_INVARIANT(stats->free_count <= stats->alloc_count);
    CAIRN_INVARIANT((stats->used_bytes == 0) == (stats->free_count == stats->alloc_count));
    CAIRN_INVARIANT(stats->state_bytes + stats->usable_bytes <= stats->buffer_bytes);
}
