/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * locked.h - adapter: one lock around any source, which makes it thread-safe.
 */

#ifndef CAIRN_LOCKED_H
#define CAIRN_LOCKED_H

#include <cairn/base/lock.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

/* Private; visible so that the caller can place it. */
struct cairn_locked {
    struct cairn_lock lock;
    struct cairn_source below;
    struct cairn_source_ops ops;
};

struct cairn_locked_config {
    struct cairn_source below; /* outlives the adapter */
    enum cairn_lock_rank rank; /* 0: NONE */
};

/*
 * Makes an adapter with a lock around `below`.
 *
 * Returns: 0.
 * Fails:   -EINVAL without a source, or for an unknown rank: nothing is changed.
 * Owns:    the caller keeps both; the adapter must not move while its source is used.
 * Cost:    O(1).
 * Threads: not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_locked_init(struct cairn_locked *locked,
                                      const struct cairn_locked_config *config);

/*
 * Ends the adapter; panics when a thread is inside.
 *
 * Requires: nothing outstanding.
 * Cost:     O(1).
 */
void cairn_locked_fini(struct cairn_locked *locked);

/*
 * The source: the traits of `below`, and THREAD_SAFE.
 *
 * Cost:    O(1); the lock once a call of take or give.
 * Threads: safe.
 */
struct cairn_source cairn_locked_as_source(struct cairn_locked *locked);

CAIRN_END_DECLS

#endif
