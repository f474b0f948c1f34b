/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * failing.h - adapter for tests: a source that runs dry when told to.
 *
 * A plan says which takes come up short. Every layer's test runs its scenario with the n-th take
 * failing, for n = 0, 1, 2 ... until the scenario no longer reaches n, and checks that a failure
 * changed nothing.
 */

#ifndef CAIRN_FAILING_H
#define CAIRN_FAILING_H

#include <cairn/source.h>

CAIRN_BEGIN_DECLS

/* Private; visible so that the caller can place it. */
struct cairn_failing {
    struct cairn_source below;
    uint64_t takes_seen;
    uint64_t fail_from;   /* index of the first take that fails */
    uint64_t fail_count;  /* how many in a row fail; UINT64_MAX: all that follow */
    bool short_not_empty; /* a failing take still gets half of what it asked for */
    struct cairn_source_ops ops;
};

struct cairn_failing_config {
    struct cairn_source below; /* outlives the adapter */
};

/*
 * Makes an adapter that passes everything to `below` until a plan is set.
 *
 * Returns: 0.
 * Fails:   -EINVAL without a source: nothing is changed.
 * Owns:    the caller keeps both; the adapter must not move while its source is used.
 * Cost:    O(1).
 * Threads: not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_failing_init(struct cairn_failing *failing,
                                       const struct cairn_failing_config *config);

/*
 * Ends the adapter.
 *
 * Cost:    O(1).
 * Threads: not safe.
 */
void cairn_failing_fini(struct cairn_failing *failing);

/*
 * Lets `fail_count` takes fail, beginning with the take number `fail_from` counted from now (0: the
 * next).
 *
 * Requires: no thread is inside.
 * Cost:     O(1).
 */
void cairn_failing_plan(struct cairn_failing *failing, uint64_t fail_from, uint64_t fail_count);

/* The same, but a failing take gets half of what it asked for (rounded down). */
void cairn_failing_plan_short(struct cairn_failing *failing, uint64_t fail_from,
                              uint64_t fail_count);

/* Returns: how many takes there were since the plan was set. Threads: safe. */
uint64_t cairn_failing_seen(const struct cairn_failing *failing);

/*
 * The source, with the traits of `below`.
 *
 * Cost:    O(1); an atomic operation a take.
 * Threads: as safe as `below` is.
 */
struct cairn_source cairn_failing_as_source(struct cairn_failing *failing);

CAIRN_END_DECLS

#endif
