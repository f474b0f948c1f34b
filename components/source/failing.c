/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * failing.c - a source that runs dry when told to.
 *
 *     takes seen   0  1  2  3  4  5  6 ...
 *     plan(2, 3)   .  .  x  x  x  .  .        fail_from = 2, fail_count = 3
 *
 * A failing take never reaches the layer below, except for the half that a short plan grants.
 * Giving never fails.
 */

#include <cairn/failing.h>

#include <cairn/base/atomic.h>

#include <errno.h>

/* Does the take with this index fail? No sum, so that UINT64_MAX means for ever. */
static bool is_planned(const struct cairn_failing *failing, uint64_t take_idx)
{
    return take_idx >= failing->fail_from && take_idx - failing->fail_from < failing->fail_count;
}

static size_t failing_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                           size_t count)
{
    struct cairn_failing *failing = self;
    uint64_t take_idx = cairn_add_relaxed(&failing->takes_seen, 1u);
    size_t granted = count;

    if (is_planned(failing, take_idx))
        granted = failing->short_not_empty ? count / 2 : 0;
    if (granted == 0)
        return 0;
    return cairn_source_take(failing->below, block_bytes, align_bytes, blocks, granted);
}

static void failing_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_failing *failing = self;

    cairn_source_give(failing->below, block_bytes, blocks, count);
}

static void set_plan(struct cairn_failing *failing, uint64_t fail_from, uint64_t fail_count,
                     bool short_not_empty)
{
    failing->takes_seen = 0;
    failing->fail_from = fail_from;
    failing->fail_count = fail_count;
    failing->short_not_empty = short_not_empty;
}

int cairn_failing_init(struct cairn_failing *failing, const struct cairn_failing_config *config)
{
    if (config->below.ops == NULL)
        return -EINVAL;
    failing->below = config->below;
    failing->ops.name = "failing";
    failing->ops.traits = config->below.ops->traits;
    failing->ops.take = failing_take;
    failing->ops.give = failing_give;
    set_plan(failing, 0, 0, false);
    return 0;
}

void cairn_failing_fini(struct cairn_failing *failing)
{
    failing->ops.take = NULL;
    failing->ops.give = NULL;
}

void cairn_failing_plan(struct cairn_failing *failing, uint64_t fail_from, uint64_t fail_count)
{
    set_plan(failing, fail_from, fail_count, false);
}

void cairn_failing_plan_short(struct cairn_failing *failing, uint64_t fail_from,
                              uint64_t fail_count)
{
    set_plan(failing, fail_from, fail_count, true);
}

uint64_t cairn_failing_seen(const struct cairn_failing *failing)
{
    return cairn_load_relaxed(&failing->takes_seen);
}

struct cairn_source cairn_failing_as_source(struct cairn_failing *failing)
{
    struct cairn_source source = {&failing->ops, failing};

    return source;
}
