/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * runs.c - runs of granules: from the buddy, which is fed with chunks when it has none, and settled
 * when it has too many.
 *
 *     take   buddy has a run? -> it          else a chunk from the pagesource -> feed the buddy -> again
 *     give   into the buddy; note whether it now holds more free memory than it is to keep
 *     settle shed empty chunks to the pagesource; empty dirty stretches: begin | madvise | end
 *
 * The buddy's lock is held for the buddy alone: chunks are mapped, given back and emptied without
 * it, and so is the memory that the buddy's own state moves to. Other threads take and give
 * meanwhile; what is being emptied is not free to them.
 *
 * Dirty free granules are kept for re-use up to a bound and emptied when they lay idle, or when
 * there are too many: one fault costs as much as hundreds of allocations, so nothing goes back that
 * is likely to be wanted at once.
 */

#include "composed/backend/backend.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>

enum {
    CHUNKS_FIRST = 16,                  /* that the first state has room for */
    CHUNKS_GROWTH = 4,                  /* how many times as many the next one has */
    CHUNKS_KEEP = 1,                    /* empty ones that are not given back */
    DIRTY_MIN_BYTES = 4 * 1024 * 1024,  /* dirty free memory that is always kept */
    DIRTY_SHARE = 8,                    /* ... or an eighth of what is used */
    DIRTY_MAX_BYTES = 32 * 1024 * 1024, /* dirty free memory that may stay for a while */
    DIRTY_MAX_SHARE = 1,                /* ... or as much as is used */
    DIRTY_STEP_BYTES = 1024 * 1024,     /* that may come unnoticed between two looks at the clock */
    PURGE_RUN_MIN_BYTES = 64 * 1024,    /* shorter stretches are not worth a system call */
    STRETCHES = 16                      /* that are emptied between two visits of the buddy */
};

/* --- the state of the buddy ------------------------------------------------------------------- */

static struct cairn_buddy_config buddy_config(const struct cairn_backend *backend)
{
    struct cairn_buddy_config config = {0};

    config.granule_bytes = backend->granule_bytes;
    config.chunk_bytes = backend->chunk_bytes;
    config.chunk_count_max = CHUNKS_FIRST;
    return config;
}

int cairn_backend_init_runs(struct cairn_backend *backend)
{
    struct cairn_buddy_config config = buddy_config(backend);
    size_t state_bytes = cairn_buddy_state_bytes(&config);

    config.state_bytes = state_bytes;
    backend->buddy = cairn_backend_reserve(backend, state_bytes);
    if (backend->buddy == NULL)
        return -ENOMEM;
    backend->buddy_state_bytes = state_bytes;
    return cairn_buddy_init(backend->buddy, &config);
}

/* Under the buddy's lock: moves it into a larger state. Returns the state that is not needed any
   more, which may be the new one. */
static void *exchange_state(struct cairn_backend *backend, void *state, size_t *state_bytes,
                            size_t chunk_count)
{
    struct cairn_buddy *old = backend->buddy;
    size_t old_bytes = backend->buddy_state_bytes;

    if (!cairn_buddy_is_full(old) || cairn_buddy_move(state, *state_bytes, old, chunk_count) != 0)
        return state; /* another thread was faster */
    backend->buddy = state;
    backend->buddy_state_bytes = *state_bytes;
    *state_bytes = old_bytes;
    return old;
}

/* Called and left with the buddy's lock. False when there is no memory for a larger state. */
static bool grow_state(struct cairn_backend *backend)
{
    size_t chunk_count = CHUNKS_GROWTH * cairn_buddy_stats(backend->buddy).chunk_count;
    size_t state_bytes = cairn_buddy_state_bytes_for(backend->buddy, chunk_count);
    void *state;

    cairn_lock_release(&backend->buddy_lock);
    state = state_bytes == 0 ? NULL : cairn_backend_reserve(backend, state_bytes);
    cairn_lock_take(&backend->buddy_lock);
    if (state == NULL)
        return !cairn_buddy_is_full(backend->buddy);
    state = exchange_state(backend, state, &state_bytes, chunk_count);
    cairn_lock_release(&backend->buddy_lock);
    cairn_backend_unreserve(backend, state, state_bytes);
    cairn_lock_take(&backend->buddy_lock);
    return true;
}

/* --- taking and giving ------------------------------------------------------------------------ */

/* Gives the buddy one chunk more. */
static bool feed(struct cairn_backend *backend)
{
    bool is_zeroed = false;
    bool is_fed = true;
    void *chunk = cairn_pagesource_alloc(&backend->pages, backend->chunk_bytes,
                                         backend->chunk_bytes, &is_zeroed);

    if (chunk == NULL)
        return false;
    cairn_lock_take(&backend->buddy_lock);
    while (is_fed && cairn_buddy_is_full(backend->buddy))
        is_fed = grow_state(backend);
    if (is_fed)
        cairn_buddy_feed(backend->buddy, chunk, is_zeroed);
    cairn_lock_release(&backend->buddy_lock);
    if (!is_fed)
        cairn_pagesource_free(&backend->pages, chunk, backend->chunk_bytes);
    return is_fed;
}

