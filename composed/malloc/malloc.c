/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * malloc.c - the heap of the default stack: which layer serves a request, and which one owns a
 * pointer.
 *
 *     size <= 32 KiB          a class from classes.h      -> per-CPU cache
 *     size <= 128 KiB         a class per length in granules, likewise
 *     larger, or alignment that no class has              -> backend (large, huge)
 *
 *     free(p): one load of the pagemap gives the class and the place of the granule in its slab; one multiplication says
 *     whether p begins a block. Anything else is a large or huge block, or not ours.
 *
 * The stack is built by the first call, wherever it comes from: the dynamic loader, a constructor,
 * main.
 */

#include "composed/malloc/fastpath.h"
#include "composed/malloc/stack.h"
#include "composed/malloc/frontend.h"
#include "composed/libc/sanitizer.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct cairn_stack stack;
static struct cairn_fastpath fastpath;
static bool is_ready; /* released once the stack is built */

static int build(const struct cairn_conf_values *conf)
{
    int error;

    memset(&stack, 0, sizeof(stack)); /* an earlier try may have failed half-way */
    error = cairn_stack_init(&stack, conf, fastpath.map_root, fastpath.map_empty);
    if (error == 0)
        cairn_fastpath_init(&fastpath, &stack);
    return error;
}

bool cairn_heap_is_started(void)
{
    return CAIRN_LIKELY(cairn_load_acquire(&is_ready)) || cairn_frontend_start(&is_ready, build);
}

/* The class of the caches by a run's index, however large; CAIRN_STACK_CLASS_COUNT: of none. */
static unsigned class_of_run(size_t run_idx)
{
    return CAIRN_CLASS_COUNT + (unsigned)cairn_min(run_idx, (size_t)CAIRN_RUN_COUNT);
}

/* The class for a size above the size classes; CAIRN_STACK_CLASS_COUNT: none. */
static unsigned class_of_large(size_t size_bytes)
{
    return stack.backend.has_runs ? class_of_run(cairn_run_of(size_bytes))
                                  : CAIRN_STACK_CLASS_COUNT;
}

/* The class that a block is of; CAIRN_STACK_CLASS_COUNT: of none. */
static unsigned class_at(const void *block, uint16_t tag)
{
    unsigned class_idx = cairn_sizeclass_of(&stack.slabs, block, tag);

    if (CAIRN_LIKELY(class_idx < CAIRN_CLASS_COUNT))
        return class_idx;
    return class_of_run(cairn_run_at(&stack.backend, block, tag));
}

/* The class of the caches for a size; CAIRN_STACK_CLASS_COUNT: none. */
static unsigned class_of(size_t size_bytes)
{
    return CAIRN_LIKELY(size_bytes <= CAIRN_CLASS_BYTES_MAX) ? cairn_class_of(size_bytes)
                                                             : class_of_large(size_bytes);
}

/* Before the stack is built all tables are zero, and no mode is chosen. */
void *cairn_heap_try_alloc(size_t size_bytes)
{
    unsigned class_idx;

    if (CAIRN_UNLIKELY(!cairn_load_acquire(&is_ready)))
        return NULL;
    class_idx = class_of(size_bytes);
    if (class_idx == CAIRN_STACK_CLASS_COUNT)
        return NULL;
    return stack.caches.mode == CAIRN_PERCPU_LOCK ? cairn_percpu_try_alloc(&stack.caches, class_idx)
                                                  : cairn_percpu_pop(&stack.caches, class_idx);
}

bool cairn_heap_try_free(void *block, const char *where)
{
    size_t class_idx;

    if (CAIRN_UNLIKELY(!cairn_fastpath_class_at(&fastpath, block, &class_idx)))
        return false;
    return stack.caches.mode == CAIRN_PERCPU_LOCK
               ? cairn_percpu_try_free(&stack.caches, (unsigned)class_idx, block, where)
               : cairn_percpu_push(&stack.caches, class_idx, block);
}

void *cairn_heap_alloc(size_t size_bytes)
{
    unsigned class_idx = class_of(size_bytes);

    if (CAIRN_LIKELY(class_idx < CAIRN_STACK_CLASS_COUNT))
        return cairn_percpu_alloc_slow(&stack.caches, class_idx);
    return cairn_backend_alloc(&stack.backend, size_bytes, 1, NULL);
}

void *cairn_heap_alloc_class(unsigned class_idx)
{
    return cairn_percpu_alloc(&stack.caches, class_idx);
}

void cairn_heap_free(void *block, const char *where)
{
    unsigned class_idx = class_at(block, cairn_pagemap_tag(&stack.backend.map, block));

    if (CAIRN_LIKELY(class_idx < CAIRN_STACK_CLASS_COUNT))
        cairn_percpu_free_slow(&stack.caches, class_idx, block, where);
    else
        cairn_backend_free(&stack.backend, block, where);
}

size_t cairn_heap_usable_bytes(const void *block, const char *where)
{
    unsigned class_idx = class_at(block, cairn_pagemap_tag(&stack.backend.map, block));

    if (CAIRN_LIKELY(class_idx < CAIRN_CLASS_COUNT))
        return cairn_class_block_bytes[class_idx];
    return cairn_backend_usable_bytes(&stack.backend, block, where);
}

bool cairn_heap_is_block(const void *pointer)
{
    return class_at(pointer, cairn_pagemap_tag(&stack.backend.map, pointer)) < CAIRN_CLASS_COUNT ||
           cairn_backend_is_block(&stack.backend, pointer);
}

