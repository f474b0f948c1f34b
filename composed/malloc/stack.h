/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * stack.h - a stack of layers, built: the picture is in stack.c. Compiled anew for each stack, over
 * the caches that were chosen for it.
 */

#ifndef CAIRN_COMPOSED_MALLOC_STACK_H
#define CAIRN_COMPOSED_MALLOC_STACK_H

#include <cairn/sizeclass.h>
#include <cairn/stack.h>
#include <cairn/stack/caches.h>

#include "composed/backend/backend.h"
#include "composed/libc/conf.h"

enum { CAIRN_STACK_CLASSES_MAX = CAIRN_CLASS_COUNT_MAX + CAIRN_MEDIUM_COUNT };

struct cairn_stack {
    struct cairn_caches caches;
    /* What the caches know by a class: size classes, then medium blocks. */
    unsigned class_count;
    struct cairn_sizeclass slabs;
    struct cairn_backend backend; /* pages, pagemap, runs */
};

/*
 * Builds the layers, the lowest first, on a zeroed object and over zeroed tables for the pagemap.
 *
 * Returns: 0.
 * Fails:   -ENOMEM, -EINVAL: nothing is held then.
 * Threads: not safe. Calls nothing that calls malloc.
 */
int cairn_stack_init(struct cairn_stack *stack, const struct cairn_conf_values *conf,
                     void *map_root, void *map_empty);

/* The bytes of a block of a class of the caches. */
CAIRN_HOT_INLINE uint32_t cairn_stack_block_bytes(size_t class_idx)
{
    return class_idx < cairn_stack_classes.count
               ? cairn_stack_classes.block_bytes[class_idx]
               : cairn_medium_bytes(class_idx - cairn_stack_classes.count);
}

/* Every layer's check. */
void cairn_stack_check(struct cairn_stack *stack);

#endif
