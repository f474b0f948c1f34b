/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * quota.h - a source that gives out no more than so many bytes at once: a hard cap on any layer.
 *
 * Invariant: bytes outstanding <= the quota that was set when the last of them were taken.
 * Threads: as thread-safe as the source below. The quota may be changed at any time.
 */

#ifndef CAIRN_QUOTA_H
#define CAIRN_QUOTA_H

#include <cairn/source.h>

CAIRN_BEGIN_DECLS

/* Private; visible so that the caller can place it. */
struct cairn_quota {
    struct cairn_source below;
    size_t quota_bytes;
    size_t outstanding_bytes;
    struct cairn_source_ops ops;
};

struct cairn_quota_config {
    struct cairn_source below; /* outlives the adapter */
    size_t quota_bytes;        /* 0: none */
};

/*
 * Makes an adapter that lets no more than the quota out.
 *
 * Returns: 0.
 * Fails:   -EINVAL without a source: nothing is changed.
 * Owns:    the caller keeps both; the adapter must not move while its source is used.
 * Cost:    O(1).
 * Threads: not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_quota_init(struct cairn_quota *quota,
                                     const struct cairn_quota_config *config);

/* Sets the quota; SIZE_MAX: none. What is out already stays out. O(1). Threads: safe. */
void cairn_quota_set(struct cairn_quota *quota, size_t quota_bytes);

/* Bytes that are out. O(1). Threads: safe; exact when no other thread is inside. */
size_t cairn_quota_outstanding_bytes(const struct cairn_quota *quota);

/* Ends the adapter; panics when something is outstanding. */
void cairn_quota_fini(struct cairn_quota *quota);

/* The source, with the traits of `below`. A take gets as many blocks as the quota has room for. */
struct cairn_source cairn_quota_as_source(struct cairn_quota *quota);

CAIRN_END_DECLS

#endif
