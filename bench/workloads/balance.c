/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * balance.c - preloaded by the test: counts what a workload allocates and frees.
 *
 *     | asked for | slack | maker |      maker: the thread, 0 for blocks that are not the program's
 *                          `-- the last 8 bytes that malloc_usable_size tells
 *
 * The program's blocks are those that its own code or operator new asked for, not those of the C
 * library and of the loader, which keep some for good. At the end one line goes to stderr:
 *
 *     balance: made=20 freed=20 across=0 calloc=0 realloc=0 aligned=0 sized=0
 *
 * across: freed by another thread than made. sized: deletes that were told a size. With LIE set to
 * calloc, realloc, page (of realloc) or align, that function breaks its promise. With first, last or
 * end, each tenth malloc of a thread changes a byte of the block that it gave before, as a malloc would
 * whose blocks overlap: the first or the last of blocks of bytes, or the last of any.
 */

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

/* glibc's own functions, under the names that it keeps for this purpose. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t align_bytes, size_t bytes);
extern void __libc_free(void *block);

enum { TAG_BYTES = 8 };

static uint64_t made, freed, across, calloc_calls, realloc_calls, aligned_calls, sized_calls;
static uintptr_t program_low;
static uintptr_t program_high;
static const char *lie = "";

static void add(uint64_t *count)
{
    __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
}

/* 1, 2, 3 ... and never again the same, unlike pthread_self(). */
static uint64_t own_number(void)
{
    static uint64_t last;
    static __thread uint64_t own __attribute__((tls_model("initial-exec")));

    if (own == 0)
        own = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
    return own;
}

static char *tag_of(void *block)
{
    return (char *)block + malloc_usable_size(block) - TAG_BYTES;
}

static void *tag(void *block, bool is_programs)
{
    uint64_t maker = is_programs ? own_number() : 0;

    if (block == NULL)
        return NULL;
    if (is_programs)
        add(&made);
    memcpy(tag_of(block), &maker, TAG_BYTES);
    return block;
}

/* The first object that the loader lists is the program. */
static int find_program(struct dl_phdr_info *info, size_t info_bytes, void *unused)
{
    (void)info_bytes;
    (void)unused;
    program_low = UINTPTR_MAX;
    for (int idx = 0; idx < info->dlpi_phnum; idx++) {
        uintptr_t low = info->dlpi_addr + info->dlpi_phdr[idx].p_vaddr;
        if (info->dlpi_phdr[idx].p_type != PT_LOAD)
            continue;
        program_low = low < program_low ? low : program_low;
        program_high = low + info->dlpi_phdr[idx].p_memsz;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *chosen = getenv("LIE");

    if (chosen != NULL)
        lie = chosen;
    dl_iterate_phdr(find_program, NULL);
}

__attribute__((destructor)) static void end(void)
{
    char line[256];
    int bytes =
        snprintf(line, sizeof(line),
                 "balance: made=%lu freed=%lu across=%lu calloc=%lu realloc=%lu "
                 "aligned=%lu sized=%lu\n",
                 made, freed, across, calloc_calls, realloc_calls, aligned_calls, sized_calls);

    if (write(STDERR_FILENO, line, (size_t)bytes) != bytes)
        _exit(99);
}

static bool is_program(const void *caller)
{
    return (uintptr_t)caller >= program_low && (uintptr_t)caller < program_high;
}

#define CALLER_IS_PROGRAM is_program(__builtin_return_address(0))

static bool lies(const char *function)
{
    return strcmp(lie, function) == 0;
}

enum { SCRIBBLE_EVERY = 10 };

/* The block that a thread of the program got last; NULL when it was freed. */
static __thread struct {
    char *block;
    size_t bytes;
    uint64_t calls;
} latest __attribute__((tls_model("initial-exec")));

/* What is no multiple of 8 bytes holds bytes, and no pointer that somebody would follow. */
static void scribble(void)
{
    bool has_bytes = latest.bytes % 8 != 0;

    if (++latest.calls % SCRIBBLE_EVERY != 0 || latest.block == NULL)
        return;
    if (lies("end") || (lies("last") && has_bytes))
        latest.block[latest.bytes - 1] ^= 1;
    if (lies("first") && has_bytes)
        latest.block[0] ^= 1;
}

static void *give_to_program(size_t bytes)
{
    scribble();
    latest.block = __libc_malloc(bytes + TAG_BYTES);
    latest.bytes = bytes;
    return tag(latest.block, true);
}

EXPORTED void *malloc(size_t bytes)
{
    if (CALLER_IS_PROGRAM)
        return give_to_program(bytes);
    return tag(__libc_malloc(bytes + TAG_BYTES), false);
}

EXPORTED void free(void *block)
{
    uint64_t maker;

    if (block == NULL)
        return;
    if (block == latest.block)
        latest.block = NULL;
    memcpy(&maker, tag_of(block), TAG_BYTES);
    if (maker != 0)
        add(&freed);
    if (maker != 0 && maker != own_number())
        add(&across);
    __libc_free(block);
}

EXPORTED void *calloc(size_t count, size_t bytes_each)
{
    size_t bytes = count * bytes_each;
    char *block = __libc_calloc(1, bytes + TAG_BYTES);

    if (!CALLER_IS_PROGRAM)
        return tag(block, false);
    add(&calloc_calls);
    if (block != NULL && lies("calloc"))
        block[bytes / 2] = 1;
    return tag(block, true);
}

/* The lies: of a block, nothing but the first byte comes along; or the byte at 4096 does not. */
static void lose(char *block, size_t old_bytes)
{
    if (lies("realloc"))
        memset(block + 1, 0, old_bytes - 1);
    if (lies("page") && old_bytes > 8192)
        block[4096] = 0;
}

EXPORTED void *realloc(void *old, size_t bytes)
{
    uint64_t maker = 0;
    size_t old_bytes;
    char *block;

    if (old == NULL) {
        if (CALLER_IS_PROGRAM)
            add(&realloc_calls);
        return tag(__libc_malloc(bytes + TAG_BYTES), CALLER_IS_PROGRAM);
    }
    memcpy(&maker, tag_of(old), TAG_BYTES);
    old_bytes = (size_t)(tag_of(old) - (char *)old);
    if (old == latest.block)
        latest.block = NULL;
    block = __libc_realloc(old, bytes + TAG_BYTES);
    if (block == NULL)
        return NULL;
    if (maker != 0)
        add(&realloc_calls);
    if (maker != 0)
        lose(block, old_bytes < bytes ? old_bytes : bytes);
    memcpy(tag_of(block), &maker, TAG_BYTES);
    return block;
}

/* A lie is a block 16 bytes behind the one that was promised; it is never freed. */
EXPORTED void *aligned_alloc(size_t align_bytes, size_t bytes)
{
    char *block;

    add(&aligned_calls);
    if (lies("align") && align_bytes > 16)
        return (char *)__libc_memalign(align_bytes, bytes + 32) + 16;
    block = __libc_memalign(align_bytes, bytes + TAG_BYTES);
    return tag(block, CALLER_IS_PROGRAM);
}

EXPORTED int posix_memalign(void **block, size_t align_bytes, size_t bytes)
{
    add(&aligned_calls);
    *block = tag(__libc_memalign(align_bytes, bytes + TAG_BYTES), CALLER_IS_PROGRAM);
    return *block == NULL ? ENOMEM : 0;
}

/* C++, by its symbols; enough for tests that do not run out of memory. */

EXPORTED void *_Znwm(size_t bytes);
EXPORTED void *_ZnwmSt11align_val_t(size_t bytes, size_t align_bytes);
EXPORTED void _ZdlPv(void *block);
EXPORTED void _ZdlPvm(void *block, size_t bytes);
EXPORTED void _ZdlPvmSt11align_val_t(void *block, size_t bytes, size_t align_bytes);

void *_Znwm(size_t bytes)
{
    return give_to_program(bytes);
}

void *_ZnwmSt11align_val_t(size_t bytes, size_t align_bytes)
{
    add(&aligned_calls);
    return tag(__libc_memalign(align_bytes, bytes + TAG_BYTES), true);
}

void _ZdlPv(void *block)
{
    free(block);
}

void _ZdlPvm(void *block, size_t bytes)
{
    (void)bytes;
    add(&sized_calls);
    free(block);
}

void _ZdlPvmSt11align_val_t(void *block, size_t bytes, size_t align_bytes)
{
    (void)bytes;
    (void)align_bytes;
    add(&sized_calls);
    free(block);
}
