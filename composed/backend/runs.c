/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * runs.c - runs of granules: from the run allocator, which is fed with chunks when it has none, and
 * settled when it has too many.
 *
 *     take   there is a run? -> it           else a chunk of pages -> feed it -> again
 *     give   back; note whether there is now more free memory than is to be kept
 *     settle shed empty chunks; empty dirty stretches: begin | madvise | end
 *
 * The lock is held for the run allocator alone: chunks are mapped, given back and emptied without
 * it, and so is the memory that its own state moves to. Other threads take and give meanwhile; what
 * is being emptied is not free to them.
 *
 * Dirty free granules are kept for re-use up to a bound and emptied when they lay idle, or when
 * there are too many: one fault costs as much as hundreds of allocations, so nothing goes back that
 * is likely to be wanted at once.
 */

#include "composed/backend/internal.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>
#include <limits.h>

enum {
    CHUNKS_FIRST = 16,                  /* that the first state has room for */
    CHUNKS_GROWTH = 4,                  /* how many times as many the next one has */
    CHUNKS_FIXED = 16384,               /* ... where it cannot move */
    CHUNKS_KEEP = 1,                    /* empty ones that are not given back */
    DIRTY_MIN_BYTES = 4 * 1024 * 1024,  /* dirty free memory that is always kept */
    DIRTY_SHARE = 8,                    /* ... or an eighth of what is used */
    DIRTY_MAX_BYTES = 32 * 1024 * 1024, /* dirty free memory that may stay for a while */
    DIRTY_MAX_SHARE = 1,                /* ... or as much as is used */
    DIRTY_STEP_BYTES = 1024 * 1024,     /* that may come unnoticed between two looks at the clock */
    PURGE_RUN_MIN_BYTES = 64 * 1024,    /* shorter stretches are not worth a system call */
    STRETCHES = 16,                     /* that are emptied without the lock at once */
    EPOCH_MIN_MS = 10,
    OLD_PASSES = 64 /* over so many stretches each, in one call */
};

/* --- the state of the run allocator ----------------------------------------------------------- */

static struct cairn_runs_config runs_config(const struct cairn_backend *backend, size_t chunk_count)
{
    return (struct cairn_runs_config){backend->granule_bytes, backend->chunk_bytes, chunk_count};
}

/* After the state is another one. */
static void find_levels(struct cairn_backend *backend)
{
    if (backend->runs->levels != NULL)
        backend->runs_levels = backend->runs->levels(backend->runs_state);
}

int cairn_backend_init_runs(struct cairn_backend *backend)
{
    struct cairn_runs_config config =
        runs_config(backend, backend->runs->move != NULL ? CHUNKS_FIRST : CHUNKS_FIXED);
    size_t state_bytes = backend->runs->state_bytes(&config);
    int error;

    while (state_bytes == 0 && config.chunk_count_max > 1) {
        config.chunk_count_max /= 2;
        state_bytes = backend->runs->state_bytes(&config);
    }
    backend->runs_state = state_bytes == 0 ? NULL : cairn_backend_reserve(backend, state_bytes);
    if (backend->runs_state == NULL)
        return -ENOMEM;
    backend->runs_state_bytes = state_bytes;
    backend->runs_chunk_max = config.chunk_count_max;
    error = backend->runs->init(backend->runs_state, state_bytes, &config);
    if (error == 0)
        find_levels(backend);
    return error;
}

static bool is_full(const struct cairn_backend *backend)
{
    return backend->runs_chunk_count == backend->runs_chunk_max;
}

/* Under the lock: moves into a larger state. Returns the state that is not needed any more, which
   may be the new one. */
static void *exchange_state(struct cairn_backend *backend, void *state, size_t *state_bytes,
                            size_t chunk_count)
{
    void *old = backend->runs_state;
    size_t old_bytes = backend->runs_state_bytes;

    if (!is_full(backend) || backend->runs->move(state, *state_bytes, old, chunk_count) != 0)
        return state; /* another thread was faster */
    backend->runs_state = state;
    backend->runs_state_bytes = *state_bytes;
    backend->runs_chunk_max = chunk_count;
    find_levels(backend);
    *state_bytes = old_bytes;
    return old;
}

