/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * os.h - every system call that moves memory, behind one table.
 *
 * The policy in pagesource.c calls the kernel only through this table, so that a test can fail the
 * n-th call, move the break behind the policy's back, or
 * pretend a page size of 64 KiB.
 *
 * Common to all: addresses and lengths are multiples of the page size; an int is 0 or -errno; errno
 * itself is never changed; every function may be called by many threads at once.
 */

#ifndef CAIRN_OS_H
#define CAIRN_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

struct cairn_os_ops {
    const char *name;

    /* The page size: a power of two, 4 KiB to 64 KiB in practice. Never changes. */
    size_t (*page_bytes)(void *self);

    /* Maps zeroed private memory, or address space that nothing may touch. NULL when the kernel
       refuses. */
    void *(*map)(void *self, size_t length_bytes, bool is_accessible);

    /* -ENOMEM when the hole would need one mapping more than the process may have: then nothing
       changed. */
    int (*unmap)(void *self, void *base, size_t length_bytes);

    /* Forbids or allows access. It is allowed only to what was never accessible, and that may be
       mapped anew. -ENOMEM as above. */
    int (*protect)(void *self, void *base, size_t length_bytes, bool is_accessible);

    /* Says of memory for metadata: no huge pages, no core dump. Whether the kernel listens does not
       matter. */
    void (*mark_metadata)(void *self, void *base, size_t length_bytes);

    /* Gives the memory back but keeps the addresses: reads as zero afterwards (MADV_DONTNEED). */
    int (*purge)(void *self, void *base, size_t length_bytes);

    /* Asks for huge pages there (MADV_HUGEPAGE), and touches one at `first`. 0; -EAGAIN when
       finding that one took longer than touching small ones, because free memory is in pieces; else
       refused. `is_once`: what is emptied later comes back in small pages. */
    int (*make_huge)(void *self, void *base, size_t length_bytes, void *first, bool is_once);

    /* Resizes a mapping, moving it when `may_move`; what is added reads as zero. The new address,
       or NULL and nothing changed. */
    void *(*remap)(void *self, void *base, size_t old_bytes, size_t new_bytes, bool may_move);

    /* Moves the end of the data segment by `delta_bytes` (any sign, any size, also 0) through
       libc's sbrk(), so that other users of it keep a true idea of the break. The old break, or
       NULL when refused. */
    void *(*sbrk)(void *self, intptr_t delta_bytes);

    /* A clock that never goes back, in milliseconds: cheap and coarse. 0 for ever where there is
       none. */
    uint64_t (*now_ms)(void *self);
};

/* By value: two pointers. */
struct cairn_os {
    const struct cairn_os_ops *ops;
    void *self;
};

/* The Linux kernel. Each function is one system call, mark_metadata two, the clock
   none; errno is left alone. */
struct cairn_os cairn_os_linux(void);

CAIRN_END_DECLS

#endif
