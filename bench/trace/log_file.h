/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * log_file.h - the file of this process: its header, and room for blocks.
 *
 * By system calls alone: open(2) of the C library may be cancelled, and another preloaded library may
 * have its own. No descriptor is kept, for a program may close those that it does not know.
 */
#ifndef CAIRN_BENCH_TRACE_LOG_FILE_H
#define CAIRN_BENCH_TRACE_LOG_FILE_H

#include "bench/trace/format.h"

#include <stddef.h>
#include <stdint.h>

/* Creates the file and maps its header; NULL when there is no TRACE_VARIABLE or no file can be had. */
struct trace_header *trace_file_create(void);

/* Appends `bytes` of zeros to the file and maps them; NULL when there is no room. Any thread. */
void *trace_file_extend(size_t bytes);

void trace_file_unmap(void *mapping, size_t bytes);

#endif
