/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * large.c - blocks above the size classes: runs of granules from the buddy, or pages of their own.
 *
 *     (32 KiB, 128 KiB] RUN    a run, where a cache above is to know its length from the map alone
 *     (32 KiB, 1 MiB]   LARGE  a run; its length is in the buddy's bitmaps
 *     (1 MiB, ...)      HUGE   from the pagesource; its length is in the table of huge blocks, by the owner id
 *
 * Either marks its first granule in the pagemap, after the block exists and until just before it
 * ends, so a stale or invented pointer finds no mark. A huge block begins at a page, which may lie
 * within a granule: no other block can begin in that granule, since slabs and runs are whole
 * granules and no huge block is shorter than one. So huge blocks need no alignment beyond a page,
 * and the kernel may move them when they grow.
 */

#include "composed/ground/ground.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

static bool is_large_size(const struct cairn_ground *ground, size_t size_bytes, size_t align_bytes)
{
    return size_bytes <= ground->large_max_bytes && align_bytes <= ground->large_max_bytes;
}

static void give_run(struct cairn_ground *ground, void *run, size_t length_bytes)
{
    cairn_lock_take(&ground->buddy_lock);
    cairn_buddy_free(ground->buddy, run, length_bytes);
    cairn_ground__freed(ground);
    cairn_lock_release(&ground->buddy_lock);
}

static uint8_t large_kind(const struct cairn_ground *ground, size_t size_bytes)
{
    size_t run_idx = cairn_run_of(size_bytes);

    return ground->has_runs && run_idx < CAIRN_RUN_COUNT ? (uint8_t)(CAIRN_KIND_RUN + run_idx)
                                                         : CAIRN_KIND_LARGE;
}

/* Of the granule where a large block begins: its index in the run is 0. */
static bool is_large_tag(uint16_t tag)
{
    return tag == CAIRN_KIND_LARGE || (size_t)tag - CAIRN_KIND_RUN < CAIRN_RUN_COUNT;
}

static void *alloc_large(struct cairn_ground *ground, size_t size_bytes, size_t align_bytes,
                         bool *is_zeroed)
{
    void *run;

    cairn_lock_take(&ground->buddy_lock);
    run = cairn_buddy_alloc(ground->buddy, size_bytes,
                            cairn_max(align_bytes, ground->granule_bytes), is_zeroed);
    cairn_ground__taken(ground);
    cairn_lock_release(&ground->buddy_lock);
    if (run == NULL)
        return NULL;
    if (cairn_pagemap_set(&ground->map, run, 1, large_kind(ground, size_bytes), 0) != 0) {
        give_run(ground, run, size_bytes);
        return NULL;
    }
    return run;
}

/* At least a granule: two blocks must not begin in one (small sizes come here for their alignment). */
static bool huge_length(const struct cairn_ground *ground, size_t size_bytes, size_t *length_bytes)
{
    return size_bytes <= PTRDIFF_MAX &&
           cairn_try_align_up(cairn_max(size_bytes, ground->granule_bytes), ground->page_bytes,
                              length_bytes);
}

static void *granule_of(const struct cairn_ground *ground, void *block)
{
    return (char *)block - ((uintptr_t)block & (ground->granule_bytes - 1));
}

static bool mark_huge(struct cairn_ground *ground, void *block, uint32_t id)
{
    return cairn_pagemap_set(&ground->map, granule_of(ground, block), 1, CAIRN_KIND_HUGE, id) == 0;
}

static void unmark_huge(struct cairn_ground *ground, void *block)
{
    cairn_pagemap_clear(&ground->map, granule_of(ground, block), 1);
}

static void *alloc_huge(struct cairn_ground *ground, size_t size_bytes, size_t align_bytes,
                        bool *is_zeroed)
{
    size_t length_bytes;
    uint32_t id;
    void *block;

    if (!huge_length(ground, size_bytes, &length_bytes))
        return NULL;
    block = cairn_pagesource_alloc(&ground->pages, length_bytes, align_bytes, is_zeroed);
    if (block == NULL)
        return NULL;
    id = cairn_huge_add(&ground->huge, block, length_bytes);
    if (id != 0 && mark_huge(ground, block, id))
        return block;
    if (id != 0)
        cairn_huge_remove(&ground->huge, id, block);
    cairn_pagesource_free(&ground->pages, block, length_bytes);
    return NULL;
}

void *cairn_ground_alloc(struct cairn_ground *ground, size_t size_bytes, size_t align_bytes,
                         bool *is_zeroed)
{
    CAIRN_ASSERT(size_bytes > 0 && cairn_is_pow2(align_bytes));
    if (is_large_size(ground, size_bytes, align_bytes))
        return alloc_large(ground, size_bytes, align_bytes, is_zeroed);
    return alloc_huge(ground, size_bytes, align_bytes, is_zeroed);
}

static size_t run_bytes(struct cairn_ground *ground, const void *block)
{
    size_t length_bytes;

    cairn_lock_take(&ground->buddy_lock);
    length_bytes = cairn_buddy_run_bytes(ground->buddy, block);
    cairn_lock_release(&ground->buddy_lock);
    return length_bytes;
}

size_t cairn_ground_usable_bytes(struct cairn_ground *ground, const void *block, uint16_t tag,
                                 const char *where)
{
    size_t length_bytes = 0;

    if (is_large_tag(tag))
        length_bytes = run_bytes(ground, block);
    if (cairn_tag_kind(tag) == CAIRN_KIND_HUGE)
        length_bytes =
            cairn_huge_bytes(&ground->huge, cairn_pagemap_owner(&ground->map, block), block);
    if (CAIRN_UNLIKELY(length_bytes == 0))
        cairn_ground_reject(ground, block, where);
    return length_bytes;
}

