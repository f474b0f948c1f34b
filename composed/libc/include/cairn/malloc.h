/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * malloc.h - what a program may ask of cairn's malloc beyond the C library's interface.
 *
 * Every function is declared weak, so that a program which is linked without cairn still links:
 * test the address, or cairn_malloc_is_active(), before a call. The library is the same for `malloc
 * = "@cairn//composed/malloc"`, for LD_PRELOAD and for a static link.
 *
 * Options are read once, at the first allocation, from the string `cairn_conf` that a program may
 * define, and then from the environment variable CAIRN_CONF, which wins (but is ignored in
 * set-user-id programs): "key:value,key:value".
 *
 *     pages:auto|brk|mmap     where memory comes from                                  (auto)
 *     percpu:auto|lock|rseq   how the per-CPU caches are guarded                        (auto)
 *     cpu:auto|rseq|getcpu    how the current CPU is found                              (auto)
 *     shards:N                caches, 0: one per possible CPU                           (0)
 *     limit_mib:N             hard cap on blocks and what is kept for them, 0: none; small blocks
 *                             come in chunks of
 *                             2 MiB, so below 2 there are none                           (0)
 *     soft_limit_mib:N        beyond it all that is free is given back at once, and the
 *                             program goes on; 0: none                                   (0)
 *     retain_mib:N            free memory kept by the page source for a while at least   (4)
 *     decay_ms:N              free memory that was not needed for so long goes back to the
 *                             kernel; 0: at once, -1: never                              (100)
 *     background:0|1          a thread gives it back while the program makes no calls    (0)
 *     thp:auto|off|always     huge pages: where memory is dense, nowhere, everywhere     (auto)
 *     fence:asked|freely|never  when membarrier(2) may be called after start             (asked)
 *     stats:0|1               print statistics on stderr at exit                        (0)
 */

#ifndef CAIRN_MALLOC_H
#define CAIRN_MALLOC_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAIRN_MALLOC_API __attribute__((weak, visibility("default")))

/* A program's own default options; NULL or undefined: none. */
extern const char *cairn_conf CAIRN_MALLOC_API;

/* All in bytes unless named otherwise. Fields are only ever added at the end. */
struct cairn_malloc_stats {
    const char *stack;      /* "cairn", "reference" */
    const char *mode;       /* how the caches are guarded: "lock", "rseq" */
    const char *reason;     /* why this mode */
    const char *cpu;        /* how the current CPU is found */
    const char *pages;      /* the page source's policy, or the name of another pages layer */
    size_t allocated_bytes; /* in blocks that the program holds, by their usable size */
    size_t cached_bytes;    /* free blocks in per-CPU caches and the depot */
    size_t slab_bytes;      /* in slabs: allocated, cached, and free blocks */
    size_t slab_free_bytes; /* free blocks in slabs, and their tails */
    size_t large_bytes;     /* blocks above the size classes, below huge: allocated and cached */
    size_t huge_bytes;      /* blocks with pages of their own */
    size_t huge_count;      /* how many */
    size_t run_free_bytes;  /* free granules */
    size_t run_dirty_bytes; /* ... of these: may be resident */
    size_t page_free_bytes; /* kept by the page source */
    size_t brk_bytes;       /* held by extending the data segment */
    size_t mapped_bytes;    /* held by mapping */
    size_t held_peak_bytes; /* peak of brk_bytes + mapped_bytes */
    size_t reserved_bytes;  /* address space for metadata: mostly untouched */
    size_t shard_count;     /* per-CPU caches */
    size_t threshold_bytes; /* where the page source begins to map */
    uint64_t syscall_count; /* made for memory */
    uint64_t refused_count; /* ... of these: refused */
};

enum cairn_malloc_format { CAIRN_MALLOC_TEXT, CAIRN_MALLOC_JSON };

/* Takes a piece of output; called several times. Must not allocate. */
typedef void (*cairn_malloc_write_fn)(void *self, const char *text, size_t text_bytes);

/* 1 if this process allocates from cairn; 0 where cairn gives way to a sanitizer. The address is
   NULL without cairn, and where cairn itself is compiled for a sanitizer that has a malloc. */
CAIRN_MALLOC_API int cairn_malloc_is_active(void);

/*
 * Fills the first stats_bytes of *stats (so that an older program may pass an older, shorter
 * struct).
 *
 * Returns: the size that this library knows. Threads: safe. Allocates nothing. O(CPUs * classes).
 */
CAIRN_MALLOC_API size_t cairn_malloc_stats(struct cairn_malloc_stats *stats, size_t stats_bytes);

/* Writes the statistics as a table or as one JSON object. Allocates nothing. Threads: safe. */
CAIRN_MALLOC_API void cairn_malloc_stats_print(cairn_malloc_write_fn write, void *self,
                                               enum cairn_malloc_format format);

/* Empties every cache and gives all free memory back to the kernel, from any thread. Returns the
   bytes released. */
CAIRN_MALLOC_API size_t cairn_malloc_trim(void);

/*
 * Gives back what was not needed for decay_ms. For programs that call it from a timer or an event
 * loop instead of the option `background`: allocations and frees do the same in passing, but a
 * program that sleeps makes none.
 *
 * Returns: 1 while there is free memory left that a later call may give back; 0 when none is.
 * Cost:    some microseconds when something is due, at most once in decay_ms; a membarrier(2) for
 *          the caches of each CPU that was idle, unless the option `fence` forbids it.
 * Threads: safe, but not in a signal handler. Allocates nothing.
 */
CAIRN_MALLOC_API int cairn_malloc_tick(void);

/*
 * Changes options while the program runs: limit_mib, soft_limit_mib, retain_mib, decay_ms,
 * background and thp, in the syntax of CAIRN_CONF. A limit below what is held forbids more, and
 * takes nothing back.
 *
 * Returns: 0; EINVAL when an option is unknown, has a wrong value, or cannot be changed, or while
 *          another thread forks: nothing changed.
 * Threads: safe. `background:0` joins the thread; `background:1` makes it if memory is free that
 *          may go back.
 */
CAIRN_MALLOC_API int cairn_malloc_set(const char *options);

/* Walks all state and aborts on a broken invariant. For tests: no other thread may allocate
   meanwhile. */
CAIRN_MALLOC_API void cairn_malloc_check(void);

#ifdef __cplusplus
}
#endif

#endif
