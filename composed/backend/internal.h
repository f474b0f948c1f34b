/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * internal.h - what the files of the backend ask of each other.
 */

#ifndef CAIRN_COMPOSED_BACKEND_INTERNAL_H
#define CAIRN_COMPOSED_BACKEND_INTERNAL_H

#include "composed/backend/backend.h"

CAIRN_BEGIN_DECLS

/* ---- backend.c ---- */

/* Pages: chunks, huge blocks. From the page source, or through what lies above it; then nothing is
   known of what is in them unless that promises zeros. Their first granule can be marked in the
   pagemap, and with it all granules of a chunk, which a leaf covers as a whole. */
void *cairn_backend_take_pages(struct cairn_backend *backend, size_t length_bytes,
                               size_t align_bytes, bool *is_zeroed);
void cairn_backend_give_pages(struct cairn_backend *backend, void *base, size_t length_bytes);

static inline uint64_t cairn_backend_now_ms(const struct cairn_backend *backend)
{
    const struct cairn_os *os = &backend->pages.config.os;

    return os->ops->now_ms(os->self);
}

/* Notes when the soft limit is passed, and again when it is passed by more. */
void cairn_backend_feel_soft_limit(struct cairn_backend *backend, size_t soft_bytes);

/* After memory was taken. */
static inline void cairn_backend_watch(struct cairn_backend *backend)
{
    size_t soft_bytes = cairn_load_relaxed(&backend->bounds.soft_limit_bytes);

    if (CAIRN_UNLIKELY(soft_bytes != 0))
        cairn_backend_feel_soft_limit(backend, soft_bytes);
}

/* ---- hugepages.c ---- */

/* Makes a fresh chunk one of huge pages, if that is wanted: all of it counts as touched then. Not
   called with the lock. */
bool cairn_backend_make_chunk_huge(struct cairn_backend *backend, char *chunk);

/* Asks for huge pages for a block, if that is wanted: where it is not resident yet. */
void cairn_backend_make_block_huge(struct cairn_backend *backend, void *block, size_t length_bytes);

/* ---- runs.c ---- */

/* The run allocator's first state. 0 or -ENOMEM. */
int cairn_backend_init_runs(struct cairn_backend *backend);

/* Runs of granules; NULL when there is no memory. Neither is called with the lock. */
void *cairn_backend_take_run(struct cairn_backend *backend, size_t length_bytes, size_t align_bytes,
                             bool *is_zeroed);
void cairn_backend_give_run(struct cairn_backend *backend, void *run, size_t length_bytes);
bool cairn_backend_resize_run(struct cairn_backend *backend, void *run, size_t old_bytes,
                              size_t new_bytes);

/* What the run allocator holds. Under the lock. */
const struct cairn_levels *cairn_backend_runs_levels(struct cairn_backend *backend);

/* Gives back all that is free. Returns the bytes that are not resident any more. */
size_t cairn_backend_purge_runs(struct cairn_backend *backend);

/* Says the surplus anew. Under the lock. */
void cairn_backend_bounds_changed(struct cairn_backend *backend);

/* Panics when the surplus is not what the run allocator holds. Under the lock. */
void cairn_backend_check_runs(struct cairn_backend *backend);

CAIRN_END_DECLS

#endif
