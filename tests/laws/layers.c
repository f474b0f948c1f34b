/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

#include "tests/laws/layers.h"

#include "composed/malloc/stack.h"

static struct cairn_stack stack;
static struct {
    char root[CAIRN_PAGEMAP_ROOT_BYTES(14)] CAIRN_CACHE_ALIGNED;
    char empty[CAIRN_PAGEMAP_EMPTY_BYTES] CAIRN_CACHE_ALIGNED;
} map_tables;

int layers_start(void)
{
    static bool is_built;
    const struct cairn_conf_values conf = {{0}};
    int error = is_built ? 0 : cairn_stack_init(&stack, &conf, map_tables.root, map_tables.empty);

    is_built = error == 0;
    return error;
}

/* ---- the caches as a source: blocks in the order that malloc and free try ------------------- */

/* The class of blocks of that size; stack.class_count: none. */
static unsigned class_of(size_t block_bytes)
{
    unsigned class_idx = 0;

    while (class_idx < stack.class_count && cairn_stack_block_bytes(class_idx) != block_bytes)
        class_idx++;
    return class_idx;
}

static void *take_block(unsigned class_idx)
{
    void *block = cairn_caches_pop(&stack.caches, class_idx);

    if (block == NULL)
        block = cairn_caches_try_alloc(&stack.caches, class_idx);
    return block != NULL ? block : cairn_caches_alloc(&stack.caches, class_idx);
}

static size_t take_blocks(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                          size_t count)
{
    unsigned class_idx = class_of(block_bytes);
    size_t taken = 0;

    (void)self;
    if (class_idx == stack.class_count || align_bytes > 16)
        return 0;
    while (taken < count && (blocks[taken] = take_block(class_idx)) != NULL)
        taken++;
    return taken;
}

static void give_blocks(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    unsigned class_idx = class_of(block_bytes);

    (void)self;
    for (size_t idx = 0; idx < count; idx++)
        if (!cairn_caches_push_from_1(&stack.caches, cairn_class_kind(class_idx), blocks[idx]) &&
            !cairn_caches_try_free(&stack.caches, class_idx, blocks[idx], "give"))
            cairn_caches_free(&stack.caches, class_idx, blocks[idx], "give");
}

static const struct cairn_source_ops caches_ops = {"caches", CAIRN_SOURCE_THREAD_SAFE, take_blocks,
                                                   give_blocks};

/* ---- the seams ------------------------------------------------------------------------------- */

struct cairn_source layers_source(enum layer layer)
{
    switch (layer) {
    case LAYER_PAGES:
        return stack.backend.pages_source;
    case LAYER_SLABS:
        return stack.slabs.slabs.config.source;
    case LAYER_BLOCKS:
        return cairn_sizeclass_as_source(&stack.slabs);
    default:
        return (struct cairn_source){&caches_ops, &stack};
    }
}

unsigned layers_class_count(void)
{
    return stack.class_count;
}

size_t layers_block_bytes(unsigned class_idx)
{
    return cairn_stack_block_bytes(class_idx);
}

size_t layers_granule_bytes(void)
{
    return stack.backend.granule_bytes;
}

size_t layers_chunk_bytes(void)
{
    return stack.backend.chunk_bytes;
}

void layers_flush(void)
{
    cairn_caches_flush(&stack.caches, true);
    cairn_sizeclass_trim(&stack.slabs);
    cairn_backend_trim(&stack.backend);
}

size_t layers_used_bytes(void)
{
    return cairn_backend_stats(&stack.backend).runs.used_bytes;
}

void layers_check(void)
{
    cairn_stack_check(&stack);
}

bool layers_close(void)
{
    return cairn_caches_close(&stack.caches);
}

void layers_reopen(void)
{
    cairn_caches_reopen(&stack.caches);
}
