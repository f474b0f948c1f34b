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

/* Passes everything to `below` until a plan is set. The adapter is not moved afterwards. O(1). */
void cairn_failing_init(struct cairn_failing *failing, struct cairn_source below);

/* Ends the adapter. */
void cairn_failing_fini(struct cairn_failing *failing);

/* Lets `fail_count` takes fail, beginning with the take number `fail_from` counted from now (0: the
   next). */
void cairn_failing_plan(struct cairn_failing *failing, uint64_t fail_from, uint64_t fail_count);

/* The same, but a failing take gets half of what it asked for (rounded down). */
void cairn_failing_plan_short(struct cairn_failing *failing, uint64_t fail_from,
                              uint64_t fail_count);

/* How many takes have been seen since the plan was set. */
uint64_t cairn_failing_seen(const struct cairn_failing *failing);

/* The source, with the traits of `below`. As thread-safe as `below` is; plans are set while no
   thread is inside. */
struct cairn_source cairn_failing_as_source(struct cairn_failing *failing);

CAIRN_END_DECLS

#endif
