/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * worker MODE: a program that takes memory seriously. It checks every call and every byte, prints a
 * checksum that does not depend on the allocator, and when memory runs out says so and exits with
 * 3. So whatever else happens to it under an injected fault is the allocator's doing. Exit code 4:
 * memory was spoilt.
 *
 *   idle          nothing at all
 *   work          about 40 MiB of blocks of all sizes
 *   other_sbrk  work, while other code moves the program break up
 *   blocked_brk   work, with a mapping right behind the program break
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 1500, CALLS = 40000, OTHER_BYTES = 4096 * 3, OTHER_MOST = 200 };

struct slot {
    unsigned char *block;
    size_t size;
    unsigned char with;
};

static struct slot slots[SLOTS];
static unsigned char *others[OTHER_MOST];
static size_t other_count;
static uint64_t state = 88172645463325252u;

static void leave(const char *message, int code)
{
    ssize_t written = write(2, message, strlen(message));
    (void)written;
    _exit(code);
}

static size_t below(size_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (size_t)(state >> 8) % limit;
}

static size_t some_size(void)
{
    size_t kind = below(1000);
    if (kind < 900)
        return 1 + below(1000);
    if (kind < 990)
        return 1 + below(40000);
    if (kind < 998)
        return 1 + below(400000);
    return 1 + below(6000000);
}

static void check(const struct slot *slot, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (slot->block[i] != slot->with)
            leave("memory was spoilt\n", 4);
    }
}

static void check_zero(const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != 0)
            leave("calloc gave dirty memory\n", 4);
    }
}

static void *get(size_t size)
{
    void *block = NULL;
    switch (below(6)) {
    case 0:
        block = calloc(1, size);
        if (block != NULL)
            check_zero(block, size);
        return block;
    case 1:
        return posix_memalign(&block, (size_t)16 << below(9), size) == 0 ? block : NULL;
    default:
        return malloc(size);
    }
}

static void fill(struct slot *slot)
{
    if (slot->block == NULL)
        leave("out of memory\n", 3);
    slot->with = (unsigned char)below(256);
    memset(slot->block, slot->with, slot->size);
}

static void allocate(struct slot *slot)
{
    slot->size = some_size();
    slot->block = get(slot->size);
    fill(slot);
}

static void resize(struct slot *slot)
{
    size_t size = some_size();
    unsigned char *block = realloc(slot->block, size);
    if (block == NULL) {
        check(slot, slot->size);
        leave("out of memory\n", 3);
    }
    slot->block = block;
    check(slot, size < slot->size ? size : slot->size);
    slot->size = size;
    fill(slot);
}

static void release(struct slot *slot)
{
    if (slot->block == NULL)
        return;
    check(slot, slot->size);
    free(slot->block);
    *slot = (struct slot){0};
}

static uint64_t step(struct slot *slot)
{
    if (slot->block == NULL)
        allocate(slot);
    else if (below(4) == 0)
        resize(slot);
    else
        release(slot);
    return slot->size * 31 + slot->with;
}

static void move_the_break(void)
{
    if (other_count == OTHER_MOST)
        return;
    unsigned char *bytes = sbrk(OTHER_BYTES);
    if (bytes == (void *)-1)
        return;
    memset(bytes, (int)(other_count & 0xff), OTHER_BYTES);
    others[other_count++] = bytes;
}

static void check_others(void)
{
    for (size_t i = 0; i < other_count; i++) {
        check(&(struct slot){others[i], OTHER_BYTES, (unsigned char)(i & 0xff)}, OTHER_BYTES);
    }
}

static void block_the_break(void)
{
    uintptr_t end = ((uintptr_t)sbrk(0) + 4095) & ~(uintptr_t)4095;
    void *wall = mmap((void *)end, 4096, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if ((uintptr_t)wall != end)
        leave("could not block the break\n", 5);
}

int main(int argc, char **argv)
{
    const char *mode = argc == 2 ? argv[1] : "";
    bool with_sbrk = strcmp(mode, "other_sbrk") == 0;
    uint64_t checksum = 0;
    if (strcmp(mode, "idle") == 0)
        return 0;
    if (strcmp(mode, "blocked_brk") == 0)
        block_the_break();
    else if (strcmp(mode, "work") != 0 && !with_sbrk)
        return 2;
    for (int call = 0; call < CALLS; call++) {
        if (with_sbrk && call % 100 == 0)
            move_the_break();
        checksum = checksum * 1099511628211u + step(&slots[below(SLOTS)]);
    }
    for (size_t i = 0; i < SLOTS; i++)
        release(&slots[i]);
    check_others();
    char line[64];
    int length = snprintf(line, sizeof line, "checksum %016llx\n", (unsigned long long)checksum);
    return write(1, line, (size_t)length) == length ? 0 : 1;
}
