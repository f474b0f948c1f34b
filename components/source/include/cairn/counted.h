/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * counted.h - adapter: counts what passes through any source.
 *
 * It answers how much a layer holds, and in tests it proves that a layer which ended gave
 * everything back (L6).
 */

#ifndef CAIRN_COUNTED_H
#define CAIRN_COUNTED_H

#include <cairn/source.h>

CAIRN_BEGIN_DECLS

struct cairn_counts {
    uint64_t take_calls;
    uint64_t give_calls;
    uint64_t blocks_taken;
    uint64_t blocks_given;
    uint64_t short_takes; /* takes that returned fewer blocks than asked */
    uint64_t bytes_outstanding;
    uint64_t bytes_outstanding_peak;
};

/* Private; visible so that the caller can place it. */
struct cairn_counted {
    struct cairn_source below;
    struct cairn_counts counts;
    struct cairn_source_ops ops;
};

struct cairn_counted_config {
    struct cairn_source below; /* outlives the adapter */
};

/*
 * Makes an adapter that counts what passes to `below`.
 *
 * Returns: 0.
 * Fails:   -EINVAL without a source: nothing is changed.
 * Owns:    the caller keeps both; the adapter must not move while its source is used.
 * Cost:    O(1).
 * Threads: not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_counted_init(struct cairn_counted *counted,
                                       const struct cairn_counted_config *config);

/*
 * Ends the adapter; panics when something is outstanding.
 *
 * Cost:    O(1).
 * Threads: not safe.
 */
void cairn_counted_fini(struct cairn_counted *counted);

/*
 * The source, with the traits of `below`. A give panics when more comes back than was taken.
 *
 * Cost:    O(1); a few relaxed atomic operations a call of take or give.
 * Threads: as safe as `below` is.
 */
struct cairn_source cairn_counted_as_source(struct cairn_counted *counted);

/*
 * Returns: a snapshot of the counters; each is exact, together they may be of slightly different
 *          moments.
 * Cost:    O(1).
 * Threads: safe.
 */
struct cairn_counts cairn_counted_counts(const struct cairn_counted *counted);

/*
 * Panics unless the counters agree with each other.
 *
 * Requires: no thread is inside.
 * Cost:     O(1).
 */
void cairn_counted_check(const struct cairn_counted *counted);

CAIRN_END_DECLS

#endif
