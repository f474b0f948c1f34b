/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * backend.h - what every malloc of cairn stands on: pages, the map of addresses, runs of granules,
 * and the blocks that are too large for a size class.
 *
 *     slabs, large blocks (32 KiB ... 1 MiB)        huge blocks (above)        past blocks
 *            |                                          |                          |
 *     runs: granules of 16 KiB                          |                          |
 *            | chunks of 2 MiB                          |                          |
 *            +------- adapters, if any -----------------+                          |
 *                        |                                                         |
 *     pagesource: brk, mmap ----------------------------------- no lock, no table -+
 *                        | struct cairn_os
 *
 *     pagemap: granule -> kind and owner, for all of them
 *
 * What the layers are is said by the configuration: the system calls of the page source, the run
 * allocator, and what lies between the two.
 *
 * A large, huge or past block marks its first granule only: any other address in it is "not the
 * start of a block". The owner of that granule is the length of the block (length.h), so that no
 * lock and no table is asked for it.
 *
 * Past blocks come straight from the kernel, for threads that find the heap closed for a fork:
 * taking and freeing them touches nothing but the pagemap.
 *
 * Nothing is bounded by a table: the state of the run allocator moves to a larger block when it is
 * full, and leaves of the pagemap are made as addresses come into use.
 *
 * Settling. No function but cairn_backend_settle() and cairn_backend_trim() gives memory back to
 * the kernel: others note that there is something to give back, for they are called under the locks
 * of layers above.
 *
 * Threads: safe. Locks in order: runs_lock, then the pagesource's; not both at once.
 */

#ifndef CAIRN_COMPOSED_BACKEND_H
#define CAIRN_COMPOSED_BACKEND_H

#include <cairn/base/decay.h>
#include <cairn/base/pressure.h>
#include <cairn/classes.h>
#include <cairn/pagemap.h>
#include <cairn/pagesource.h>
#include <cairn/runs.h>

enum {
    CAIRN_BACKEND_GRANULE_MIN_BYTES = 16 * 1024,
    CAIRN_BACKEND_CHUNK_MIN_BYTES = 2 * 1024 * 1024,
    /* What is wanted again within this time is not worth its page faults. */
    CAIRN_BACKEND_RETAIN_MS = 100
};

/* Medium blocks: runs of so many granules, which a cache above can hold. Each length is a class,
   behind the size classes. */
enum {
    CAIRN_MEDIUM_GRANULES_MIN = 3,
    CAIRN_MEDIUM_GRANULES_MAX = 8,
    CAIRN_MEDIUM_COUNT = CAIRN_MEDIUM_GRANULES_MAX - CAIRN_MEDIUM_GRANULES_MIN + 1
};

/*
 * Kinds in the pagemap, one byte each:
 *
 *     0       nothing begins here
 *     1 ...   slabs, by class (cairn_class_kind()), then medium blocks, by length
 *     253 ... past, other large, huge
 *
 * So those who cache both count their classes alike: a class is its kind less 1.
 */
enum { CAIRN_KIND_PAST = 253, CAIRN_KIND_LARGE, CAIRN_KIND_HUGE };

CAIRN_STATIC_ASSERT((CAIRN_MEDIUM_GRANULES_MIN - 1) * CAIRN_BACKEND_GRANULE_MIN_BYTES ==
                        CAIRN_CLASS_BYTES_MAX,
                    "the shortest medium block is the first that no size class holds");
CAIRN_STATIC_ASSERT(CAIRN_CLASS_COUNT_MAX + CAIRN_MEDIUM_COUNT < CAIRN_KIND_PAST, "kinds differ");

/* Huge pages: see hugepages.c. */
enum cairn_thp { CAIRN_THP_AUTO = 0, CAIRN_THP_OFF, CAIRN_THP_ALWAYS };

/* When memory goes back, and how much there may be. */
struct cairn_backend_bounds {
    size_t retain_bytes; /* 0: default of the pagesource */
    size_t limit_bytes;  /* 0: none */
    /* Beyond it all that is free is given back, again and again as it grows by a sixteenth; 0:
       none. */
    size_t soft_limit_bytes;
    uint32_t decay_ms; /* what is wanted again within it is kept; UINT32_MAX: all is */
    enum cairn_thp thp;
};

struct cairn_backend_config {
    struct cairn_os os; /* no `ops`: cairn_os_linux() */
    enum cairn_pagesource_policy policy;
    struct cairn_backend_bounds bounds;
    const struct cairn_runs_ops *runs;
    /* What lies between the page source and all that takes pages; NULL, or the answer is what was
       given: nothing. Past blocks and metadata do not go through it. */
    struct cairn_source (*adapt_pages)(struct cairn_source pages);
    unsigned class_count; /* kinds up to here are slabs */
    bool has_medium;      /* tell medium blocks by their length */
    /* Zeroed tables of the pagemap for granules of 16 KiB or more, see <cairn/pagemap.h>. */
    void *map_root;
    void *map_empty;
};

