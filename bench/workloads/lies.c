/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * lies.c - preloaded by the test: a malloc of which one function breaks its promise, named by LIE.
 *
 *     calloc              the byte in the middle of a block is not zero
 *     realloc             of a block, nothing but the first byte comes along
 *     page                of a block above 8 KiB, the byte at 4096 does not come along
 *     align               aligned_alloc gives a block 16 bytes behind the one that was promised
 *     first, last, end    each tenth malloc of a thread changes a byte of the block that it gave
 *                         before, as a malloc would whose blocks overlap: the first or the last of
 *                         blocks of bytes, or the last of any
 */

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

/* glibc's own functions, under the names that it keeps for this purpose. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t align_bytes, size_t bytes);
extern void __libc_free(void *block);

enum { SCRIBBLE_EVERY = 10 };

static const char *lie = "";

/* The block that a thread got last; NULL when it was freed. */
static __thread struct {
    char *block;
    size_t bytes;
    uint64_t calls;
} latest __attribute__((tls_model("initial-exec")));

__attribute__((constructor)) static void begin(void)
{
    lie = getenv("LIE");
}

static bool lies(const char *function)
{
    return strcmp(lie, function) == 0;
}

/* What is no multiple of 8 bytes holds bytes, and no pointer that would be followed. */
static void scribble(void)
{
    bool has_bytes = latest.bytes % 8 != 0;

    if (++latest.calls % SCRIBBLE_EVERY != 0 || latest.block == NULL)
        return;
    if (lies("end") || (lies("last") && has_bytes))
        latest.block[latest.bytes - 1] ^= 1;
    if (lies("first") && has_bytes)
        latest.block[0] ^= 1;
}

EXPORTED void *malloc(size_t bytes)
{
    scribble();
    latest.block = __libc_malloc(bytes);
    latest.bytes = bytes;
    return latest.block;
}

EXPORTED void free(void *block)
{
    if (block == latest.block)
        latest.block = NULL;
    __libc_free(block);
}

EXPORTED void *calloc(size_t count, size_t bytes_each)
{
    char *block = __libc_calloc(count, bytes_each);

    if (block != NULL && lies("calloc"))
        block[count * bytes_each / 2] = 1;
    return block;
}

EXPORTED void *realloc(void *old, size_t bytes)
{
    size_t old_bytes = malloc_usable_size(old);
    char *block = __libc_realloc(old, bytes);

    if (old == latest.block)
        latest.block = NULL;
    if (old_bytes != 0 && lies("realloc"))
        memset(block + 1, 0, (old_bytes < bytes ? old_bytes : bytes) - 1);
    if (old_bytes > 8192 && lies("page"))
        block[4096] = 0;
    return block;
}

EXPORTED void *aligned_alloc(size_t align_bytes, size_t bytes)
{
    bool is_lie = align_bytes > 16 && lies("align");

    return (char *)__libc_memalign(align_bytes, bytes + 16) + 16 * is_lie;
}
