/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * caches_without_pop.h - pop and push of caches that have nothing to inline: always in vain.
 */

#ifndef CAIRN_COMPOSED_STACK_CACHES_WITHOUT_POP_H
#define CAIRN_COMPOSED_STACK_CACHES_WITHOUT_POP_H

#include <stdbool.h>
#include <stddef.h>

#include <cairn/base/compiler.h>

struct cairn_caches;

CAIRN_HOT_INLINE void *cairn_caches_pop(struct cairn_caches *caches, size_t class_idx)
{
    (void)caches, (void)class_idx;
    return NULL;
}

CAIRN_HOT_INLINE bool cairn_caches_push_from_1(struct cairn_caches *caches, size_t kind,
                                               void *block)
{
    (void)caches, (void)kind, (void)block;
    return false;
}

#endif
