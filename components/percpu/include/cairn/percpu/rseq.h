/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rseq.h - the three restartable sequences as pseudo-code; an architecture's own file has them in
 * instructions.
 *
 * A restartable sequence is a piece of code that the kernel sends a thread out of, to an abort
 * handler, when the thread was pre-empted, migrated or interrupted by a signal inside it. What lies
 * before its last store, the commit, must be harmless to do in vain; then the whole of it happens
 * on one CPU, at once, or not at all, without a lock or an atomic operation.
 *
 * An aborted thread does not start anew: it goes on as if it had found no block, no free slot, or
 * another id, by the slow path, which has locks. So a thread that is aborted every time, under a
 * debugger that steps through it, makes progress nonetheless.
 *
 *     entries   0    1    2  ...                 one pointer per id: a shard, or the stopped shard (n) while another thread
 *             [ s0 | s1 | n  ... ]               works on that shard; 128 bytes each, for a slow path writes its own
 *                |
 *     shard   headers[class] = top | free_slots << 16    one 32-bit array header per class, changed by one store
 *             slots  ... N N N N p p p . . . N N N N ...
 *                    below: NULL  ^ top (from the first slot of the shard)
 *
 *     pop (class)                       push (class, block)                  stop (id)
 *       aborted: slow                     aborted: slow                        aborted: moved
 *       arm                               arm                                  arm
 *       if no id of this thread: slow     if no id of this thread: slow        if no id of this thread: moved
 *       shard = entries[id]               shard = entries[id]                  if id differs: moved
 *       header = shard.headers[class]     header = shard.headers[class]        entries[id] = stopped    <- commit
 *       block = slots[top - 1]            if free_slots == 0: slow
 *       if block == NULL: slow            if one of the two newest: slow
 *       header: top - 1, free_slots + 1   slots[top] = block
 *       headers[class] = header <- commit header: top + 1, free_slots - 1
 *                                         headers[class] = header <- commit
 *
 * Zeroed memory is a shard that is both empty and full: header 0 has top 0, below which lies NULL,
 * and no free slot. So neither the stopped shard nor one that was never used needs a test of its
 * own.
 *
 * Rules. Arming is one store of the descriptor's address into the thread's struct rseq; no other
 * field of it is ever written. Between arm and commit there is no call, no system call, no stack
 * access. The id is read after arming. Every load of a header is as wide as every store of it, so
 * that a store forwards to the next load. What a thread without a registered area shows as cpu_id
 * is negative; its mm_cid may be anything, so cpu_id is tested whichever of the two is the index.
 *
 * Who may write what. headers and slots: sequences on the CPU that has the id, while entries[id] is
 * the shard; else the holder of the shard's lock, between stop and resume (shard.h). entries[id]:
 * the holder of that lock.
 *
 * Limits. The child of vfork() or of clone(CLONE_VM) without a thread pointer of its own shows the
 * id of its parent, but the kernel does not abort its sequences: it must not use sequences, unless
 * its parent gave the area up for that time (cairn_percpu_suspend(); the malloc library's vfork()
 * and clone() do so).
 *
 * Source: Linux include/uapi/linux/rseq.h and kernel/rseq.c; Dice, Garthwaite, "Mostly lock-free
 *         malloc", ISMM 2002, for the idea.
 */

#ifndef CAIRN_PERCPU_RSEQ_H
#define CAIRN_PERCPU_RSEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

enum {
    CAIRN_RSEQ_CLASSES_MAX = 128,
    CAIRN_RSEQ_NEWEST = 4, /* NULL slots below each array; a locked push is compared with as many */
    CAIRN_RSEQ_FREE_SLOTS_SHIFT = 16,
    CAIRN_RSEQ_ENTRY_SHIFT = 7 /* bytes of an entry */
};

/* One CPU's arrays. The slots follow it. */
struct cairn_percpu_shard {
    uint32_t array_headers[CAIRN_RSEQ_CLASSES_MAX]; /* top | free_slots << 16 */
    void *none[CAIRN_RSEQ_NEWEST]; /* NULL: below the top of an array that was never used */
};

/* Where the sequences of one id find their shard. Each refill and flush writes it twice, and every
   call reads one: two lines each, because processors fetch lines in pairs. */
struct cairn_percpu_entry {
    struct cairn_percpu_shard *shard;
    char apart[(1 << CAIRN_RSEQ_ENTRY_SHIFT) - sizeof(void *)];
};

/* What the sequences read besides the shards; not written after init, but for the entries of
   entries. There is an entry for each id that the kernel could give, not only for those it was
   expected to: a sequence compares it with no bound. Sequences are told the address of entries
   besides, for a program that keeps them in an object of its own knows it without a load. */
struct cairn_rseq_view {
    ptrdiff_t area; /* struct rseq, from the thread pointer */
    ptrdiff_t id;   /* the 32 bits that are the index: mm_cid or cpu_id, likewise */
    struct cairn_percpu_entry *entries;
};

/* From the thread pointer to an address. */
CAIRN_HOT_INLINE char *cairn_rseq_at(ptrdiff_t distance)
{
    return (char *)CAIRN_THREAD_POINTER() + distance;
}

CAIRN_END_DECLS

/* ThreadSanitizer does not see what instructions of ours do, and would report each block that
   changes hands. */
#if defined(__SANITIZE_THREAD__)
#define CAIRN_RSEQ_NOT_SHOWN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CAIRN_RSEQ_NOT_SHOWN 1
#endif
#endif

#if defined(CAIRN_RSEQ_NOT_SHOWN)
#include <cairn/percpu/rseq_none.h>
#elif defined(__x86_64__)
#include <cairn/percpu/rseq_x86_64.h>
#elif defined(__aarch64__)
#include <cairn/percpu/rseq_aarch64.h>
#else
#include <cairn/percpu/rseq_none.h>
#endif

#endif
