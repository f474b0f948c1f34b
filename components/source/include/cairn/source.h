/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * source.h - where a layer takes memory from, and gives it back to: the one interface between
 * layers.
 *
 *     malloc  <- percpu <- sizeclass <- buddy <- pagesource <- kernel
 *                      (each arrow is a struct cairn_source)
 *
 * A source is two functions and an object, passed by value. Blocks travel in arrays of pointers,
 * never linked through themselves, so the layers in between do not touch the memory that they move.
 * Blocks are given back with their size, so no layer needs headers. The interface grows by
 * adapters, never by parameters.
 *
 * The laws, which every provider keeps and <cairn/source_laws.h> tests:
 *   L1  blocks are aligned as asked;
 *   L2  blocks are disjoint from everything outstanding;
 *   L3  blocks are writable over block_bytes;
 *   L4  a partial success (0 <= taken < count) is consistent and may be retried;
 *   L5  give accepts any order and any grouping of what was taken;
 *   L6  once everything is given back and the provider is finished, the layer below has everything
 *       back;
 *   L7  a source never calls upward and never calls malloc;
 *   L8  errno is left alone;
 *   L9  locks nest in stack order, top first.
 */

#ifndef CAIRN_SOURCE_H
#define CAIRN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum cairn_source_traits {
    CAIRN_SOURCE_THREAD_SAFE = 1u << 0,   /* take and give may be called by many threads at once */
    CAIRN_SOURCE_NATURAL_ALIGN = 1u << 1, /* a block of 2^k bytes is aligned to 2^k, unasked */
    CAIRN_SOURCE_ZEROED = 1u << 2         /* every block taken reads as zero */
};

struct cairn_source_ops {
    const char *name; /* for reports */
    unsigned traits;  /* enum cairn_source_traits, or-ed */

    /*
     * Takes up to `count` blocks of `block_bytes`, each aligned to `align_bytes`, into blocks[0..].
     *
     * Requires: block_bytes > 0; align_bytes a power of two; blocks has room for count pointers.
     * Returns:  how many were taken. Fewer than asked, even 0, means "no more now" (or a size or
     *           alignment that this source never serves) and leaves everything consistent.
     * Owns:     the caller, until give with the same block_bytes.
     * Cost:     the provider says.
     * Threads:  safe with the trait THREAD_SAFE, else one at a time.
     */
    size_t (*take)(void *self, size_t block_bytes, size_t align_bytes, void **blocks, size_t count);

    /*
     * Gives back blocks. Never fails.
     *
     * Requires: each was taken from this source with the same block_bytes.
     * Threads:  as take.
     */
    void (*give)(void *self, size_t block_bytes, void *const *blocks, size_t count);
};

/* By value: copying it is harmless, it points to the object and owns nothing. */
struct cairn_source {
    const struct cairn_source_ops *ops;
    void *self;
};

static inline size_t cairn_source_take(struct cairn_source source, size_t block_bytes,
                                       size_t align_bytes, void **blocks, size_t count)
{
    return source.ops->take(source.self, block_bytes, align_bytes, blocks, count);
}

static inline void cairn_source_give(struct cairn_source source, size_t block_bytes,
                                     void *const *blocks, size_t count)
{
    source.ops->give(source.self, block_bytes, blocks, count);
}

/* One block, or NULL. */
static inline void *cairn_source_take_one(struct cairn_source source, size_t block_bytes,
                                          size_t align_bytes)
{
    void *block;

    return cairn_source_take(source, block_bytes, align_bytes, &block, 1) == 1 ? block : (void *)0;
}

static inline void cairn_source_give_one(struct cairn_source source, size_t block_bytes,
                                         void *block)
{
    cairn_source_give(source, block_bytes, &block, 1);
}

static inline bool cairn_source_has(struct cairn_source source, unsigned traits)
{
    return (source.ops->traits & traits) == traits;
}

CAIRN_END_DECLS

#endif
