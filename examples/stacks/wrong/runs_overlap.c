/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Wrong: the next run begins one granule before the end of the one before. Nothing is given out
   twice at one address, so a program may run for long before it notices. */

#include <cairn/stack.h>

#include <stdlib.h>

struct heap {
    size_t granule, chunk, used;
    char *base;
};

static size_t state_bytes(const struct cairn_runs_config *config)
{
    return config->chunk_count_max > 64 ? 0 : sizeof(struct heap);
}

static int init(void *state, size_t bytes, const struct cairn_runs_config *config)
{
    struct heap *heap = state;

    (void)bytes;
    heap->granule = config->granule_bytes;
    heap->chunk = config->chunk_bytes;
    return 0;
}

static void *alloc(void *state, size_t length_bytes, size_t align_bytes, bool *is_zeroed)
{
    struct heap *heap = state;
    size_t at = (heap->used + align_bytes - 1) & ~(align_bytes - 1);

    if (heap->base == NULL || at + length_bytes > heap->chunk)
        return NULL;
    heap->used = at + length_bytes - (length_bytes > heap->granule ? heap->granule : 0);
    if (is_zeroed != NULL)
        *is_zeroed = false;
    return heap->base + at;
}

static void free_run(void *state, void *run, size_t length_bytes)
{
    (void)state, (void)run, (void)length_bytes;
}

static void feed(void *state, void *chunk, bool is_zeroed)
{
    struct heap *heap = state;

    (void)is_zeroed;
    heap->base = chunk;
    heap->used = 0;
}

const struct cairn_runs_ops cairn_stack_runs = {.name = "overlap",
                                                .state_bytes = state_bytes,
                                                .init = init,
                                                .alloc = alloc,
                                                .free = free_run,
                                                .feed = feed};
