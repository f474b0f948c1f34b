/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * classes.h - from a size to its class and back: the table of block sizes.
 *
 *     8 | 16 32 48 ... 256 | 288 320 ... 512 | 576 ... 1024 | 1152 ... 2048 | ... | ... 32768
 *     one |  steps of 16   |                   eight classes per doubling
 *
 * A block wastes at most 12.5 % of itself for any request above 128 bytes, and less than 16 bytes
 * below. Each class is a multiple of 16 (but for the first, which serves up to 8 bytes with an
 * alignment of 8).
 *
 * The tables are data, written by generate_classes.c and checked over every size by
 * classes_test.cc.
 */

#ifndef CAIRN_CLASSES_H
#define CAIRN_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_CLASS_COUNT = 73,
    CAIRN_CLASS_BYTES_MAX = 32768,
    /* Up to here the table has an entry per 8 bytes, then per 128. */
    CAIRN_CLASS_FINE_BYTES_MAX = 1024,
    CAIRN_CLASS_FINE_SHIFT = 3,
    CAIRN_CLASS_COARSE_SHIFT = 7
};

extern const uint32_t cairn_class_block_bytes[CAIRN_CLASS_COUNT];
extern const uint8_t cairn_class_fine[(CAIRN_CLASS_FINE_BYTES_MAX >> CAIRN_CLASS_FINE_SHIFT) + 1];
extern const uint8_t cairn_class_coarse[(CAIRN_CLASS_BYTES_MAX >> CAIRN_CLASS_COARSE_SHIFT) + 1];

/* The smallest class whose blocks hold `size_bytes`. Requires: size_bytes <= CAIRN_CLASS_BYTES_MAX;
   0 counts as 1. */
CAIRN_HOT_INLINE unsigned cairn_class_of(size_t size_bytes)
{
    if (CAIRN_LIKELY(size_bytes <= CAIRN_CLASS_FINE_BYTES_MAX))
        return cairn_class_fine[(size_bytes + 7) >> CAIRN_CLASS_FINE_SHIFT];
    return cairn_class_coarse[(size_bytes + 127) >> CAIRN_CLASS_COARSE_SHIFT];
}

/*
 * The smallest class whose blocks hold `size_bytes` and are all aligned to `align_bytes`, when
 * their slab is.
 *
 * Requires: align_bytes a power of two. Returns: the class, or CAIRN_CLASS_COUNT when there is
 *           none. O(classes).
 */
unsigned cairn_class_of_aligned(size_t size_bytes, size_t align_bytes);

CAIRN_END_DECLS

#endif
