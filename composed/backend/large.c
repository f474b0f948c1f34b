/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * large.c - blocks above the size classes: runs of granules, or pages of their own.
 *
 *     (32 KiB, 128 KiB] medium  a run, where a cache above is to know its length from the tag alone
 *     (32 KiB, 1 MiB]   LARGE   a run
 *     (1 MiB, ...)      HUGE    pages
 *     any               PAST    from the kernel, past every lock
 *
 * Each marks its first granule in the pagemap, after the block exists and until just before it
 * ends, with its length as the owner (length.h). So a stale or invented pointer finds no mark, and
 * a length is had without a lock.
 *
 * To free a block, or to move it, a thread first claims the mark: of two threads that free one
 * block, one finds it, and the other is told of its mistake.
 *
 * A huge block begins at a page, which may lie within a granule: no other block can begin in that
 * granule, since slabs and runs are whole granules and no huge block is shorter than one. So huge
 * blocks need no alignment beyond a page, and the kernel may move them when they grow.
 */

#include "composed/backend/internal.h"
#include "composed/backend/length.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

/* A block that the pagemap knows. */
struct found {
    uint16_t tag; /* 0: none begins at the pointer */
    uint32_t owner;
    size_t length_bytes;
};

static bool is_medium_tag(const struct cairn_backend *backend, uint16_t tag)
{
    return (size_t)tag - backend->medium_kind < CAIRN_MEDIUM_COUNT;
}

static bool is_run_tag(const struct cairn_backend *backend, uint16_t tag)
{
    return tag == CAIRN_KIND_LARGE || is_medium_tag(backend, tag);
}

static bool is_pages_tag(uint16_t tag)
{
    return tag == CAIRN_KIND_HUGE || tag == CAIRN_KIND_PAST;
}

/* The block of these kinds that begins at a pointer. */
static struct found find(const struct cairn_backend *backend, const void *pointer)
{
    struct cairn_pagemap_mark mark = cairn_pagemap_mark(&backend->map, pointer);
    size_t offset_bytes = (uintptr_t)pointer & (backend->granule_bytes - 1);
    struct found found = {0, 0, 0};

    if (!is_run_tag(backend, mark.tag) && !is_pages_tag(mark.tag))
        return found;
    if (offset_bytes != cairn_length_page_idx(mark.owner) * backend->page_bytes)
        return found;
    found.tag = mark.tag;
    found.owner = mark.owner;
    found.length_bytes = cairn_length_bytes(mark.owner, backend->page_bytes);
    return found;
}

static void *granule_of(const struct cairn_backend *backend, void *block)
{
    return (char *)block - ((uintptr_t)block & (backend->granule_bytes - 1));
}

static uint32_t code_of(const struct cairn_backend *backend, const void *block, size_t length_bytes)
{
    size_t page_idx = ((uintptr_t)block & (backend->granule_bytes - 1)) / backend->page_bytes;

    return cairn_length_code(length_bytes, backend->page_bytes, page_idx);
}

/* Cannot fail: pages come with a place for the mark. */
static void mark(struct cairn_backend *backend, void *block, uint8_t kind, size_t length_bytes)
{
    cairn_pagemap_set_sure(&backend->map, granule_of(backend, block), kind,
                           code_of(backend, block, length_bytes), NULL);
}

static bool claim(struct cairn_backend *backend, void *block, uint16_t tag)
{
    return tag != 0 && cairn_pagemap_claim(&backend->map, granule_of(backend, block), tag);
}

/* --- runs ------------------------------------------------------------------------------------- */

static bool is_large_size(const struct cairn_backend *backend, size_t size_bytes,
                          size_t align_bytes)
{
    return size_bytes <= backend->large_max_bytes && align_bytes <= backend->large_max_bytes;
}

/* Of a run from the medium source. Requires: the source serves the size. */
static uint8_t medium_kind(const struct cairn_backend *backend, size_t size_bytes)
{
    return (uint8_t)(backend->medium_kind + cairn_medium_of(size_bytes));
}

/* Of any other run. */
static uint8_t large_kind(const struct cairn_backend *backend, size_t size_bytes)
{
    return backend->has_medium && !backend->is_medium_sourced &&
                   cairn_medium_of(size_bytes) < CAIRN_MEDIUM_COUNT
               ? medium_kind(backend, size_bytes)
               : CAIRN_KIND_LARGE;
}

static size_t run_length(const struct cairn_backend *backend, size_t size_bytes)
{
    return cairn_align_up(size_bytes, backend->granule_bytes);
}

static void *alloc_run(struct cairn_backend *backend, uint8_t kind, size_t size_bytes,
                       size_t align_bytes, bool *is_zeroed)
{
    size_t length_bytes = run_length(backend, size_bytes);
    void *run = cairn_backend_take_run(backend, length_bytes,
                                       cairn_max(align_bytes, backend->granule_bytes), is_zeroed);

    if (run != NULL)
        mark(backend, run, kind, length_bytes);
    return run;
}