/* Dirty free memory, but for runs that the last purge found too short to be worth a system call. */
static size_t purgeable_bytes(struct cairn_backend *backend,
                              const struct cairn_buddy_levels *levels)
{
    backend->short_bytes = cairn_min(backend->short_bytes, levels->free_dirty_bytes);
    return levels->free_dirty_bytes - backend->short_bytes;
}

static size_t least_bytes(const struct cairn_buddy_levels *levels)
{
    return cairn_max(DIRTY_MIN_BYTES, levels->used_bytes / DIRTY_SHARE);
}

static size_t most_bytes(const struct cairn_buddy_levels *levels)
{
    return cairn_max(DIRTY_MAX_BYTES, levels->used_bytes / DIRTY_MAX_SHARE);
}

static uint8_t surplus_of(const struct cairn_backend *backend,
                          const struct cairn_buddy_levels *levels, size_t dirty_bytes)
{
    if (levels->empty_chunk_count > CHUNKS_KEEP)
        return CAIRN_SURPLUS_NOW;
    if (CAIRN_LIKELY(dirty_bytes <= least_bytes(levels)))
        return CAIRN_SURPLUS_NONE;
    return dirty_bytes > most_bytes(levels) ||
                   dirty_bytes > backend->settled_bytes + DIRTY_STEP_BYTES
               ? CAIRN_SURPLUS_NOW
               : CAIRN_SURPLUS_IN_TIME;
}

/* Under the buddy's lock, after each change: what there is to settle, and what the caches above
   should know. */
static void note(struct cairn_backend *backend, bool is_taken)
{
    struct cairn_buddy_levels levels = cairn_buddy_levels(backend->buddy);
    size_t dirty_bytes = purgeable_bytes(backend, &levels);

    cairn_store_relaxed(&backend->surplus, surplus_of(backend, &levels, dirty_bytes));
    if (!is_taken)
        return;
    cairn_decay_shrunk(&backend->decay, dirty_bytes);
    cairn_pressure_note(&backend->pressure, levels.used_bytes, levels.free_dirty_bytes);
}

void *cairn_backend_take_run(struct cairn_backend *backend, size_t length_bytes, size_t align_bytes,
                             bool *is_zeroed)
{
    void *run;

    do {
        cairn_lock_take(&backend->buddy_lock);
        run = cairn_buddy_alloc(backend->buddy, length_bytes, align_bytes, is_zeroed);
        if (run != NULL)
            note(backend, true);
        cairn_lock_release(&backend->buddy_lock);
    } while (run == NULL && feed(backend));
    return run;
}

void cairn_backend_give_run(struct cairn_backend *backend, void *run, size_t length_bytes)
{
    cairn_lock_take(&backend->buddy_lock);
    cairn_buddy_free(backend->buddy, run, length_bytes);
    note(backend, false);
    cairn_lock_release(&backend->buddy_lock);
}

bool cairn_backend_resize_run(struct cairn_backend *backend, void *run, size_t old_bytes,
                              size_t new_bytes)
{
    bool is_resized;

    cairn_lock_take(&backend->buddy_lock);
    is_resized = cairn_buddy_resize(backend->buddy, run, old_bytes, new_bytes);
    note(backend, new_bytes > old_bytes);
    cairn_lock_release(&backend->buddy_lock);
    return is_resized;
}

/* --- settling --------------------------------------------------------------------------------- */

static uint64_t now_ms(const struct cairn_backend *backend)
{
    const struct cairn_os *os = &backend->pages.config.os;

    return os->ops->now_ms(os->self);
}

/* Under the lock. Short runs may have become long ones since. */
static void forget_short(struct cairn_backend *backend, uint64_t now)
{
    if (CAIRN_UNLIKELY(backend->short_bytes > 0) &&
        now - backend->short_ms >= CAIRN_BACKEND_RETAIN_MS)
        backend->short_bytes = 0;
}

/* Under the lock: what is to be emptied now, which is what is beyond the budget and lay idle, or
   beyond the second bound. */
static size_t surplus_bytes(struct cairn_backend *backend, uint64_t now)
{
    struct cairn_buddy_levels levels = cairn_buddy_levels(backend->buddy);
    size_t dirty_bytes = purgeable_bytes(backend, &levels);
    size_t keep_bytes = least_bytes(&levels);
    size_t idle_bytes =
        cairn_decay_note(&backend->decay, now, CAIRN_BACKEND_RETAIN_MS, dirty_bytes);

    if (dirty_bytes <= keep_bytes)
        return 0;
    if (dirty_bytes > most_bytes(&levels))
        return dirty_bytes - most_bytes(&levels) / 8 * 7;
    return cairn_min(idle_bytes, dirty_bytes - keep_bytes);
}

