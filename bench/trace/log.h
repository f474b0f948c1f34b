/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * log.h - where the recorder's calls go: into the calling thread's block of the file.
 *
 * Nothing here calls malloc, blocks, or changes errno. Calls are safe in any thread and at any
 * time; one that comes while the same thread is recording (a signal handler) is counted as lost.
 */
#ifndef CAIRN_BENCH_TRACE_LOG_H
#define CAIRN_BENCH_TRACE_LOG_H

#include "bench/trace/format.h"

#include <stdbool.h>
#include <stddef.h>

/* Before a free, and before a realloc of a block: then TRACE_RELEASE. */
void trace_log_before(enum trace_function function, const void *block);

/* After an allocation, and after a realloc, which had an old block or none; `result` is NULL when
   it failed. */
void trace_log_after(enum trace_function function, size_t size_bytes, unsigned align_log2,
                     bool has_old, const void *result);

#endif