static bool resize_large(struct cairn_backend *backend, void *block, const struct found *found,
                         size_t new_bytes)
{
    size_t length_bytes = run_length(backend, new_bytes);
    bool is_resized;

    if (backend->is_medium_sourced && is_medium_tag(backend, found->tag))
        return length_bytes == found->length_bytes;
    if (!claim(backend, block, found->tag))
        return false;
    is_resized = cairn_backend_resize_run(backend, block, found->length_bytes, length_bytes);
    if (is_resized)
        mark(backend, block, large_kind(backend, length_bytes), length_bytes);
    else
        mark(backend, block, (uint8_t)found->tag, found->length_bytes);
    return is_resized;
}

/* --- pages of their own ----------------------------------------------------------------------- */

/* At least a granule: two blocks must not begin in one (small sizes come here for their
   alignment). */
static bool huge_length(const struct cairn_backend *backend, size_t size_bytes,
                        size_t *length_bytes)
{
    return size_bytes <= PTRDIFF_MAX &&
           cairn_length_round(cairn_max(size_bytes, backend->granule_bytes), backend->page_bytes,
                              length_bytes);
}

static void count_huge(struct cairn_backend *backend, size_t count, size_t bytes)
{
    cairn_add_relaxed(&backend->huge_count, count);
    cairn_add_relaxed(&backend->huge_bytes, bytes);
}

static void *alloc_huge(struct cairn_backend *backend, size_t size_bytes, size_t align_bytes,
                        bool *is_zeroed)
{
    size_t length_bytes;
    void *block;

    if (!huge_length(backend, size_bytes, &length_bytes))
        return NULL;
    block = cairn_backend_take_pages(backend, length_bytes, align_bytes, is_zeroed);
    if (block == NULL)
        return NULL;
    cairn_backend_make_block_huge(backend, block, length_bytes);
    mark(backend, block, CAIRN_KIND_HUGE, length_bytes);
    count_huge(backend, 1, length_bytes);
    cairn_backend_watch(backend);
    return block;
}

/* A block that may move has no mark meanwhile: once the kernel has moved it, another thread may get
   the old place and mark it. Marking the new place must not fail, hence the leaf in hand; without
   one the block stays where it is. */
static void *resize_huge(struct cairn_backend *backend, void *block, const struct found *found,
                         size_t new_bytes)
{
    struct cairn_pagemap_leaf *leaf;
    size_t length_bytes;
    void *resized;

    if (backend->is_adapted) /* a source cannot resize */
        return NULL;
    if (!huge_length(backend, new_bytes, &length_bytes) || !claim(backend, block, found->tag))
        return NULL;
    leaf = length_bytes > found->length_bytes ? cairn_pagemap_leaf_take(&backend->map) : NULL;
    resized = cairn_pagesource_resize(&backend->pages, block, found->length_bytes, length_bytes,
                                      backend->page_bytes, leaf != NULL);
    if (resized == NULL) {
        cairn_pagemap_leaf_give(&backend->map, leaf);
        mark(backend, block, CAIRN_KIND_HUGE, found->length_bytes);
        return NULL;
    }
    cairn_pagemap_set_sure(&backend->map, granule_of(backend, resized), CAIRN_KIND_HUGE,
                           code_of(backend, resized, length_bytes), leaf);
    count_huge(backend, 0, length_bytes - found->length_bytes);
    cairn_backend_watch(backend);
    return resized;
}

/* Cuts the ends off a mapping of its own, so that it is aligned. */
static char *cut(struct cairn_backend *backend, char *base, size_t length_bytes, size_t over_bytes,
                 size_t align_bytes)
{
    char *block = (char *)cairn_align_up((uintptr_t)base, align_bytes);
    size_t lead_bytes = (size_t)(block - base);

    if (lead_bytes > 0)
        cairn_pagesource_unmap_past(&backend->pages, base, lead_bytes);
    if (over_bytes > lead_bytes)
        cairn_pagesource_unmap_past(&backend->pages, block + length_bytes, over_bytes - lead_bytes);
    return block;
}

void *cairn_backend_alloc_past(struct cairn_backend *backend, size_t size_bytes, size_t align_bytes)
{
    size_t over_bytes = cairn_max(align_bytes, backend->page_bytes) - backend->page_bytes;
    size_t length_bytes;
    char *block;

    if (over_bytes > PTRDIFF_MAX / 2 || size_bytes > PTRDIFF_MAX / 2 ||
        !huge_length(backend, size_bytes, &length_bytes))
        return NULL;
    block = cairn_pagesource_map_past(&backend->pages, length_bytes + over_bytes);
    if (block == NULL)
        return NULL;
    block =
        cut(backend, block, length_bytes, over_bytes, cairn_max(align_bytes, backend->page_bytes));
    if (cairn_pagemap_set(&backend->map, granule_of(backend, block), 1, CAIRN_KIND_PAST,
                          code_of(backend, block, length_bytes)) == 0)
        return block;
    cairn_pagesource_unmap_past(&backend->pages, block, length_bytes);
    return NULL;
}

