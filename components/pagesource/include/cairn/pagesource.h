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
 * What is given back is kept as a free extent {base, length, fresh or dirty}, merged with its
 * neighbours, and re-used dirty first; above a bound (retain, and the border itself once history
 * has raised it) it goes back to the kernel: the top of the data segment by sbrk, whole mappings by
 * munmap, the rest by MADV_DONTNEED.
 *
 * Invariants (walked by cairn_pagesource_check):
 *   I1  free extents are page-aligned, sorted, disjoint, and no two of one origin and state touch;
 *   I2  brk_bytes + mapped_bytes == outstanding_bytes + free_bytes;
 *   I3  a fresh extent reads as zero;
 *   I4  the break is only lowered over memory that pagesource itself added;
 *   I5  an extent whose munmap failed stays a free extent: never lost, never handed out twice;
 *   I6  the table has room for one extent per page held, so that giving back needs no memory.
 *
 * Metadata lives in this struct and in a table mapped for itself, never in or next to the memory
 * given out. errno is left alone. Thread-safe: one lock (rank CAIRN_RANK_PAGES).
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
    /* 0: dirty memory beyond retain_min_bytes goes back at once. Else when it was idle for so long; at once still what is
       beyond eight times as much, and beyond what is outstanding. */
    uint32_t retain_ms;
    size_t limit_bytes; /* 0: none. outstanding + retained never exceeds this, not even while
                                         an alignment is cut out of a larger piece */
};

struct cairn_pagesource_stats {
    size_t page_bytes;
    size_t outstanding_bytes; /* given out */
    size_t free_bytes;        /* held, not given out */
    size_t free_dirty_bytes;  /* the part of free_bytes that may be resident */
    size_t brk_bytes;         /* held by extending the data segment */
    size_t mapped_bytes;      /* held by mapping */
    size_t reserved_bytes;    /* address space for metadata; not in the sums above */
    size_t held_peak_bytes;   /* peak of brk_bytes + mapped_bytes */
    size_t map_threshold_bytes;
    size_t table_bytes; /* the table of extents once it has left the struct; not in the sums */
    size_t free_extent_count;
    size_t unmap_pending_bytes; /* munmap failed, is tried again: extents, ended reservations */
    uint64_t map_calls, unmap_calls, brk_calls, purge_calls, remap_calls;
    uint64_t refused_calls; /* of any kind, refused by the kernel */
};

struct cairn_pagesource_extent {
    uintptr_t base;
    size_t length_bytes;
    uint32_t origin; /* enum in extents.h: data segment, mapping, or an ended reservation */
    uint32_t flags;  /* fresh, unmap pending */
};

struct cairn_pagesource_segment {
    uintptr_t base;
    uintptr_t end;
};

/* 512 extents hold 2 MiB of 4 KiB pages (I6): a small program never maps a table. Untouched, they cost nothing. */
enum { CAIRN_PAGESOURCE_INLINE_EXTENTS = 512, CAIRN_PAGESOURCE_SEGMENTS = 16 };

/* Private; visible so that the caller can place it. Not moved after init. */
struct cairn_pagesource {
    struct cairn_lock lock;
    struct cairn_pagesource_config config;
    struct cairn_pagesource_stats stats;
    struct cairn_pagesource_extent *extents; /* free ones, by address */
    struct cairn_decay decay;                /* of free_dirty_bytes */
    size_t extent_count;
    size_t extent_capacity;
    size_t kept_count; /* extents that are ended reservations: not free, only awaiting munmap */
    size_t reservation_count; /* each may become one kept extent */
    uintptr_t
        lost_base; /* our data segment from here on was taken away by others; UINTPTR_MAX: nothing */
    size_t segment_count;
    struct cairn_pagesource_segment segments[CAIRN_PAGESOURCE_SEGMENTS]; /* by address */
    struct cairn_pagesource_extent inline_extents[CAIRN_PAGESOURCE_INLINE_EXTENTS];
};

