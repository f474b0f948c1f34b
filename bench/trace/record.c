/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * record.c - librecord.so: stands before malloc and writes down every call.
 *
 *     program  ->  librecord.so  ->  the next malloc: another preloaded one, or the C library's
 *                       |
 *                    log.c
 *
 * While the next functions are looked up there is no memory: the C library's dlsym does without.
 */

#include "bench/trace/log.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT              __attribute__((visibility("default")))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

EXPORT void free_sized(void *block, size_t size_bytes);
EXPORT void free_aligned_sized(void *block, size_t align_bytes, size_t size_bytes);
EXPORT void cfree(void *block);

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void *(*memalign)(size_t, size_t);
    void *(*valloc)(size_t);
    void *(*pvalloc)(size_t);
    void (*free)(void *);
} next;

static bool is_resolved;

/* ISO C has no conversion from an object pointer to a function pointer; POSIX asks for this one. */
#define RESOLVE(name)                                                                              \
    do {                                                                                           \
        void *function_ = dlsym(RTLD_NEXT, #name);                                                 \
        memcpy(&next.name, &function_, sizeof(function_));                                         \
    } while (0)

static __attribute__((constructor)) void resolve(void)
{
    /* Initial-exec: the first touch of another kind of variable may allocate. Volatile: dlsym is
       declared never to call back, but it does, through malloc. */
    static __thread __attribute__((tls_model("initial-exec"))) volatile bool is_resolving;

    if (is_resolved || is_resolving)
        return;
    is_resolving = true;
    RESOLVE(malloc);
    RESOLVE(calloc);
    RESOLVE(realloc);
    RESOLVE(posix_memalign);
    RESOLVE(aligned_alloc);
    RESOLVE(memalign);
    RESOLVE(valloc);
    RESOLVE(pvalloc);
    RESOLVE(free);
    (void)dlerror(); /* the program is not to find our failed look-ups */
    is_resolving = false;
    __atomic_store_n(&is_resolved, true, __ATOMIC_RELEASE);
}

static inline bool is_ready(void)
{
    if (UNLIKELY(!__atomic_load_n(&is_resolved, __ATOMIC_ACQUIRE)))
        resolve();
    return is_resolved;
}

EXPORT void *malloc(size_t size_bytes)
{
    void *block;

    if (UNLIKELY(!is_ready()))
        return NULL;
    block = next.malloc(size_bytes);
    trace_log_after(TRACE_MALLOC, size_bytes, 0, false, block);
    return block;
}

EXPORT void *calloc(size_t count, size_t size_bytes)
{
    size_t total_bytes;
    void *block;

    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        total_bytes = SIZE_MAX;
    if (UNLIKELY(!is_ready()))
        return NULL;
    block = next.calloc(count, size_bytes);
    trace_log_after(TRACE_CALLOC, total_bytes, 0, false, block);
    return block;
}

/* Written down before it is done. A malloc may do without the sizes that it is told. */
static inline void free_as(enum trace_function function, void *block)
{
    if (block == NULL || UNLIKELY(!is_ready()))
        return;
    trace_log_before(function, block);
    next.free(block);
}

EXPORT void free(void *block)
{
    free_as(TRACE_FREE, block);
}

EXPORT void cfree(void *block)
{
    free_as(TRACE_CFREE, block);
}

EXPORT void free_sized(void *block, size_t size_bytes)
{
    (void)size_bytes;
    free_as(TRACE_FREE_SIZED, block);
}

EXPORT void free_aligned_sized(void *block, size_t align_bytes, size_t size_bytes)
{
    (void)align_bytes;
    (void)size_bytes;
    free_as(TRACE_FREE_ALIGNED_SIZED, block);
}

static inline void *realloc_as(enum trace_function function, void *old, size_t size_bytes)
{
    void *block;

    if (UNLIKELY(!is_ready()))
        return NULL;
    if (old != NULL)
        trace_log_before(TRACE_RELEASE, old);
    block = next.realloc(old, size_bytes);
    trace_log_after(function, size_bytes, 0, old != NULL, block);
    return block;
}

EXPORT void *realloc(void *old, size_t size_bytes)
{
    return realloc_as(TRACE_REALLOC, old, size_bytes);
}

/* glibc's would call our realloc, and the call be written down twice. */
EXPORT void *reallocarray(void *old, size_t count, size_t size_bytes)
{
    size_t total_bytes;

    if (__builtin_mul_overflow(count, size_bytes, &total_bytes))
        total_bytes = SIZE_MAX;
    return realloc_as(TRACE_REALLOCARRAY, old, total_bytes);
}

static inline void *log_aligned(enum trace_function function, size_t align_bytes, size_t size_bytes,
                                void *block)
{
    unsigned align_log2 = 0;

    while (align_log2 < 62 && (size_t)1 << align_log2 < align_bytes)
        align_log2++;
    if (is_resolved)
        trace_log_after(function, size_bytes, align_log2, false, block);
    return block;
}

EXPORT int posix_memalign(void **result, size_t align_bytes, size_t size_bytes)
{
    int error = is_ready() ? next.posix_memalign(result, align_bytes, size_bytes) : ENOMEM;

    log_aligned(TRACE_POSIX_MEMALIGN, align_bytes, size_bytes, error == 0 ? *result : NULL);
    return error;
}

EXPORT void *aligned_alloc(size_t align_bytes, size_t size_bytes)
{
    void *block = is_ready() ? next.aligned_alloc(align_bytes, size_bytes) : NULL;

    return log_aligned(TRACE_ALIGNED_ALLOC, align_bytes, size_bytes, block);
}

EXPORT void *memalign(size_t align_bytes, size_t size_bytes)
{
    void *block = is_ready() ? next.memalign(align_bytes, size_bytes) : NULL;

    return log_aligned(TRACE_MEMALIGN, align_bytes, size_bytes, block);
}

EXPORT void *valloc(size_t size_bytes)
{
    return log_aligned(TRACE_VALLOC, 0, size_bytes, is_ready() ? next.valloc(size_bytes) : NULL);
}

EXPORT void *pvalloc(size_t size_bytes)
{
    return log_aligned(TRACE_PVALLOC, 0, size_bytes, is_ready() ? next.pvalloc(size_bytes) : NULL);
}
