/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * front.h - what a stack offers to the libc surface: one implementation per product, chosen by
 * linking.
 *
 *     malloc, free, operator new ...   override.c, introspect.c, new.cc    (errno, limits of size, C's rules)
 *                  |
 *             cairn_front_*            front.c            common to all stacks: zeroed, aligned, resize, start
 *                  |
 *             cairn_front_*            composed/malloc, composed/classic   (blocks)
 *
 * The surface has checked what C and POSIX demand; the front sees sizes up to PTRDIFF_MAX and valid
 * alignments. Neither reads nor writes errno. All functions may be called before main, by any
 * thread, and build the stack at the first call.
 */

#ifndef CAIRN_COMPOSED_FRONT_H
#define CAIRN_COMPOSED_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/malloc.h>

#include "composed/surface/conf.h"
#include "composed/surface/export.h"

CAIRN_BEGIN_DECLS

struct cairn_ground;

/* ---- what each stack implements ---- */

/* A block of at least size_bytes (0: a distinct block), aligned to 16, or to 8 up to 8 bytes. NULL: no memory. */
void *cairn_front_alloc(size_t size_bytes);

/* A block of a size class. */
void *cairn_front_alloc_class(unsigned class_idx);

/* Gives a block back. `block` is not NULL. Panics, naming `where`, when it is not a block in use. */
void cairn_front_free(void *block, const char *where);

/* The bytes of a block that may be written. Panics like free. */
size_t cairn_front_usable_bytes(const void *block, const char *where);

/* Gives back to the kernel what can be. Returns the bytes released. */
size_t cairn_front_trim(void);

/* A snapshot of everything that the stack can say of itself. */
void cairn_front_stats(struct cairn_malloc_stats *stats);

/* Walks everything; panics on a broken invariant. Nobody else may be inside. */
void cairn_front_check(void);

/* The ground of the stack, built if need be; NULL when it cannot be built. */
struct cairn_ground *cairn_front_ground(void);

/* Every lock of the stack, from the top down; and back. */
void cairn_front_lock_all(void);
void cairn_front_unlock_all(void);

/* ---- what front.c makes of it ---- */

/* A block as by alloc, reading as zero over size_bytes. */
void *cairn_front_alloc_zeroed(size_t size_bytes);

/* A block aligned to a power of two. */
void *cairn_front_alloc_aligned(size_t size_bytes, size_t align_bytes);

/* True when a block of `old_bytes` that is to hold `new_bytes` had better stay where it is: at least half is used. */
CAIRN_HOT_INLINE bool cairn_front_stays(size_t old_bytes, size_t new_bytes)
{
    return new_bytes <= old_bytes && new_bytes >= old_bytes / 2;
}

/* realloc for a block and size_bytes > 0: NULL and nothing changed when there is no memory. */
void *cairn_front_resize(void *block, size_t size_bytes, const char *where);

/*
 * Builds the stack once, whoever comes first: loads the options, calls `build`, publishes *is_ready
 * (release), and registers the fork handlers. False when it cannot be built now; the next call
 * tries again.
 */
bool cairn_front_start(bool *is_ready, int (*build)(const struct cairn_conf_values *conf));

/* ---- what override.c makes of it: C's rules and errno, for the names that a stack may have a shorter way for ---- */

void *cairn_surface_calloc(size_t count, size_t size_bytes);
void *cairn_surface_realloc(void *block, size_t size_bytes);
size_t cairn_surface_usable_bytes(void *block);

CAIRN_END_DECLS

#endif
