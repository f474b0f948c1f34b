/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * arena_locked.h - the arena with one lock around each call: many threads, one heap.
 *
 * The functions are those of <cairn/arena.h>; see there for what they do. The lock lies in the
 * buffer, too. It is the one thing that makes a system call, and only when threads really wait for
 * each other: futex(2).
 */

#ifndef CAIRN_ARENA_LOCKED_H
#define CAIRN_ARENA_LOCKED_H

#include <cairn/arena.h>

CAIRN_BEGIN_DECLS

/* Private: at the head of the buffer. */
struct cairn_arena_locked;

/* As cairn_arena_init(). Threads: not safe; all that follow are. */
struct cairn_arena_locked *cairn_arena_locked_init(void *buffer, size_t buffer_bytes);

void *cairn_arena_locked_alloc(struct cairn_arena_locked *arena, size_t size_bytes);
void *cairn_arena_locked_calloc(struct cairn_arena_locked *arena, size_t count, size_t size_bytes);
void *cairn_arena_locked_alloc_aligned(struct cairn_arena_locked *arena, size_t size_bytes,
                                       size_t align_bytes);
void *cairn_arena_locked_realloc(struct cairn_arena_locked *arena, void *block, size_t size_bytes);
void cairn_arena_locked_free(struct cairn_arena_locked *arena, void *block);
size_t cairn_arena_locked_usable_bytes(struct cairn_arena_locked *arena, const void *block);
bool cairn_arena_locked_owns(const struct cairn_arena_locked *arena, const void *pointer);
void cairn_arena_locked_reset(struct cairn_arena_locked *arena);
struct cairn_arena_stats cairn_arena_locked_stats(struct cairn_arena_locked *arena);
void cairn_arena_locked_check(struct cairn_arena_locked *arena);

CAIRN_END_DECLS

#endif
