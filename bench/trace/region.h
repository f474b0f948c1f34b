/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * region.h - arrays straight from the kernel, zeroed, that may grow.
 *
 * The reader and the replayer use nothing else: the malloc of their process is the one under test.
 * When the kernel has no memory left they end the process with one line: no part of a trace is of use.
 */
#ifndef CAIRN_BENCH_TRACE_REGION_H
#define CAIRN_BENCH_TRACE_REGION_H

#include <stddef.h>

struct region {
    void *memory;
    size_t bytes;
};

/* Makes the region at least `bytes` long, at least doubling it; its content may move. */
void region_reserve(struct region *region, size_t bytes);

void region_release(struct region *region);

#endif