bool cairn_backend_free_past(struct cairn_backend *backend, void *block)
{
    struct found found = find(backend, block);

    if (found.tag != CAIRN_KIND_PAST || !claim(backend, block, found.tag))
        return false;
    cairn_pagesource_unmap_past(&backend->pages, block, found.length_bytes);
    return true;
}

/* --- all of them ------------------------------------------------------------------------------ */

void *cairn_backend_alloc(struct cairn_backend *backend, size_t size_bytes, size_t align_bytes,
                          bool *is_zeroed)
{
    CAIRN_ASSERT(size_bytes > 0 && cairn_is_pow2(align_bytes));
    if (is_large_size(backend, size_bytes, align_bytes))
        return alloc_run(backend, large_kind(backend, size_bytes), size_bytes, align_bytes,
                         is_zeroed);
    return alloc_huge(backend, size_bytes, align_bytes, is_zeroed);
}

bool cairn_backend_is_block(const struct cairn_backend *backend, const void *pointer)
{
    return find(backend, pointer).tag != 0;
}

size_t cairn_backend_usable_bytes(struct cairn_backend *backend, const void *block,
                                  const char *where)
{
    struct found found = find(backend, block);

    if (CAIRN_UNLIKELY(found.tag == 0))
        cairn_backend_reject(backend, block, where);
    return found.length_bytes;
}

void cairn_backend_free(struct cairn_backend *backend, void *block, const char *where)
{
    struct found found = find(backend, block);

    if (CAIRN_UNLIKELY(!claim(backend, block, found.tag)))
        cairn_backend_reject(backend, block, where);
    if (is_run_tag(backend, found.tag)) {
        cairn_backend_give_run(backend, block, found.length_bytes);
    } else if (found.tag == CAIRN_KIND_HUGE) {
        count_huge(backend, (size_t)-1, 0 - found.length_bytes);
        cairn_backend_give_pages(backend, block, found.length_bytes);
    } else {
        cairn_pagesource_unmap_past(&backend->pages, block, found.length_bytes);
    }
}

void *cairn_backend_resize(struct cairn_backend *backend, void *block, size_t new_bytes)
{
    struct found found = find(backend, block);

    if (found.tag == CAIRN_KIND_HUGE)
        return resize_huge(backend, block, &found, new_bytes);
    if (!is_run_tag(backend, found.tag) || new_bytes > backend->large_max_bytes)
        return NULL;
    return resize_large(backend, block, &found, new_bytes) ? block : NULL;
}

static size_t take_medium(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                          size_t count)
{
    const struct cairn_backend *backend = self;
    size_t taken = 0;

    if (cairn_medium_of(block_bytes) >= CAIRN_MEDIUM_COUNT ||
        align_bytes > backend->large_max_bytes)
        return 0;
    for (; taken < count; taken++) {
        blocks[taken] =
            alloc_run(self, medium_kind(backend, block_bytes), block_bytes, align_bytes, NULL);
        if (blocks[taken] == NULL)
            break;
    }
    return taken;
}

/* A block that was freed twice may have been given out since at another length: its successor is
   not freed in its place. */
static void give_medium(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_backend *backend = self;
    uint16_t tag = medium_kind(backend, block_bytes);

    for (size_t idx = 0; idx < count; idx++) {
        struct found found = find(backend, blocks[idx]);

        if (found.tag != tag || found.length_bytes != block_bytes ||
            !claim(backend, blocks[idx], tag))
            cairn_panic("double free", blocks[idx], "free");
        cairn_backend_give_run(backend, blocks[idx], block_bytes);
    }
}

struct cairn_source cairn_backend_as_medium_source(struct cairn_backend *backend)
{
    static const struct cairn_source_ops ops = {"medium blocks", CAIRN_SOURCE_THREAD_SAFE,
                                                take_medium, give_medium};

    CAIRN_ASSERT(backend->has_medium);
    return (struct cairn_source){&ops, backend};
}

void cairn_backend_keep_medium_apart(struct cairn_backend *backend)
{
    backend->is_medium_sourced = true;
}

CAIRN_COLD void cairn_backend_reject(struct cairn_backend *backend, const void *pointer,
                                     const char *where)
{
    const char *what = "pointer is not from this heap, or its block was freed before";
    bool is_ours;

    cairn_lock_take(&backend->runs_lock);
    is_ours = backend->runs_state != NULL && backend->runs->owns != NULL &&
              backend->runs->owns(backend->runs_state, pointer);
    cairn_lock_release(&backend->runs_lock);
    if (is_ours || cairn_pagemap_tag(&backend->map, pointer) != 0)
        what = "pointer is not the start of a block in use: interior, misaligned or a double free";
    cairn_panic(what, pointer, where);
}
