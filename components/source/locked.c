/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * locked.c - one lock around any source.
 *
 * Idea. The lock is held over exactly one call of the layer below, which moves a whole batch, so
 * its cost is shared by the blocks of the batch. The rank makes debug builds die when a lower layer
 * calls upward.
 */

#include <cairn/locked.h>

#include <cairn/base/check.h>

#include <errno.h>

static size_t locked_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                          size_t count)
{
    struct cairn_locked *locked = self;
    size_t taken;

    cairn_lock_take(&locked->lock);
    taken = cairn_source_take(locked->below, block_bytes, align_bytes, blocks, count);
    CAIRN_ASSERT(taken <= count);
    cairn_lock_release(&locked->lock);
    return taken;
}

static void locked_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_locked *locked = self;

    cairn_lock_take(&locked->lock);
    cairn_source_give(locked->below, block_bytes, blocks, count);
    cairn_lock_release(&locked->lock);
}

int cairn_locked_init(struct cairn_locked *locked, const struct cairn_locked_config *config)
{
    if (config->below.ops == NULL || config->rank >= CAIRN_RANK_COUNT)
        return -EINVAL;
    cairn_lock_init(&locked->lock, config->rank);
    locked->below = config->below;
    locked->ops.name = "locked";
    locked->ops.traits = config->below.ops->traits | CAIRN_SOURCE_THREAD_SAFE;
    locked->ops.take = locked_take;
    locked->ops.give = locked_give;
    return 0;
}

void cairn_locked_fini(struct cairn_locked *locked)
{
    CAIRN_CHECK(!cairn_lock_is_held(&locked->lock), "locked source ended while in use", locked,
                __func__);
    locked->ops.take = NULL;
    locked->ops.give = NULL;
}

struct cairn_source cairn_locked_as_source(struct cairn_locked *locked)
{
    struct cairn_source source = {&locked->ops, locked};

    return source;
}
