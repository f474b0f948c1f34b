/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * hugepages.c - which memory is asked to be of huge pages.
 *
 * The first touch of a page costs much more time in small pages than in huge ones (docs/kernel.md:
 * ten times and more), but a huge page is resident as a whole when one byte of it is touched. So
 * they are asked for where the program will touch everything anyway:
 *
 *     chunks    of a heap that has grown to HEAP_MIN_BYTES, while most of some chunks in small pages are
 *               dense; every eighth stays in small pages, as a sample
 *     blocks    of BLOCK_MIN_BYTES and more, after the last ones were dense when they were freed
 *
 * Dense is what is resident in 7 of 8 pages, as the kernel says (mincore). A chunk in huge pages
 * counts as touched as a whole. A block is asked for within its own ends:
 * nothing beside it becomes resident.
 *
 * Where the kernel takes long to find a huge page, because free memory is in pieces, none is asked
 * for during PAUSE_MS. To see that, the first one is touched at once.
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
    CHUNKS_PER_SAMPLE = 8,
    SAMPLES_SEEN = 4,
    SAMPLES_DENSE = 3,
    BLOCK_MIN_BYTES = 4 * 1024 * 1024,
    DENSE_ENOUGH = 2, /* blocks in succession */
    PAUSE_MS = 1000
};

static uint64_t now_ms(const struct cairn_backend *backend)
{
    const struct cairn_os *os = &backend->pages.config.os;

    return os->ops->now_ms(os->self);
}

/* Of what lies within whole huge pages. False when nothing does, or the kernel refuses. */
static bool make_huge(struct cairn_backend *backend, char *base, size_t length_bytes)
{
    const struct cairn_os *os = &backend->pages.config.os;
    uintptr_t first = cairn_align_up((uintptr_t)base, HUGE_PAGE_BYTES);
    uintptr_t end = cairn_align_down((uintptr_t)base + length_bytes, HUGE_PAGE_BYTES);
    int error = first < end ? os->ops->make_huge(os->self, (void *)first, end - first) : -EINVAL;

    if (error == -EAGAIN)
        cairn_store_relaxed(&backend->huge_pause_ms, now_ms(backend) + PAUSE_MS);
    return error == 0 || error == -EAGAIN;
}

static bool is_paused(const struct cairn_backend *backend)
{
    uint64_t until_ms = cairn_load_relaxed(&backend->huge_pause_ms);

    return until_ms != 0 && now_ms(backend) < until_ms;
}

/* Of the chunks that were fed in small pages, those that had the most time to fill. */
static bool are_samples_dense(struct cairn_backend *backend)
{
    const struct cairn_os *os = &backend->pages.config.os;
    uint32_t oldest = cairn_load_relaxed(&backend->sample_count);
    unsigned dense = 0;

    for (uint32_t idx = oldest; idx < oldest + SAMPLES_SEEN; idx++) {
        const void *chunk = cairn_load_relaxed(&backend->samples[idx % CAIRN_BACKEND_SAMPLES]);

        dense += chunk != NULL && os->ops->is_dense(os->self, chunk, backend->chunk_bytes);
    }
    return dense >= SAMPLES_DENSE;
}

/* A chunk in small pages: what becomes of it tells of those to come. */
static void sample(struct cairn_backend *backend, const void *chunk)
{
    unsigned idx = cairn_add_relaxed(&backend->sample_count, 1u) % CAIRN_BACKEND_SAMPLES;

    cairn_store_relaxed(&backend->samples[idx], chunk);
}

static bool is_chunk_wanted(struct cairn_backend *backend)
{
    size_t count = cairn_load_relaxed(&backend->runs_chunk_count);

    if (backend->bounds.thp != CAIRN_THP_AUTO)
        return backend->bounds.thp == CAIRN_THP_ALWAYS;
    return count * backend->chunk_bytes >= HEAP_MIN_BYTES && count % CHUNKS_PER_SAMPLE != 0 &&
           !is_paused(backend) && are_samples_dense(backend);
}

bool cairn_backend_make_chunk_huge(struct cairn_backend *backend, char *chunk)
{
    if (is_chunk_wanted(backend) && make_huge(backend, chunk, backend->chunk_bytes))
        return true;
    sample(backend, chunk);
    return false;
}

void cairn_backend_make_block_huge(struct cairn_backend *backend, void *block, size_t length_bytes)
{
    bool is_wanted = backend->bounds.thp == CAIRN_THP_ALWAYS;

    if (length_bytes < BLOCK_MIN_BYTES)
        return;
    if (backend->bounds.thp == CAIRN_THP_AUTO)
        is_wanted =
            cairn_load_relaxed(&backend->dense_count) >= DENSE_ENOUGH && !is_paused(backend);
    if (is_wanted)
        (void)make_huge(backend, block, length_bytes);
}

void cairn_backend_see_block(struct cairn_backend *backend, const void *block, size_t length_bytes)
{
    const struct cairn_os *os = &backend->pages.config.os;
    uint32_t count;

    if (length_bytes < BLOCK_MIN_BYTES || backend->bounds.thp != CAIRN_THP_AUTO)
        return;
    count = cairn_load_relaxed(&backend->dense_count);
    if (!os->ops->is_dense(os->self, block, length_bytes))
        cairn_store_relaxed(&backend->dense_count, 0u);
    else if (count < DENSE_ENOUGH)
        cairn_store_relaxed(&backend->dense_count, count + 1);
}
