/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pagesource.h - memory from the kernel, by brk or by mmap, decided by size and history.
 *
 * Idea. A program that grows in small steps is served best by extending its data segment: no new
 * mapping, one contiguous heap, and what is freed at its end can be taken back. A large block is
 * served best by a mapping of its own, which can go back whatever lies around it. Where the border
 * lies depends on the program: a size that is freed once is likely to be asked for again, so
 * freeing a mapped block raises the border above its size, and the next one comes from retained
 * memory without a system call or a page fault.
 *
 *     requests  < map_threshold   -> retained extents, else extend the data segment (grown in steps)
 *               >= map_threshold  -> retained extents, else a mapping
 *     break not contiguous, refused or spent -> mappings; mapping refused -> retained memory, then NULL
 *
 * What is given back becomes part of a run: touching free memory of one origin, of which one
 * stretch is known to be fresh and the rest counts as dirty. Dirty memory is used again first;
 * above a bound (retain, and the border itself once history has raised it) it goes back to the
 * kernel: the top of the data segment by sbrk, whole mappings by munmap, the rest by MADV_DONTNEED.
 *
 * Metadata lives in this struct and in regions of its own, never in or next to the memory given
 * out: each region has a page on either side that nothing may touch, and the page between the
 * program's data and our data segment is such a one, too.
 *
 * Invariants (walked by cairn_pagesource_check):
 *   I1  runs and blocks are page-aligned and disjoint, and no two runs of one origin touch;
 *   I2  brk_bytes + mapped_bytes == outstanding_bytes + free_bytes + transit_bytes + lost_bytes of
 *       parts;
 *   I3  a fresh stretch reads as zero;
 *   I4  the break is only lowered over memory that pagesource itself added;
 *   I5  memory whose munmap failed stays free: never lost, never handed out twice;
 *   I6  each block has its node, which is that of the free run once the block is given back: that
 *       needs no memory;
 *   I7  what is held, past the lock or on its way from or to the kernel, never exceeds the limit, or
 *       what it was when a lower limit was set.
 *
 * errno is left alone. Thread-safe: one lock (rank CAIRN_RANK_PAGES). The kernel maps, unmaps and
 * empties blocks without it: what it works on is in transit meanwhile, out of the reach of other
 * threads, but counted as held.
 *
 * Others may call sbrk too, at any time but not while this source is inside it (libc's sbrk is not
 * thread-safe). What they add splits the data segment into up to CAIRN_PAGESOURCE_SEGMENTS pieces.
 * If they lower the break into a piece, that memory is gone: what was free there is forgotten; if
 * blocks were outstanding there, their giving back is only counted, and the break is left alone
 * from then on.
 *
 * Source: sbrk(2), mmap(2), mremap(2), madvise(2), mallopt(3) for the moving threshold.
 */

#ifndef CAIRN_PAGESOURCE_H
#define CAIRN_PAGESOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/base/decay.h>
#include <cairn/base/lock.h>
#include <cairn/os.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

enum cairn_pagesource_policy {
    CAIRN_PAGESOURCE_AUTO = 0, /* brk for small growth, mmap for large blocks, border by history */
    CAIRN_PAGESOURCE_BRK,      /* data segment first; mmap only where brk is refused */
    CAIRN_PAGESOURCE_MMAP      /* never touches the break */
};

/* Zero fields mean the default that is named. */
struct cairn_pagesource_config {
    enum cairn_pagesource_policy policy;
    struct cairn_os os;             /* cairn_os_linux() */
    size_t map_threshold_bytes;     /* 4 MiB: where mapping begins under AUTO */
    size_t map_threshold_max_bytes; /* 32 MiB: how far history may raise it */
    size_t growth_min_bytes;        /* 1 MiB: the least step by which address space grows ... */
    size_t growth_max_bytes; /* 64 MiB: ... and the largest; between them 1/8 of what is held */
    size_t retain_min_bytes; /* 4 MiB: dirty free memory kept, or 1/8 of outstanding if more */
    /* 0: dirty memory beyond retain_min_bytes goes back at once, and the rest stays. Else what is
       beyond it goes back when it was idle for so long, and the rest when it was so for
       CAIRN_DECAY_OLD_EPOCHS times as long; at once still what is beyond 16 times as much, and
       beyond what is outstanding. */
    uint32_t retain_ms;
    size_t limit_bytes; /* 0: none. outstanding + retained never exceeds this, not even while
                                         an alignment is cut out of a larger piece */
};

