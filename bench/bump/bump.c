/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * bump.c - the least that a malloc can do: it moves a pointer on, and never frees. A limit to
 * compare with; programs that live long end with "out of memory" on it.
 *
 *     region   |######|######|##....|######|....................|  reserved once: half of memory
 *               window window window large                    end
 *               of a   of b   of a   block
 *
 * A thread takes windows from the region by one atomic addition, and blocks from its window by an
 * ordinary one. The word before a block is its size, for realloc and malloc_usable_size. A block is
 * never used twice, so calloc has nothing to clear, and a fork nothing to repair.
 */

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    ALIGNMENT = 16,
    CACHE_LINE_BYTES = 64,
    WINDOW_BYTES = 256 * 1024,
    LARGE_BYTES = WINDOW_BYTES / 8, /* from here on a block is not worth the end of a window */
};

struct window {
    uintptr_t next;
    uintptr_t end;
};

static uintptr_t region_next; /* 0: not reserved yet */
static uintptr_t region_end;

static _Thread_local struct window window __attribute__((tls_model("initial-exec")));

static uintptr_t align_up(uintptr_t value, uintptr_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

static void *out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* --- the region --- */

/* sysinfo(2) itself: older versions of sysconf(3) read a file through stdio, which calls malloc. */
static size_t half_of_memory_bytes(void)
{
    struct sysinfo machine;

    if (sysinfo(&machine) != 0)
        return (size_t)1 << 30;
    return (size_t)machine.totalram * machine.mem_unit / 2;
}

/* Of several threads that come first, one wins; the others give theirs back. False when there is no
   address space. */
static bool reserve_region(void)
{
    size_t bytes = align_up(half_of_memory_bytes(), WINDOW_BYTES);
    void *reserved = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uintptr_t none = 0;

    if (reserved == MAP_FAILED)
        return false;
    if (__atomic_compare_exchange_n(&region_end, &none, (uintptr_t)reserved + bytes, false,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        __atomic_store_n(&region_next, (uintptr_t)reserved, __ATOMIC_RELEASE);
    else
        munmap(reserved, bytes);
    while (__atomic_load_n(&region_next, __ATOMIC_ACQUIRE) == 0)
        continue; /* the winner is between its two stores */
    return true;
}

/* Fresh zeroed memory that begins a cache line; 0 when the region is used up. */
static uintptr_t take(size_t bytes)
{
    uintptr_t next = __atomic_load_n(&region_next, __ATOMIC_ACQUIRE);

    if (next == 0) {
        if (!reserve_region())
            return 0;
        next = __atomic_load_n(&region_next, __ATOMIC_RELAXED);
    }
    bytes = align_up(bytes, CACHE_LINE_BYTES);
    do {
        if (bytes > region_end - next)
            return 0;
    } while (!__atomic_compare_exchange_n(&region_next, &next, next + bytes, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return next;
}

/* --- blocks --- */

static size_t *size_of(void *block)
{
    return (size_t *)block - 1;
}

static void *block_at(uintptr_t address, size_t size)
{
    void *block = (void *)address;

    *size_of(block) = size;
    return block;
}

static __attribute__((noinline)) void *allocate_elsewhere(size_t alignment, size_t size)
{
    uintptr_t taken;

    if (size > PTRDIFF_MAX || alignment > PTRDIFF_MAX)
        return out_of_memory();
    if (size + alignment >= LARGE_BYTES) {
        taken = take(sizeof(size_t) + alignment + size);
        return taken == 0 ? out_of_memory()
                          : block_at(align_up(taken + sizeof(size_t), alignment), size);
    }
    taken = take(WINDOW_BYTES);
    if (taken == 0)
        return out_of_memory();
    window = (struct window){.next = taken, .end = taken + WINDOW_BYTES};
    taken = align_up(taken + sizeof(size_t), alignment);
    window.next = taken + size;
    return block_at(taken, size);
}

static inline void *allocate(size_t alignment, size_t size)
{
    uintptr_t address = align_up(window.next + sizeof(size_t), alignment);

    if (address > window.end || size > window.end - address)
        return allocate_elsewhere(alignment, size);
    window.next = address + size;
    return block_at(address, size);
}

static bool is_power_of_two(size_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* --- the malloc family --- */

EXPORT void *malloc(size_t size)
{
    return allocate(ALIGNMENT, size);
}

EXPORT void free(void *block)
{
    (void)block;
}

EXPORT void *calloc(size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return out_of_memory();
    return allocate(ALIGNMENT, bytes);
}

/* The last block of the window grows where it is; one that shrinks stays, for what it leaves is not
   zero. */
static bool fits_in_place(void *block, size_t old_size, size_t size)
{
    uintptr_t address = (uintptr_t)block;

    if (size <= old_size)
        return true;
    if (address + old_size != window.next || size > window.end - address)
        return false;
    window.next = address + size;
    return true;
}

EXPORT void *realloc(void *block, size_t size)
{
    size_t old_size;
    void *larger;

    if (block == NULL)
        return malloc(size);
    if (size == 0)
        return NULL; /* glibc's way: it is freed */
    old_size = *size_of(block);
    if (fits_in_place(block, old_size, size)) {
        *size_of(block) = size;
        return block;
    }
    larger = malloc(size);
    if (larger != NULL)
        memcpy(larger, block, old_size);
    return larger;
}

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        return out_of_memory();
    return realloc(block, bytes);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    if (is_power_of_two(alignment))
        return allocate(alignment < ALIGNMENT ? ALIGNMENT : alignment, size);
    errno = EINVAL;
    return NULL;
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
    int old_errno = errno;
    void *allocated = alignment % sizeof(void *) == 0 ? memalign(alignment, size) : NULL;
    int error = !is_power_of_two(alignment) || alignment % sizeof(void *) != 0 ? EINVAL : ENOMEM;

    errno = old_errno;
    if (allocated == NULL)
        return error;
    *block = allocated;
    return 0;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT void *valloc(size_t size)
{
    return memalign((size_t)getpagesize(), size);
}

EXPORT void *pvalloc(size_t size)
{
    size_t page_bytes = (size_t)getpagesize();

    if (size > PTRDIFF_MAX)
        return out_of_memory();
    return memalign(page_bytes, align_up(size, page_bytes));
}

EXPORT size_t malloc_usable_size(void *block)
{
    return block == NULL ? 0 : *size_of(block);
}
