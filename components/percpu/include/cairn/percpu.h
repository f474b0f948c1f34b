/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu.h - caches of free blocks sharded by the CPU that a thread runs on.
 *
 * Idea. For each CPU and each class a bounded array of pointers, used as a stack. An allocation
 * pops, a free pushes; an empty array is refilled with a batch, a full one flushes its oldest half.
 * Memory follows the number of CPUs and not of threads, nothing has to run when a thread ends, and
 * the CPU that frees a block keeps it: there is no owner to send it back to. The blocks themselves
 * are never touched.
 *
 *     shard of CPU 0          shard of CPU 1
 *     class 0  [p p p . .]    class 0  [p . . . .]      pop, push: the newest end (right)
 *     class 1  [p . . . .]    class 1  [p p p p .]      flush: the oldest end (left)
 *         \________ refill, flush, 32 or so at a time ________/
 *                             depot (depot.h)
 *                               source
 *
 * Two modes, one at a time for the whole object, chosen at init:
 *   lock  a lock per shard: try the shard of the current CPU, then its neighbours, then wait for
 *         the first. A CPU id that is unknown, sparse, or beyond the shards is mapped onto them;
 *   rseq  restartable sequences (percpu/rseq.h) on the same arrays: no lock and no atomic operation
 *         but once in a batch. The index is the kernel's concurrency id where it has one (mm_cid,
 *         Linux 6.3), so that a process of one thread uses one shard wherever it runs, and the CPU
 *         id elsewhere. A thread that has neither, or whose shard is stopped by another thread,
 *         bypasses the shards and uses the depot.
 *
 * Any thread can flush any shard, in both modes. In rseq mode, while there are other threads, the
 * shard of another CPU takes a membarrier(2) (`fence` says when that may be called); where it may
 * not, or a filter denies it, such shards are left alone.
 *
 * Invariants (walked by cairn_percpu_check): 0 <= count <= limit <= capacity per array; no NULL and
 * no pointer twice; the limits of a shard in bytes are what its header says.
 *
 * Limits. An array's limit begins with a batch and doubles when it was both emptied and filled up
 * since it last grew (a program that only allocates or only frees gains nothing from it), up to a
 * capacity per class and a budget per shard; beyond that, arrays that missed nothing lately give
 * theirs away. A refill and a flush move half of it. When the source says that it is under
 * pressure, idle arrays give everything back, and so do the classes of the depot and the shards of
 * CPUs that were not used lately.
 *
 * Threads: safe. Lock order: shard (CAIRN_RANK_SHARD), then depot, then source; a shard's lock is
 *          not held during a call of the depot.
 *
 * Unloading. The kernel may look, in each thread, at the descriptor of the last sequence, when the
 * thread has left it long since; and an area of our own is thread-local storage of the object that
 * holds this code. So a shared object that does must not be unloaded while threads go on: it is to
 * be linked with -Wl,-z,nodelete, as the Bazel target sees to.
 *
 * Source: Bonwick and Adams 2001; tcmalloc's per-CPU mode; Linux Documentation/rseq.
 */

#ifndef CAIRN_PERCPU_H
#define CAIRN_PERCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/base/lock.h>
#include <cairn/cpu.h>
#include <cairn/depot.h>
#include <cairn/percpu/rseq.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_PERCPU_CLASSES_MAX = CAIRN_RSEQ_CLASSES_MAX,
    CAIRN_PERCPU_IDS_MAX = 8192, /* that any kernel of today gives */
    CAIRN_PERCPU_BATCH_MIN = 2,
    CAIRN_PERCPU_BATCH_MAX = 64
};

enum cairn_percpu_mode { CAIRN_PERCPU_AUTO = 0, CAIRN_PERCPU_LOCK, CAIRN_PERCPU_RSEQ };

/* When membarrier(2) may be called after init, which a filter of system calls may answer by killing
   the process. */
enum cairn_percpu_fence {
    /* By cairn_percpu_flush() and flush_shard(), and before an allocation fails. */
    CAIRN_PERCPU_FENCE_ASKED = 0,
    CAIRN_PERCPU_FENCE_FREELY, /* also under pressure, to empty the shards of idle CPUs */
    CAIRN_PERCPU_FENCE_NEVER
};