static void free_huge(struct cairn_ground *ground, void *block, const char *where)
{
    uint32_t id = cairn_pagemap_owner(&ground->map, block);
    size_t length_bytes = cairn_huge_remove(&ground->huge, id, block);

    if (CAIRN_UNLIKELY(length_bytes == 0))
        cairn_ground_reject(ground, block, where);
    unmark_huge(ground, block);
    cairn_pagesource_free(&ground->pages, block, length_bytes);
}

/* The length is asked and the mark removed under one lock: of two threads that free a block, one is told. */
static void free_large(struct cairn_ground *ground, void *block, const char *where)
{
    size_t length_bytes;

    cairn_lock_take(&ground->buddy_lock);
    length_bytes = cairn_buddy_run_bytes(ground->buddy, block);
    if (length_bytes != 0 && is_large_tag(cairn_pagemap_tag(&ground->map, block))) {
        cairn_pagemap_clear(&ground->map, block, 1);
        cairn_buddy_free(ground->buddy, block, length_bytes);
        cairn_ground__freed(ground);
        cairn_lock_release(&ground->buddy_lock);
        return;
    }
    cairn_lock_release(&ground->buddy_lock);
    cairn_ground_reject(ground, block, where);
}

void cairn_ground_free(struct cairn_ground *ground, void *block, uint16_t tag, const char *where)
{
    if (is_large_tag(tag))
        free_large(ground, block, where);
    else if (cairn_tag_kind(tag) == CAIRN_KIND_HUGE)
        free_huge(ground, block, where);
    else
        cairn_ground_reject(ground, block, where);
}

/* Its granule is marked already, so this cannot fail. */
static void remark_large(struct cairn_ground *ground, void *block, size_t new_bytes)
{
    if (cairn_pagemap_set(&ground->map, block, 1, large_kind(ground, new_bytes), 0) != 0)
        cairn_panic("the map refused a granule that it had", block, "realloc");
}

static bool resize_large(struct cairn_ground *ground, void *block, size_t new_bytes)
{
    bool resized;

    cairn_lock_take(&ground->buddy_lock);
    resized = cairn_buddy_resize(ground->buddy, block, cairn_buddy_run_bytes(ground->buddy, block),
                                 new_bytes);
    if (resized) {
        remark_large(ground, block, new_bytes);
        cairn_ground__freed(ground);
    }
    cairn_lock_release(&ground->buddy_lock);
    return resized;
}

/*
 * A block that may move loses its mark first: once the kernel has moved it, another thread may get
 * the old place at once and mark it. Marking cannot fail in a flat map; in a two-level map a block
 * is resized in place only.
 */
static void *resize_huge(struct cairn_ground *ground, void *block, size_t new_bytes)
{
    uint32_t id = cairn_pagemap_owner(&ground->map, block);
    size_t old_bytes = cairn_huge_bytes(&ground->huge, id, block);
    bool may_move = ground->map.shape == CAIRN_PAGEMAP_FLAT;
    size_t length_bytes;
    void *resized;

    if (!huge_length(ground, new_bytes, &length_bytes))
        return NULL;
    if (may_move)
        unmark_huge(ground, block);
    resized = cairn_pagesource_resize(&ground->pages, block, old_bytes, length_bytes,
                                      ground->page_bytes, may_move);
    if (may_move && !mark_huge(ground, resized != NULL ? resized : block, id))
        cairn_panic("flat map refused a mark", block, "realloc");
    if (resized != NULL)
        cairn_huge_update(&ground->huge, id, resized, length_bytes);
    return resized;
}

void *cairn_ground_resize(struct cairn_ground *ground, void *block, uint16_t tag, size_t new_bytes)
{
    if (cairn_tag_kind(tag) == CAIRN_KIND_HUGE)
        return new_bytes > ground->large_max_bytes ? resize_huge(ground, block, new_bytes) : NULL;
    if (new_bytes > ground->large_max_bytes)
        return NULL;
    return resize_large(ground, block, new_bytes) ? block : NULL;
}

static size_t take_runs(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                        size_t count)
{
    size_t taken = 0;

    for (; taken < count; taken++) {
        blocks[taken] = alloc_large(self, block_bytes, align_bytes, NULL);
        if (blocks[taken] == NULL)
            break;
    }
    return taken;
}

static void give_runs(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    (void)block_bytes;
    for (size_t idx = 0; idx < count; idx++)
        free_large(self, blocks[idx], "free");
}

struct cairn_source cairn_ground_as_run_source(struct cairn_ground *ground)
{
    static const struct cairn_source_ops ops = {"runs", CAIRN_SOURCE_THREAD_SAFE, take_runs,
                                                give_runs};

    CAIRN_ASSERT(ground->has_runs);
    return (struct cairn_source){&ops, ground};
}

CAIRN_COLD void cairn_ground_reject(struct cairn_ground *ground, const void *pointer,
                                    const char *where)
{
    const char *what = "pointer is not from this heap, or its block was freed before";
    uint16_t tag = cairn_pagemap_tag(&ground->map, pointer);
    bool is_ours;

    cairn_lock_take(&ground->buddy_lock);
    is_ours = ground->buddy != NULL && cairn_buddy_owns(ground->buddy, pointer);
    cairn_lock_release(&ground->buddy_lock);
    if (tag != 0 || is_ours)
        what = "pointer is not the start of a block in use: interior, misaligned or a double free";
    cairn_panic(what, pointer, where);
}
