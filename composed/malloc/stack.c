/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * stack.c - the whole malloc on one screen: every layer, and the source of each.
 *
 *     malloc, free                       libc/override.c, malloc.c
 *       | up to 128 KiB         | larger
 *     caches   <cairn/stack/caches.h>: arrays of pointers per CPU and class, a depot; or none
 *       | batches               |
 *       | up to 32 KiB   \ more |              ---- CAIRN_EDGE_BLOCKS
 *     sizeclass   slabs,  \     |                   by cairn_stack_classes
 *       | one slab         \    |              ---- CAIRN_EDGE_SLABS
 *     runs   granules of 16 KiB +-+                 cairn_stack_runs: a buddy
 *       | a chunk of 2 MiB        | above 1 MiB
 *       +-------------------------+            ---- CAIRN_EDGE_PAGES
 *     pagesource   brk, mmap
 *       | system calls                              cairn_stack_pages(): the kernel
 *
 * An edge is where adapters lie (cairn_stack_adapt()).
 */

#include "composed/malloc/stack.h"

#include <cairn/base/check.h>

#include <errno.h>

#include "composed/malloc/frontend.h"

struct cairn_source cairn_stack_adapted(struct cairn_source source, const char *adapter)
{
    CAIRN_CHECK(source.ops != NULL && source.ops->take != NULL && source.ops->give != NULL,
                "an adapter returned no source", source.self, adapter);
    return source;
}

/* ---- runs: backend --------------------------------------------------------------------------- */

static struct cairn_source adapt_pages(struct cairn_source pages)
{
    return cairn_stack_adapt(CAIRN_EDGE_PAGES, pages);
}

static int init_backend(struct cairn_stack *stack, const struct cairn_conf_values *conf,
                        void *map_root, void *map_empty)
{
    struct cairn_backend_config config = cairn_frontend_backend_config(conf);

    config.os = cairn_stack_pages();
    config.runs = &cairn_stack_runs;
    config.adapt_pages = adapt_pages;
    config.class_count = cairn_stack_classes.count;
    config.has_medium = true;
    config.map_root = map_root;
    config.map_empty = map_empty;
    return cairn_backend_init(&stack->backend, &config);
}

/* ---- classes: slabs -------------------------------------------------------------------------- */

static int init_slabs(struct cairn_stack *stack)
{
    const struct cairn_sizeclass_config config = {
        .pagemap = &stack->backend.map,
        .source = cairn_stack_adapt(CAIRN_EDGE_SLABS, cairn_backend_as_source(&stack->backend)),
        .granule_bytes = stack->backend.granule_bytes,
        .classes = &cairn_stack_classes,
        .descriptors = cairn_backend_as_metadata_source(&stack->backend),
    };

    return cairn_sizeclass_init(&stack->slabs, &config);
}

/* ---- caches ---------------------------------------------------------------------------------- */

/* Where the caches get a block from, and give it to: small ones are of slabs, medium ones runs. */
static struct cairn_source below(struct cairn_stack *stack, size_t block_bytes)
{
    return block_bytes <= CAIRN_CLASS_BYTES_MAX ? cairn_sizeclass_as_exact_source(&stack->slabs)
                                                : cairn_backend_as_medium_source(&stack->backend);
}

static size_t take_blocks(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                          size_t count)
{
    return cairn_source_take(below(self, block_bytes), block_bytes, align_bytes, blocks, count);
}

static void give_blocks(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    cairn_source_give(below(self, block_bytes), block_bytes, blocks, count);
}

static const struct cairn_source_ops block_ops = {"blocks", CAIRN_SOURCE_THREAD_SAFE, take_blocks,
                                                  give_blocks};

static bool is_allocated(void *self, unsigned class_idx, const void *block)
{
    struct cairn_stack *stack = self;

    return class_idx < cairn_stack_classes.count
               ? cairn_sizeclass_is_allocated(&stack->slabs, block)
               : cairn_backend_is_block(&stack->backend, block);
}

/* An adapter may count: then a block goes back by the way that it came. */
static struct cairn_source adapt_blocks(struct cairn_stack *stack)
{
    const struct cairn_source blocks = {&block_ops, stack};
    struct cairn_source adapted = cairn_stack_adapt(CAIRN_EDGE_BLOCKS, blocks);

    if (adapted.ops != blocks.ops || adapted.self != blocks.self)
        cairn_backend_keep_medium_apart(&stack->backend);
    return adapted;
}

static int init_caches(struct cairn_stack *stack, const struct cairn_conf_values *conf)
{
    uint32_t block_bytes[CAIRN_STACK_CLASSES_MAX];
    const struct cairn_caches_config config = {
        .block_bytes = block_bytes,
        .class_count = stack->class_count,
        .source = adapt_blocks(stack),
        .metadata = cairn_backend_as_metadata_source(&stack->backend),
        .pressure = &stack->backend.pressure.signals,
        .is_allocated = is_allocated,
        .is_allocated_self = stack,
        .shards = (unsigned)conf->value[CAIRN_CONF_SHARDS],
        .percpu = (unsigned)conf->value[CAIRN_CONF_PERCPU],
        .cpu = (unsigned)conf->value[CAIRN_CONF_CPU],
        .fence = (unsigned)conf->value[CAIRN_CONF_FENCE],
    };

    for (unsigned class_idx = 0; class_idx < stack->class_count; class_idx++)
        block_bytes[class_idx] = cairn_stack_block_bytes(class_idx);
    return cairn_caches_init(&stack->caches, &config);
}

/* ---- all of it ------------------------------------------------------------------------------- */

int cairn_stack_init(struct cairn_stack *stack, const struct cairn_conf_values *conf,
                     void *map_root, void *map_empty)
{
    int error = init_backend(stack, conf, map_root, map_empty);

    if (error != 0)
        return error;
    stack->class_count =
        cairn_stack_classes.count + (stack->backend.has_medium ? CAIRN_MEDIUM_COUNT : 0);
    error = init_slabs(stack);
    if (error == 0) {
        error = init_caches(stack, conf);
        if (error != 0)
            cairn_sizeclass_fini(&stack->slabs);
    }
    if (error != 0)
        cairn_backend_fini(&stack->backend);
    return error;
}

void cairn_stack_check(struct cairn_stack *stack)
{
    cairn_caches_check(&stack->caches);
    cairn_sizeclass_check(&stack->slabs);
    cairn_backend_check(&stack->backend);
}
