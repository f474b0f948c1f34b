/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * fake.c - mallocs with a known fault, for the tests of the harness: libc's own malloc behind
 * malloc, calloc and realloc that misbehave as the environment says. The BUILD file gives each
 * library its fault.
 *
 *     libfake_crash.so    the FAKE_CRASH_AT-th call (1000) is a segmentation fault
 *     libfake_fail.so     after FAKE_FAIL_AFTER calls (1000) there is no memory
 *     libfake_slow.so     each call takes FAKE_COST_NS nanoseconds longer (2000)
 *
 * In each, the process has FAKE_WASTE_KIB more memory (0).
 */

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

/* Without a fault until the constructor has run. */
static long calls;
static long crash_at = LONG_MAX;
static long fail_after = LONG_MAX;
static long cost_ns;

static long number(const char *variable, long otherwise)
{
    const char *value = getenv(variable);

    return value != NULL ? strtol(value, NULL, 10) : otherwise;
}

static __attribute__((constructor)) void start(void)
{
    size_t waste_bytes = (size_t)number("FAKE_WASTE_KIB", 0) * 1024;

    crash_at = number("FAKE_CRASH_AT", CRASH_AT);
    fail_after = number("FAKE_FAIL_AFTER", FAIL_AFTER);
    cost_ns = number("FAKE_COST_NS", COST_NS);
    if (waste_bytes > 0)
        memset(mmap(NULL, waste_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
               1, waste_bytes);
}

static long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static bool fails(void)
{
    long call = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);

    for (long end_ns = cost_ns == 0 ? 0 : now_ns() + cost_ns; end_ns != 0 && now_ns() < end_ns;)
        continue;
    if (call >= crash_at) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (call > fail_after)
        errno = ENOMEM;
    return call > fail_after;
}

EXPORT void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

EXPORT void *realloc(void *block, size_t size)
{
    return fails() ? NULL : __libc_realloc(block, size);
}
