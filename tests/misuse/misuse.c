/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * misuse CASE SIZE: misuses the allocator in one way, with a block of that size. Just before, it
 * prints "<call> <pointer>" on standard output; after the call it prints "went on", gives back
 * other blocks and trims, and ends with "not found" and exit code 0 if nothing stops it.
 */
#include <cairn/malloc.h>
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/misuse/cases.h"

/* The heap of a malloc with is_capped may end at a few dozen MiB. */
enum { OTHERS_BYTES = 64 << 20, OTHERS_BYTES_OF_SMALL_HEAP = 16 << 20, OTHERS_MOST = 20000 };

static size_t size;
static void **others;
static size_t other_count;

/* A value that the compiler knows nothing of. */
static void *opaque(void *pointer)
{
    void *volatile hidden = pointer;
    return hidden;
}

static void say(const char *text)
{
    ssize_t written = write(1, text, strlen(text));
    (void)written;
}

/* No stdio, which would allocate. */
static void announce(const char *call, const void *pointer)
{
    char line[128];
    snprintf(line, sizeof line, "%s 0x%lx\n", call, (unsigned long)(uintptr_t)pointer);
    say(line);
}

static void *make(void)
{
    char *block = malloc(size);
    if (block == NULL)
        _exit(2);
    memset(block, 1, size);
    return opaque(block);
}

/* Blocks of the same size, which have been used and are given back after the misuse: caches
   overflow. */
static void make_others(void)
{
    size_t bytes =
        getenv("CAIRN_TEST_SMALL_HEAP") != NULL ? OTHERS_BYTES_OF_SMALL_HEAP : OTHERS_BYTES;
    other_count = bytes / size < OTHERS_MOST ? bytes / size : OTHERS_MOST;
    others = malloc(other_count * sizeof *others);
    for (size_t i = 0; i < other_count; i++)
        others[i] = make();
}

/* Of all CPUs where the heap is ours: malloc_trim() leaves the caches of the others alone. */
static void trim(void)
{
    if (cairn_malloc_trim != NULL)
        cairn_malloc_trim();
    else
        malloc_trim(0);
}

static void give_back_others(void)
{
    for (size_t i = 0; i < other_count; i++)
        free(others[i]);
    free(others);
    trim();
}

/* The calls, announced. */

static void bad_free(void *pointer)
{
    announce("free", pointer);
    free(opaque(pointer));
    say("went on\n");
}

static void bad_realloc(void *pointer, size_t to)
{
    announce("realloc", pointer);
    void *moved = realloc(opaque(pointer), to);
    say("went on\n");
    (void)moved;
}

static void bad_usable_size(void *pointer)
{
    announce("malloc_usable_size", pointer);
    volatile size_t usable = malloc_usable_size(opaque(pointer));
    (void)usable;
    say("went on\n");
}

/* The misuses. First those inside of blocks. */

static void *at(size_t offset)
{
    return (char *)make() + offset;
}

/* On an alignment that a block could have: only the allocator's own books can tell. */
static size_t middle(void)
{
    size_t half = size / 2;
    return half >= 16 ? half / 16 * 16 : 8;
}

static void free_next_word(void)
{
    bad_free(at(8));
}
static void free_middle(void)
{
    bad_free(at(middle()));
}
static void free_last_word(void)
{
    bad_free(at((size - 1) / 8 * 8));
}
static void free_misaligned(void)
{
    bad_free(at(1));
}
static void realloc_middle(void)
{
    bad_realloc(at(middle()), 2 * size);
}
static void realloc_misaligned(void)
{
    bad_realloc(at(3), size);
}
static void realloc_middle_to_zero(void)
{
    bad_realloc(at(middle()), 0);
}
static void usable_size_of_middle(void)
{
    bad_usable_size(at(middle()));
}
static void usable_size_of_misaligned(void)
{
    bad_usable_size(at(5));
}

static void free_middle_of_aligned(void)
{
    char *block = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    if (block == NULL)
        _exit(2);
    bad_free(block + 2048);
}

/* Twice the same. */

static void double_free(void)
{
    void *block = make();
    free(block);
    bad_free(block);
}

static void double_free_after_others(void)
{
    void *block = make();
    free(block);
    for (size_t i = other_count / 2; i < other_count; i++)
        free(others[i]);
    other_count /= 2;
    bad_free(block);
}

static void *free_in_thread(void *block)
{
    free(block);
    return NULL;
}

static void double_free_in_other_thread(void)
{
    void *block = make();
    pthread_t thread;
    if (pthread_create(&thread, NULL, free_in_thread, block) != 0)
        _exit(2);
    pthread_join(thread, NULL);
    bad_free(block);
}