/* Called and left with the lock. False when there is no memory for a larger state. */
static bool grow_state(struct cairn_backend *backend)
{
    struct cairn_runs_config config = runs_config(backend, CHUNKS_GROWTH * backend->runs_chunk_max);
    size_t state_bytes = backend->runs->move == NULL ? 0 : backend->runs->state_bytes(&config);
    void *state;

    cairn_lock_release(&backend->runs_lock);
    state = state_bytes == 0 ? NULL : cairn_backend_reserve(backend, state_bytes);
    cairn_lock_take(&backend->runs_lock);
    if (state == NULL)
        return !is_full(backend);
    state = exchange_state(backend, state, &state_bytes, config.chunk_count_max);
    cairn_lock_release(&backend->runs_lock);
    cairn_backend_unreserve(backend, state, state_bytes);
    cairn_lock_take(&backend->runs_lock);
    return true;
}

/* For a run allocator that says nothing of itself. */
static const struct cairn_levels *count_levels(struct cairn_backend *backend)
{
    size_t held_bytes = backend->runs_chunk_count * backend->chunk_bytes;
    size_t free_bytes = held_bytes - backend->runs_used_bytes;

    backend->counted = (struct cairn_levels){.used_bytes = backend->runs_used_bytes,
                                             .chunk_count = backend->runs_chunk_count,
                                             .free_bytes = free_bytes,
                                             .free_dirty_bytes = free_bytes};
    return &backend->counted;
}

const struct cairn_levels *cairn_backend_runs_levels(struct cairn_backend *backend)
{
    return CAIRN_LIKELY(backend->runs_levels != NULL) ? backend->runs_levels
                                                      : count_levels(backend);
}

/* --- taking and giving ------------------------------------------------------------------------ */

/* Gives the run allocator one chunk more. */
static bool feed(struct cairn_backend *backend)
{
    bool is_zeroed = false;
    bool is_fed = true;
    void *chunk =
        cairn_backend_take_pages(backend, backend->chunk_bytes, backend->chunk_bytes, &is_zeroed);

    if (chunk == NULL)
        return false;
    if (is_zeroed && cairn_backend_make_chunk_huge(backend, chunk))
        is_zeroed = false;
    cairn_lock_take(&backend->runs_lock);
    while (is_fed && is_full(backend))
        is_fed = grow_state(backend);
    if (is_fed) {
        backend->runs->feed(backend->runs_state, chunk, is_zeroed);
        cairn_store_relaxed(&backend->runs_chunk_count, backend->runs_chunk_count + 1);
        cairn_store_relaxed(&backend->has_had_chunk, true);
    }
    cairn_lock_release(&backend->runs_lock);
    if (!is_fed)
        cairn_backend_give_pages(backend, chunk, backend->chunk_bytes);
    return is_fed;
}

/* Dirty free memory, but for runs that the last purge found too short to be worth a system call. */
static size_t purgeable_bytes(struct cairn_backend *backend, const struct cairn_levels *levels)
{
    if (CAIRN_LIKELY(backend->short_bytes == 0))
        return levels->free_dirty_bytes;
    backend->short_bytes = cairn_min(backend->short_bytes, levels->free_dirty_bytes);
    return levels->free_dirty_bytes - backend->short_bytes;
}

static size_t least_bytes(const struct cairn_levels *levels)
{
    return cairn_max(DIRTY_MIN_BYTES, levels->used_bytes / DIRTY_SHARE);
}

static size_t most_bytes(const struct cairn_levels *levels)
{
    return cairn_max(DIRTY_MAX_BYTES, levels->used_bytes / DIRTY_MAX_SHARE);
}

static uint8_t surplus_of(const struct cairn_backend *backend, const struct cairn_levels *levels,
                          size_t dirty_bytes)
{
    uint32_t decay_ms = backend->bounds.decay_ms;

    if (CAIRN_UNLIKELY(decay_ms == UINT32_MAX))
        return CAIRN_SURPLUS_NONE;
    if (levels->empty_chunk_count > CHUNKS_KEEP)
        return CAIRN_SURPLUS_NOW;
    if (CAIRN_LIKELY(dirty_bytes <= least_bytes(levels)))
        return CAIRN_SURPLUS_NONE; /* until it is old */
    return decay_ms == 0 || dirty_bytes > most_bytes(levels) ||
                   dirty_bytes > backend->settled_bytes + DIRTY_STEP_BYTES
               ? CAIRN_SURPLUS_NOW
               : CAIRN_SURPLUS_IN_TIME;
}

