/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * classes.c - the class for a size that must also be aligned.
 *
 * Idea. Block i of a slab begins at base + i * block_bytes, and the slab is aligned to the largest
 * power of two that divides block_bytes (see cairn_slab_geometry()). So all blocks of a class are
 * aligned to that power, and a class serves an alignment when the alignment divides its block size:
 *
 *     class      32    48    64    80    96   112   128
 *     aligned    32    16    64    16    32    16   128
 *     asked for 40 bytes aligned to 32:  48 no, 64 yes.
 *
 * Up to 32 KiB every power of two is a class, so the answer lies within one doubling of the larger
 * of both numbers.
 *
 * Cost. O(classes in one doubling): at most eight steps above 256 bytes, sixteen below.
 */

#include <cairn/classes.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

unsigned cairn_class_of_aligned(size_t size_bytes, size_t align_bytes)
{
    size_t least_bytes = cairn_max(size_bytes, align_bytes);
    unsigned class_idx;

    CAIRN_ASSERT(cairn_is_pow2(align_bytes));
    if (least_bytes > CAIRN_CLASS_BYTES_MAX)
        return CAIRN_CLASS_COUNT;
    class_idx = cairn_class_of(least_bytes);
    while (!cairn_is_aligned(cairn_class_block_bytes[class_idx], align_bytes))
        class_idx++;
    CAIRN_ASSERT(class_idx < CAIRN_CLASS_COUNT);
    CAIRN_ASSERT(cairn_class_block_bytes[class_idx] >= size_bytes);
    return class_idx;
}
