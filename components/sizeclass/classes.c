/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * classes.c - the class for a size that must also be aligned, and the check of a table.
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
 * Cost. O(classes in one doubling): with the default table at most eight steps above 256 bytes,
 * sixteen below.
 */

#include <cairn/classes.h>

#include <cairn/base/align.h>
#include <cairn/base/check.h>

unsigned cairn_class_of_aligned(const struct cairn_class_table *classes, size_t size_bytes,
                                size_t align_bytes)
{
    size_t least_bytes = cairn_max(size_bytes, align_bytes);
    unsigned class_idx;

    CAIRN_ASSERT(cairn_is_pow2(align_bytes));
    if (least_bytes > CAIRN_CLASS_BYTES_MAX)
        return classes->count;
    class_idx = cairn_class_of(classes, least_bytes);
    while (!cairn_is_aligned(classes->block_bytes[class_idx], align_bytes))
        class_idx++;
    CAIRN_ASSERT(class_idx < classes->count);
    CAIRN_ASSERT(classes->block_bytes[class_idx] >= size_bytes);
    return class_idx;
}

static void check_sizes(const struct cairn_class_table *classes)
{
    uint32_t before_bytes = 0;

    CAIRN_INVARIANT(classes->count > 0 && classes->count <= CAIRN_CLASS_COUNT_MAX);
    CAIRN_INVARIANT(classes->block_bytes[0] <= 16);
    CAIRN_INVARIANT(classes->block_bytes[classes->count - 1] == CAIRN_CLASS_BYTES_MAX);
    for (unsigned class_idx = 0; class_idx < classes->count; class_idx++) {
        uint32_t block_bytes = classes->block_bytes[class_idx];

        CAIRN_INVARIANT(block_bytes > before_bytes);
        CAIRN_INVARIANT(block_bytes == 8 || cairn_is_aligned(block_bytes, 16));
        CAIRN_INVARIANT(block_bytes <= CAIRN_CLASS_FINE_BYTES_MAX ||
                        cairn_is_aligned(block_bytes, (size_t)1 << CAIRN_CLASS_COARSE_SHIFT));
        before_bytes = block_bytes;
    }
}

/* With T1 shown, the smallest class that holds a size is the one whose predecessor does not. */
static void check_lookup(const struct cairn_class_table *classes)
{
    for (size_t size_bytes = 0; size_bytes <= CAIRN_CLASS_BYTES_MAX; size_bytes++) {
        unsigned class_idx = cairn_class_of(classes, size_bytes);

        CAIRN_INVARIANT(class_idx < classes->count);
        CAIRN_INVARIANT(classes->block_bytes[class_idx] >= size_bytes);
        CAIRN_INVARIANT(class_idx == 0 || classes->block_bytes[class_idx - 1] < size_bytes);
    }
}

void cairn_class_table_check(const struct cairn_class_table *classes)
{
    check_sizes(classes);
    check_lookup(classes);
    for (size_t bytes = 16; bytes <= CAIRN_CLASS_BYTES_MAX; bytes *= 2)
        CAIRN_INVARIANT(classes->block_bytes[cairn_class_of(classes, bytes)] == bytes);
}