struct cairn_backend *cairn_heap_backend(void)
{
    return &stack.backend;
}

size_t cairn_heap_trim(bool may_fence)
{
    if (may_fence)
        cairn_percpu_flush(&stack.caches);
    else
        cairn_percpu_flush_own(&stack.caches);
    cairn_sizeclass_trim(&stack.slabs);
    return cairn_backend_trim(&stack.backend);
}

bool cairn_heap_close(void)
{
    return cairn_percpu_close(&stack.caches);
}

void cairn_heap_repair(void)
{
    cairn_percpu_repair(&stack.caches);
}

void cairn_heap_reopen(void)
{
    cairn_percpu_reopen(&stack.caches);
}

struct cairn_percpu *cairn_stack_caches(void)
{
    return cairn_load_acquire(&is_ready) ? &stack.caches : NULL;
}

void cairn_heap_check(void)
{
    cairn_stack_check(&stack);
}

void cairn_heap_stats(struct cairn_malloc_stats *stats)
{
    struct cairn_percpu_stats caches;
    struct cairn_sizeclass_stats slabs;
    size_t out_bytes;

    stats->stack = "cairn";
    caches = cairn_percpu_stats(&stack.caches);
    slabs = cairn_sizeclass_stats(&stack.slabs);
    cairn_frontend_report_backend(&stack.backend, slabs.slab_bytes, stats);
    stats->mode = cairn_percpu_mode_name(caches.mode);
    stats->reason = caches.reason;
    stats->cpu = cairn_cpu_id_method_name(caches.cpu_id_method);
    stats->shard_count = caches.shard_count;
    stats->cached_bytes = caches.cached_bytes + caches.depot_bytes;
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

static CAIRN_NOINLINE void *malloc_slow(size_t size_bytes)
{
    void *block = NULL;

    if (is_forwarded())
        return cairn_sanitizer_malloc(size_bytes);
    /* Small sizes were tried by a sequence. */
    if (size_bytes > CAIRN_CLASS_BYTES_MAX || stack.caches.mode == CAIRN_PERCPU_LOCK)
        block = cairn_heap_try_alloc(size_bytes);
    if (block == NULL && size_bytes <= PTRDIFF_MAX)
        block = cairn_frontend_alloc_slow(size_bytes);
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
    block = cairn_percpu_pop(&stack.caches, class_idx);
    return CAIRN_LIKELY(block != NULL) ? block : malloc_slow(size_bytes);
}

static CAIRN_NOINLINE void free_slow(void *block, const char *where)
{
    if (block == NULL)
        return;
    if (is_forwarded())
        cairn_sanitizer_free(block);
    else if (stack.caches.mode != CAIRN_PERCPU_LOCK || !cairn_heap_try_free(block, where))
        cairn_frontend_free_slow(block, where);
}

CAIRN_HOT_INLINE void give(void *block, const char *where)
{
    size_t kind;

    if (CAIRN_UNLIKELY(!cairn_fastpath_kind_at(&fastpath, block, &kind) ||
                       !cairn_percpu_push_from_1(&stack.caches, kind, block)))
        free_slow(block, where);
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

/* A cached run is faulted in already: clearing it is cheaper than the page faults of a fresh
   one. */
static CAIRN_NOINLINE void *calloc_large(size_t total_bytes)
{
    unsigned class_idx = class_of_large(total_bytes);
    void *block = NULL;

    if (class_idx < CAIRN_STACK_CLASS_COUNT)
        block = cairn_percpu_pop(&stack.caches, class_idx);
    return block == NULL ? cairn_libc_calloc(1, total_bytes)
                         : memset(block, 0, cairn_stack_block_bytes(class_idx));
}

CAIRN_EXPORT void *calloc(size_t count, size_t size_bytes)
{
    size_t total_bytes;
    size_t class_idx;
    void *block;

    if (CAIRN_UNLIKELY(__builtin_mul_overflow(count, size_bytes, &total_bytes)))
        return cairn_libc_calloc(count, size_bytes);
    if (CAIRN_UNLIKELY(!cairn_fastpath_class_of(&fastpath, total_bytes, &class_idx)))
        return calloc_large(total_bytes);
    block = cairn_percpu_pop(&stack.caches, class_idx);
    if (CAIRN_UNLIKELY(block == NULL))
        return cairn_libc_calloc(count, size_bytes);
    return memset(block, 0, cairn_class_block_bytes[class_idx]);
}

/* A small block that becomes another small one. NULL: not that (none for 0 bytes; a run of whole
   pages can give some back), or not at once. */
CAIRN_HOT_INLINE void *resize_small(void *block, size_t size_bytes)
{
    size_t old_class;
    size_t new_class;
    size_t old_bytes;
    void *moved;

    if (CAIRN_UNLIKELY(size_bytes == 0 || !cairn_fastpath_class_at(&fastpath, block, &old_class) ||
                       old_class >= CAIRN_CLASS_COUNT ||
                       !cairn_fastpath_class_of(&fastpath, size_bytes, &new_class)))
        return NULL;
    old_bytes = cairn_class_block_bytes[old_class];
    if (cairn_frontend_stays(old_bytes, size_bytes))
        return block;
    moved = cairn_percpu_pop(&stack.caches, new_class);
    if (CAIRN_UNLIKELY(moved == NULL))
        return NULL;
    memcpy(moved, block, cairn_min(old_bytes, size_bytes));
    if (CAIRN_UNLIKELY(!cairn_percpu_push(&stack.caches, old_class, block)))
        cairn_frontend_free_slow(block, "realloc");
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
