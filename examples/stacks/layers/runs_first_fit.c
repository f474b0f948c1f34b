/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Runs of granules, first fit: a byte per granule says whether it is free, begins a run, or goes on
   with one. Small and slow: O(granules) for each call. */

#include <stdlib.h>

#include <cairn/stack.h>

enum { FREE, FIRST, NEXT };
enum { CHUNKS_MAX = 1024, GRANULES_MAX = 128 /* in a chunk */ };

struct heap {
    size_t granule, chunk, chunk_count;
    char *chunks[CHUNKS_MAX];
    unsigned char states[CHUNKS_MAX][GRANULES_MAX];
};

static size_t state_bytes(const struct cairn_runs_config *config)
{
    return config->chunk_count_max > CHUNKS_MAX ||
                   config->chunk_bytes / config->granule_bytes > GRANULES_MAX
               ? 0
               : sizeof(struct heap);
}

static int init(void *state, size_t bytes, const struct cairn_runs_config *config)
{
    struct heap *heap = state;

    (void)bytes;
    heap->granule = config->granule_bytes;
    heap->chunk = config->chunk_bytes;
    return 0;
}

static bool is_free(const unsigned char *states, size_t count)
{
    while (count > 0 && states[count - 1] == FREE)
        count--;
    return count == 0;
}

static void *alloc(void *state, size_t length_bytes, size_t align_bytes, bool *is_zeroed)
{
    struct heap *heap = state;
    size_t count = length_bytes / heap->granule;
    size_t step = align_bytes > heap->granule ? align_bytes / heap->granule : 1;

    for (size_t slot = 0; slot < heap->chunk_count; slot++)
        for (size_t at = 0; at + count <= heap->chunk / heap->granule; at += step) {
            if (!is_free(&heap->states[slot][at], count))
                continue;
            for (size_t idx = 0; idx < count; idx++)
                heap->states[slot][at + idx] = idx == 0 ? FIRST : NEXT;
            if (is_zeroed != NULL)
                *is_zeroed = false;
            return heap->chunks[slot] + at * heap->granule;
        }
    return NULL;
}

static void free_run(void *state, void *run, size_t length_bytes)
{
    struct heap *heap = state;

    for (size_t slot = 0; slot < heap->chunk_count; slot++) {
        size_t at = (size_t)((char *)run - heap->chunks[slot]) / heap->granule;

        if (at >= heap->chunk / heap->granule || heap->states[slot][at] != FIRST)
            continue;
        for (size_t idx = 0; idx < length_bytes / heap->granule; idx++)
            heap->states[slot][at + idx] = FREE;
        return;
    }
    abort();
}

static void feed(void *state, void *chunk, bool is_zeroed)
{
    struct heap *heap = state;

    (void)is_zeroed;
    heap->chunks[heap->chunk_count++] = chunk;
}

const struct cairn_runs_ops cairn_stack_runs = {.name = "first fit",
                                                .state_bytes = state_bytes,
                                                .init = init,
                                                .alloc = alloc,
                                                .free = free_run,
                                                .feed = feed};
