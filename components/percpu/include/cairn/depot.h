/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * depot.h - where batches of blocks wait between the CPU that frees and the CPU that allocates.
 *
 *     shard 0 -- flush -->  | p p p p p p p p . . . . |  -- refill --> shard 1
 *                             one array per class, one lock per class
 *                                    | dry          | full
 *                                    +--- source ---+
 *
 * A batch is moved by copying pointers under a short lock: no slab is looked up and no block is
 * touched. Only what the depot has no room for goes down to the source, and only what it does not
 * have comes up from there.
 *
 * Invariants: 0 <= count <= capacity per class; a pointer is in the depot once.
 * Threads: safe; one lock per class (rank CAIRN_RANK_DEPOT). The source must be THREAD_SAFE.
 * Source: the depot of Bonwick and Adams, "Magazines and Vmem", USENIX 2001; the transfer cache of
 *         tcmalloc's design.
 */

#ifndef CAIRN_DEPOT_H
#define CAIRN_DEPOT_H

#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/base/lock.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_DEPOT_CLASSES_MAX = 128,
    CAIRN_DEPOT_LARGE_BYTES = 32 * 1024 /* of blocks above, few wait */
};

struct cairn_depot_config {
    const uint32_t *block_bytes; /* per class; copied */
    unsigned class_count;        /* <= CAIRN_DEPOT_CLASSES_MAX */
    /* Bytes that may be kept per class; 0: 64 KiB; clamped to 8 (2 above 32 KiB) ... 1024
       blocks. */
    size_t class_cache_bytes;
    struct cairn_source source;
    void *state; /* reads as zero, aligned to 64, lazily touched */
    size_t state_bytes;
};

struct cairn_depot_bin {
    struct cairn_lock lock;
    uint32_t count;
    uint32_t capacity;
    uint32_t block_bytes;
    uint32_t idle_ticks; /* since blocks were last taken or given */
    bool was_used;       /* since the last cairn_depot_age() */
    size_t slots_offset; /* in pointers, into the state */
} CAIRN_CACHE_ALIGNED;

/* Private; visible so that the caller can place it. Not moved after init. */
struct cairn_depot {
    struct cairn_source source;
    void **slots;
    unsigned class_count;
    struct cairn_depot_bin bins[CAIRN_DEPOT_CLASSES_MAX];
};

/*
 * Bytes of state that this configuration needs.
 *
 * Returns: the exact number; 0 when the classes are invalid.
 * Cost:    O(classes).
 * Threads: safe.
 */
size_t cairn_depot_state_bytes(const struct cairn_depot_config *config);

/*
 * Makes a depot, empty.
 *
 * Requires: the state reads as zero.
 * Returns:  0.
 * Fails:    -EINVAL for no classes, too many, a block size of 0, a state that is misaligned or too
 *           small, or a source that is not THREAD_SAFE: nothing is changed.
 * Owns:     the caller keeps the state, and keeps it valid until fini. The object must not move.
 * Cost:     O(classes).
 * Threads:  not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_depot_init(struct cairn_depot *depot,
                                     const struct cairn_depot_config *config);

/*
 * Gives everything that waits to the source and ends the depot.
 *
 * Requires: no thread is inside any function.
 * Cost:     O(blocks that wait), and what the source does.
 */
void cairn_depot_fini(struct cairn_depot *depot);

/*
 * Takes blocks of a class: from the depot, then from the source, which is asked to align them to
 * min(16, largest power of two that divides block_bytes).
 *
 * Requires: class_idx < class_count; count > 0.
 * Returns:  how many: fewer than `count` when both are exhausted. Blocks given together come
 *           together, in the order in which they were given.
 * Owns:     the caller, until it gives them.
 * Cost:     O(count), and what the source does; the source is called without a lock.
 * Threads:  safe.
 */
size_t cairn_depot_take(struct cairn_depot *depot, unsigned class_idx, void **blocks, size_t count);

/*
 * Gives blocks of a class: to the depot while there is room, the rest to the source. Never fails.
 *
 * Requires: class_idx < class_count; the blocks were taken as ones of this class.
 * Cost:     O(count), and what the source does.
 * Threads:  safe.
 */
void cairn_depot_give(struct cairn_depot *depot, unsigned class_idx, void *const *blocks,
                      size_t count);

/*
 * Gives everything that waits to the source.
 *
 * Returns: the number of blocks.
 * Cost:    O(classes + blocks that wait), and what the source does.
 * Threads: safe; ends although others may give all the time.
 */
size_t cairn_depot_flush(struct cairn_depot *depot);

/*
 * Idle time is counted in ticks: call cairn_depot_tick() periodically. cairn_depot_flush_idle()
 * gives the blocks of the classes that were unused for the last `ticks` ticks to the source.
 *
 * Returns: the number of blocks.
 * Cost:    O(classes), and what the source does.
 * Threads: safe.
 */
void cairn_depot_tick(struct cairn_depot *depot);
size_t cairn_depot_flush_idle(struct cairn_depot *depot, unsigned ticks);

/*
 * Gives the blocks of the classes that were unused since the last call to the source, and of the
 * others the older half.
 *
 * Returns: the number of blocks.
 * Cost:    O(classes), and what the source does.
 * Threads: safe.
 */
size_t cairn_depot_age(struct cairn_depot *depot);

/*
 * Blocks that wait, of one class; bytes in all classes.
 *
 * Requires: class_idx < class_count.
 * Returns:  the number, exact when no other thread uses the depot.
 * Cost:     O(1); O(classes).
 * Threads:  safe.
 */
size_t cairn_depot_count(const struct cairn_depot *depot, unsigned class_idx);
size_t cairn_depot_bytes(const struct cairn_depot *depot);

/*
 * Walks all state; panics on a broken invariant. For tests.
 *
 * Cost:    quadratic in the blocks that wait in a class, at most 1024.
 * Threads: safe; takes the locks.
 */
void cairn_depot_check(struct cairn_depot *depot);

CAIRN_END_DECLS

#endif