/* Under the lock, after each change: what there is to settle, and what the caches above
   should know. */
static inline void note(struct cairn_backend *backend, bool is_taken)
{
    struct cairn_levels levels = *cairn_backend_runs_levels(backend);
    size_t dirty_bytes = purgeable_bytes(backend, &levels);

    cairn_store_relaxed(&backend->surplus, surplus_of(backend, &levels, dirty_bytes));
    cairn_store_relaxed(&backend->dirty_bytes, levels.free_dirty_bytes);
    if (!is_taken)
        return;
    cairn_decay_shrunk(&backend->decay, levels.free_dirty_bytes);
    cairn_pressure_note(&backend->pressure, levels.used_bytes, levels.free_dirty_bytes);
}

/* NULL: no run is free. */
static inline void *try_take_run(struct cairn_backend *backend, size_t length_bytes,
                                 size_t align_bytes, bool *is_zeroed)
{
    void *run;

    cairn_lock_take(&backend->runs_lock);
    run = backend->runs->alloc(backend->runs_state, length_bytes, align_bytes, is_zeroed);
    if (CAIRN_LIKELY(run != NULL)) {
        cairn_store_relaxed(&backend->runs_used_bytes, backend->runs_used_bytes + length_bytes);
        note(backend, true);
    }
    cairn_lock_release(&backend->runs_lock);
    return run;
}

static CAIRN_NOINLINE void *feed_and_take_run(struct cairn_backend *backend, size_t length_bytes,
                                              size_t align_bytes, bool *is_zeroed)
{
    void *run = NULL;

    while (run == NULL && feed(backend))
        run = try_take_run(backend, length_bytes, align_bytes, is_zeroed);
    return run;
}

void *cairn_backend_take_run(struct cairn_backend *backend, size_t length_bytes, size_t align_bytes,
                             bool *is_zeroed)
{
    void *run = try_take_run(backend, length_bytes, align_bytes, is_zeroed);

    if (CAIRN_UNLIKELY(run == NULL))
        run = feed_and_take_run(backend, length_bytes, align_bytes, is_zeroed);
    cairn_backend_watch(backend);
    return run;
}

void cairn_backend_give_run(struct cairn_backend *backend, void *run, size_t length_bytes)
{
    cairn_lock_take(&backend->runs_lock);
    backend->runs->free(backend->runs_state, run, length_bytes);
    cairn_store_relaxed(&backend->runs_used_bytes, backend->runs_used_bytes - length_bytes);
    note(backend, false);
    cairn_lock_release(&backend->runs_lock);
}

bool cairn_backend_resize_run(struct cairn_backend *backend, void *run, size_t old_bytes,
                              size_t new_bytes)
{
    bool is_resized;

    if (backend->runs->resize == NULL)
        return false;
    cairn_lock_take(&backend->runs_lock);
    is_resized = backend->runs->resize(backend->runs_state, run, old_bytes, new_bytes);
    if (is_resized)
        cairn_store_relaxed(&backend->runs_used_bytes,
                            backend->runs_used_bytes + new_bytes - old_bytes);
    note(backend, new_bytes > old_bytes);
    cairn_lock_release(&backend->runs_lock);
    return is_resized;
}

/* --- settling --------------------------------------------------------------------------------- */

/* Under the lock. Short runs may have become long ones since. */
static void forget_short(struct cairn_backend *backend, uint64_t now)
{
    if (CAIRN_UNLIKELY(backend->short_bytes > 0) &&
        now - backend->short_ms >= backend->bounds.decay_ms)
        backend->short_bytes = 0;
}

/* Under the lock: what is to be emptied now, which is what is beyond the budget and lay idle, or
   beyond the second bound. */
