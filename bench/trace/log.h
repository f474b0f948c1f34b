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

#include <stddef.h>
#include <stdint.h>

/* After the call; `result` is NULL when it failed. */
void trace_log_alloc(enum trace_function function, size_t size_bytes, unsigned align_log2,
                     const void *result);

/* Before the call. */
void trace_log_free(enum trace_function function, const void *block);

/* Before a realloc; what it returns goes to trace_log_resize, after it. */
uint64_t trace_log_begin_resize(void);
void trace_log_resize(enum trace_function function, const void *old, size_t size_bytes,
                      const void *result, uint64_t begun_ticks);

#endif