struct cairn_pagesource_stats {
    size_t page_bytes;
    size_t outstanding_bytes; /* given out */
    size_t free_bytes;        /* held, not given out */
    size_t free_dirty_bytes;  /* the part of free_bytes that may be resident */
    size_t transit_bytes;     /* held, on its way to the kernel or back */
    size_t brk_bytes;         /* held by extending the data segment */
    size_t mapped_bytes;      /* held by mapping */
    size_t past_bytes;        /* given out past the lock; not in the sums above */
    /* Emptied, but neither free nor given out: no node, or munmap failed past the lock. */
    size_t lost_bytes;
    size_t reserved_bytes;  /* metadata as it was asked for; not in the sums above */
    size_t table_bytes;     /* metadata of the page source itself beyond the struct */
    size_t metadata_bytes;  /* address space of both, with its guards */
    size_t held_peak_bytes; /* peak of brk_bytes + mapped_bytes */
    size_t map_threshold_bytes;
    size_t free_extent_count;   /* runs */
    size_t unmap_pending_bytes; /* free, but munmap failed and is tried again */
    uint64_t map_calls, unmap_calls, brk_calls, purge_calls, remap_calls;
    uint64_t refused_calls; /* of any kind, refused by the kernel */
};

/* A stretch of memory. Links are the numbers of other nodes; 0 is none. */
struct cairn_pagesource_node {
    uintptr_t base;
    uintptr_t end;
    uintptr_t fresh_base; /* free: what reads as zero; both are `end` when that is nothing */
    uintptr_t fresh_end;
    uint32_t links[4][2]; /* for each tree it is in: lower, higher */
    uint32_t origin;      /* enum in extents.h: data segment, mapping, metadata */
    uint32_t flags;
};

struct cairn_pagesource_segment {
    uintptr_t base;
    uintptr_t end;
};

/* A program with few blocks never maps a table. Piece k has so many nodes as all before it, and as
   many as the first. */
enum {
    CAIRN_PAGESOURCE_INLINE_NODES = 64,
    CAIRN_PAGESOURCE_PIECES = 24,
    CAIRN_PAGESOURCE_TREES = 7,
    CAIRN_PAGESOURCE_SEGMENTS = 16
};

/* Private; visible so that the caller can place it. Not moved after init. */
struct cairn_pagesource {
    struct cairn_lock lock;
    uint32_t flight_count; /* calls of the kernel now made without the lock */
    uint32_t returns;      /* how many such calls ended; threads sleep on it */
    uint32_t waiter_count;
    struct cairn_pagesource_config config;
    struct cairn_pagesource_stats stats; /* but for what is atomic, below */
    struct cairn_decay decay;            /* of free_dirty_bytes */

    /* Atomic: when dirty memory may have lain idle long enough; UINT64_MAX: there is none. */
    uint64_t due_ms;
    bool is_over_base;       /* atomic: some of it is more than what stays for a while */
    size_t regrown_bytes;    /* that blocks grew in place, less what was kept for that */
    size_t charged_bytes;    /* atomic: what counts against the limit */
    size_t limited_at_bytes; /* that, when the limit was changed last */
    size_t past_bytes;       /* atomic */
    size_t past_lost_bytes;  /* atomic */

    uint32_t roots[CAIRN_PAGESOURCE_TREES];
    uint32_t regions;             /* of metadata, the newest first */
    uint32_t node_top;            /* nodes below were used at least once */
    uint32_t node_free;           /* linked through links[0][0] */
    uint32_t node_free_count;     /* in that list */
    uint32_t node_promised_count; /* for calls that are under way */
    uint32_t piece_count;
    struct cairn_pagesource_node *pieces[CAIRN_PAGESOURCE_PIECES];

    /* Our data segment from here on was taken away by others; UINTPTR_MAX: nothing. */
    uintptr_t lost_base;
    uintptr_t break_guard; /* the end of the page between the program's data and ours; 0: not yet */
    size_t segment_count;
    struct cairn_pagesource_segment segments[CAIRN_PAGESOURCE_SEGMENTS]; /* by address */
    struct cairn_pagesource_node inline_nodes[CAIRN_PAGESOURCE_INLINE_NODES];
};

