/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rseq_none.h - for builds without sequences of ours, for want of an architecture that has them or
 * because of ThreadSanitizer: each takes the slow path, which has locks.
 */

#ifndef CAIRN_PERCPU_RSEQ_NONE_H
#define CAIRN_PERCPU_RSEQ_NONE_H

#define CAIRN_RSEQ_UNAVAILABLE_REASON                                                              \
    "no restartable sequences in this build: architecture, or ThreadSanitizer"
enum { CAIRN_RSEQ_AVAILABLE = 0 };

CAIRN_HOT_INLINE void *cairn_rseq_pop(const struct cairn_rseq_view *view,
                                      const struct cairn_percpu_entry *entries, size_t class_idx)
{
    (void)view;
    (void)entries;
    (void)class_idx;
    return NULL;
}

CAIRN_HOT_INLINE bool cairn_rseq_push(const struct cairn_rseq_view *view,
                                      const struct cairn_percpu_entry *entries, size_t class_idx,
                                      void *block)
{
    (void)view;
    (void)entries;
    (void)class_idx;
    (void)block;
    return false;
}

CAIRN_HOT_INLINE bool cairn_rseq_push_from_1(const struct cairn_rseq_view *view,
                                             const struct cairn_percpu_entry *entries,
                                             size_t class_idx, void *block)
{
    return cairn_rseq_push(view, entries, class_idx - 1, block);
}

CAIRN_HOT_INLINE bool cairn_rseq_stop(const struct cairn_rseq_view *view, uint32_t id,
                                      struct cairn_percpu_shard *stopped)
{
    (void)view;
    (void)id;
    (void)stopped;
    return false;
}

#endif
