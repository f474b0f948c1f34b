/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * arena.h - a complete heap inside one buffer of the caller's, with a hard cap.
 *
 * The same layers as the malloc, over a buffer in place of the kernel:
 *
 *     alloc / free           arena.c
 *       | small                | larger
 *     pools over slabs         |
 *       | one slab             | a run of granules
 *     buddy   of granules ----+
 *       | once
 *     the buffer   | state | memory for blocks                              |
 *
 * A buffer below 256 KiB does without pools: there every block is a run of 16-byte granules.
 *
 * Everything lives in the buffer: the state at its head, blocks behind it, never mixed. Not a byte
 * outside it is touched. No system call, no thread-local, no global, nothing of libc but memcpy,
 * memmove and memset; a misuse (double free, a pointer that is not a block's start) ends in
 * cairn_panic(), which the guest may replace. (A build without NDEBUG keeps one thread-local in
 * base/lock.c, to assert the order of the locks inside.) When the memory is used up, the answer is
 * NULL, and what is allocated stays as it was. A small request takes what is left, of any class,
 * before it fails: the cap is used to the end.
 *
 * Threads: not safe. The same calls with one lock around them are in <cairn/arena_locked.h>.
 */

#ifndef CAIRN_ARENA_H
#define CAIRN_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_ARENA_BYTES_MIN = 8192, /* the smallest buffer that is accepted, at any alignment */
    CAIRN_ARENA_ALIGN_MAX = 4096  /* the largest alignment that can be asked for */
};

/* Private: at the head of the buffer. */
struct cairn_arena;

struct cairn_arena_stats {
    size_t buffer_bytes; /* as given to init */
    size_t state_bytes;  /* the part used for bookkeeping */
    size_t usable_bytes; /* the part for blocks */
    size_t used_bytes;   /* in blocks, by their usable size */
    size_t used_peak_bytes;
    size_t largest_free_bytes; /* every request up to this size, unaligned, would succeed now */
    uint64_t alloc_count;
    uint64_t free_count;
    uint64_t failed_count; /* answered by NULL for want of memory, or for a size that wraps */
};

/*
 * Makes a heap in [buffer, buffer + buffer_bytes).
 *
 * Requires: the buffer may have any alignment and any content; it stays in place until the heap is
 *           no longer used. There is no fini: forget the heap and the buffer is yours again.
 * Returns:  the heap; NULL when buffer is NULL, or buffer_bytes below CAIRN_ARENA_BYTES_MIN or
 *           above 2^40: nothing is written then.
 * Cost:     O(buffer_bytes / 64) for clearing the state. Threads: not safe.
 */
struct cairn_arena *cairn_arena_init(void *buffer, size_t buffer_bytes);

/*
 * Takes a block of at least size_bytes, aligned to 16 (to 8 if size_bytes <= 8). A size of 0 gives
 * a distinct block.
 *
 * Returns: the block, of unknown content; NULL when there is no memory for it: nothing changed.
 * Cost:    small: O(1), or what a new slab costs; larger: O(log(buffer)), and a bit operation per
 *          64 granules of the block.
 */
void *cairn_arena_alloc(struct cairn_arena *arena, size_t size_bytes);

/* The same, reading as zero over count * size_bytes. NULL also when the product wraps. */
void *cairn_arena_calloc(struct cairn_arena *arena, size_t count, size_t size_bytes);

/* The same as alloc, aligned to align_bytes: a power of two <= CAIRN_ARENA_ALIGN_MAX, otherwise
   NULL. */
void *cairn_arena_alloc_aligned(struct cairn_arena *arena, size_t size_bytes, size_t align_bytes);

/*
 * Resizes a block, keeping its first min(old, new) bytes; NULL as block allocates; a size of 0
 * gives a block of size 0.
 *
 * Returns: the block, perhaps elsewhere (aligned as by alloc); NULL when there is no memory: the
 *          old block stays as it was. It stays in place within its class, and when a large block
 *          grows into free memory or shrinks; making a block smaller never fails. alloc and free
 *          are counted only when it moves. Panics like free.
 */
void *cairn_arena_realloc(struct cairn_arena *arena, void *block, size_t size_bytes);

/* Gives a block back; NULL is ignored. Panics when `block` is not a block in use of this arena.
   Costs what alloc does. */
void cairn_arena_free(struct cairn_arena *arena, void *block);

/* How many bytes of a block in use may be written. Panics like free. */
size_t cairn_arena_usable_bytes(const struct cairn_arena *arena, const void *block);

/* True when `pointer` lies in the part of the buffer that blocks come from. Any pointer value. */
bool cairn_arena_owns(const struct cairn_arena *arena, const void *pointer);

/* Frees every block at once. All pointers into the arena become invalid; statistics begin anew. */
void cairn_arena_reset(struct cairn_arena *arena);

/*
 * A snapshot. Not const: it gives back an empty slab that was kept for the next request, so that
 * largest_free_bytes is exact. O(classes).
 */
struct cairn_arena_stats cairn_arena_stats(struct cairn_arena *arena);

/* Walks all state; panics on a broken invariant. O(buffer). */
void cairn_arena_check(const struct cairn_arena *arena);

CAIRN_END_DECLS

#endif
