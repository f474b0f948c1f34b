/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * fake.c - a malloc with known faults, for tests: libc's own, that misbehaves as FAKE says, a list
 * of words:
 *
 *     crash=N             the N-th allocation is a segmentation fault
 *     fail=N              after N allocations there is no memory
 *     slow=NS             each allocation takes so many nanoseconds longer
 *     make=N, drop=N      malloc and free run so many rounds of a loop
 *     inner=1             each free, and each realloc, allocates a block of 4242 bytes and leaks it
 *
 *     calloc=1            the byte in the middle of a block is not zero
 *     realloc=1           of a block, nothing but the first byte comes along
 *     page=1              of a block above 8 KiB, the byte at 4096 does not come along
 *     align=1             aligned_alloc gives a block 16 bytes behind the one that was promised
 *     first=1, last=1, end=1    each tenth malloc of a thread changes a byte of the block that it
 *                         gave before, as a malloc would whose blocks overlap: the first or the
 *                         last of blocks of bytes, or the last of any
 */

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

/* glibc's own functions, under the names that it keeps for this purpose. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t align_bytes, size_t bytes);
extern void __libc_free(void *block);

enum { SCRIBBLE_EVERY = 10 };

enum { CRASH, FAIL, SLOW, MAKE, DROP, INNER };
enum { CALLOC = INNER + 1, REALLOC, PAGE, ALIGN, FIRST, LAST, END };

/* Without a fault until the constructor has run. */
static long fake[] = {[CRASH] = LONG_MAX, [FAIL] = LONG_MAX, [END] = 0};

static long calls;
static void *volatile leaked;

/* The block that a thread got last; NULL when it was freed. */
static __thread struct {
    char *block;
    size_t bytes;
    uint64_t calls;
} latest __attribute__((tls_model("initial-exec")));

static __attribute__((constructor)) void start(void)
{
    static const char *const words[] = {
        "crash=",   "fail=", "slow=",  "make=",  "drop=", "inner=", "calloc=",
        "realloc=", "page=", "align=", "first=", "last=", "end="};
    const char *said = getenv("FAKE");

    for (size_t fault = CRASH; said != NULL && fault <= END; fault++) {
        const char *found = strstr(said, words[fault]);
        if (found != NULL)
            fake[fault] = strtol(found + strlen(words[fault]), NULL, 10);
    }
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

    for (long end_ns = fake[SLOW] == 0 ? 0 : now_ns() + fake[SLOW];
         end_ns != 0 && now_ns() < end_ns;)
        continue;
    if (call >= fake[CRASH]) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (call > fake[FAIL])
        errno = ENOMEM;
    return call > fake[FAIL];
}

/* The compiler sees that something happens in each round, and counts them one by one. */
static void spin(long rounds)
{
    for (; rounds > 0; rounds--)
        __asm__ volatile("" ::: "memory");
}

/* What is no multiple of 8 bytes holds bytes, and no pointer that would be followed. */
static void scribble(void)
{
    bool has_bytes = latest.bytes % 8 != 0;

    if (++latest.calls % SCRIBBLE_EVERY != 0 || latest.block == NULL)
        return;
    if (fake[END] || (fake[LAST] && has_bytes))
        latest.block[latest.bytes - 1] ^= 1;
    if (fake[FIRST] && has_bytes)
        latest.block[0] ^= 1;
}

EXPORT void *malloc(size_t bytes)
{
    if (fails())
        return NULL;
    spin(fake[MAKE]);
    scribble();
    latest.block = __libc_malloc(bytes);
    latest.bytes = bytes;
    return latest.block;
}

EXPORT void free(void *block)
{
    spin(fake[DROP]);
    if (fake[INNER])
        leaked = malloc(4242);
    if (block == latest.block)
        latest.block = NULL;
    __libc_free(block);
}

EXPORT void *calloc(size_t count, size_t bytes_each)
{
    char *block = fails() ? NULL : __libc_calloc(count, bytes_each);

    if (block != NULL && fake[CALLOC])
        block[count * bytes_each / 2] = 1;
    return block;
}

EXPORT void *realloc(void *old, size_t bytes)
{
    size_t old_bytes = malloc_usable_size(old);
    char *block;

    if (fails())
        return NULL;
    if (fake[INNER])
        leaked = malloc(4242);
    block = __libc_realloc(old, bytes);
    if (old == latest.block)
        latest.block = NULL;
    if (old_bytes != 0 && fake[REALLOC])
        memset(block + 1, 0, (old_bytes < bytes ? old_bytes : bytes) - 1);
    if (old_bytes > 8192 && fake[PAGE])
        block[4096] = 0;
    return block;
}

EXPORT void *aligned_alloc(size_t align_bytes, size_t bytes)
{
    return (char *)__libc_memalign(align_bytes, bytes + 16) +
           16 * (align_bytes > 16 && fake[ALIGN] != 0);
}
