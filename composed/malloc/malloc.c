/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * malloc.c - the heap of a stack: which layer serves a request, and which one owns a pointer; and
 * the names of the C library whose time counts. Compiled anew for each stack.
 *
 *     size <= 32 KiB          a size class                       -> caches
 *     size <= 128 KiB         a class per length in granules     -> caches
 *     larger, or alignment that no class has                     -> backend (large, huge)
 *
 *     free(p)     one load of the pagemap gives the class and the place of the granule in its slab;
 *                 one multiplication says whether p begins a block. Anything else is a large or
 *                 huge block, or not ours.
 *
 * What a miss knows it keeps: the class goes with the request, through the gate, to the caches.
 *
 *     malloc  class, pop ------ in vain -----> try_alloc (locks) -> gate: alloc
 *     free    class, push ----- in vain -----> try_free (locks)  -> gate: free
 *
 * The stack is built by the first call, wherever it comes from: the dynamic loader, a constructor,
 * main.
 */

#include "composed/malloc/fastpath.h"
#include "composed/malloc/frontend.h"
#include "composed/malloc/stack.h"
#include "composed/libc/sanitizer.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* To two cache lines, which processors fetch together: its head is what a hit reads. */
static _Alignas(128) struct cairn_stack stack;
static struct cairn_fastpath fastpath;
static bool is_ready; /* released once the stack is built */

/* Once: the next call of malloc tries again. */
static CAIRN_COLD void explain(int error)
{
    static bool is_explained;

    cairn_frontend_say_once(&is_explained, "cairn: the stack ", cairn_stack_name,
                            error == -ENOMEM ? " cannot be built: no memory for its tables\n"
                                             : " cannot be built: a layer does not fit the others, "
                                               "as its laws test says\n");
}

static int build(const struct cairn_conf_values *conf)
{
    int error;

    memset(&stack, 0, sizeof(stack)); /* an earlier try may have failed half-way */
    error = cairn_stack_init(&stack, conf, fastpath.map_root, fastpath.map_empty);
    if (error == 0)
        cairn_fastpath_init(&fastpath, &stack.slabs, &stack.backend);
    else
        explain(error);
    return error;
}

bool cairn_heap_is_ready(void)
{
    return CAIRN_LIKELY(cairn_load_acquire(&is_ready));
}

bool cairn_heap_start(void)
{
    return cairn_heap_is_ready() || cairn_frontend_start(&is_ready, build);
}

/* ---- classes --------------------------------------------------------------------------------- */

/* The class of a medium block by its length, however large; CAIRN_NO_CLASS: it is none. */
static unsigned medium_class(size_t medium_idx)
{
    return stack.backend.has_medium && medium_idx < CAIRN_MEDIUM_COUNT
               ? cairn_stack_classes.count + (unsigned)medium_idx
               : CAIRN_NO_CLASS;
}

unsigned cairn_heap_class_of(size_t size_bytes, size_t align_bytes)
{
    unsigned class_idx;

    if (size_bytes > CAIRN_CLASS_BYTES_MAX)
        return align_bytes == 1 ? medium_class(cairn_medium_of(size_bytes)) : CAIRN_NO_CLASS;
    if (CAIRN_LIKELY(align_bytes == 1))
        return cairn_class_of(&cairn_stack_classes, size_bytes);
    class_idx = cairn_class_of_aligned(&cairn_stack_classes, size_bytes, align_bytes);
    return class_idx < cairn_stack_classes.count ? class_idx : CAIRN_NO_CLASS;
}

/* The class that a block is of; CAIRN_NO_CLASS: of none. */
static unsigned class_at(const void *block)
{
    uint16_t tag = cairn_pagemap_tag(&stack.backend.map, block);
    unsigned class_idx = cairn_sizeclass_of(&stack.slabs, block, tag);

    if (CAIRN_LIKELY(class_idx < cairn_stack_classes.count))
        return class_idx;
    if (!cairn_is_aligned((uintptr_t)block, stack.backend.granule_bytes))
        return CAIRN_NO_CLASS;
    return medium_class((size_t)tag - stack.backend.medium_kind);
}

/* ---- the heap, for frontend.c ---------------------------------------------------------------- */

void *cairn_heap_try_alloc(unsigned class_idx)
{
    void *block = cairn_caches_pop(&stack.caches, class_idx);

    return block != NULL ? block : cairn_caches_try_alloc(&stack.caches, class_idx);
}

bool cairn_heap_try_free(void *block, const char *where)
{
    size_t kind;

    if (CAIRN_UNLIKELY(!cairn_fastpath_kind_at(&fastpath, block, &kind)))
        return false;
    return cairn_caches_push_from_1(&stack.caches, kind, block) ||
           cairn_caches_try_free(&stack.caches, (unsigned)cairn_class_of_kind(kind), block, where);
}

/* The caches had no medium block, which would be faulted in: fresh pages are cheaper then than what
   is to be cleared. Not where an adapter is to see all that the caches will give back. */
