/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * ground.h - what every malloc of cairn stands on: pages, the map of addresses, runs of granules,
 * and the blocks that are too large for a size class.
 *
 *     slabs, large blocks (32 KiB ... 1 MiB)        huge blocks (above)
 *            |                                          |
 *     buddy: runs of 16 KiB granules                    |
 *            | chunks of 2 MiB                          |
 *     pagesource: brk, mmap ----------------------------+
 *
 *     pagemap: granule -> kind and owner, for all of them
 *
 * A large or huge block marks its first granule only: any other address in it is "not the start of
 * a block".
 *
 * Threads: safe. Locks in order: buddy_lock or huge.lock, then the pagemap's, then the
 *          pagesource's.
 */

#ifndef CAIRN_COMPOSED_GROUND_H
#define CAIRN_COMPOSED_GROUND_H

#include <cairn/base/decay.h>
#include <cairn/base/pressure.h>
#include <cairn/buddy.h>
#include <cairn/classes.h>
#include <cairn/malloc.h>
#include <cairn/pagemap.h>
#include <cairn/pagesource.h>

#include "composed/ground/huge.h"
#include "composed/surface/conf.h"

enum { CAIRN_GROUND_GRANULE_MIN_BYTES = 16 * 1024, CAIRN_GROUND_CHUNK_MIN_BYTES = 2 * 1024 * 1024 };

/* Runs of so many granules can be cached by those above: each length is a class, behind the size classes. */
enum {
    CAIRN_RUN_GRANULES_MIN = 3,
    CAIRN_RUN_GRANULES_MAX = 8,
    CAIRN_RUN_COUNT = CAIRN_RUN_GRANULES_MAX - CAIRN_RUN_GRANULES_MIN + 1
};

/* Kinds in the pagemap: 1 ... CAIRN_CLASS_COUNT are slabs, by class; from CAIRN_KIND_RUN on, large blocks by their length;
   CAIRN_KIND_LARGE all other large ones. */
enum { CAIRN_KIND_RUN = CAIRN_CLASS_COUNT + 1, CAIRN_KIND_LARGE = 254, CAIRN_KIND_HUGE = 255 };

CAIRN_STATIC_ASSERT((CAIRN_RUN_GRANULES_MIN - 1) * CAIRN_GROUND_GRANULE_MIN_BYTES ==
                        CAIRN_CLASS_BYTES_MAX,
                    "the shortest run is the first block that no size class holds");
CAIRN_STATIC_ASSERT(CAIRN_KIND_RUN + CAIRN_RUN_COUNT <= CAIRN_KIND_LARGE, "kinds differ");

struct cairn_ground_config {
    enum cairn_pagesource_policy policy;
    size_t retain_bytes; /* 0: default of the pagesource */
    size_t limit_bytes;  /* 0: none */
    bool two_level_map;  /* never reserve the flat pagemap */
    bool has_runs;       /* tell runs by their length */
};

/* What the program's options say of the ground. */
struct cairn_ground_config cairn_ground_config_of(const struct cairn_conf_values *conf);

struct cairn_ground {
    struct cairn_pagesource pages;
    struct cairn_pagemap map;
    struct cairn_lock buddy_lock; /* rank CAIRN_RANK_BUDDY */
    struct cairn_buddy *buddy;
    struct cairn_huge huge;
    size_t page_bytes;
    size_t granule_bytes; /* 16 KiB, or the page size if that is larger */
    size_t chunk_bytes;
    size_t large_max_bytes; /* above: huge */
    size_t space_bytes;     /* for how much memory metadata has room */
    bool chunk_zeroed;      /* what the pagesource said of the chunk that the buddy took last */
    bool has_runs;          /* tells runs by their length: asked for, and granules are of 16 KiB */
    size_t buddy_state_bytes;
    struct cairn_decay decay;       /* of the buddy's dirty free memory, but for ... */
    size_t short_bytes;             /* ... what the last purge left for being in short runs, */
    uint64_t short_ms;              /* ... and when */
    struct cairn_pressure pressure; /* on the caches above */
};

/*
 * Builds the ground on a zeroed object. Fails: -ENOMEM when not even small tables can be reserved;
 * -EINVAL. Threads: not safe; initialise before sharing. Calls nothing that calls malloc.
 */