struct cairn_percpu_config {
    const uint32_t *block_bytes; /* per class; copied */
    unsigned class_count;        /* <= CAIRN_PERCPU_CLASSES_MAX */
    unsigned shard_count;        /* 0: cairn_cpu_possible_count() */
    /* Bytes that one array may hold; 0: 64 KiB; clamped to 8 (2 above 32 KiB) ... 252 blocks. */
    size_t class_cache_bytes;
    /* Bytes that the limits of a shard may grow by; 0: 4 MiB, or less where there are many CPUs. */
    size_t shard_cache_bytes;
    size_t depot_class_bytes; /* as class_cache_bytes of the depot; 0: its default */
    enum cairn_percpu_mode mode;
    /* Rseq mode: by CPU id even where there are concurrency ids, as before Linux 6.3. */
    bool by_cpu_id;
    enum cairn_percpu_fence fence;
    enum cairn_cpu_id_method cpu_id_method;
    const uint32_t *pressure;   /* changes when the source would take more memory; NULL: never */
    struct cairn_source source; /* THREAD_SAFE; serves block_bytes[class] */
    /* Entries in an object of the caller's, for cairn_percpu_pop_at(): zero, aligned to 128, valid
       as long as the state. As many as ids that can come, or there are no sequences. NULL: in the
       state. */
    struct cairn_percpu_entry *entries;
    unsigned entry_count;
    void *state; /* reads as zero, aligned to 64, lazily touched */
    size_t state_bytes;
};

/* Private, in the state: see percpu_state.h. */
struct cairn_percpu_header;
struct cairn_percpu_common;

/* Private. */
struct cairn_percpu_class {
    uint32_t block_bytes;
    uint32_t slots_offset; /* first usable slot, in pointers from the shard's first */
    uint16_t capacity;
    uint16_t batch;  /* by which the limit grows */
    uint16_t refill; /* blocks taken at once */
};

/* Private; visible so that the caller can place it. Not moved after init. */
struct cairn_percpu {
    struct cairn_rseq_view view;
    struct cairn_cpu cpu;
    enum cairn_percpu_mode mode;
    const char *reason;
    unsigned class_count;
    unsigned shard_count;
    unsigned entry_count; /* >= shard_count, and above every id */
    size_t shard_bytes;
    size_t shard_cache_bytes;
    const uint32_t *pressure;
    enum cairn_percpu_fence fence;
    struct cairn_percpu_common *common;  /* in the state */
    struct cairn_percpu_header *headers; /* in the state */
    char *shards;                        /* in the state */
    struct cairn_percpu_class classes[CAIRN_PERCPU_CLASSES_MAX];
    struct cairn_depot depot;
};

struct cairn_percpu_stats {
    enum cairn_percpu_mode mode;
    const char *reason; /* why this mode: a static sentence */
    enum cairn_cpu_id_method cpu_id_method;
    const char *cpu_reason;
    bool by_cid; /* rseq mode: shards by concurrency id, not by CPU */
    unsigned shard_count;
    unsigned shards_used; /* that hold or held something */
    size_t cached_bytes;  /* in shards */
    size_t depot_bytes;
    uint64_t contended; /* times a thread found its shard locked */
};

/*
 * Bytes of state that this configuration needs.
 *
 * Returns: the exact number; 0 when the configuration is invalid.
 * Cost:    O(classes). With shard_count 0 also that of cairn_cpu_possible_count(), which reads a
 *          file.
 * Threads: safe.
 */
size_t cairn_percpu_state_bytes(const struct cairn_percpu_config *config);

/*
 * Makes the caches, empty.
 *
 * Requires: the state reads as zero.
 * Returns:  0.
 * Fails:    -EINVAL for no or too many classes, a block size of 0, a state that is misaligned or
 *           too small, or a source that is not THREAD_SAFE.
 * Owns:     the caller keeps the state, and keeps it valid until fini. The object must not move.
 * Cost:     O(classes + entries), and the system calls of docs/system-calls.md; no shard is
 *           touched.
 * Threads:  not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_percpu_init(struct cairn_percpu *percpu,
                                      const struct cairn_percpu_config *config);

/*
 * Gives every cached block to the source and ends the object.
 *
 * Requires: all blocks were given back, and no thread is inside any function.
 * Cost:     O(shards in use * classes), and what the source does.
 * Threads:  not safe.
 */
void cairn_percpu_fini(struct cairn_percpu *percpu);

/*
 * Takes one block of a class.
 *
 * Requires: class_idx < class_count.
 * Returns:  a block of block_bytes[class_idx], of unknown content.
 * Fails:    NULL when everything below is exhausted; other shards are flushed first.
 * Owns:     the caller, until it frees the block.
 * Cost:     O(1); once in a batch what the depot and the source do.
 * Threads:  safe.
 */
void *cairn_percpu_alloc(struct cairn_percpu *percpu, unsigned class_idx);

/*
 * The fast path of cairn_percpu_alloc() alone, to inline.
 *
 * Requires: class_idx < class_count.
 * Returns:  a block, or NULL, after which cairn_percpu_alloc_slow() is to be called. Always NULL in
 *           lock mode.
 * Owns:     the caller, until it frees the block.
 * Cost:     O(1): one restartable sequence, no atomic operation.
 * Threads:  safe; may run beside a fork.
 */
