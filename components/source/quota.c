/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * quota.c - bytes are charged before the layer below is asked, and what it did not give is
 * discharged: so never more is out than the quota says, whatever other threads do.
 */

#include <cairn/quota.h>

#include <cairn/base/align.h>
#include <cairn/base/atomic.h>
#include <cairn/base/check.h>

#include <errno.h>

/* Charges up to `count` blocks; returns how many. */
static size_t charge(struct cairn_quota *quota, size_t block_bytes, size_t count)
{
    size_t out_bytes = cairn_load_relaxed(&quota->outstanding_bytes);
    size_t granted;

    do {
        size_t quota_bytes = cairn_load_relaxed(&quota->quota_bytes);
        size_t room_bytes = quota_bytes > out_bytes ? quota_bytes - out_bytes : 0;

        granted = cairn_min(count, room_bytes / block_bytes);
        if (granted == 0)
            return 0;
    } while (!cairn_cas_acquire(&quota->outstanding_bytes, &out_bytes,
                                out_bytes + granted * block_bytes));
    return granted;
}

static size_t quota_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                         size_t count)
{
    struct cairn_quota *quota = self;
    size_t granted = charge(quota, block_bytes, count);
    size_t taken;

    if (granted == 0)
        return 0;
    taken = cairn_source_take(quota->below, block_bytes, align_bytes, blocks, granted);
    if (taken < granted)
        cairn_sub_relaxed(&quota->outstanding_bytes, (granted - taken) * block_bytes);
    return taken;
}

/* Discharged after the layer below has the blocks. */
static void quota_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_quota *quota = self;
    size_t before;

    cairn_source_give(quota->below, block_bytes, blocks, count);
    before = cairn_sub_relaxed(&quota->outstanding_bytes, count * block_bytes);
    CAIRN_CHECK(before >= count * block_bytes, "more given back than was taken", quota, __func__);
}

int cairn_quota_init(struct cairn_quota *quota, const struct cairn_quota_config *config)
{
    if (config->below.ops == NULL)
        return -EINVAL;
    quota->below = config->below;
    quota->quota_bytes = config->quota_bytes == 0 ? SIZE_MAX : config->quota_bytes;
    quota->outstanding_bytes = 0;
    quota->ops =
        (struct cairn_source_ops){"quota", config->below.ops->traits, quota_take, quota_give};
    return 0;
}

void cairn_quota_set(struct cairn_quota *quota, size_t quota_bytes)
{
    cairn_store_relaxed(&quota->quota_bytes, quota_bytes);
}

size_t cairn_quota_outstanding_bytes(const struct cairn_quota *quota)
{
    return cairn_load_relaxed(&quota->outstanding_bytes);
}

void cairn_quota_fini(struct cairn_quota *quota)
{
    CAIRN_CHECK(cairn_quota_outstanding_bytes(quota) == 0, "quota ended with memory outstanding",
                quota, __func__);
    quota->ops.take = NULL;
    quota->ops.give = NULL;
}

struct cairn_source cairn_quota_as_source(struct cairn_quota *quota)
{
    return (struct cairn_source){&quota->ops, quota};
}
