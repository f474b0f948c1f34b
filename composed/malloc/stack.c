/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * stack.c - the whole malloc on one screen.
 *
 *     malloc, free                       libc/override.c, malloc.c
 *       | up to 128 KiB         | larger
 *     percpu   arrays of pointers per CPU and class
 *       | batches               |
 *     depot    batches between CPUs
 *       | up to 32 KiB   \ more |
 *     sizeclass   slabs,  \     |
 *       | one slab         \    | a run of granules
 *     buddy    16 KiB granules -+       (above 1 MiB: straight to the pagesource)
 *       | a chunk of 2 MiB
 *     pagesource   brk, mmap
 *       | kernel
 */

#include "composed/malloc/stack.h"

#include <errno.h>

#include "composed/malloc/frontend.h"

static int init_slabs(struct cairn_stack *stack)
{
    const struct cairn_sizeclass_config config = {
        .pagemap = &stack->backend.map,
        .source = cairn_backend_as_source(&stack->backend),
        .granule_bytes = stack->backend.granule_bytes,
        .descriptors = cairn_backend_as_metadata_source(&stack->backend),
    };

    return cairn_sizeclass_init(&stack->slabs, &config);
}

/* Where the caches get a block from, and give it to: small ones are of slabs, others runs. */
static struct cairn_source below(struct cairn_stack *stack, size_t block_bytes)
{
    return block_bytes <= CAIRN_CLASS_BYTES_MAX ? cairn_sizeclass_as_exact_source(&stack->slabs)
                                                : cairn_backend_as_run_source(&stack->backend);
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

static const struct cairn_source_ops block_ops = {"slabs and runs", CAIRN_SOURCE_THREAD_SAFE,
                                                  take_blocks, give_blocks};

static int init_caches(struct cairn_stack *stack, const struct cairn_conf_values *conf)
{
    uint32_t block_bytes[CAIRN_STACK_CLASS_COUNT];
    static const enum cairn_cpu_id_method ways[] = {CAIRN_CPU_AUTO, CAIRN_CPU_LIBC_RSEQ,
                                                    CAIRN_CPU_GETCPU};
    struct cairn_percpu_config config = {
        .block_bytes = block_bytes,
        .class_count = stack->backend.has_runs ? CAIRN_STACK_CLASS_COUNT : CAIRN_CLASS_COUNT,
        .shard_count = conf->value[CAIRN_CONF_SHARDS] != 0
                           ? (unsigned)conf->value[CAIRN_CONF_SHARDS]
                           : cairn_cpu_possible_count(),
        .mode = (enum cairn_percpu_mode)conf->value[CAIRN_CONF_PERCPU],
        .fence = (enum cairn_percpu_fence)conf->value[CAIRN_CONF_FENCE],
        .cpu_id_method = ways[conf->value[CAIRN_CONF_CPU]],
        .pressure = &stack->backend.pressure.signals,
        .source = {&block_ops, stack},
    };
    int error;

    for (unsigned class_idx = 0; class_idx < CAIRN_STACK_CLASS_COUNT; class_idx++)
        block_bytes[class_idx] = cairn_stack_block_bytes(class_idx);
    config.state_bytes = cairn_percpu_state_bytes(&config);
    config.state = cairn_backend_reserve(&stack->backend, config.state_bytes);
    if (config.state == NULL)
        return -ENOMEM;
    error = cairn_percpu_init(&stack->caches, &config);
    if (error != 0)
        cairn_backend_unreserve(&stack->backend, config.state, config.state_bytes);
    return error;
}

int cairn_stack_init(struct cairn_stack *stack, const struct cairn_conf_values *conf,
                     void *map_root, void *map_empty)
{
    struct cairn_backend_config backend = cairn_frontend_backend_config(conf);
    int error;

    backend.has_runs = true;
    backend.map_root = map_root;
    backend.map_empty = map_empty;
    error = cairn_backend_init(&stack->backend, &backend);
    if (error != 0)
        return error;
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
    cairn_percpu_check(&stack->caches);
    cairn_sizeclass_check(&stack->slabs);
    cairn_backend_check(&stack->backend);
}
