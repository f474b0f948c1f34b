/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* resident.h - how much of this process is in memory. Without malloc. */
#ifndef CAIRN_BENCH_TRACE_RESIDENT_H
#define CAIRN_BENCH_TRACE_RESIDENT_H

#include <stdbool.h>
#include <stdint.h>

/* By the page tables: exact, and as slow as the process is large. By the kernel's counter where there is no such file. */
uint64_t resident_exact_kib(void);

/* By the kernel's counters, which lag by some 100 KiB for each CPU. */
uint64_t resident_now_kib(void);
uint64_t resident_peak_kib(void);

/* The peak begins anew with what is resident now; false when the kernel does not let us. */
bool resident_forget_peak(void);

#endif