static bool is_for_caches(const struct cairn_request *request)
{
    return request->class_idx < cairn_stack_classes.count ||
           (request->class_idx != CAIRN_NO_CLASS &&
            (!request->wants_zeroed || stack.backend.is_medium_sourced));
}

void *cairn_heap_alloc(struct cairn_request *request)
{
    if (CAIRN_LIKELY(is_for_caches(request)))
        return cairn_caches_alloc(&stack.caches, request->class_idx);
    return cairn_backend_alloc(&stack.backend, cairn_max(request->size_bytes, 1),
                               request->align_bytes, &request->is_zeroed);
}

void cairn_heap_free_class(void *block, unsigned class_idx, const char *where)
{
    if (CAIRN_LIKELY(class_idx != CAIRN_NO_CLASS))
        cairn_caches_free(&stack.caches, class_idx, block, where);
    else
        cairn_backend_free(&stack.backend, block, where);
}

void cairn_heap_free(void *block, const char *where)
{
    cairn_heap_free_class(block, class_at(block), where);
}

size_t cairn_heap_usable_bytes(const void *block, const char *where)
{
    unsigned class_idx = class_at(block);

    if (CAIRN_LIKELY(class_idx < cairn_stack_classes.count))
        return cairn_stack_classes.block_bytes[class_idx];
    return cairn_backend_usable_bytes(&stack.backend, block, where);
}

bool cairn_heap_is_block(const void *pointer)
{
    return class_at(pointer) != CAIRN_NO_CLASS || cairn_backend_is_block(&stack.backend, pointer);
}

struct cairn_backend *cairn_heap_backend(void)
{
    return &stack.backend;
}

size_t cairn_heap_trim(bool may_fence)
{
    cairn_caches_flush(&stack.caches, may_fence);
    cairn_sizeclass_trim(&stack.slabs);
    return cairn_backend_trim(&stack.backend);
}

void cairn_heap_age(void)
{
    cairn_caches_age(&stack.caches);
    cairn_sizeclass_trim(&stack.slabs);
    cairn_backend_age(&stack.backend);
}

void cairn_heap_flush_idle(void)
{
    cairn_caches_flush_idle(&stack.caches);
}

bool cairn_heap_close(void)
{
    return cairn_caches_close(&stack.caches);
}

void cairn_heap_repair(void)
{
    cairn_caches_repair(&stack.caches);
}

void cairn_heap_reopen(void)
{
    cairn_caches_reopen(&stack.caches);
}

bool cairn_heap_suspend(void)
{
    return cairn_heap_is_ready() && cairn_caches_suspend(&stack.caches);
}

void cairn_heap_resume(void)
{
    cairn_caches_resume(&stack.caches);
}

void cairn_heap_check(void)
{
    cairn_stack_check(&stack);
}

void cairn_heap_stats(struct cairn_malloc_stats *stats)
{
    struct cairn_caches_stats caches = cairn_caches_stats(&stack.caches);
    struct cairn_sizeclass_stats slabs = cairn_sizeclass_stats(&stack.slabs);
    size_t out_bytes;

    stats->stack = cairn_stack_name;
    cairn_frontend_report_backend(&stack.backend, slabs.slab_bytes, stats);
    stats->mode = caches.mode;
    stats->reason = caches.reason;
    stats->cpu = caches.cpu;
    stats->shard_count = caches.shard_count;
    stats->cached_bytes = caches.cached_bytes;
    stats->slab_free_bytes = slabs.slab_bytes - slabs.used_bytes;
    out_bytes = stats->large_bytes + stats->huge_bytes + slabs.used_bytes;
    stats->allocated_bytes = out_bytes - cairn_min(stats->cached_bytes, out_bytes);
}

/* ---- the names of the C library whose time counts ---- */

/* Declared by no header of glibc 2.36: C23, and an old name of free. */
CAIRN_EXPORT void free_sized(void *block, size_t size_bytes);
CAIRN_EXPORT void free_aligned_sized(void *block, size_t align_bytes, size_t size_bytes);
CAIRN_EXPORT void cfree(void *block);

/* In a process of a sanitizer the stack is never built. */
static inline bool is_forwarded(void)
{
    return CAIRN_UNLIKELY(!cairn_load_relaxed(&is_ready)) && cairn_sanitizer_is_present();
}

/* A miss of a class: the stack is built. */
static CAIRN_NOINLINE void *malloc_miss(size_t size_bytes, unsigned class_idx)
{
    struct cairn_request request = {
        .size_bytes = size_bytes, .align_bytes = 1, .class_idx = class_idx};
    void *block = cairn_caches_try_alloc(&stack.caches, class_idx);

    if (block == NULL)
        block = cairn_frontend_alloc_request(&request);
    if (CAIRN_UNLIKELY(block == NULL))
        errno = ENOMEM;
    return block;
}

