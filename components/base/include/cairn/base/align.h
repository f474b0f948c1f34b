/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * align.h - powers of two: rounding, logarithms, and sums that cannot wrap.
 *
 * Everything is O(1), pure and thread-safe. Alignments are powers of two in bytes, never masks or
 * logs.
 */

#ifndef CAIRN_BASE_ALIGN_H
#define CAIRN_BASE_ALIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

/* True for 1, 2, 4, 8 ...; false for 0. */
CAIRN_HOT_INLINE bool cairn_is_pow2(size_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* Rounds down to a multiple of `align_bytes`, a power of two. */
CAIRN_HOT_INLINE size_t cairn_align_down(size_t bytes, size_t align_bytes)
{
    return bytes & ~(align_bytes - 1);
}

/* Rounds up to a multiple of `align_bytes`, a power of two. The caller knows that it does not
   wrap. */
CAIRN_HOT_INLINE size_t cairn_align_up(size_t bytes, size_t align_bytes)
{
    return (bytes + (align_bytes - 1)) & ~(align_bytes - 1);
}

/* The same, saying whether it fitted: false (and *result untouched) when the sum wraps. */
CAIRN_HOT_INLINE bool cairn_try_align_up(size_t bytes, size_t align_bytes, size_t *result)
{
    size_t sum;

    if (__builtin_add_overflow(bytes, align_bytes - 1, &sum))
        return false;
    *result = sum & ~(align_bytes - 1);
    return true;
}

CAIRN_HOT_INLINE bool cairn_is_aligned(size_t value, size_t align_bytes)
{
    return (value & (align_bytes - 1)) == 0;
}

/* floor(log2(value)): 1 -> 0, 2 -> 1, 3 -> 1, 4 -> 2. value > 0. */
CAIRN_HOT_INLINE unsigned cairn_log2_floor(size_t value)
{
    return 63u - (unsigned)__builtin_clzll((unsigned long long)value);
}

/* ceil(log2(value)): 1 -> 0, 2 -> 1, 3 -> 2, 4 -> 2. value > 0. */
CAIRN_HOT_INLINE unsigned cairn_log2_ceil(size_t value)
{
    return value <= 1 ? 0u : cairn_log2_floor(value - 1) + 1u;
}

/* The smallest power of two >= value. 0 < value <= 2^63. */
CAIRN_HOT_INLINE size_t cairn_pow2_ceil(size_t value)
{
    return (size_t)1 << cairn_log2_ceil(value);
}

/* The largest power of two that divides `value`. value > 0. */
CAIRN_HOT_INLINE size_t cairn_pow2_divisor(size_t value)
{
    return value & (~value + 1);
}

CAIRN_HOT_INLINE size_t cairn_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

CAIRN_HOT_INLINE size_t cairn_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#endif
