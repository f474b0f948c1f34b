/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * caches.h - per-CPU arrays, popped and pushed by restartable sequences; by locks where those do
 * not work, or the program asks for it.
 *
 * The functions and what is required of them: <cairn/stack.h>.
 */

#ifndef CAIRN_STACK_CACHES_H
#define CAIRN_STACK_CACHES_H

#include "composed/stack/caches_over_percpu.h"

/* Outside of struct cairn_caches, which is cleared as a whole: only as many are touched as there
   are ids. One array in each stack, although several files include this. */
CAIRN_STACK_LOCAL CAIRN_WEAK _Alignas(sizeof(struct cairn_percpu_entry)) struct cairn_percpu_entry
    cairn_caches_entries[CAIRN_PERCPU_IDS_MAX];

static inline int cairn_caches_init(struct cairn_caches *caches,
                                    const struct cairn_caches_config *config)
{
    return cairn_caches_init_in_mode(caches, config, (enum cairn_percpu_mode)config->percpu,
                                     cairn_caches_entries, CAIRN_PERCPU_IDS_MAX);
}

CAIRN_HOT_INLINE void *cairn_caches_pop(struct cairn_caches *caches, size_t class_idx)
{
    return cairn_percpu_pop_at(&caches->percpu, cairn_caches_entries, class_idx);
}

CAIRN_HOT_INLINE bool cairn_caches_push_from_1(struct cairn_caches *caches, size_t kind,
                                               void *block)
{
    return cairn_percpu_push_at_from_1(&caches->percpu, cairn_caches_entries, kind, block);
}

static inline bool cairn_caches_have_locks(const struct cairn_caches *caches)
{
    return caches->percpu.mode == CAIRN_PERCPU_LOCK;
}

static inline void *cairn_caches_try_alloc(struct cairn_caches *caches, unsigned class_idx)
{
    return cairn_caches_have_locks(caches) ? cairn_percpu_try_alloc(&caches->percpu, class_idx)
                                           : NULL;
}

static inline bool cairn_caches_try_free(struct cairn_caches *caches, unsigned class_idx,
                                         void *block, const char *where)
{
    return cairn_caches_have_locks(caches) &&
           cairn_percpu_try_free(&caches->percpu, class_idx, block, where);
}

#endif
