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

/* Counts what passes to `below`, which must outlive the adapter; the adapter is not moved
   afterwards. O(1). */
void cairn_counted_init(struct cairn_counted *counted, struct cairn_source below);

/* Ends the adapter; panics when something is outstanding. */
void cairn_counted_fini(struct cairn_counted *counted);

/* The source, with the traits of `below`. The counters are atomic: as thread-safe as `below` is. */
struct cairn_source cairn_counted_as_source(struct cairn_counted *counted);

/* A snapshot of the counters; each is exact, together they may be of slightly different moments. */
struct cairn_counts cairn_counted_counts(const struct cairn_counted *counted);

/* Panics unless the counters agree with each other. Requires: no thread is inside. O(1). */
void cairn_counted_check(const struct cairn_counted *counted);

CAIRN_END_DECLS

#endif
