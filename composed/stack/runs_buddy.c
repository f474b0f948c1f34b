/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * runs_buddy.c - the runs of a stack come from a buddy that is fed by hand.
 */

#include <cairn/buddy.h>
#include <cairn/stack.h>

#include <cairn/base/align.h>

enum { STRETCHES = 16 };

static struct cairn_buddy_config config_of(const struct cairn_runs_config *config)
{
    return (struct cairn_buddy_config){
        .granule_bytes = config->granule_bytes,
        .chunk_bytes = config->chunk_bytes,
        .chunk_count_max = config->chunk_count_max,
    };
}

static size_t state_bytes(const struct cairn_runs_config *config)
{
    struct cairn_buddy_config buddy_config = config_of(config);

    return cairn_buddy_state_bytes(&buddy_config);
}

static int init(void *state, size_t state_length_bytes, const struct cairn_runs_config *config)
{
    struct cairn_buddy_config buddy_config = config_of(config);

    buddy_config.state_bytes = state_length_bytes;
    return cairn_buddy_init(state, &buddy_config);
}

static void *alloc(void *state, size_t length_bytes, size_t align_bytes, bool *is_zeroed)
{
    return cairn_buddy_alloc(state, length_bytes, align_bytes, is_zeroed);
}

static void free_run(void *state, void *run, size_t length_bytes)
{
    cairn_buddy_free(state, run, length_bytes);
}

static void feed(void *state, void *chunk, bool is_zeroed)
{
    cairn_buddy_feed(state, chunk, is_zeroed);
}

static void *shed(void *state, size_t keep_count)
{
    return cairn_buddy_shed(state, keep_count);
}

static bool owns(const void *state, const void *pointer)
{
    return cairn_buddy_owns(state, pointer);
}

static const struct cairn_levels *levels(const void *state)
{
    return cairn_buddy_levels(state);
}

static void check(const void *state)
{
    cairn_buddy_check(state);
}

static bool resize(void *state, void *run, size_t old_bytes, size_t new_bytes)
{
    return cairn_buddy_resize(state, run, old_bytes, new_bytes);
}

static size_t purge_begin(void *state, size_t min_bytes, size_t quota_bytes,
                          struct cairn_runs_stretch *stretches, size_t count)
{
    struct cairn_buddy_stretch found[STRETCHES];

    count = cairn_buddy_purge_begin(state, min_bytes, quota_bytes, found,
                                    cairn_min(count, (size_t)STRETCHES));
    for (size_t idx = 0; idx < count; idx++)
        stretches[idx] =
            (struct cairn_runs_stretch){found[idx].base, found[idx].length_bytes, false};
    return count;
}

static void purge_end(void *state, const struct cairn_runs_stretch *stretches, size_t count)
{
    for (size_t idx = 0; idx < count; idx++) {
        struct cairn_buddy_stretch stretch = {.base = stretches[idx].base,
                                              .length_bytes = stretches[idx].length_bytes,
                                              .is_emptied = stretches[idx].is_emptied};

        cairn_buddy_purge_end(state, &stretch, 1);
    }
}

static int move(void *to, size_t to_bytes, const void *from, size_t chunk_count_max)
{
    return cairn_buddy_move(to, to_bytes, from, chunk_count_max);
}

const struct cairn_runs_ops cairn_stack_runs = {
    .name = "buddy",
    .state_bytes = state_bytes,
    .init = init,
    .alloc = alloc,
    .free = free_run,
    .feed = feed,
    .levels = levels,
    .shed = shed,
    .owns = owns,
    .check = check,
    .resize = resize,
    .purge_begin = purge_begin,
    .purge_end = purge_end,
    .move = move,
};
