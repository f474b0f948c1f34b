/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * stack.h - the default stack: what is piled on what. The picture is in stack.c.
 */

#ifndef CAIRN_COMPOSED_MALLOC_STACK_H
#define CAIRN_COMPOSED_MALLOC_STACK_H

#include <cairn/percpu.h>
#include <cairn/sizeclass.h>

#include "composed/backend/backend.h"
#include "composed/libc/conf.h"

/* What the caches know by a class: size classes, then runs. */
enum { CAIRN_STACK_CLASS_COUNT = CAIRN_CLASS_COUNT + CAIRN_RUN_COUNT };

struct cairn_stack {
    struct cairn_percpu caches;
    struct cairn_sizeclass slabs;
    struct cairn_backend backend; /* pagesource, pagemap, buddy */
};

/* The bytes of a block of a class of the caches. */
CAIRN_HOT_INLINE uint32_t cairn_stack_block_bytes(size_t class_idx)
{
    return class_idx < CAIRN_CLASS_COUNT ? cairn_class_block_bytes[class_idx]
                                         : cairn_run_bytes(class_idx - CAIRN_CLASS_COUNT);
}

/* Builds the layers, the lowest first, over zeroed tables for the pagemap. 0, or -ENOMEM / -EINVAL:
   nothing is held then. Calls nothing that calls malloc. */
int cairn_stack_init(struct cairn_stack *stack, const struct cairn_conf_values *conf,
                     void *map_root, void *map_empty);

/* malloc.c: the caches of the process, for vfork.c; NULL as long as the stack is not built. */
struct cairn_percpu *cairn_stack_caches(void);

/* Every layer's check. */
void cairn_stack_check(struct cairn_stack *stack);

#endif
