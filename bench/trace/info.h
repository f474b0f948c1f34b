/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* info.h - the two ways in which info.c says what a summary holds, on stdout. */
#ifndef CAIRN_BENCH_TRACE_INFO_H
#define CAIRN_BENCH_TRACE_INFO_H

#include "bench/trace/reader.h"
#include "bench/trace/summary.h"

static inline double info_seconds(const struct trace_file *file, uint64_t ticks)
{
    return (double)ticks / (double)file->header.ticks_per_second;
}

void info_print_text(const struct trace_file *file, const struct summary *summary);
void info_print_json(const struct trace_file *file, const struct summary *summary);

#endif
