/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * caches.h - per-CPU arrays, each CPU's behind a lock. No sequences, no option: for kernels and
 * tools that have trouble with restartable sequences, and to see what those are worth.
 *
 * The functions and what is required of them: <cairn/stack.h>.
 */

#ifndef CAIRN_STACK_CACHES_H
#define CAIRN_STACK_CACHES_H

#include "composed/stack/caches_over_percpu.h"
#include "composed/stack/caches_without_pop.h"

static inline int cairn_caches_init(struct cairn_caches *caches,
                                    const struct cairn_caches_config *config)
{
    return cairn_caches_init_in_mode(caches, config, CAIRN_PERCPU_LOCK, NULL, 0);
}

static inline void *cairn_caches_try_alloc(struct cairn_caches *caches, unsigned class_idx)
{
    return cairn_percpu_try_alloc(&caches->percpu, class_idx);
}

static inline bool cairn_caches_try_free(struct cairn_caches *caches, unsigned class_idx,
                                         void *block, const char *where)
{
    return cairn_percpu_try_free(&caches->percpu, class_idx, block, where);
}

#endif
