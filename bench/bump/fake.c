/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * fake.c - a malloc with known faults, for tests: libc's own, that misbehaves as FAKE says, a list
 * of words:
 *
 *     crash=N             the N-th allocation is a segmentation fault
 *     fail=N              after N allocations there is no memory
 *     slow=NS             each allocation takes so many nanoseconds longer
 *     waste=KIB           the process has so much more memory
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
#include <sys/mman.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

/* glibc's own functions, under the names that it keeps for this purpose. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t align_bytes, size_t bytes);
extern void __libc_free(void *block);

enum { SCRIBBLE_EVERY = 10 };

/* Without a fault until the constructor has run. */
static struct {
    long crash, fail, slow, make, drop;
    bool inner, calloc, realloc, page, align, first, last, end;
} fake = {.crash = LONG_MAX, .fail = LONG_MAX};

static long calls;
static void *volatile leaked;

/* The block that a thread got last; NULL when it was freed. */
static __thread struct {
    char *block;
    size_t bytes;
    uint64_t calls;
} latest __attribute__((tls_model("initial-exec")));

static long number(const char *word, long otherwise)
{
    const char *words = getenv("FAKE");
    const char *found = words == NULL ? NULL : strstr(words, word);

    return found == NULL ? otherwise : strtol(found + strlen(word), NULL, 10);
}

static __attribute__((constructor)) void start(void)
{
    size_t waste_bytes = (size_t)number("waste=", 0) * 1024;

    fake.crash = number("crash=", LONG_MAX);
    fake.fail = number("fail=", LONG_MAX);
    fake.slow = number("slow=", 0);
    fake.make = number("make=", 0);
    fake.drop = number("drop=", 0);
    fake.inner = number("inner=", 0);
    fake.calloc = number("calloc=", 0);
    fake.realloc = number("realloc=", 0);
    fake.page = number("page=", 0);
    fake.align = number("align=", 0);
    fake.first = number("first=", 0);
    fake.last = number("last=", 0);
    fake.end = number("end=", 0);
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

    for (long end_ns = fake.slow == 0 ? 0 : now_ns() + fake.slow; end_ns != 0 && now_ns() < end_ns;)
        continue;
    if (call >= fake.crash) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (call > fake.fail)
        errno = ENOMEM;
    return call > fake.fail;
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
    if (fake.end || (fake.last && has_bytes))
        latest.block[latest.bytes - 1] ^= 1;
    if (fake.first && has_bytes)
        latest.block[0] ^= 1;
}

EXPORT void *malloc(size_t bytes)
{
    if (fails())
        return NULL;
    spin(fake.make);
    scribble();
    latest.block = __libc_malloc(bytes);
    latest.bytes = bytes;
    return latest.block;
}

EXPORT void free(void *block)
{
    spin(fake.drop);
    if (fake.inner)
        leaked = malloc(4242);
    if (block == latest.block)
        latest.block = NULL;
    __libc_free(block);
}

EXPORT void *calloc(size_t count, size_t bytes_each)
{
    char *block = fails() ? NULL : __libc_calloc(count, bytes_each);

    if (block != NULL && fake.calloc)
        block[count * bytes_each / 2] = 1;
    return block;
}

EXPORT void *realloc(void *old, size_t bytes)
{
    size_t old_bytes = malloc_usable_size(old);
    char *block;

    if (fails())
        return NULL;
    if (fake.inner)
        leaked = malloc(4242);
    block = __libc_realloc(old, bytes);
    if (old == latest.block)
        latest.block = NULL;
    if (old_bytes != 0 && fake.realloc)
        memset(block + 1, 0, (old_bytes < bytes ? old_bytes : bytes) - 1);
    if (old_bytes > 8192 && fake.page)
        block[4096] = 0;
    return block;
}

EXPORT void *aligned_alloc(size_t align_bytes, size_t bytes)
{
    return (char *)__libc_memalign(align_bytes, bytes + 16) + 16 * (align_bytes > 16 && fake.align);
}
