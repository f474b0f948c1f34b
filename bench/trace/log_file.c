/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * log_file.c - the file as mappings.
 *
 * By system calls alone: open(2) of the C library may be cancelled, and another preloaded library may
 * have its own. No descriptor is kept, for a program may close those that it does not know. Room is taken
 * from the disk before it is mapped: a full disk then ends the recording, where a store into a hole of
 * the file would end the program.
 */

#include "bench/trace/codec.h"
#include "bench/trace/log.h"
#include "bench/trace/ticks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CALIBRATION_NS = 200000, MOST_NAMES = 100 };

static char asked_path[PATH_MAX];
static char file_path[PATH_MAX];
static uint64_t file_bytes;

static int open_file(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0666);
}

static void close_file(int file)
{
    syscall(SYS_close, file);
}

/* Read once: a program may have changed its environment before it forks. False: no trace is asked for. */
static bool find_path(void)
{
    const char *path = getenv(TRACE_VARIABLE);

    if (asked_path[0] == '\0' && path != NULL && strlen(path) < sizeof(asked_path))
        strcpy(asked_path, path);
    return asked_path[0] != '\0';
}

/* The first process takes the name as it is, the others append their number: a number may come again,
   too. */
static int create_file(void)
{
    static const char *const formats[] = {"%s", "%s.%d", "%s.%d.%d"};
    int file = -1;

    for (int attempt = 0; file < 0 && attempt < MOST_NAMES; attempt++) {
        int length = snprintf(file_path, sizeof(file_path), formats[attempt < 2 ? attempt : 2],
                              asked_path, (int)getpid(), attempt);

        if (length < 0 || (size_t)length >= sizeof(file_path))
            return -1;
        file = open_file(file_path, O_RDWR | O_CREAT | O_EXCL);
        if (file < 0 && errno != EEXIST)
            return -1;
    }
    return file;
}

static void *map_room(int file, uint64_t offset, size_t bytes)
{
    void *mapping;
    int error;

    do {
        error = posix_fallocate(file, (off_t)offset, (off_t)bytes);
    } while (error == EINTR);
    if (error != 0)
        return NULL;
    mapping =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, (off_t)offset);
    return mapping == MAP_FAILED ? NULL : mapping;
}

void *trace_file_extend(size_t bytes)
{
    int saved_errno = errno;
    int file = open_file(file_path, O_RDWR);
    void *mapping = NULL;

    if (file >= 0) {
        mapping = map_room(file, __atomic_fetch_add(&file_bytes, bytes, __ATOMIC_RELAXED), bytes);
        close_file(file);
    }
    errno = saved_errno;
    return mapping;
}

void trace_file_unmap(void *mapping, size_t bytes)
{
    int saved_errno = errno;

    munmap(mapping, bytes);
    errno = saved_errno;
}

/* Two hundred microseconds of waiting give the rate to a few millionths. */
static uint64_t ticks_per_second(enum trace_clock clock)
{
    static uint64_t known_rate;
    uint64_t start_ns, start_ticks, now_ns;

    if (clock == TRACE_CLOCK_MONOTONIC)
        return 1000000000u;
    if (known_rate != 0) /* in the child of a fork */
        return known_rate;
    start_ns = trace_monotonic_ns();
    start_ticks = trace_ticks_after(clock);
    do {
        now_ns = trace_monotonic_ns();
    } while (now_ns - start_ns < CALIBRATION_NS);
    known_rate = (trace_ticks_after(clock) - start_ticks) * 1000000000u / (now_ns - start_ns);
    return known_rate;
}

static uint32_t read_command(char *command)
{
    int file = open_file("/proc/self/cmdline", O_RDONLY);
    long bytes = file < 0 ? 0 : syscall(SYS_read, file, command, TRACE_COMMAND_BYTES);

    if (file >= 0)
        close_file(file);
    if (bytes <= 0)
        return 0;
    command[bytes - 1] = '\0';
    return (uint32_t)bytes;
}

static void fill_header(struct trace_header *header)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    memcpy(header->magic, TRACE_MAGIC, sizeof(header->magic));
    header->version = TRACE_VERSION;
    header->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
    header->clock = trace_best_clock();
    header->ticks_per_second = ticks_per_second((enum trace_clock)header->clock);
    header->start_ticks = trace_ticks_after((enum trace_clock)header->clock);
    header->start_unix_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    header->process = (uint32_t)getpid();
    header->parent = (uint32_t)getppid();
    header->command_bytes = read_command(header->command);
    header->header_checksum = trace_header_checksum(header);
}

struct trace_header *trace_file_create(void)
{
    int saved_errno = errno;
    struct trace_header *header = NULL;
    int file = find_path() ? create_file() : -1;

    if (file >= 0) {
        header = map_room(file, 0, sizeof(*header));
        close_file(file);
    }
    file_bytes = sizeof(*header);
    if (header != NULL)
        fill_header(header);
    errno = saved_errno;
    return header;
}
