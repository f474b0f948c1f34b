/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * fastpath.h - what malloc and free of small blocks read besides the per-CPU arrays, and the two
 * questions they ask of it.
 *
 *     size    -> class    one load of a table with a byte for each size. No other test says that the
 *                         stack is built: the limits are 0 until it is.
 *     pointer -> kind     pagemap: kind of the granule; then, does a block of that kind begin here?
 *                         A class of the caches is its kind less 1 (<cairn/classes.h>).
 *
 * The pagemap's root and its empty tags lie in the same object as the tables, so that one base
 * register reaches all of them: nine instructions and three loads from an address to a kind.
 *
 * Slabs lie at a multiple of their size rounded up to a power of two, as the buddy gives them, so
 * an offset in a slab is a mask away. The lower half of its product with the geometry's reciprocal
 * is below a bound where a block begins, and only there (sizeclass/geometry.c says why). A run of
 * granules that can be cached has one block, at offset 0: the multiplier 1 and the bound 1. Any
 * other kind has the bound 0; and every kind has, until the stack is built, and where the pagemap
 * has other granules than these: then every pointer goes slowly.
 *
 * Source: Lemire, Kaser, Kurz, "Faster remainder by direct computation", 2019.
 */

#ifndef CAIRN_COMPOSED_MALLOC_FASTPATH_H
#define CAIRN_COMPOSED_MALLOC_FASTPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/classes.h>
#include <cairn/pagemap.h>
#include <cairn/sizeclass.h>
#include <cairn/stack.h>

#include "composed/backend/backend.h"

enum {
    CAIRN_FASTPATH_KINDS = 256,
    CAIRN_FASTPATH_GRANULE_SHIFT = 14,
    CAIRN_FASTPATH_LEAF_ADDRESS_SHIFT = CAIRN_FASTPATH_GRANULE_SHIFT + CAIRN_PAGEMAP_LEAF_SHIFT,
    CAIRN_FASTPATH_LEAVES =
        CAIRN_PAGEMAP_ROOT_BYTES(CAIRN_FASTPATH_GRANULE_SHIFT) / sizeof(ptrdiff_t)
};

CAIRN_STATIC_ASSERT((int)CAIRN_FASTPATH_LEAF_ADDRESS_SHIFT == 32,
                    "the lower half of an address leads to its granule in the leaf");

/* Written once, when the stack is built. The limits are released last, and acquired by
   cairn_fastpath_limit(): a thread that is served by the tables sees the stack. Who holds a block
   sees the kinds, which were there before it. */
struct cairn_fastpath {
    /* The pagemap's, which alone writes it. First, so that the register that holds the object's
       address is the table's. */
    ptrdiff_t map_root[CAIRN_FASTPATH_LEAVES] CAIRN_CACHE_ALIGNED;
    size_t fine_count; /* sizes that the fine table serves, from 0 on; 0 until the stack is built */
    size_t coarse_count;
    uint32_t span_mask[CAIRN_FASTPATH_KINDS];
    uint64_t multiplier[CAIRN_FASTPATH_KINDS];
    uint64_t bound[CAIRN_FASTPATH_KINDS];
    uint8_t fine[CAIRN_CLASS_FINE_BYTES_MAX + 1]; /* class by size */
    uint8_t
        map_empty[CAIRN_PAGEMAP_EMPTY_BYTES] CAIRN_CACHE_ALIGNED; /* the pagemap's; never written */
};

/* Fills the tables from layers that are built; the limits last. */
void cairn_fastpath_init(struct cairn_fastpath *fastpath, const struct cairn_sizeclass *slabs,
                         const struct cairn_backend *backend);

/* A limit, acquired: on x86-64 every load is, and a plain one may be an operand of the
   comparison. */
CAIRN_HOT_INLINE size_t cairn_fastpath_limit(const size_t *limit)
{
#if defined(__x86_64__)
    return *limit;
#else
    return cairn_load_acquire(limit);
#endif
}

/* The class for a size. False: not small, or too early. */
CAIRN_HOT_INLINE bool cairn_fastpath_class_of(const struct cairn_fastpath *fastpath,
                                              size_t size_bytes, size_t *class_idx)
{
    const size_t coarse_step = (size_t)1 << CAIRN_CLASS_COARSE_SHIFT;

    if (CAIRN_LIKELY(size_bytes < cairn_fastpath_limit(&fastpath->fine_count))) {
        *class_idx = fastpath->fine[size_bytes];
        return true;
    }
    if (CAIRN_UNLIKELY(size_bytes >= cairn_fastpath_limit(&fastpath->coarse_count)))
        return false;
    *class_idx =
        cairn_stack_classes.coarse[(size_bytes + coarse_step - 1) >> CAIRN_CLASS_COARSE_SHIFT];
    return true;
}

/* The kind of the small block or cached run that begins at a pointer. False when none does. */
CAIRN_HOT_INLINE bool cairn_fastpath_kind_at(const struct cairn_fastpath *fastpath,
                                             const void *block, size_t *kind_found)
{
    uintptr_t address = (uintptr_t)block;
    uintptr_t leaf_idx = address >> CAIRN_FASTPATH_LEAF_ADDRESS_SHIFT;
    size_t kind_at;
    size_t kind;

    CAIRN_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
                        "the kind is the first byte of a tag");
    if (CAIRN_UNLIKELY(leaf_idx >= CAIRN_FASTPATH_LEAVES))
        return false;
    /* Plain loads of whole words: atomic ones cost GCC two instructions more. */
    kind_at = (size_t)fastpath->map_root[leaf_idx] +
              ((uint32_t)address >> CAIRN_FASTPATH_GRANULE_SHIFT) * sizeof(uint16_t);
    kind = fastpath->map_empty[kind_at];
    if (CAIRN_UNLIKELY((address & fastpath->span_mask[kind]) * fastpath->multiplier[kind] >=
                       fastpath->bound[kind]))
        return false;
    *kind_found = kind;
    return true;
}

/* The same as a class. */
CAIRN_HOT_INLINE bool cairn_fastpath_class_at(const struct cairn_fastpath *fastpath,
                                              const void *block, size_t *class_idx)
{
    size_t kind;

    if (!cairn_fastpath_kind_at(fastpath, block, &kind))
        return false;
    *class_idx = cairn_class_of_kind(kind);
    return true;
}

#endif
