/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pressure.c - what a note of touched memory changes, once in many notes.
 */

#include <cairn/base/pressure.h>

/* A step above what is touched. It grows with that, so the lowest level has the lowest bound. */
static size_t bound_above(size_t touched_bytes)
{
    return touched_bytes +
           cairn_max((size_t)CAIRN_PRESSURE_STEP_BYTES, touched_bytes / CAIRN_PRESSURE_STEP_SHARE);
}

void cairn_pressure_change(struct cairn_pressure *pressure, size_t touched_bytes,
                           size_t spare_bytes)
{
    size_t low_bytes = cairn_pressure_low_bytes(touched_bytes);
    bool is_signal;

    if (spare_bytes >= 2 * low_bytes)
        pressure->is_short = false;
    is_signal =
        touched_bytes > pressure->bound_bytes || (spare_bytes < low_bytes && !pressure->is_short);
    if (is_signal || touched_bytes < pressure->least_bytes) {
        pressure->least_bytes = touched_bytes;
        pressure->bound_bytes = bound_above(touched_bytes);
    }
    if (!is_signal)
        return;
    pressure->is_short = true;
    cairn_store_relaxed(&pressure->signals, pressure->signals + 1);
}