int cairn_ground_init(struct cairn_ground *ground, const struct cairn_ground_config *config);

/* A zeroed, lazily charged block for the metadata of the layers above; NULL when it cannot be had. */
void *cairn_ground_reserve(struct cairn_ground *ground, size_t length_bytes);

/* The same; asks for half as much again and again while it is refused. *length_bytes becomes what was had. */
void *cairn_ground_reserve_down(struct cairn_ground *ground, size_t *length_bytes);

/* Slabs for the layers above: THREAD_SAFE, multiples of a granule. */
struct cairn_source cairn_ground_as_source(struct cairn_ground *ground);

/* Which of the run classes serves a size: its length less the shortest. CAIRN_RUN_COUNT or more: none. */
CAIRN_HOT_INLINE size_t cairn_run_of(size_t size_bytes)
{
    return (size_bytes - 1) / CAIRN_GROUND_GRANULE_MIN_BYTES - (CAIRN_RUN_GRANULES_MIN - 1);
}

CAIRN_HOT_INLINE uint32_t cairn_run_bytes(size_t run_idx)
{
    return (uint32_t)(run_idx + CAIRN_RUN_GRANULES_MIN) * CAIRN_GROUND_GRANULE_MIN_BYTES;
}

/* The run class of a large block, by its tag. CAIRN_RUN_COUNT or more: none. */
CAIRN_HOT_INLINE size_t cairn_run_at(const struct cairn_ground *ground, const void *block,
                                     uint16_t tag)
{
    if (((uintptr_t)block & (ground->granule_bytes - 1)) != 0)
        return CAIRN_RUN_COUNT;
    return (size_t)tag - CAIRN_KIND_RUN;
}

/* Large blocks for a cache above: THREAD_SAFE, lengths of the run classes. Requires: has_runs. */
struct cairn_source cairn_ground_as_run_source(struct cairn_ground *ground);

/*
 * A large or huge block. is_zeroed may be NULL. NULL when there is no memory for it; nothing
 * changed.
 */
void *cairn_ground_alloc(struct cairn_ground *ground, size_t size_bytes, size_t align_bytes,
                         bool *is_zeroed);

/* Gives such a block back; `tag` is its pagemap tag. Panics, naming `where`, when it is none. */
void cairn_ground_free(struct cairn_ground *ground, void *block, uint16_t tag, const char *where);

/* The bytes that may be used. Panics like free. */
size_t cairn_ground_usable_bytes(struct cairn_ground *ground, const void *block, uint16_t tag,
                                 const char *where);

/*
 * Resizes such a block without copying, perhaps by moving its pages. NULL and nothing changed when
 * that cannot be done.
 * Requires: new_bytes above the size classes.
 */
void *cairn_ground_resize(struct cairn_ground *ground, void *block, uint16_t tag, size_t new_bytes);

/* Gives back to the kernel what is free. Returns the bytes released. */
size_t cairn_ground_trim(struct cairn_ground *ground);

/* Stops the program for a pointer that no layer knows, with the most precise word that can be said of it. */
CAIRN_NORETURN void cairn_ground_reject(struct cairn_ground *ground, const void *pointer,
                                        const char *where);

/* Internal. Requires: the buddy's lock. Something was freed: empties dirty free memory that lay idle, or is too much. */
void cairn_ground__freed(struct cairn_ground *ground);

/* Internal. Requires: the buddy's lock. Something was taken. */
void cairn_ground__taken(struct cairn_ground *ground);

struct cairn_ground_stats {
    struct cairn_pagesource_stats pages;
    struct cairn_buddy_stats buddy;
    size_t huge_count;
    size_t huge_bytes;
};

struct cairn_ground_stats cairn_ground_stats(struct cairn_ground *ground);

/* Fills the fields of the program's statistics that the ground knows; slab_bytes are those of the layers above. */
void cairn_ground_report(struct cairn_ground *ground, size_t slab_bytes,
                         struct cairn_malloc_stats *report);

void cairn_ground_prefork(struct cairn_ground *ground);
void cairn_ground_postfork(struct cairn_ground *ground);
void cairn_ground_check(struct cairn_ground *ground);

#endif
