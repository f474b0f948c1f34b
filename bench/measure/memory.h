/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* What /proc says of a process. Any thread of it may be named: its first one may have ended before the others. */
#ifndef CAIRN_BENCH_MEASURE_MEMORY_H_
#define CAIRN_BENCH_MEASURE_MEMORY_H_

#include <stdbool.h>
#include <sys/types.h>

struct memory {
    pid_t process; /* to which the thread belongs */
    long peak_kib; /* VmHWM; -1 when the memory is gone already */
    long now_kib;  /* VmRSS; likewise */
    long threads;  /* that still live, this one included */
};

/* False when there is no such thread (any more), or no /proc. */
bool memory_read(pid_t thread, struct memory *memory);

/* Whether the file with this absolute path is mapped into the memory of the thread. */
bool memory_maps(pid_t thread, const char *path);

/* The number of the system call in which a stopped thread is; -1 when it is in none, or none can be seen. */
long memory_system_call(pid_t thread);

#endif
