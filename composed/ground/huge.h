/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * huge.h - the table of blocks that come straight from the pagesource: an id each, base and length
 * by id.
 *
 * The table is a reserved block, touched as ids come into use; freed ids are linked through it and
 * used again.
 *
 * Threads: safe; one lock (rank CAIRN_RANK_BUDDY, never held together with the buddy's but by
 *          fork).
 */

#ifndef CAIRN_COMPOSED_HUGE_H
#define CAIRN_COMPOSED_HUGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/lock.h>

struct cairn_huge_entry {
    uintptr_t base;      /* 0: free */
    size_t length_bytes; /* free: the next free id */
};

struct cairn_huge {
    struct cairn_lock lock;
    struct cairn_huge_entry *entries;
    uint32_t capacity;
    uint32_t top;     /* ids below were used at least once; 0 is never used */
    uint32_t free_id; /* 0: none */
    size_t count;
    size_t bytes;
};

void cairn_huge_init(struct cairn_huge *huge, void *entries, size_t entries_bytes);

/* A new id for a block, or 0 when the table is full. */
uint32_t cairn_huge_add(struct cairn_huge *huge, void *base, size_t length_bytes);

/* Forgets a block. The length it had; 0 when `base` is not the block of that id: nothing changed. */
size_t cairn_huge_remove(struct cairn_huge *huge, uint32_t id, const void *base);

/* The length of a block; 0 when `base` is not the block of that id. */
size_t cairn_huge_bytes(struct cairn_huge *huge, uint32_t id, const void *base);

/* Notes that a block was resized and perhaps moved. */
void cairn_huge_update(struct cairn_huge *huge, uint32_t id, void *base, size_t length_bytes);

void cairn_huge_check(struct cairn_huge *huge);

#endif
