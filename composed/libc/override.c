/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * override.c - the malloc family under the names of the C library, and nothing else; malloc and
 * free themselves are in composed/malloc/malloc.c.
 *
 * Here is what C23, POSIX and glibc demand of a call: limits of size, rules of alignment, errno.
 * Blocks come from the frontend (frontend.h). errno is ENOMEM or EINVAL after a failure and
 * untouched after a success; free() never changes it.
 *
 *     malloc(0), calloc(0, n)      a distinct block
 *     realloc(p, 0)                frees p and returns NULL, as glibc does
 *     any size > PTRDIFF_MAX       NULL, ENOMEM
 *     bad alignment                NULL, EINVAL (posix_memalign: returns EINVAL, *result unchanged)
 *
 * Where a sanitizer brings a malloc, its blocks are the program's: sanitizer.h. What reaches this
 * file without a stack is forwarded.
 *
 * Built with -fno-builtin, or the compiler would turn parts of these functions into calls of each
 * other.
 */

#include "composed/malloc/frontend.h"
#include "composed/libc/sanitizer.h"

#include <cairn/base/align.h>

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#define EXPORT CAIRN_EXPORT

static inline void *or_enomem(void *block)
{
    if (CAIRN_UNLIKELY(block == NULL))
        errno = ENOMEM;
    return block;
}

static inline void *fail(int error)
{
    errno = error;
    return NULL;
}

void *cairn_libc_calloc(size_t count, size_t size_bytes)
{
    size_t total_bytes;

    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        return cairn_sanitizer_calloc(count, size_bytes);
    if (CAIRN_UNLIKELY(__builtin_mul_overflow(count, size_bytes, &total_bytes) ||
                       total_bytes > PTRDIFF_MAX))
        return fail(ENOMEM);
    return or_enomem(cairn_frontend_alloc_zeroed(total_bytes));
}

void *cairn_libc_realloc(void *block, size_t size_bytes)
{
    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        return cairn_sanitizer_realloc(block, size_bytes);
    if (CAIRN_UNLIKELY(block == NULL))
        return malloc(size_bytes);
    if (CAIRN_UNLIKELY(size_bytes == 0)) {
        cairn_frontend_free(block, "realloc");
        return NULL;
    }
    if (CAIRN_UNLIKELY(size_bytes > PTRDIFF_MAX))
        return fail(ENOMEM);
    return or_enomem(cairn_frontend_resize(block, size_bytes, "realloc"));
}

EXPORT void *reallocarray(void *block, size_t count, size_t size_bytes)
{
    size_t total_bytes;

    if (CAIRN_UNLIKELY(__builtin_mul_overflow(count, size_bytes, &total_bytes)))
        return fail(ENOMEM);
    return realloc(block, total_bytes);
}

static void *alloc_aligned(size_t align_bytes, size_t size_bytes)
{
    if (CAIRN_UNLIKELY(size_bytes > PTRDIFF_MAX || align_bytes > PTRDIFF_MAX))
        return fail(ENOMEM);
    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        return or_enomem(cairn_sanitizer_memalign(align_bytes, size_bytes));
    return or_enomem(cairn_frontend_alloc_aligned(size_bytes, align_bytes));
}

EXPORT void *aligned_alloc(size_t align_bytes, size_t size_bytes)
{
    if (CAIRN_UNLIKELY(!cairn_is_pow2(align_bytes)))
        return fail(EINVAL);
    return alloc_aligned(align_bytes, size_bytes);
}

/* glibc takes any alignment here and rounds it up to a power of two; programs rely on it. */
EXPORT void *memalign(size_t align_bytes, size_t size_bytes)
{
    if (CAIRN_UNLIKELY(align_bytes > SIZE_MAX / 2 + 1))
        return fail(EINVAL);
    return alloc_aligned(cairn_pow2_ceil(cairn_max(align_bytes, 1)), size_bytes);
}

EXPORT int posix_memalign(void **result, size_t align_bytes, size_t size_bytes)
{
    int saved_errno = errno;
    void *block;

    if (CAIRN_UNLIKELY(!cairn_is_pow2(align_bytes) || align_bytes % sizeof(void *) != 0))
        return EINVAL;
    block = alloc_aligned(align_bytes, size_bytes);
    errno = saved_errno;
    if (CAIRN_UNLIKELY(block == NULL))
        return ENOMEM;
    *result = block;
    return 0;
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

EXPORT void *valloc(size_t size_bytes)
{
    return alloc_aligned(page_bytes(), size_bytes);
}

EXPORT void *pvalloc(size_t size_bytes)
{
    size_t rounded_bytes;

    if (CAIRN_UNLIKELY(!cairn_try_align_up(size_bytes, page_bytes(), &rounded_bytes)))
        return fail(ENOMEM);
    return alloc_aligned(page_bytes(), cairn_max(rounded_bytes, page_bytes()));
}

size_t cairn_libc_usable_bytes(void *block)
{
    if (CAIRN_UNLIKELY(cairn_sanitizer_is_present()))
        return cairn_sanitizer_usable_bytes(block);
    return block == NULL ? 0 : cairn_heap_usable_bytes(block, "malloc_usable_size");
}