/* Called and left with the buddy's lock. Gives empty chunks to the pagesource. */
static void shed_chunks(struct cairn_backend *backend, size_t keep_count)
{
    void *chunk;

    while ((chunk = cairn_buddy_shed(backend->buddy, keep_count)) != NULL) {
        cairn_lock_release(&backend->buddy_lock);
        cairn_pagesource_free(&backend->pages, chunk, backend->chunk_bytes);
        cairn_lock_take(&backend->buddy_lock);
    }
}

/* Called and left with the buddy's lock. Empties some stretches; returns how many bytes are not
   resident any more, 0 when nothing was found or the kernel refused. */
static size_t purge_some(struct cairn_backend *backend, size_t min_bytes, size_t quota_bytes,
                         size_t *found_count)
{
    struct cairn_buddy_stretch stretches[STRETCHES];
    size_t count =
        cairn_buddy_purge_begin(backend->buddy, min_bytes, quota_bytes, stretches, STRETCHES);
    size_t purged_bytes = 0;

    *found_count = count;
    if (count == 0)
        return 0;
    cairn_lock_release(&backend->buddy_lock);
    for (size_t idx = 0; idx < count; idx++) {
        stretches[idx].is_emptied =
            cairn_pagesource_purge_range(&backend->pages, stretches[idx].base,
                                         stretches[idx].length_bytes) == 0;
        if (stretches[idx].is_emptied)
            purged_bytes += stretches[idx].length_bytes;
    }
    cairn_lock_take(&backend->buddy_lock);
    cairn_buddy_purge_end(backend->buddy, stretches, count);
    return purged_bytes;
}

/* Called and left with the buddy's lock. */
static size_t purge(struct cairn_backend *backend, size_t min_bytes, size_t quota_bytes,
                    uint64_t now)
{
    size_t purged_bytes = 0;
    size_t found_count = 1;

    while (found_count > 0 && purged_bytes < quota_bytes) {
        size_t part_bytes =
            purge_some(backend, min_bytes, quota_bytes - purged_bytes, &found_count);

        purged_bytes += part_bytes;
        if (part_bytes == 0)
            break;
    }
    if (purged_bytes <
        quota_bytes) { /* a pass found no more: another would not, either, for a while */
        backend->short_bytes = cairn_buddy_levels(backend->buddy).free_dirty_bytes;
        backend->short_ms = now;
    }
    return purged_bytes;
}

static void settle_runs(struct cairn_backend *backend, uint64_t now)
{
    struct cairn_buddy_levels levels;
    size_t quota_bytes;

    cairn_lock_take(&backend->buddy_lock);
    forget_short(backend, now);
    shed_chunks(backend, CHUNKS_KEEP);
    quota_bytes = surplus_bytes(backend, now);
    if (quota_bytes > 0)
        purge(backend, PURGE_RUN_MIN_BYTES, quota_bytes, now);
    levels = cairn_buddy_levels(backend->buddy);
    backend->settled_bytes = purgeable_bytes(backend, &levels);
    note(backend, false);
    cairn_lock_release(&backend->buddy_lock);
}

void cairn_backend_settle(struct cairn_backend *backend)
{
    uint8_t surplus = cairn_load_relaxed(&backend->surplus);
    uint64_t now;

    cairn_pagesource_tick(&backend->pages);
    if (surplus == CAIRN_SURPLUS_NONE)
        return;
    now = now_ms(backend);
    if (surplus == CAIRN_SURPLUS_IN_TIME && now == cairn_load_relaxed(&backend->settled_ms))
        return; /* a thousand times a second is often enough */
    if (__atomic_exchange_n(&backend->is_settling, true, __ATOMIC_ACQUIRE))
        return; /* another thread is at it */
    cairn_store_relaxed(&backend->settled_ms, now);
    settle_runs(backend, now);
    cairn_store_release(&backend->is_settling, false);
}

/* As much as is dirty now: what other threads free meanwhile could keep this one here for ever. */
size_t cairn_backend_purge_runs(struct cairn_backend *backend)
{
    size_t purged_bytes;

    cairn_lock_take(&backend->buddy_lock);
    purged_bytes = purge(backend, backend->granule_bytes,
                         cairn_buddy_levels(backend->buddy).free_dirty_bytes, 0);
    backend->short_bytes = 0;
    shed_chunks(backend, 0);
    note(backend, false);
    cairn_lock_release(&backend->buddy_lock);
    return purged_bytes;
}

void cairn_backend_check_runs(struct cairn_backend *backend)
{
    struct cairn_buddy_levels levels = cairn_buddy_levels(backend->buddy);
    size_t dirty_bytes = purgeable_bytes(backend, &levels);

    CAIRN_INVARIANT(backend->surplus == surplus_of(backend, &levels, dirty_bytes));
}