/*
 * Makes a page source. Touches no memory and makes no system call but for the page size.
 *
 * Requires: config may be NULL (all defaults); it is copied. The struct need not be zeroed.
 * Returns:  0.
 * Fails:    -EINVAL when a size in it is not a multiple of the page size, a maximum lies below its
 *           minimum, or the policy is unknown. A default gives way to the bound that is named
 *           beside it.
 * Owns:     the caller keeps the struct, which must not move until fini.
 * Cost:     O(1).
 * Threads:  not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_pagesource_init(struct cairn_pagesource *source,
                                          const struct cairn_pagesource_config *config);

/*
 * Gives everything that is free back to the kernel and ends the source. Panics if anything is
 * outstanding or reserved. What lies below other code's data in the data segment stays there,
 * emptied; what munmap refuses is lost. Blocks taken past the lock are not looked for.
 *
 * Requires: no thread is inside any function.
 * Cost:     O(n log n) in free runs, and as many system calls.
 */
void cairn_pagesource_fini(struct cairn_pagesource *source);

/*
 * Takes `length_bytes` (rounded up to pages) aligned to `align_bytes`.
 *
 * Requires: align_bytes a power of two; is_zeroed may be NULL.
 * Returns:  the block, readable and writable; *is_zeroed says whether it is known to read as zero.
 *           NULL and *is_zeroed untouched when length_bytes is 0, either exceeds 2^47, align_bytes
 *           is not a power of two (no system call is made for these), the limit would be exceeded,
 *           or the kernel refuses: then nothing changed, except that retained memory was given back
 *           in search of room.
 * Owns:     the caller, until cairn_pagesource_free() with the same length.
 * Cost:     O(log n) in blocks and runs, and at most a few system calls.
 * Threads:  safe; waits for other threads' memory in transit before it returns NULL.
 */
void *cairn_pagesource_alloc(struct cairn_pagesource *source, size_t length_bytes,
                             size_t align_bytes, bool *is_zeroed);

/*
 * Gives a block back. Panics when that is not memory of one outstanding block.
 *
 * Requires: base and length_bytes as taken (or as left by cairn_pagesource_resize); any part of a
 *           block that is a multiple of the page size may be given back on its own.
 * Fails:    never; but a part for which there is no node is emptied and lost (lost_bytes).
 * Cost:     O(log n); sometimes system calls.
 * Threads:  safe.
 */
void cairn_pagesource_free(struct cairn_pagesource *source, void *base, size_t length_bytes);

/*
 * Resizes a block: in place if the neighbourhood allows it, else by moving its pages when
 * `may_move`, to where it has room to grow on: as much address space again, at most
 * growth_max_bytes.
 *
 * Requires: align_bytes as at its taking; when that exceeds a page, it is not moved to a place that
 *           breaks it.
 * Returns:  the new address (the old one if in place, as whenever it shrinks); NULL and nothing
 *           changed when it cannot be done, or when a copy costs less, because there is free memory
 *           that was touched before: the caller then takes, copies and gives. It cannot shrink when
 *           there is no memory for a node. Bytes beyond the old length are of unknown content. What
 *           is cut off is free memory as any other.
 * Owns:     the caller, until cairn_pagesource_free() with the new length.
 * Cost:     O(log n), and two system calls at most.
 * Threads:  safe.
 */
void *cairn_pagesource_resize(struct cairn_pagesource *source, void *base, size_t old_bytes,
                              size_t new_bytes, size_t align_bytes, bool may_move);

/*
 * Gives all dirty free memory and the free top of the data segment back to the kernel, retrying
 * what failed before.
 *
 * Returns: how many dirty bytes were released.
 * Cost:    O(runs log n), and as many system calls.
 * Threads: safe.
 */
size_t cairn_pagesource_purge(struct cairn_pagesource *source);

/*
 * Gives the address space of all free memory back, dirty or not, and waits for what other threads
 * are giving back: for memory that other code cannot map.
 *
 * Returns: true when there may be more address space than before: try again.
 * Cost:    O(runs log n), and as many system calls.
 * Threads: safe.
 */
