/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * counted.c - counts what passes through any source.
 *
 * Invariants (cairn_counted_check):
 *   I1  blocks_given <= blocks_taken, and nothing is outstanding exactly when they are equal;
 *   I2  bytes_outstanding <= bytes_outstanding_peak;
 *   I3  short_takes <= take_calls.
 *
 * Threads. A take counts after the layer below, a give before it: a block that two threads pass on
 * through the layer below is never counted twice, so the peak is never too high. All orders are
 * relaxed: the counters publish nothing, and a thread that gives a block has seen it taken.
 */

#include <cairn/counted.h>

#include <cairn/base/atomic.h>
#include <cairn/base/check.h>

#include <errno.h>

static void raise_peak(struct cairn_counts *counts, uint64_t outstanding)
{
    uint64_t peak = cairn_load_relaxed(&counts->bytes_outstanding_peak);

    /* A lost race reloads `peak`. */
    while (peak < outstanding &&
           !cairn_cas_acquire(&counts->bytes_outstanding_peak, &peak, outstanding))
        continue;
}

static size_t counted_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                           size_t count)
{
    struct cairn_counted *counted = self;
    struct cairn_counts *counts = &counted->counts;
    size_t taken = cairn_source_take(counted->below, block_bytes, align_bytes, blocks, count);
    uint64_t bytes = (uint64_t)taken * block_bytes;

    CAIRN_ASSERT(taken <= count);
    cairn_add_relaxed(&counts->take_calls, 1u);
    if (taken < count)
        cairn_add_relaxed(&counts->short_takes, 1u);
    if (taken == 0)
        return 0;
    cairn_add_relaxed(&counts->blocks_taken, taken);
    raise_peak(counts, cairn_add_relaxed(&counts->bytes_outstanding, bytes) + bytes);
    return taken;
}

static void counted_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    struct cairn_counted *counted = self;
    struct cairn_counts *counts = &counted->counts;
    uint64_t bytes = (uint64_t)count * block_bytes;
    uint64_t before = cairn_sub_relaxed(&counts->bytes_outstanding, bytes);

    CAIRN_CHECK(before >= bytes, "more given back than was taken", count > 0 ? blocks[0] : NULL,
                __func__);
    cairn_add_relaxed(&counts->give_calls, 1u);
    cairn_add_relaxed(&counts->blocks_given, count);
    cairn_source_give(counted->below, block_bytes, blocks, count);
}

int cairn_counted_init(struct cairn_counted *counted, const struct cairn_counted_config *config)
{
    struct cairn_counts none = {0};

    if (config->below.ops == NULL)
        return -EINVAL;
    counted->below = config->below;
    counted->counts = none;
    counted->ops.name = "counted";
    counted->ops.traits = config->below.ops->traits;
    counted->ops.take = counted_take;
    counted->ops.give = counted_give;
    return 0;
}

void cairn_counted_fini(struct cairn_counted *counted)
{
    uint64_t outstanding = cairn_load_relaxed(&counted->counts.bytes_outstanding);

    CAIRN_CHECK(outstanding == 0, "counted source ended with memory outstanding", counted,
                __func__);
    counted->ops.take = NULL;
    counted->ops.give = NULL;
}

struct cairn_source cairn_counted_as_source(struct cairn_counted *counted)
{
    struct cairn_source source = {&counted->ops, counted};

    return source;
}

struct cairn_counts cairn_counted_counts(const struct cairn_counted *counted)
{
    const struct cairn_counts *from = &counted->counts;
    struct cairn_counts counts;

    counts.take_calls = cairn_load_relaxed(&from->take_calls);
    counts.give_calls = cairn_load_relaxed(&from->give_calls);
    counts.blocks_taken = cairn_load_relaxed(&from->blocks_taken);
    counts.blocks_given = cairn_load_relaxed(&from->blocks_given);
    counts.short_takes = cairn_load_relaxed(&from->short_takes);
    counts.bytes_outstanding = cairn_load_relaxed(&from->bytes_outstanding);
    counts.bytes_outstanding_peak = cairn_load_relaxed(&from->bytes_outstanding_peak);
    return counts;
}

void cairn_counted_check(const struct cairn_counted *counted)
{
    struct cairn_counts counts = cairn_counted_counts(counted);

    CAIRN_INVARIANT(counts.blocks_given <= counts.blocks_taken);
    CAIRN_INVARIANT((counts.blocks_given == counts.blocks_taken) ==
                    (counts.bytes_outstanding == 0));
    CAIRN_INVARIANT(counts.bytes_outstanding <= counts.bytes_outstanding_peak);
    CAIRN_INVARIANT(counts.short_takes <= counts.take_calls);
}
