/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pressure.h - when a heap should ask its caches for what they hold, before it touches more memory.
 *
 *     spare    free memory that was touched and can be had again        used
 *
 *     touched  = used + spare    ______________ bound: a step above the lowest since the last signal
 *                         ______/
 *                ________/
 *
 * Caches that hold a few blocks of many slabs pin the slabs. So a signal is given
 *   - when spare memory runs low, and again only after it recovered: so a program whose use
 *     oscillates does not touch more on each swing, while caches hold what the last one left;
 *   - whenever touched memory has grown by a step since the last signal: a program that grows never
 *     has spare memory.
 *
 * Either comes at most once in a step's worth of memory, so what the caches do about it may cost
 * something.
 *
 * Cost: O(1). Threads: one at a time notes; any may read `signals`.
 */

#ifndef CAIRN_BASE_PRESSURE_H
#define CAIRN_BASE_PRESSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/align.h>
#include <cairn/base/atomic.h>
#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_PRESSURE_LOW_BYTES = 64 * 1024, /* to spare: little; twice that: plenty */
    CAIRN_PRESSURE_LOW_SHARE = 32,        /* ... or this part of what is touched */
    CAIRN_PRESSURE_STEP_BYTES = 128 * 1024,
    CAIRN_PRESSURE_STEP_SHARE = 16
};

/* All zero: nothing is touched. */
struct cairn_pressure {
    uint32_t signals;   /* how many there were; wraps */
    bool is_short;      /* said so since there was plenty */
    size_t least_bytes; /* touched memory at its lowest since the last signal, ... */
    size_t bound_bytes; /* ... and a step above it */
};

/* What a note comes to where something changes. */
void cairn_pressure_change(struct cairn_pressure *pressure, size_t touched_bytes,
                           size_t spare_bytes);

/* Little to spare, of so much touched memory. */
static inline size_t cairn_pressure_low_bytes(size_t touched_bytes)
{
    return cairn_max((size_t)CAIRN_PRESSURE_LOW_BYTES, touched_bytes / CAIRN_PRESSURE_LOW_SHARE);
}

/* Something was taken. */
static inline void cairn_pressure_note(struct cairn_pressure *pressure, size_t used_bytes,
                                       size_t spare_bytes)
{
    size_t touched_bytes = used_bytes + spare_bytes;
    size_t low_bytes = cairn_pressure_low_bytes(touched_bytes);

    if (CAIRN_LIKELY(touched_bytes <= pressure->bound_bytes) &&
        CAIRN_LIKELY(touched_bytes >= pressure->least_bytes)) {
        if (pressure->is_short ? spare_bytes < 2 * low_bytes : spare_bytes >= low_bytes)
            return;
    }
    cairn_pressure_change(pressure, touched_bytes, spare_bytes);
}

CAIRN_END_DECLS

#endif