CAIRN_HOT_INLINE void *cairn_percpu_pop(struct cairn_percpu *percpu, size_t class_idx)
{
    return cairn_rseq_pop(&percpu->view, percpu->view.entries, class_idx);
}

/* The same where the configuration named the entries: a load less if their address is known when
   this is compiled. */
CAIRN_HOT_INLINE void *cairn_percpu_pop_at(struct cairn_percpu *percpu,
                                           const struct cairn_percpu_entry *entries,
                                           size_t class_idx)
{
    return cairn_rseq_pop(&percpu->view, entries, class_idx);
}

/* What remains of cairn_percpu_alloc() after a pop that returned NULL: the same contract. */
void *cairn_percpu_alloc_slow(struct cairn_percpu *percpu, unsigned class_idx);

/*
 * The fast path of cairn_percpu_free() alone, to inline.
 *
 * Requires: class_idx < class_count; the block was taken as one of this class.
 * Returns:  true when the block is in; false: cairn_percpu_free_slow() is to be called. Always
 *           false in lock mode.
 * Cost:     O(1): one restartable sequence, no atomic operation.
 * Threads:  safe; may run beside a fork.
 */
CAIRN_HOT_INLINE bool cairn_percpu_push(struct cairn_percpu *percpu, size_t class_idx, void *block)
{
    return cairn_rseq_push(&percpu->view, percpu->view.entries, class_idx, block);
}

/* The same for a class that is counted from 1, and for named entries: an instruction and a load
   less for a caller who has them so. */
CAIRN_HOT_INLINE bool cairn_percpu_push_at_from_1(struct cairn_percpu *percpu,
                                                  const struct cairn_percpu_entry *entries,
                                                  size_t class_idx, void *block)
{
    return cairn_rseq_push_from_1(&percpu->view, entries, class_idx, block);
}

/* What remains of cairn_percpu_free_from() after a push that returned false: the same contract. */
void cairn_percpu_free_slow(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                            const char *where);

/* As cairn_percpu_free() below; the complaint names `where`: for a malloc, whose users know only
   the call they made. */
void cairn_percpu_free_from(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                            const char *where);

/*
 * Gives one block of a class back.
 *
 * Requires: the block was taken as one of this class. Panics with "double free" when it is one of
 *           the two newest of the array it would go to (lock mode: of the newest four); later
 *           repeats are found by the source, when the batch gets there.
 * Cost:     O(1); once in a batch what the depot and the source do. Keeps errno.
 * Threads:  safe; any thread may give any block back.
 */
static inline void cairn_percpu_free(struct cairn_percpu *percpu, unsigned class_idx, void *block)
{
    cairn_percpu_free_from(percpu, class_idx, block, "cairn_percpu_free");
}

/*
 * Gives the blocks that one shard caches to the source.
 *
 * Requires: shard_idx < shard_count.
 * Returns:  the number of blocks; 0 also when the shard cannot be stopped (see `fence`).
 * Cost:     O(classes), and what the source does; a membarrier(2) in rseq mode.
 * Threads:  safe.
 */
size_t cairn_percpu_flush_shard(struct cairn_percpu *percpu, unsigned shard_idx);

/*
 * Gives the blocks of all shards and of the depot to the source.
 *
 * Returns: the number of blocks.
 * Cost:    O(shards in use * classes), and what the source does; one membarrier(2) in rseq mode.
 * Threads: safe.
 */
size_t cairn_percpu_flush(struct cairn_percpu *percpu);

/*
 * The same without membarrier(2): while there are other threads, rseq mode flushes the shard of the
 * calling thread and the depot alone.
 *
 * Returns: the number of blocks.
 * Cost:    O(shards in use * classes), and what the source does; no system call of its own.
 * Threads: safe.
 */
size_t cairn_percpu_flush_own(struct cairn_percpu *percpu);

/*
 * Some time passed, an epoch: what was not needed since the last call goes to the source. To be
 * called periodically, ten times a second for one. Of the depot, unused classes go at once, and the
 * older half of the others; of the shards that can be stopped without a fence, arrays without a
 * refill or flush, and the older half of the others. Other shards do so at their next miss.
 *
 * Cost:    O(shards in use * classes), and what the source does; with CAIRN_PERCPU_FENCE_FREELY a
 *          membarrier(2) for each shard of another CPU.
 * Threads: safe.
 */
void cairn_percpu_age(struct cairn_percpu *percpu);

/*
 * Gives what the shards of other CPUs hold to the source, if there was no refill or flush since the
 * last call. To be called periodically. Does nothing with CAIRN_PERCPU_FENCE_NEVER.
 *
 * Cost:    O(shards in use * classes), and what the source does; in rseq mode with other threads a
 *          membarrier(2) for each shard that is emptied.
 * Threads: safe.
 */