/*
 * Makes a page source. Touches no memory and makes no system call but for the page size.
 *
 * Requires: config may be NULL (all defaults); it is copied. The struct need not be zeroed.
 * Fails:    -EINVAL when a size in it is not a multiple of the page size, a maximum lies below its minimum, or
 *           the policy is unknown. A default gives way to the bound that is named beside it.
 * Cost:     O(1). Threads: not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_pagesource_init(struct cairn_pagesource *source,
                                          const struct cairn_pagesource_config *config);

/*
 * Gives everything that is free back to the kernel and ends the source. Panics if anything is
 * outstanding. What lies below somebody else's data in the data segment stays there, emptied; what
 * munmap refuses is lost.
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
 * Cost:     O(free extents), and at most a few system calls. Threads: safe.
 */
void *cairn_pagesource_alloc(struct cairn_pagesource *source, size_t length_bytes,
                             size_t align_bytes, bool *is_zeroed);

/*
 * Gives a block back. Panics when it overlaps memory that is already free, or is not page-aligned.
 *
 * Requires: base and length_bytes as taken (or as left by cairn_pagesource_resize); any part of a
 *           block that is a multiple of the page size may be given back on its own.
 * Cost:     O(free extents); sometimes system calls. Threads: safe. Never fails.
 */
void cairn_pagesource_free(struct cairn_pagesource *source, void *base, size_t length_bytes);

/*
 * Resizes a block: in place if the neighbourhood allows it, else by moving its pages when
 * `may_move`.
 *
 * Requires: align_bytes as at its taking; when that exceeds a page, it is not moved to a place that
 *           breaks it.
 * Returns:  the new address (the old one if in place, as always when it shrinks); NULL and nothing
 *           changed when it cannot be done: the caller then takes, copies and gives. Bytes beyond
 *           the old length are of unknown content.
 * Cost:     O(free extents), at most one system call per try. Threads: safe.
 */
void *cairn_pagesource_resize(struct cairn_pagesource *source, void *base, size_t old_bytes,
                              size_t new_bytes, size_t align_bytes, bool may_move);

/* Gives all dirty free memory and the free top of the data segment back to the kernel, retrying what failed before.
   Returns how many dirty bytes were released. O(free extents) and as many system calls. Threads: safe. */
size_t cairn_pagesource_purge(struct cairn_pagesource *source);

/*
 * Empties a page-aligned range of an outstanding block: it reads as zero afterwards and costs no
 * memory.
 *
 * Returns: 0, or -errno of madvise(2) with the content unknown. Threads: safe, if nobody uses the
 *          range.
 */
int cairn_pagesource_purge_range(struct cairn_pagesource *source, void *base, size_t length_bytes);

/*
 * Reserves zeroed address space for metadata, charged only as it is touched (MAP_NORESERVE).
 *
 * Returns: the block, page-aligned, or NULL (address-space limit, strict overcommit): ask for less.
 * Owns:    the caller, until cairn_pagesource_unreserve(). Not counted as outstanding. Threads: safe.
 */
void *cairn_pagesource_reserve(struct cairn_pagesource *source, size_t length_bytes);

/* Ends a reservation (whole). When the kernel refuses, the range is kept and tried again by purge. */
void cairn_pagesource_unreserve(struct cairn_pagesource *source, void *base, size_t length_bytes);

/* A snapshot. Threads: safe. */
struct cairn_pagesource_stats cairn_pagesource_stats(struct cairn_pagesource *source);

/* The source: THREAD_SAFE. Blocks of any number of pages, any alignment. */
struct cairn_source cairn_pagesource_as_source(struct cairn_pagesource *source);

/* Reservations as a source: THREAD_SAFE and ZEROED, at most page-aligned. For metadata tables. */
struct cairn_source cairn_pagesource_as_reserve_source(struct cairn_pagesource *source);

/* Holds the lock across fork(): call prefork in the parent before, postfork in parent and child after. */
void cairn_pagesource_prefork(struct cairn_pagesource *source);
void cairn_pagesource_postfork(struct cairn_pagesource *source);

/* Walks all state; panics on a broken invariant. O(free extents). Takes the lock. */
void cairn_pagesource_check(struct cairn_pagesource *source);

CAIRN_END_DECLS

#endif