/* Whether there is more free memory in runs than it is to keep, and what of it is to be given
   back. */
enum cairn_surplus {
    CAIRN_SURPLUS_NONE,
    CAIRN_SURPLUS_IN_TIME, /* what lay idle for its time */
    CAIRN_SURPLUS_NOW
};

struct cairn_backend {
    struct cairn_pagesource pages;
    struct cairn_source pages_source; /* the page source, or what lies above it */
    bool is_adapted;                  /* something does */
    struct cairn_pagemap map;
    struct cairn_lock runs_lock; /* rank CAIRN_RANK_BUDDY */
    const struct cairn_runs_ops *runs;
    void *runs_state;
    size_t runs_state_bytes;
    size_t runs_chunk_max; /* that the state has room for */
    size_t runs_chunk_count;
    size_t runs_used_bytes;
    const struct cairn_levels
        *runs_levels;            /* in the state; NULL: the run allocator has none, ... */
    struct cairn_levels counted; /* ... and what is counted in their place */
    bool has_had_chunk;          /* at any time */
    size_t page_bytes;
    size_t granule_bytes; /* 16 KiB, or the page size if that is larger */
    size_t chunk_bytes;
    size_t large_max_bytes; /* above: huge */
    bool has_medium;        /* tells medium blocks: asked for, and granules are of 16 KiB */
    bool is_medium_sourced; /* ... and only such as the medium source gave */
    uint8_t medium_kind;    /* of the shortest medium block */
    uint8_t surplus;        /* of free memory in runs: enum cairn_surplus; written under the lock */
    bool is_settling;       /* a thread gives memory back */
    size_t huge_count;
    size_t huge_bytes;
    uint32_t huge_slow_count; /* atomic: huge pages in succession that took long */
    uint64_t huge_pause_ms;   /* atomic: until when no huge pages are asked for; 0: not */
    size_t slab_bytes;        /* atomic: of runs, in slabs */
    size_t dirty_bytes;       /* atomic: of runs, free and touched */
    size_t old_bytes;         /* of these, to go by and by: too many pieces for one call */
    size_t leaf_bytes;        /* of the pagemap */
    struct cairn_backend_bounds bounds;
    size_t pressed_bytes;           /* atomic: what was touched when the soft limit was felt last */
    bool is_pressed;                /* atomic: the soft limit is to be felt */
    uint64_t epoch_due_ms;          /* atomic: when this epoch ends */
    uint64_t settled_ms;            /* when the surplus was looked at last, ... */
    size_t settled_bytes;           /* ... and what was dirty then */
    struct cairn_decay decay;       /* of the dirty free memory in runs, but for ... */
    size_t short_bytes;             /* ... what the last purge left for being in short runs, */
    uint64_t short_ms;              /* ... and when */
    struct cairn_pressure pressure; /* on the caches above */
};

/*
 * Builds the backend on a zeroed object. Fails: -ENOMEM when not even small tables can be reserved;
 * -EINVAL. Nothing is held then. Threads: not safe; initialise before sharing. Calls nothing that
 * calls malloc.
 */
int cairn_backend_init(struct cairn_backend *backend, const struct cairn_backend_config *config);

/* Ends a backend from which nothing is taken, and nothing reserved: for a start that failed
   above. */
void cairn_backend_fini(struct cairn_backend *backend);

/* A zeroed block for the metadata of the layers above, with guards around it; NULL when it cannot
   be had. */
void *cairn_backend_reserve(struct cairn_backend *backend, size_t length_bytes);

/* Ends a reservation, whole. */
void cairn_backend_unreserve(struct cairn_backend *backend, void *block, size_t length_bytes);

/* The same as a source: ZEROED, THREAD_SAFE. */
struct cairn_source cairn_backend_as_metadata_source(struct cairn_backend *backend);

/* Slabs for the layers above: THREAD_SAFE, multiples of a granule. */
struct cairn_source cairn_backend_as_source(struct cairn_backend *backend);

/* Which medium length serves a size: its granules less the fewest. CAIRN_MEDIUM_COUNT or more:
   none. */
CAIRN_HOT_INLINE size_t cairn_medium_of(size_t size_bytes)
{
    return (size_bytes - 1) / CAIRN_BACKEND_GRANULE_MIN_BYTES - (CAIRN_MEDIUM_GRANULES_MIN - 1);
}

