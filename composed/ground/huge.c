/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * huge.c - ids for blocks that come straight from the pagesource. O(1) each.
 */

#include "composed/ground/huge.h"

#include <cairn/base/check.h>

void cairn_huge_init(struct cairn_huge *huge, void *entries, size_t entries_bytes)
{
    cairn_lock_init(&huge->lock, CAIRN_RANK_BUDDY);
    huge->entries = entries;
    huge->capacity = (uint32_t)(entries_bytes / sizeof(struct cairn_huge_entry));
    huge->top = 1;
    huge->free_id = 0;
    huge->count = 0;
    huge->bytes = 0;
}

static uint32_t new_id(struct cairn_huge *huge)
{
    uint32_t id = huge->free_id;

    if (id != 0) {
        huge->free_id = (uint32_t)huge->entries[id].length_bytes;
        return id;
    }
    return huge->top < huge->capacity ? huge->top++ : 0;
}

uint32_t cairn_huge_add(struct cairn_huge *huge, void *base, size_t length_bytes)
{
    uint32_t id;

    CAIRN_ASSERT(base != NULL && length_bytes > 0);
    cairn_lock_take(&huge->lock);
    id = new_id(huge);
    if (id != 0) {
        huge->entries[id] = (struct cairn_huge_entry){(uintptr_t)base, length_bytes};
        huge->count++;
        huge->bytes += length_bytes;
    }
    cairn_lock_release(&huge->lock);
    return id;
}

/* Under the lock: is `base` the block of this id? */
static bool is_entry(const struct cairn_huge *huge, uint32_t id, const void *base)
{
    return id > 0 && id < huge->top && base != NULL && huge->entries[id].base == (uintptr_t)base;
}

size_t cairn_huge_remove(struct cairn_huge *huge, uint32_t id, const void *base)
{
    size_t length_bytes = 0;

    cairn_lock_take(&huge->lock);
    if (is_entry(huge, id, base)) {
        length_bytes = huge->entries[id].length_bytes;
        huge->entries[id] = (struct cairn_huge_entry){0, huge->free_id};
        huge->free_id = id;
        huge->count--;
        huge->bytes -= length_bytes;
    }
    cairn_lock_release(&huge->lock);
    return length_bytes;
}

size_t cairn_huge_bytes(struct cairn_huge *huge, uint32_t id, const void *base)
{
    size_t length_bytes;

    cairn_lock_take(&huge->lock);
    length_bytes = is_entry(huge, id, base) ? huge->entries[id].length_bytes : 0;
    cairn_lock_release(&huge->lock);
    return length_bytes;
}

void cairn_huge_update(struct cairn_huge *huge, uint32_t id, void *base, size_t length_bytes)
{
    cairn_lock_take(&huge->lock);
    CAIRN_ASSERT(id > 0 && id < huge->top && huge->entries[id].base != 0);
    huge->bytes += length_bytes - huge->entries[id].length_bytes;
    huge->entries[id] = (struct cairn_huge_entry){(uintptr_t)base, length_bytes};
    cairn_lock_release(&huge->lock);
}

void cairn_huge_check(struct cairn_huge *huge)
{
    size_t count = 0;
    size_t bytes = 0;
    size_t free_count = 0;

    cairn_lock_take(&huge->lock);
    for (uint32_t id = 1; id < huge->top; id++) {
        if (huge->entries[id].base == 0)
            continue;
        count++;
        bytes += huge->entries[id].length_bytes;
    }
    for (uint32_t id = huge->free_id; id != 0; id = (uint32_t)huge->entries[id].length_bytes) {
        CAIRN_INVARIANT(id < huge->top && huge->entries[id].base == 0);
        free_count++;
    }
    CAIRN_INVARIANT(count == huge->count && bytes == huge->bytes);
    CAIRN_INVARIANT(count + free_count + 1 == huge->top);
    cairn_lock_release(&huge->lock);
}
