/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * guards MODE: what lies beside the blocks of a program.
 *
 *   smaps           threads use blocks of all sizes, some grow, some are freed; prints /proc/self/smaps
 *   up|down BYTES   writes 64 KiB beyond the end of a block, or before it, until something stops it, and goes on working;
 *                   prints "sound" when the allocator says so of itself
 *   variables       prints "sound" when no user memory can lie right above the allocator's own variables
 */
#include "tests/memory/self.h"

#include <cairn/malloc.h>
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

enum { THREADS = 4, OVERFLOW_BYTES = 64 * 1024 };

static struct chain chains[THREADS + 1];

/* Blocks from 16 bytes to 12 MB; every third is freed again, and the large ones grow. */
static void use_all_sizes(struct chain *chain)
{
    for (size_t bytes = 16; bytes < 12000000; bytes += bytes / 5 + 8) {
        void *freed = malloc(bytes + bytes / 3);
        char *grown = malloc(bytes);

        if (bytes > 100000)
            grown = realloc(grown, bytes * 2);
        self_expect(chain_add(chain, grown) && chain_add(chain, malloc(bytes)), "no memory");
        free(freed);
    }
}

static void *use_in_thread(void *chain)
{
    for (int round = 0; round < 3; round++)
        use_all_sizes(chain);
    return NULL;
}

static void print_smaps(void)
{
    pthread_t threads[THREADS];

    for (size_t idx = 0; idx < THREADS; idx++)
        pthread_create(&threads[idx], NULL, use_in_thread, &chains[idx]);
    use_all_sizes(&chains[THREADS]);
    for (size_t idx = 0; idx < THREADS; idx++)
        pthread_join(threads[idx], NULL);
    self_print("/proc/self/smaps");
}

static sigjmp_buf out;

static void leave(int number)
{
    siglongjmp(out, number);
}

/* Writes 64 KiB, byte by byte, until a fault. */
static void spoil(char *from, int step)
{
    char *volatile at = from;

    if (sigsetjmp(out, 1) != 0)
        return;
    for (int count = 0; count < OVERFLOW_BYTES; count++, at += step)
        *(volatile char *)at = 0x41;
}

static void expect_sound(void)
{
    struct chain after = {NULL, 0};

    signal(SIGSEGV, SIG_DFL);
    use_all_sizes(&after);
    chain_free(&after);
    malloc_trim(0);
    if (cairn_malloc_check != NULL)
        cairn_malloc_check();
    self_expect(write(1, "sound\n", 6) == 6, "standard output is closed");
    _exit(0);
}

/* The program's other blocks may be spoilt now, so their chains are not followed any more. */
static void overflow(size_t bytes, bool goes_up)
{
    static char *blocks[8];

    for (size_t idx = 0; idx < 4; idx++)
        use_all_sizes(&chains[0]);
    for (size_t idx = 0; idx < 8; idx++)
        blocks[idx] = malloc(bytes);
    for (size_t idx = 0; idx < 8; idx++)
        spoil(goes_up ? blocks[idx] + malloc_usable_size(blocks[idx]) : blocks[idx] - 1,
              goes_up ? 1 : -1);
    for (size_t idx = 0; idx < 8; idx++)
        free(blocks[idx]);
}

/* The end of the object that has malloc. */
static int find_end(struct dl_phdr_info *object, size_t bytes, void *end)
{
    uintptr_t own = (uintptr_t)dlsym(RTLD_DEFAULT, "malloc");
    uintptr_t last = 0;

    (void)bytes;
    for (int idx = 0; idx < object->dlpi_phnum; idx++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[idx];

        if (part->p_type == PT_LOAD)
            last = object->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    if (own < object->dlpi_addr || own >= last)
        return 0;
    *(uintptr_t *)end = (last + 4095) & ~(uintptr_t)4095;
    return 1;
}

/* Mapped blocks of many sizes, some of which are freed for others to take their places. */
static void check_variables(void)
{
    static char *blocks[400];
    uintptr_t end = 0;

    self_expect(dl_iterate_phdr(find_end, &end) == 1, "the allocator was not found");
    for (size_t idx = 0; idx < 400; idx++) {
        if (idx % 3 == 2)
            free(blocks[idx / 2]);
        if (idx % 3 == 2)
            blocks[idx / 2] = NULL;
        blocks[idx] = malloc(4096 * (idx % 2 == 0 ? idx * 9 + 5 : idx + 2));
        self_expect((uintptr_t)blocks[idx] - end >= 4096, "a block lies above the variables");
    }
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "smaps") == 0) {
        print_smaps();
        return 0;
    }
    signal(SIGSEGV, leave);
    signal(SIGBUS, leave);
    if (count == 2 && strcmp(arguments[1], "variables") == 0)
        check_variables();
    else if (count == 3)
        overflow(strtoul(arguments[2], NULL, 0), strcmp(arguments[1], "up") == 0);
    else
        return 2;
    expect_sound();
}