void cairn_percpu_flush_idle(struct cairn_percpu *percpu);

/* One array: how many blocks it holds, and how many it may (0: not used yet). */
struct cairn_percpu_level {
    unsigned count;
    unsigned limit;
};

/*
 * Requires: shard_idx < shard_count, class_idx < class_count.
 * Returns:  a snapshot, exact when no other thread uses the array.
 * Cost:     O(1).
 * Threads:  safe.
 */
struct cairn_percpu_level cairn_percpu_level(const struct cairn_percpu *percpu, unsigned shard_idx,
                                             unsigned class_idx);

/*
 * Returns: a snapshot; each field is exact when no other thread uses the object.
 * Cost:    O(shards in use * classes).
 * Threads: safe.
 */
struct cairn_percpu_stats cairn_percpu_stats(struct cairn_percpu *percpu);

/* Returns: a static name, for reports; "unknown" for any other value. Threads: safe. */
const char *cairn_percpu_mode_name(enum cairn_percpu_mode mode);

/*
 * The fast paths alone, in lock mode. They touch nothing but a shard that is in use, and its blocks
 * only while it is not closed: so they may run beside a fork, unlike every other function.
 *
 * Requires: class_idx < class_count; the block was taken as one of this class.
 * Returns:  a block, or NULL; true when the block is in. NULL and false in rseq mode.
 * Owns:     the caller, until it frees the block.
 * Fails:    when the shard is not in use, locked, closed, empty or full: nothing is changed then.
 * Cost:     O(1). Never waits.
 * Threads:  safe.
 */
void *cairn_percpu_try_alloc(struct cairn_percpu *percpu, unsigned class_idx);
bool cairn_percpu_try_free(struct cairn_percpu *percpu, unsigned class_idx, void *block,
                           const char *where);

/*
 * Closes all shards for a fork, so that the child finds each of them whole, and keeps every cache.
 * The fast paths of other threads are in vain until the shards are open again.
 *
 * Requires: the shards are open. No other thread is inside any function but the fast paths (pop,
 *           push, try_alloc, try_free) until they are open again: see <cairn/base/gate.h>. The
 *           caller itself may use all functions but fini meanwhile: in rseq mode the depot serves
 *           it, and its flushes and checks leave the shards alone.
 * Returns:  true. False in lock mode when a fast path did not end within a second: its thread may
 *           be the caller's own, which a handler interrupted. The shards are closed, and the child
 *           must use none of them.
 * Cost:     O(shards in use); some microseconds of waiting in a process of several threads. No
 *           system call but of a lock that is held: lock mode waits until each fast path that began
 *           before has ended.
 * Threads:  one at a time.
 */
bool cairn_percpu_close(struct cairn_percpu *percpu);

/*
 * In the child of a fork, first, while they are closed.
 *
 * Rseq mode: undoes a push of another thread that committed after the close; its block is lost to
 * the child, as those that other threads hold are. Lock mode: no shard's lock is held.
 *
 * Requires: they are closed, by the thread that forked.
 * Cost:     O(shards in use).
 * Threads:  not safe: the child has one.
 */
void cairn_percpu_repair(struct cairn_percpu *percpu);

/*
 * Opens them again, in parent and child.
 *
 * Requires: they are closed, by this thread.
 * Cost:     O(shards in use).
 */
void cairn_percpu_reopen(struct cairn_percpu *percpu);

/*
 * Around vfork(): a child of it runs in its parent's memory and with its parent's thread pointer,
 * but the kernel does not abort its restartable sequences. cairn_percpu_suspend() makes the calling
 * thread, and its child, bypass the shards until the parent calls cairn_percpu_resume(). Other
 * threads are unaffected. Never blocks.
 *
 * Returns: true when cairn_percpu_resume() is to be called, in this thread. False: there is nothing
 *          to do, because this is lock mode, or the thread has no id as it is (a child of vfork()
 *          that calls vfork()); or the kernel refuses, then a child must not use the object.
 * Cost:    two system calls for the pair in rseq mode, none else. Keeps errno.
 * Threads: safe; concerns the calling thread alone.
 */
CAIRN_NODISCARD bool cairn_percpu_suspend(const struct cairn_percpu *percpu);
void cairn_percpu_resume(const struct cairn_percpu *percpu);

/*
 * Walks every array and the depot; panics on a broken invariant. For tests. In rseq mode shards
 * that cannot be stopped (see `fence`) are left out.
 *
 * Cost:    quadratic in an array's length; membarrier(2) as in a flush of each shard.
 * Threads: safe.
 */
void cairn_percpu_check(struct cairn_percpu *percpu);

CAIRN_END_DECLS

#endif