static size_t surplus_bytes(struct cairn_backend *backend, uint64_t now)
{
    const struct cairn_levels *levels = cairn_backend_runs_levels(backend);
    size_t dirty_bytes = purgeable_bytes(backend, levels);
    size_t spare_bytes = dirty_bytes - cairn_min(dirty_bytes, least_bytes(levels));
    size_t idle_bytes =
        cairn_decay_note(&backend->decay, now, backend->bounds.decay_ms, levels->free_dirty_bytes);

    if (backend->bounds.decay_ms == 0)
        return spare_bytes;
    if (dirty_bytes > most_bytes(levels))
        return dirty_bytes - most_bytes(levels) / 8 * 7;
    return cairn_min(idle_bytes, spare_bytes);
}

/* Called and left with the lock. Gives empty chunks back. */
static void shed_chunks(struct cairn_backend *backend, size_t keep_count)
{
    void *chunk;

    if (backend->runs->shed == NULL)
        return;
    while ((chunk = backend->runs->shed(backend->runs_state, keep_count)) != NULL) {
        cairn_store_relaxed(&backend->runs_chunk_count, backend->runs_chunk_count - 1);
        cairn_lock_release(&backend->runs_lock);
        cairn_backend_give_pages(backend, chunk, backend->chunk_bytes);
        cairn_lock_take(&backend->runs_lock);
    }
}

/* Called and left with the lock. Empties some stretches; returns how many bytes are not
   resident any more, 0 when nothing was found or the kernel refused. */
static size_t purge_some(struct cairn_backend *backend, size_t min_bytes, size_t quota_bytes,
                         size_t *found_count)
{
    struct cairn_runs_stretch stretches[STRETCHES];
    const struct cairn_runs_ops *runs = backend->runs;
    size_t count = runs->purge_begin == NULL ? 0
                                             : runs->purge_begin(backend->runs_state, min_bytes,
                                                                 quota_bytes, stretches, STRETCHES);
    size_t purged_bytes = 0;

    *found_count = count;
    if (count == 0)
        return 0;
    cairn_lock_release(&backend->runs_lock);
    for (size_t idx = 0; idx < count; idx++) {
        stretches[idx].is_emptied =
            cairn_pagesource_purge_range(&backend->pages, stretches[idx].base,
                                         stretches[idx].length_bytes) == 0;
        if (stretches[idx].is_emptied)
            purged_bytes += stretches[idx].length_bytes;
    }
    cairn_lock_take(&backend->runs_lock);
    runs->purge_end(backend->runs_state, stretches, count);
    return purged_bytes;
}

/* Called and left with the lock. In so many passes at most. */
static size_t purge(struct cairn_backend *backend, size_t min_bytes, size_t quota_bytes,
                    unsigned passes, uint64_t now)
{
    size_t purged_bytes = 0;
    size_t found_count = 1;

    for (; passes > 0 && found_count > 0 && purged_bytes < quota_bytes; passes--) {
        size_t part_bytes =
            purge_some(backend, min_bytes, quota_bytes - purged_bytes, &found_count);

        purged_bytes += part_bytes;
        if (part_bytes == 0)
            break;
    }
    if (purged_bytes < quota_bytes &&
        passes > 0) { /* a pass found no more: another would not, either, for a while */
        backend->short_bytes = cairn_backend_runs_levels(backend)->free_dirty_bytes;
        backend->short_ms = now;
    }
    return purged_bytes;
}

/* Called and left with the lock. What is old goes in pieces of any size, some of them at a time. */
static void purge_old(struct cairn_backend *backend, uint64_t now)
{
    backend->old_bytes = cairn_max(backend->old_bytes, backend->decay.old_bytes);
    backend->old_bytes =
        cairn_min(backend->old_bytes, cairn_backend_runs_levels(backend)->free_dirty_bytes);
    if (backend->old_bytes > 0)
        backend->old_bytes -=
            cairn_min(backend->old_bytes,
                      purge(backend, backend->granule_bytes, backend->old_bytes, OLD_PASSES, now));
}

