/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * hugepages.c - which memory is asked to be of huge pages.
 *
 * The first touch of a page costs much more time in small pages than in huge ones (docs/kernel.md:
 * ten times and more), but a huge page is resident as a whole when one byte of it is touched. So
 * they are asked for where the program will touch everything anyway:
 *
 *     auto      chunks of a heap that has grown to HEAP_MIN_BYTES, while nearly all of it is slabs,
 *               or was touched before
 *     always    chunks, and blocks of BLOCK_MIN_BYTES and more
 *
 * A chunk in huge pages counts as touched as a whole, and what of it is emptied later comes back in
 * small pages. A block is asked for as a whole, so that it stays one mapping, which the kernel can
 * move: a huge page never reaches beyond that. What a program touches of a large block only the
 * kernel knows (mincore), which a filter of system calls that suits glibc's malloc may not let us
 * ask.
 *
 * Where free memory is in pieces, the kernel may take longer to find a huge page than to find small
 * ones: 18 ms were seen, instead of 0.1. Then none is asked for during PAUSE_MS and more. To see
 * that, the first one is touched at once. One that was slow may have waited for a CPU; two in
 * succession have not.
 *
 * Source: Linux Documentation/admin-guide/mm/transhuge.
 */

#include "composed/backend/internal.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>

enum {
    HUGE_PAGE_BYTES = 2 * 1024 * 1024,
    HEAP_MIN_BYTES = 40 * 1024 * 1024,
    SPARSE_SHARE = 8, /* of a heap that is dense, less than this part may be untouched */
    BLOCK_MIN_BYTES = 4 * 1024 * 1024,
    SLOW_MAX = 2,
    PAUSE_MS = 1000
};

/* Each pause is twice as long as the one before, until a huge page was quick again. */
static void note_speed(struct cairn_backend *backend, bool is_slow)
{
    uint32_t count = is_slow ? cairn_load_relaxed(&backend->huge_slow_count) + 1 : 0;

    cairn_store_relaxed(&backend->huge_slow_count, count);
    if (count >= SLOW_MAX)
        cairn_store_relaxed(&backend->huge_pause_ms,
                            cairn_backend_now_ms(backend) +
                                ((uint64_t)PAUSE_MS << cairn_min(count - SLOW_MAX, 6u)));
}

/* False when no whole huge page lies there, or the kernel refuses. */
static bool make_huge(struct cairn_backend *backend, char *base, size_t length_bytes, bool is_once)
{
    const struct cairn_os *os = &backend->pages.config.os;
    char *first = (char *)cairn_align_up((uintptr_t)base, HUGE_PAGE_BYTES);
    int error = -EINVAL;

    if (first + HUGE_PAGE_BYTES <= base + length_bytes)
        error = os->ops->make_huge(os->self, base, length_bytes, first, is_once);
    if (error == 0 || error == -EAGAIN)
        note_speed(backend, error != 0);
    return error == 0 || error == -EAGAIN;
}

static bool is_paused(const struct cairn_backend *backend)
{
    uint64_t until_ms = cairn_load_relaxed(&backend->huge_pause_ms);

    return until_ms != 0 && cairn_backend_now_ms(backend) < until_ms;
}

/* Slabs are filled from their beginning; what a program touches of other runs is not known. */
static bool is_heap_dense(const struct cairn_backend *backend)
{
    size_t held_bytes = cairn_load_relaxed(&backend->runs_chunk_count) * backend->chunk_bytes;
    size_t dense_bytes =
        cairn_load_relaxed(&backend->slab_bytes) + cairn_load_relaxed(&backend->dirty_bytes);

    return held_bytes >= HEAP_MIN_BYTES && dense_bytes > held_bytes - held_bytes / SPARSE_SHARE;
}

bool cairn_backend_make_chunk_huge(struct cairn_backend *backend, char *chunk)
{
    enum cairn_thp thp = backend->bounds.thp;
    bool is_wanted = thp == CAIRN_THP_ALWAYS;

    if (thp == CAIRN_THP_AUTO)
        is_wanted = is_heap_dense(backend) && !is_paused(backend);
    return is_wanted && make_huge(backend, chunk, backend->chunk_bytes, true);
}

void cairn_backend_make_block_huge(struct cairn_backend *backend, void *block, size_t length_bytes)
{
    if (backend->bounds.thp == CAIRN_THP_ALWAYS && length_bytes >= BLOCK_MIN_BYTES)
        (void)make_huge(backend, block, length_bytes, false);
}