/* A size that is not small, or any before the stack is built. */
static CAIRN_NOINLINE void *malloc_slow(size_t size_bytes)
{
    void *block;

    if (is_forwarded())
        return cairn_sanitizer_malloc(size_bytes);
    block = size_bytes > PTRDIFF_MAX ? NULL : cairn_frontend_alloc(size_bytes);
    if (CAIRN_UNLIKELY(block == NULL))
        errno = ENOMEM;
    return block;
}

CAIRN_EXPORT void *malloc(size_t size_bytes)
{
    size_t class_idx;
    void *block;

    if (CAIRN_UNLIKELY(!cairn_fastpath_class_of(&fastpath, size_bytes, &class_idx)))
        return malloc_slow(size_bytes);
    block = cairn_caches_pop(&stack.caches, class_idx);
    return CAIRN_LIKELY(block != NULL) ? block : malloc_miss(size_bytes, (unsigned)class_idx);
}

/* A block of a class whose push was in vain. */
static CAIRN_NOINLINE void free_miss(void *block, size_t kind, const char *where)
{
    unsigned class_idx = (unsigned)cairn_class_of_kind(kind);

    if (!cairn_caches_try_free(&stack.caches, class_idx, block, where))
        cairn_frontend_free_class(block, class_idx, where);
}

/* What the tables do not know. */
static CAIRN_NOINLINE void free_slow(void *block, const char *where)
{
    if (block == NULL)
        return;
    if (is_forwarded())
        cairn_sanitizer_free(block);
    else
        cairn_frontend_free_slow(block, where);
}

CAIRN_HOT_INLINE void give(void *block, const char *where)
{
    size_t kind;

    if (CAIRN_UNLIKELY(!cairn_fastpath_kind_at(&fastpath, block, &kind)))
        free_slow(block, where);
    else if (CAIRN_UNLIKELY(!cairn_caches_push_from_1(&stack.caches, kind, block)))
        free_miss(block, kind, where);
}

CAIRN_EXPORT void free(void *block)
{
    give(block, "free");
}

/* The pagemap knows the class of a block better than its caller: programs that run well on glibc
   pass wrong sizes. */
CAIRN_EXPORT void free_sized(void *block, size_t size_bytes)
{
    (void)size_bytes;
    give(block, "free_sized");
}

CAIRN_EXPORT void free_aligned_sized(void *block, size_t align_bytes, size_t size_bytes)
{
    (void)align_bytes;
    (void)size_bytes;
    give(block, "free_aligned_sized");
}

CAIRN_EXPORT void *calloc(size_t count, size_t size_bytes)
{
    size_t total_bytes;
    size_t class_idx;
    void *block;

    if (CAIRN_UNLIKELY(__builtin_mul_overflow(count, size_bytes, &total_bytes)))
        return cairn_libc_calloc(count, size_bytes);
    if (CAIRN_UNLIKELY(!cairn_fastpath_class_of(&fastpath, total_bytes, &class_idx)))
        return cairn_libc_calloc(count, size_bytes);
    block = cairn_caches_pop(&stack.caches, class_idx);
    if (CAIRN_UNLIKELY(block == NULL))
        block = malloc_miss(total_bytes, (unsigned)class_idx);
    return CAIRN_UNLIKELY(block == NULL)
               ? NULL
               : memset(block, 0, cairn_stack_classes.block_bytes[class_idx]);
}

/* A small block that becomes another small one. NULL: not that (none for 0 bytes; a block of whole
   pages can give some back), or not at once. */
CAIRN_HOT_INLINE void *resize_small(void *block, size_t size_bytes)
{
    size_t kind;
    size_t new_class;
    size_t old_bytes;
    void *moved;

    if (CAIRN_UNLIKELY(size_bytes == 0 || !cairn_fastpath_kind_at(&fastpath, block, &kind) ||
                       cairn_class_of_kind(kind) >= cairn_stack_classes.count ||
                       !cairn_fastpath_class_of(&fastpath, size_bytes, &new_class)))
        return NULL;
    old_bytes = cairn_stack_classes.block_bytes[cairn_class_of_kind(kind)];
    if (cairn_frontend_stays(old_bytes, size_bytes))
        return block;
    moved = cairn_caches_pop(&stack.caches, new_class);
    if (CAIRN_UNLIKELY(moved == NULL))
        return NULL;
    memcpy(moved, block, cairn_min(old_bytes, size_bytes));
    if (CAIRN_UNLIKELY(!cairn_caches_push_from_1(&stack.caches, kind, block)))
        free_miss(block, kind, "realloc");
    return moved;
}

CAIRN_EXPORT void *realloc(void *block, size_t size_bytes)
{
    void *resized = resize_small(block, size_bytes);

    return CAIRN_LIKELY(resized != NULL) ? resized : cairn_libc_realloc(block, size_bytes);
}

CAIRN_EXPORT size_t malloc_usable_size(void *block)
{
    size_t class_idx;

    if (CAIRN_LIKELY(cairn_fastpath_class_at(&fastpath, block, &class_idx)))
        return cairn_stack_block_bytes(class_idx);
    return cairn_libc_usable_bytes(block);
}

CAIRN_EXPORT void cfree(void *block)
{
    give(block, "cfree");
}
