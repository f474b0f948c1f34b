/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* summary.h - what a trace holds, in numbers. */
#ifndef CAIRN_BENCH_TRACE_SUMMARY_H
#define CAIRN_BENCH_TRACE_SUMMARY_H

#include "bench/trace/reader.h"

#include <stdint.h>

enum {
    SUMMARY_SIZES = 65,     /* 0, 1, 2-3, 4-7, ... by the number of bits */
    SUMMARY_LIFETIMES = 10, /* under 100 ns, 1 us, 10 us, ... 10 s, longer, never freed */
};

struct summary {
    uint64_t events;
    uint64_t calls[TRACE_FUNCTION_END];
    uint64_t blocks_of_size[SUMMARY_SIZES];
    uint64_t bytes_of_size[SUMMARY_SIZES];
    uint64_t blocks_of_lifetime[SUMMARY_LIFETIMES];
    uint64_t frees;       /* of known blocks */
    uint64_t cross_frees; /* by another thread than the one that allocated */
    uint64_t resizes;
    uint64_t failed;
    uint64_t live_bytes; /* in the end */
    uint64_t live_blocks;
    uint64_t peak_bytes;
    uint64_t peak_blocks; /* live at the peak of bytes */
    uint64_t peak_ticks;
    uint64_t last_ticks;
    uint64_t total_bytes; /* ever asked for */
    /* What the reader counted. */
    uint64_t unknown_frees;
    uint64_t unknown_resizes;
    uint64_t inferred_frees;
    uint64_t bad_blocks;
};

void summarize(struct summary *summary, const struct trace_file *file);

#endif
