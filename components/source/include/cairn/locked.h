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

/*
 * Puts a lock of the given rank around `below`.
 *
 * Requires: `below` outlives the adapter; the adapter is not moved afterwards.
 * Cost:     O(1). Threads: not safe; initialise before sharing.
 */
void cairn_locked_init(struct cairn_locked *locked, struct cairn_source below,
                       enum cairn_lock_rank rank);

/* Ends the adapter; panics when a thread is inside. Requires: nothing outstanding. */
void cairn_locked_fini(struct cairn_locked *locked);

/* The source: the traits of `below`, and THREAD_SAFE. */
struct cairn_source cairn_locked_as_source(struct cairn_locked *locked);

CAIRN_END_DECLS

#endif
