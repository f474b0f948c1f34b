/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * caches.h - no caches: every call goes to the layer below, under the lock of its class.
 *
 * The smallest: nothing is kept back, and the layer below sees each free at once, so that a double
 * free is found when it happens.
 *
 * The functions and what is required of them: <cairn/stack.h>.
 */

#ifndef CAIRN_STACK_CACHES_H
#define CAIRN_STACK_CACHES_H

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/stack.h>

#include "composed/stack/caches_without_pop.h"

struct cairn_caches {
    struct cairn_source source;
    bool (*is_allocated)(void *self, unsigned class_idx, const void *block);
    void *is_allocated_self;
    uint32_t block_bytes[UINT8_MAX];
};

static inline int cairn_caches_init(struct cairn_caches *caches,
                                    const struct cairn_caches_config *config)
{
    caches->source = config->source;
    caches->is_allocated = config->is_allocated;
    caches->is_allocated_self = config->is_allocated_self;
    for (unsigned class_idx = 0; class_idx < config->class_count; class_idx++)
        caches->block_bytes[class_idx] = config->block_bytes[class_idx];
    return 0;
}

static inline void *cairn_caches_try_alloc(struct cairn_caches *caches, unsigned class_idx)
{
    (void)caches, (void)class_idx;
    return NULL;
}

static inline bool cairn_caches_try_free(struct cairn_caches *caches, unsigned class_idx,
                                         void *block, const char *where)
{
    (void)caches, (void)class_idx, (void)block, (void)where;
    return false;
}

static inline void *cairn_caches_alloc(struct cairn_caches *caches, unsigned class_idx)
{
    return cairn_source_take_one(caches->source, caches->block_bytes[class_idx],
                                 cairn_min(16, caches->block_bytes[class_idx]));
}

static inline void cairn_caches_free(struct cairn_caches *caches, unsigned class_idx, void *block,
                                     const char *where)
{
    CAIRN_CHECK(caches->is_allocated(caches->is_allocated_self, class_idx, block), "double free",
                block, where);
    cairn_source_give_one(caches->source, caches->block_bytes[class_idx], block);
}

static inline void cairn_caches_flush(struct cairn_caches *caches, bool may_fence)
{
    (void)caches, (void)may_fence;
}

static inline void cairn_caches_age(struct cairn_caches *caches)
{
    (void)caches;
}

static inline void cairn_caches_flush_idle(struct cairn_caches *caches)
{
    (void)caches;
}

static inline bool cairn_caches_close(struct cairn_caches *caches)
{
    (void)caches;
    return true;
}

static inline void cairn_caches_repair(struct cairn_caches *caches)
{
    (void)caches;
}

static inline void cairn_caches_reopen(struct cairn_caches *caches)
{
    (void)caches;
}

static inline bool cairn_caches_suspend(const struct cairn_caches *caches)
{
    (void)caches;
    return false;
}

static inline void cairn_caches_resume(const struct cairn_caches *caches)
{
    (void)caches;
}

static inline struct cairn_caches_stats cairn_caches_stats(struct cairn_caches *caches)
{
    (void)caches;
    return (struct cairn_caches_stats){
        .mode = "none", .reason = "the stack has no caches", .cpu = "not asked"};
}

static inline void cairn_caches_check(struct cairn_caches *caches)
{
    (void)caches;
}

#endif
