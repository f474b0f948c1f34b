/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * arena_locked.c - each call of the arena, with its lock held.
 *
 * The object is a struct cairn_arena under another name, which is never defined: so the compiler
 * keeps the two sets of calls apart. Its lock outranks those of the layers inside. A misuse panics
 * with the lock held.
 */

#include <cairn/arena_locked.h>

#include "arena_internal.h"

struct cairn_arena_locked *cairn_arena_locked_init(void *buffer, size_t buffer_bytes)
{
    struct cairn_arena *arena = cairn_arena_init(buffer, buffer_bytes);

    if (arena != NULL)
        cairn_lock_init(&arena->lock, CAIRN_RANK_STACK);
    return (struct cairn_arena_locked *)arena;
}

static struct cairn_arena *enter(struct cairn_arena_locked *locked)
{
    struct cairn_arena *arena = (struct cairn_arena *)locked;

    cairn_lock_take(&arena->lock);
    return arena;
}

static void leave(struct cairn_arena *arena)
{
    cairn_lock_release(&arena->lock);
}

void *cairn_arena_locked_alloc(struct cairn_arena_locked *locked, size_t size_bytes)
{
    struct cairn_arena *arena = enter(locked);
    void *block = cairn_arena_alloc(arena, size_bytes);

    leave(arena);
    return block;
}

void *cairn_arena_locked_calloc(struct cairn_arena_locked *locked, size_t count, size_t size_bytes)
{
    struct cairn_arena *arena = enter(locked);
    void *block = cairn_arena_calloc(arena, count, size_bytes);

    leave(arena);
    return block;
}

void *cairn_arena_locked_alloc_aligned(struct cairn_arena_locked *locked, size_t size_bytes,
                                       size_t align_bytes)
{
    struct cairn_arena *arena = enter(locked);
    void *block = cairn_arena_alloc_aligned(arena, size_bytes, align_bytes);

    leave(arena);
    return block;
}

void *cairn_arena_locked_realloc(struct cairn_arena_locked *locked, void *block, size_t size_bytes)
{
    struct cairn_arena *arena = enter(locked);
    void *resized = cairn_arena_realloc(arena, block, size_bytes);

    leave(arena);
    return resized;
}

void cairn_arena_locked_free(struct cairn_arena_locked *locked, void *block)
{
    struct cairn_arena *arena = enter(locked);

    cairn_arena_free(arena, block);
    leave(arena);
}

size_t cairn_arena_locked_usable_bytes(struct cairn_arena_locked *locked, const void *block)
{
    struct cairn_arena *arena = enter(locked);
    size_t usable_bytes = cairn_arena_usable_bytes(arena, block);

    leave(arena);
    return usable_bytes;
}

/* No lock: the memory's bounds never change. */
bool cairn_arena_locked_owns(const struct cairn_arena_locked *locked, const void *pointer)
{
    return cairn_arena_owns((const struct cairn_arena *)locked, pointer);
}

void cairn_arena_locked_reset(struct cairn_arena_locked *locked)
{
    struct cairn_arena *arena = enter(locked);

    cairn_arena_reset(arena);
    leave(arena);
}

struct cairn_arena_stats cairn_arena_locked_stats(struct cairn_arena_locked *locked)
{
    struct cairn_arena *arena = enter(locked);
    struct cairn_arena_stats stats = cairn_arena_stats(arena);

    leave(arena);
    return stats;
}

void cairn_arena_locked_check(struct cairn_arena_locked *locked)
{
    struct cairn_arena *arena = enter(locked);

    cairn_arena_check(arena);
    leave(arena);
}