bool cairn_pagesource_release(struct cairn_pagesource *source);

/*
 * Gives dirty memory back that has lain idle for retain_ms, down to the larger of retain_min_bytes
 * and 1/8 of what is outstanding; and all that has lain idle for CAIRN_DECAY_OLD_EPOCHS times as
 * long. To be called periodically. Does nothing without retain_ms.
 *
 * Requires: the caller holds no lock that ranks below this one.
 * Cost:     two reads unless something is due; then as cairn_pagesource_purge() at most.
 * Threads:  safe.
 */
void cairn_pagesource_tick(struct cairn_pagesource *source);

/*
 * Changes what the configuration said: `retain_min_bytes` and `limit_bytes`, multiples of the page
 * size, and `retain_ms`, where UINT32_MAX means that dirty memory goes back under pressure alone.
 * A limit below what is held takes nothing back: it forbids more.
 *
 * Cost:    O(1). What is in excess from now on goes back with a later call.
 * Threads: safe.
 */
struct cairn_pagesource_bounds {
    size_t retain_min_bytes; /* 0: the default */
    size_t limit_bytes;      /* 0: none */
    uint32_t retain_ms;
};
void cairn_pagesource_set_bounds(struct cairn_pagesource *source,
                                 const struct cairn_pagesource_bounds *bounds);

/*
 * Empties a page-aligned range of an outstanding block: it reads as zero afterwards and costs no
 * memory.
 *
 * Returns: 0.
 * Fails:   -errno of madvise(2), with the content unknown.
 * Cost:    one system call.
 * Threads: safe, if the range is not in use.
 */
int cairn_pagesource_purge_range(struct cairn_pagesource *source, void *base, size_t length_bytes);

/*
 * Reserves zeroed memory for metadata, with a page that nothing may touch somewhere on each side.
 *
 * Returns: the block, aligned to 64 bytes, and to pages when it is a page or longer; NULL when
 *          length_bytes is 0, or the kernel refuses after all free memory went back to it: ask
 *          for less.
 * Owns:    the caller, until cairn_pagesource_unreserve(). Not counted as outstanding.
 * Cost:    O(log n); four system calls for each MiB of small ones, and for each of 512 KiB or more.
 * Threads: safe.
 */
void *cairn_pagesource_reserve(struct cairn_pagesource *source, size_t length_bytes);

/*
 * Ends a reservation (whole): its memory is unmapped, or serves another. Panics when it is none.
 *
 * Requires: base and length_bytes as reserved.
 * Cost:     O(log n); sometimes a system call.
 * Threads:  safe.
 */
void cairn_pagesource_unreserve(struct cairn_pagesource *source, void *base, size_t length_bytes);

/*
 * Maps one block past the lock: for a program whose other state is closed, as while another thread
 * forks.
 *
 * Returns: zeroed pages; NULL when length_bytes is 0, the limit would be exceeded or the kernel
 *          refuses.
 * Owns:    the caller, until cairn_pagesource_unmap_past() with the same length; no other function
 *          knows the block.
 * Cost:    one system call.
 * Threads: safe, lock-free.
 */
void *cairn_pagesource_map_past(struct cairn_pagesource *source, size_t length_bytes);

/*
 * Unmaps such a block. What the kernel refuses is emptied and lost (lost_bytes).
 *
 * Requires: base and length_bytes as mapped.
 * Cost:     one system call, two when it is refused.
 * Threads:  safe, lock-free.
 */
void cairn_pagesource_unmap_past(struct cairn_pagesource *source, void *base, size_t length_bytes);

/* Returns: a snapshot. Cost: O(1). Threads: safe. */
struct cairn_pagesource_stats cairn_pagesource_stats(struct cairn_pagesource *source);

/* The source: THREAD_SAFE. Blocks of any number of pages, any alignment. */
struct cairn_source cairn_pagesource_as_source(struct cairn_pagesource *source);

/* Reservations as a source: THREAD_SAFE and ZEROED, at most page-aligned. For metadata tables. */
struct cairn_source cairn_pagesource_as_reserve_source(struct cairn_pagesource *source);

/* Walks all state; panics on a broken invariant. O(n log n). Takes the lock. */
void cairn_pagesource_check(struct cairn_pagesource *source);

CAIRN_END_DECLS

#endif
