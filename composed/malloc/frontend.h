/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * frontend.h - what lies between the names of the C library and the heap of a stack: start, fork,
 * exhaustion, and the ways round.
 *
 *     malloc, free, operator new ...   override.c, introspect.c, new.cc    (errno, limits of size, C's rules)
 *                  |
 *             cairn_frontend_*            frontend.c   through the gate: into the heap, and out again
 *                  |            \      past.c    past a heap that is closed: straight from the kernel
 *             cairn_heap_*             malloc.c, for each stack   (blocks)
 *
 * The functions of libc's names have checked what C and POSIX demand; the frontend sees sizes up to
 * PTRDIFF_MAX and valid alignments. Neither reads nor writes errno. All functions may be called
 * before main, by any thread, and build the stack at the first call.
 *
 * The gate. Each call of a cairn_heap_* function is between cairn_gate_enter() and
 * cairn_gate_leave(), but for those that say otherwise. So no thread is inside the heap when the
 * process forks, and no lock of the heap is held by a thread that was stopped for a misuse as far
 * as others can tell.
 */

#ifndef CAIRN_COMPOSED_FRONTEND_H
#define CAIRN_COMPOSED_FRONTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/atomic.h>
#include <cairn/base/compiler.h>
#include <cairn/malloc.h>

#include "composed/libc/conf.h"
#include "composed/libc/export.h"

CAIRN_BEGIN_DECLS

struct cairn_backend;
struct cairn_backend_bounds;
struct cairn_backend_config;

/* ---- what each stack implements ---- */

/* True when the stack is built. No gate. */
bool cairn_heap_is_ready(void);

/* Builds it if need be. False when it cannot be built now. No gate. */
bool cairn_heap_start(void);

/* A class of no block. */
enum { CAIRN_NO_CLASS = UINT8_MAX };

/* The class that serves a size and an alignment (1: that of malloc), or CAIRN_NO_CLASS. No gate.
   Requires: the stack is built. */
unsigned cairn_heap_class_of(size_t size_bytes, size_t align_bytes);

/* A block of a class, if the fast path has one, and true if the fast path takes the block. No gate.
   The first requires that the stack is built. */
void *cairn_heap_try_alloc(unsigned class_idx);
bool cairn_heap_try_free(void *block, const char *where);

struct cairn_request {
    size_t size_bytes;
    size_t align_bytes; /* 1: that of malloc, 16, or 8 up to 8 bytes */
    unsigned class_idx; /* by cairn_heap_class_of() */
    bool wants_zeroed;  /* pages that are known to be zero are of use */
    bool is_zeroed;     /* the answer to that */
};

/* A block for a request; 0 bytes are a distinct block. NULL: no memory. */
void *cairn_heap_alloc(struct cairn_request *request);

/* Gives a block back. `block` is not NULL. Panics, naming `where`, when it is not a block in
   use. */
void cairn_heap_free(void *block, const char *where);

/* The same for one whose class is known: CAIRN_NO_CLASS when it has none. */
void cairn_heap_free_class(void *block, unsigned class_idx, const char *where);

/* The bytes of a block that may be written. Panics like free. No gate, and no lock. */
size_t cairn_heap_usable_bytes(const void *block, const char *where);

/* True when a block begins at `pointer`, in use or cached. No gate, and no lock. */
bool cairn_heap_is_block(const void *pointer);

/* Gives back to the kernel what can be. Returns the bytes released. may_fence: with all means (see
   <cairn/percpu.h>). */
size_t cairn_heap_trim(bool may_fence);

/* An epoch of the backend ended: each layer gives back what it did not need in it. */
void cairn_heap_age(void);

/* Caches of CPUs that were idle since the last call give back what they hold: with a fence. */
void cairn_heap_flush_idle(void);

/* A snapshot of everything that the stack can say of itself. */
void cairn_heap_stats(struct cairn_malloc_stats *stats);

/* Walks everything; panics on a broken invariant. No other thread may be inside. */
void cairn_heap_check(void);

/* While a child runs on the calling thread's thread pointer (vfork): the fast paths are in vain for
   both. True when cairn_heap_resume() is to be called. No gate; the stack need not be built. */
bool cairn_heap_suspend(void);
void cairn_heap_resume(void);

/* The backend of the stack, which is built. No gate. */
struct cairn_backend *cairn_heap_backend(void);

/* The fast paths, which do not pass the gate, around a fork: closed before; in the child, repaired;
   opened. The gate is closed. False when a fast path did not end: what it changes may be half
   changed in the child. */
bool cairn_heap_close(void);
void cairn_heap_repair(void);
void cairn_heap_reopen(void);

/* ---- what frontend.c makes of it ---- */

/* A block, as by cairn_heap_alloc(), but tried again when all that is cached and kept was given
   back; or a past block. */
void *cairn_frontend_alloc(size_t size_bytes);

/* The same for a request whose class is known, after the fast path was tried in vain. */
void *cairn_frontend_alloc_request(struct cairn_request *request);

/* A block that reads as zero over all of its usable bytes. */
void *cairn_frontend_alloc_zeroed(size_t size_bytes);

/* A block aligned to a power of two. */
void *cairn_frontend_alloc_aligned(size_t size_bytes, size_t align_bytes);

/* Gives a block back. */
void cairn_frontend_free(void *block, const char *where);

/* The same after the fast path was tried in vain, or found no class. */
void cairn_frontend_free_slow(void *block, const char *where);
void cairn_frontend_free_class(void *block, unsigned class_idx, const char *where);

/* True if realloc should keep a block of `old_bytes` in place for `new_bytes`: they fit and use at
   least half. */
CAIRN_HOT_INLINE bool cairn_frontend_stays(size_t old_bytes, size_t new_bytes)
{
    return new_bytes <= old_bytes && new_bytes >= old_bytes / 2;
}

/* realloc for a block and size_bytes > 0: NULL and nothing changed when there is no memory. */
void *cairn_frontend_resize(void *block, size_t size_bytes, const char *where);

/* As the functions of the heap, through the gate; nothing, or zeros, while it is closed. */
size_t cairn_frontend_trim(bool may_fence);

/* Gives back what is due, with all means. True while there is something that may be due later. */
bool cairn_frontend_tick(void);

/* Changes options that may change: false, and nothing changed, where one may not, or is wrong. */
bool cairn_frontend_set(const char *text);

void cairn_frontend_stats(struct cairn_malloc_stats *stats);
void cairn_frontend_check(void);

/* Writes `before`, a name and `after` to stderr, unless that was said already. */
void cairn_frontend_say_once(bool *is_said, const char *before, const char *name,
                             const char *after);

/*
 * Builds the stack once, in the first thread that comes: loads the options, calls `build`,
 * publishes *is_ready (release), and registers the fork handlers. False when it cannot be built
 * now; the next call tries again.
 */
bool cairn_frontend_start(bool *is_ready, int (*build)(const struct cairn_conf_values *conf));

/* Around a fork or a copy of the process by other means, in the thread that makes it; the last is
   first in the child. fork() has them called by itself. Requires: the stack is built. */
void cairn_frontend_before_fork(void);
void cairn_frontend_after_fork(void);
void cairn_frontend_after_fork_in_child(void);

/* ---- options.c ---- */

/* At the start. */
void cairn_options_keep(const struct cairn_conf_values *values);

/* An option, once the stack is built. */
uint64_t cairn_frontend_option(enum cairn_conf_key key);

/* As cairn_frontend_set(), but for the thread. Inside the gate. */
bool cairn_options_set(const char *text);

/* ---- terms.c: what the backend says, and is told, in the terms of a malloc ---- */

struct cairn_backend_config cairn_frontend_backend_config(const struct cairn_conf_values *conf);
struct cairn_backend_bounds cairn_frontend_bounds(const struct cairn_conf_values *conf);

/* Fills in all that the backend knows, of which slab_bytes are in slabs. */
void cairn_frontend_report_backend(struct cairn_backend *backend, size_t slab_bytes,
                                   struct cairn_malloc_stats *report);

/* ---- background.c: a thread that gives memory back ---- */

/* Whether there is to be one. */
void cairn_background_want(bool is_wanted);

/* Private to the next function. Hidden, to be read without a detour. */
extern __attribute__((visibility("hidden"))) bool cairn_background_is_asleep;

/* The thread is wanted, and sleeps or is not yet there. It wakes if there is work; is it to be made
   if it is not there? Outside of the gate. */
void cairn_background_wake(bool has_work, bool may_make);

CAIRN_HOT_INLINE bool cairn_background_may_be_woken(void)
{
    return cairn_load_relaxed(&cairn_background_is_asleep);
}

/* In the child of a fork: it has no such thread. */
void cairn_background_forget(void);

/* ---- past.c: what a thread does that finds the heap closed ---- */

/* Keeps a block until the heap is open. Never fails: a block that cannot be noted is leaked. No
   lock. */
void cairn_past_keep(void *block);

/* Private to the next function. Hidden, to be read without a detour. */
extern __attribute__((visibility("hidden"))) bool cairn_past_any_kept;

/* True when blocks are kept. */
CAIRN_HOT_INLINE bool cairn_past_has_kept(void)
{
    return cairn_load_relaxed(&cairn_past_any_kept);
}

/* Frees what is kept. Inside the gate. */
void cairn_past_free_kept(void);

/* In the child of a fork: what other threads kept is not the child's to free. */
void cairn_past_forget(void);

/* ---- what override.c makes of it: C's rules and errno, for the names that a stack may have a
   shorter way for ---- */

void *cairn_libc_calloc(size_t count, size_t size_bytes);
void *cairn_libc_realloc(void *block, size_t size_bytes);
size_t cairn_libc_usable_bytes(void *block);

CAIRN_END_DECLS

#endif
