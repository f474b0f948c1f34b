/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* resident.c - reads and writes files of /proc/self. */

#include "bench/trace/resident.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The number after `label`, or 0. */
static uint64_t read_number(const char *path, const char *label)
{
    char text[8192];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    uint64_t number = 0;
    const char *at;

    if (file >= 0)
        close(file);
    text[bytes > 0 ? bytes : 0] = '\0';
    at = strstr(text, label);
    if (at == NULL)
        return 0;
    for (at += strlen(label); *at == ' ' || *at == '\t'; at++)
        continue;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (uint64_t)(*at - '0');
    return number;
}

uint64_t resident_now_kib(void)
{
    return read_number("/proc/self/status", "VmRSS:");
}

uint64_t resident_peak_kib(void)
{
    return read_number("/proc/self/status", "VmHWM:");
}

uint64_t resident_exact_kib(void)
{
    uint64_t kib = read_number("/proc/self/smaps_rollup", "\nRss:");

    return kib != 0 ? kib : resident_now_kib();
}

bool resident_forget_peak(void)
{
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    bool is_done = file >= 0 && write(file, "5", 1) == 1;

    if (file >= 0)
        close(file);
    return is_done;
}
