/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * classes.h - from a size to its class and back: tables of block sizes.
 *
 * A table is data. The default one has a class of 8 bytes, then steps of 16 up to 256, then eight
 * classes per doubling:
 *
 *     8 | 16 32 48 ... 256 | 288 320 ... 512 | 576 ... 1024 | 1152 ... 2048 | ... | ... 32768
 *
 * There a block wastes at most 12.5 % of itself for any request above 128 bytes, and less than 16
 * bytes below. Other tables are written by generate_classes.c from a list of sizes, or from the
 * sizes that a program was seen to ask for.
 *
 * Invariants of every table, walked by cairn_class_table_check():
 *   T1  block sizes ascend, from 8 or 16 to CAIRN_CLASS_BYTES_MAX;
 *   T2  each is a multiple of 16 but 8, and of 128 above CAIRN_CLASS_FINE_BYTES_MAX;
 *   T3  each power of two from 16 on is a class, so that alignments have one;
 *   T4  `fine` and `coarse` name, for each size, the smallest class that holds it.
 *
 * Threads: tables are constant. All functions are pure.
 */

#ifndef CAIRN_CLASSES_H
#define CAIRN_CLASSES_H

#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_CLASS_COUNT_MAX = 96,
    CAIRN_CLASS_BYTES_MAX = 32768,
    /* Up to here a table has an entry per 8 bytes, then per 128. */
    CAIRN_CLASS_FINE_BYTES_MAX = 1024,
    CAIRN_CLASS_FINE_SHIFT = 3,
    CAIRN_CLASS_COARSE_SHIFT = 7
};

struct cairn_class_table {
    uint32_t count;
    uint32_t block_bytes[CAIRN_CLASS_COUNT_MAX]; /* 0 from `count` on */
    uint8_t fine[(CAIRN_CLASS_FINE_BYTES_MAX >> CAIRN_CLASS_FINE_SHIFT) + 1];
    uint8_t coarse[(CAIRN_CLASS_BYTES_MAX >> CAIRN_CLASS_COARSE_SHIFT) + 1];
};

/* The default: 73 classes. Written by generate_classes.c. */
extern const struct cairn_class_table cairn_classes_default;

/* The smallest class whose blocks hold `size_bytes`. Requires: size_bytes <= CAIRN_CLASS_BYTES_MAX;
   0 counts as 1. O(1). */
CAIRN_HOT_INLINE unsigned cairn_class_of(const struct cairn_class_table *classes, size_t size_bytes)
{
    if (CAIRN_LIKELY(size_bytes <= CAIRN_CLASS_FINE_BYTES_MAX))
        return classes->fine[(size_bytes + 7) >> CAIRN_CLASS_FINE_SHIFT];
    return classes->coarse[(size_bytes + 127) >> CAIRN_CLASS_COARSE_SHIFT];
}

/*
 * The smallest class whose blocks hold `size_bytes` and are all aligned to `align_bytes`, when
 * their slab is.
 *
 * Requires: align_bytes a power of two.
 * Returns:  the class, or classes->count when there is none.
 * Cost:     O(classes in one doubling).
 */
unsigned cairn_class_of_aligned(const struct cairn_class_table *classes, size_t size_bytes,
                                size_t align_bytes);

/* In a pagemap, the kind of a slab's granules: its class counted from 1, for 0 means nothing. */
CAIRN_HOT_INLINE unsigned cairn_class_kind(unsigned class_idx)
{
    return class_idx + 1;
}

/* The class of a kind; SIZE_MAX or more than there are classes when it is not of a slab. */
CAIRN_HOT_INLINE size_t cairn_class_of_kind(size_t kind)
{
    return kind - 1;
}

/* Panics, naming the invariant, unless the table keeps T1 to T4. O(CAIRN_CLASS_BYTES_MAX). */
void cairn_class_table_check(const struct cairn_class_table *classes);

CAIRN_END_DECLS

#endif