CAIRN_HOT_INLINE uint32_t cairn_medium_bytes(size_t medium_idx)
{
    return (uint32_t)(medium_idx + CAIRN_MEDIUM_GRANULES_MIN) * CAIRN_BACKEND_GRANULE_MIN_BYTES;
}

/* Gives back to the kernel what lay idle, or is too much. Cheap when there is nothing. Requires: no
   lock is held. */
void cairn_backend_settle(struct cairn_backend *backend);

/* True once after each decay_ms, in one thread: all layers are to give back what was idle
   meanwhile, the runs last, by cairn_backend_age(). Reads the clock. No lock. *due_ms, which is 0
   at first, says whose epochs are meant. */
bool cairn_backend_ends_epoch(struct cairn_backend *backend, uint64_t *due_ms);

/* True when there is free memory that may go back later by itself. No lock. */
bool cairn_backend_may_decay(const struct cairn_backend *backend);

/* True when pages for some chunks are in use. No lock. */
bool cairn_backend_is_large(const struct cairn_backend *backend);

/* True once whenever the soft limit is to be felt: all layers are to give back what they can. */
bool cairn_backend_takes_pressure(struct cairn_backend *backend);

/* From now on. Threads: safe. */
void cairn_backend_set_bounds(struct cairn_backend *backend,
                              const struct cairn_backend_bounds *bounds);

/* Gives back to the kernel what lay idle in runs, also of what may stay for a while. Requires: no
   lock is held. */
void cairn_backend_age(struct cairn_backend *backend);

/* False when cairn_backend_settle() would do nothing now, or nothing that cannot wait. No lock. */
static inline bool cairn_backend_is_unsettled(const struct cairn_backend *backend)
{
    return cairn_load_relaxed(&backend->surplus) != CAIRN_SURPLUS_NONE ||
           cairn_load_relaxed(&backend->is_pressed) ||
           cairn_load_relaxed(&backend->pages.is_over_base);
}

/* Medium blocks for a cache above: THREAD_SAFE. Requires: has_medium. It takes back any medium
   block, also one that cairn_backend_alloc() gave, or that was resized since. */
struct cairn_source cairn_backend_as_medium_source(struct cairn_backend *backend);

/* From now on it takes back only what it gave, at the length that it gave: blocks of
   cairn_backend_alloc() are large, whatever their length, and its own are not resized. For what
   lies above it and counts. Requires: nothing is out. */
void cairn_backend_keep_medium_apart(struct cairn_backend *backend);

/*
 * A large or huge block. is_zeroed may be NULL. NULL when there is no memory for it; nothing
 * changed.
 */
void *cairn_backend_alloc(struct cairn_backend *backend, size_t size_bytes, size_t align_bytes,
                          bool *is_zeroed);

/* Gives such a block back. Panics, naming `where`, when none begins at `block`. */
void cairn_backend_free(struct cairn_backend *backend, void *block, const char *where);

/* The bytes that may be used. Panics like free. Takes no lock. */
size_t cairn_backend_usable_bytes(struct cairn_backend *backend, const void *block,
                                  const char *where);

/* True when a block begins at `pointer` that cairn_backend_free() would take. Takes no lock. */
bool cairn_backend_is_block(const struct cairn_backend *backend, const void *pointer);

/* A past block, reading as zero: one system call, no lock. NULL when there is no memory for it. */
void *cairn_backend_alloc_past(struct cairn_backend *backend, size_t size_bytes,
                               size_t align_bytes);

/* Frees a past block, without a lock. False, and nothing changed, when `block` is none. */
bool cairn_backend_free_past(struct cairn_backend *backend, void *block);

/*
 * Resizes such a block without copying, perhaps by moving its pages. NULL and nothing changed when
 * that cannot be done.
 * Requires: new_bytes > 0.
 */
void *cairn_backend_resize(struct cairn_backend *backend, void *block, size_t new_bytes);

/* Gives back to the kernel what is free. Returns the bytes released. */
size_t cairn_backend_trim(struct cairn_backend *backend);

/* Stops the program for a pointer that no layer knows, with the most precise word that can be said
   of it. */
CAIRN_NORETURN void cairn_backend_reject(struct cairn_backend *backend, const void *pointer,
                                         const char *where);

struct cairn_backend_stats {
    struct cairn_pagesource_stats pages;
    struct cairn_levels runs;
    size_t huge_count;
    size_t huge_bytes;
};

struct cairn_backend_stats cairn_backend_stats(struct cairn_backend *backend);

void cairn_backend_check(struct cairn_backend *backend);

#endif