static void double_free_by_realloc(void)
{
    void *block = make();
    free(block);
    bad_realloc(block, 0);
}

static void double_free_of_aligned(void)
{
    void *block = opaque(aligned_alloc(256, (size + 255) / 256 * 256));
    free(block);
    bad_free(block);
}

static void double_free_of_calloced(void)
{
    void *block = opaque(calloc(1, size));
    free(block);
    bad_free(block);
}

/* Pointers from elsewhere. */

static char in_static_memory[256] __attribute__((aligned(64)));
static _Thread_local char in_thread_local_memory[256] __attribute__((aligned(64)));

static void *mapping(void)
{
    void *pages = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        _exit(2);
    return (char *)pages + 65536;
}

static void *wild(uintptr_t address)
{
    return (void *)address;
}

static void *in_the_break(void)
{
    char *bytes = sbrk(65536);
    if (bytes == (void *)-1)
        _exit(2);
    return (void *)(((uintptr_t)bytes + 4095) & ~(uintptr_t)4095);
}

static void free_stack(void)
{
    char buffer[256] __attribute__((aligned(64)));
    bad_free(opaque(buffer));
}

static void realloc_stack(void)
{
    char buffer[256] __attribute__((aligned(64)));
    bad_realloc(opaque(buffer), 512);
}

static void free_stack_before_any_call(void)
{
    free_stack();
}
static void realloc_stack_before_any_call(void)
{
    realloc_stack();
}
static void free_static(void)
{
    bad_free(in_static_memory);
}
static void free_literal(void)
{
    bad_free(opaque((void *)(uintptr_t) "sixteen letters and more"));
}
static void free_function(void)
{
    bad_free(opaque((void *)(uintptr_t)&free_literal));
}
static void free_mapping(void)
{
    bad_free(mapping());
}
static void free_break(void)
{
    bad_free(in_the_break());
}
static void free_thread_local(void)
{
    bad_free(in_thread_local_memory);
}
static void free_low(void)
{
    bad_free(wild(0x10));
}
static void free_non_canonical(void)
{
    bad_free(wild((uintptr_t)1 << 63 | 0x1230));
}
static void free_kernel_address(void)
{
    bad_free(wild(UINTPTR_MAX / 0x1000 * 0x1000 - ((uintptr_t)1 << 31)));
}
static void free_minus_one(void)
{
    bad_free(wild(UINTPTR_MAX));
}
static void free_top_of_user_space(void)
{
    bad_free(wild(((uintptr_t)1 << 47) - 4096));
}
static void realloc_mapping(void)
{
    bad_realloc(mapping(), 100);
}
static void realloc_non_canonical(void)
{
    bad_realloc(wild((uintptr_t)1 << 63 | 0x1230), 100);
}
static void usable_size_of_static(void)
{
    bad_usable_size(in_static_memory);
}
static void usable_size_of_mapping(void)
{
    bad_usable_size(mapping());
}
static void usable_size_of_low(void)
{
    bad_usable_size(wild(0x10));
}

/* No misuse for the default stack: the allocator knows the size better than its caller. */

static void free_whatever_the_size(void *block, size_t unused)
{
    (void)unused;
    free(block);
}

static void wrong_size(void)
{
    void (*free_sized)(void *, size_t) =
        (void (*)(void *, size_t))(uintptr_t)dlsym(RTLD_DEFAULT, "free_sized");
    if (free_sized == NULL)
        free_sized = free_whatever_the_size;
    for (size_t wrong = 1; wrong < 4 * size; wrong = wrong * 3 + 1) {
        for (size_t i = 0; i < 100 && i < other_count; i++) {
            free_sized(others[i], wrong);
            others[i] = make();
        }
    }
    for (size_t i = 0; i < other_count; i++)
        memset(others[i], (int)(i & 0x7f), size);
    for (size_t i = 0; i < other_count; i++) {
        for (size_t at_byte = 0; at_byte < size; at_byte += 7) {
            if (((char *)others[i])[at_byte] != (char)(i & 0x7f))
                _exit(4);
        }
    }
}

#define ROW(name, call) {#name, name},
static const struct {
    const char *name;
    void (*commit)(void);
} misuses[] = {MISUSES_OF_EVERY_SIZE(ROW) MISUSES_FOUND_IN_TIME(ROW)
                   MISUSES_WITH_FOREIGN_POINTERS(ROW){"wrong_size", wrong_size}};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size = strtoul(argv[2], NULL, 10);
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        if (strcmp(misuses[i].name, argv[1]) != 0)
            continue;
        if (strstr(argv[1], "before_any_call") == NULL)
            make_others();
        misuses[i].commit();
        give_back_others();
        say("not found\n");
        return 0;
    }
    return 2;
}