static void settle_runs(struct cairn_backend *backend, uint64_t now)
{
    size_t quota_bytes;

    cairn_lock_take(&backend->runs_lock);
    forget_short(backend, now);
    shed_chunks(backend, CHUNKS_KEEP);
    quota_bytes = surplus_bytes(backend, now);
    if (quota_bytes > 0)
        purge(backend, PURGE_RUN_MIN_BYTES, quota_bytes, UINT_MAX, now);
    if (backend->bounds.decay_ms != 0)
        purge_old(backend, now);
    backend->settled_bytes = purgeable_bytes(backend, cairn_backend_runs_levels(backend));
    note(backend, false);
    cairn_lock_release(&backend->runs_lock);
}

/* Unless another thread is at it. */
static void try_settle_runs(struct cairn_backend *backend, uint64_t now)
{
    if (__atomic_exchange_n(&backend->is_settling, true, __ATOMIC_ACQUIRE))
        return;
    cairn_store_relaxed(&backend->settled_ms, now);
    settle_runs(backend, now);
    cairn_store_release(&backend->is_settling, false);
}

void cairn_backend_settle(struct cairn_backend *backend)
{
    uint8_t surplus = cairn_load_relaxed(&backend->surplus);
    uint64_t now;

    cairn_pagesource_tick(&backend->pages);
    if (surplus == CAIRN_SURPLUS_NONE)
        return;
    now = cairn_backend_now_ms(backend);
    /* A thousand times a second is often enough. */
    if (surplus == CAIRN_SURPLUS_NOW || now != cairn_load_relaxed(&backend->settled_ms))
        try_settle_runs(backend, now);
}

/* An epoch that began with a longer time is over, too. */
bool cairn_backend_ends_epoch(struct cairn_backend *backend, uint64_t *due_ms)
{
    uint64_t due = cairn_load_relaxed(due_ms);
    uint64_t now = cairn_backend_now_ms(backend);
    uint64_t length_ms =
        cairn_max((uint64_t)cairn_load_relaxed(&backend->bounds.decay_ms), EPOCH_MIN_MS);

    return (now >= due || due - now > length_ms) && length_ms != UINT32_MAX &&
           cairn_cas_acquire(due_ms, &due, now + length_ms);
}

bool cairn_backend_may_decay(const struct cairn_backend *backend)
{
    uint32_t decay_ms = cairn_load_relaxed(&backend->bounds.decay_ms);

    if (decay_ms == UINT32_MAX)
        return false;
    if (decay_ms == 0) /* what stays now stays */
        return cairn_backend_is_unsettled(backend);
    return cairn_load_relaxed(&backend->dirty_bytes) +
               cairn_load_relaxed(&backend->pages.stats.free_dirty_bytes) >
           0;
}

bool cairn_backend_is_large(const struct cairn_backend *backend)
{
    return cairn_load_relaxed(&backend->pages.stats.outstanding_bytes) >= 2 * backend->chunk_bytes;
}

void cairn_backend_bounds_changed(struct cairn_backend *backend)
{
    note(backend, false);
}

void cairn_backend_age(struct cairn_backend *backend)
{
    try_settle_runs(backend, cairn_backend_now_ms(backend));
}

/* As much as is dirty now: what other threads free meanwhile could keep this one here for ever. */
size_t cairn_backend_purge_runs(struct cairn_backend *backend)
{
    size_t purged_bytes;

    cairn_lock_take(&backend->runs_lock);
    purged_bytes = purge(backend, backend->granule_bytes,
                         cairn_backend_runs_levels(backend)->free_dirty_bytes, UINT_MAX, 0);
    backend->short_bytes = 0;
    shed_chunks(backend, 0);
    note(backend, false);
    cairn_lock_release(&backend->runs_lock);
    return purged_bytes;
}

void cairn_backend_check_runs(struct cairn_backend *backend)
{
    const struct cairn_levels *levels = cairn_backend_runs_levels(backend);
    size_t dirty_bytes = purgeable_bytes(backend, levels);

    CAIRN_INVARIANT(levels->used_bytes == backend->runs_used_bytes);
    CAIRN_INVARIANT(levels->chunk_count == backend->runs_chunk_count);
    CAIRN_INVARIANT(backend->surplus == surplus_of(backend, levels, dirty_bytes));
    CAIRN_INVARIANT(backend->dirty_bytes == levels->free_dirty_bytes);
    CAIRN_INVARIANT(backend->slab_bytes <= backend->runs_used_bytes);
}
