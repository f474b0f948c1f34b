/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * mixed.c - the sizes and lifetimes of a program at large.
 *
 *     sizes       80 % below 128 bytes, a tail up to 1 MiB
 *     lifetimes   60 %  short: a stack, the last made is the first freed
 *                 30 %  a generation: made one by one, freed together
 *                 10 %  long: a table, each replaced at random
 *     realloc     5 % of the blocks, to another size
 */

#include "bench/workloads/workload.h"

enum { STACK_BLOCKS = 64, GENERATION_BLOCKS = 4096, LONG_BLOCKS = 8192 };

struct range {
    uint32_t up_to; /* of 10000 blocks, those of this range and of those before */
    uint32_t min;
    uint32_t max;
};

static const struct range histogram[] = {
    {1500, 1, 16},       {4000, 17, 32},        {6500, 33, 64},
    {8000, 65, 127},     {9200, 128, 512},      {9800, 513, 4096},
    {9977, 4097, 32768}, {9997, 32769, 262144}, {10000, 262145, 1048576},
};

struct heap {
    struct rng rng;
    size_t stack_count;
    size_t generation_count;
    void *stack[STACK_BLOCKS];
    void *generation[GENERATION_BLOCKS];
    void *lasting[LONG_BLOCKS];
};

static size_t random_bytes(struct rng *rng)
{
    uint64_t choice = rng_below(rng, 10000);
    const struct range *range = histogram;

    while (choice >= range->up_to)
        range++;
    return (size_t)(range->min + rng_below(rng, range->max - range->min + 1));
}

/* Each 20th block is made in another size first. */
static void *make(struct rng *rng)
{
    size_t bytes = random_bytes(rng);
    void *block = touched(bytes);

    if (rng_below(rng, 20) > 0)
        return block;
    bytes = random_bytes(rng);
    block = got(realloc(block, bytes));
    touch_block(block, bytes);
    return block;
}

static void drop_all(void **blocks, size_t count)
{
    for (size_t idx = 0; idx < count; idx++)
        free(blocks[idx]);
}

/* The stack goes up and down at random; a full one goes down. */
static void make_short(struct heap *heap)
{
    heap->stack[heap->stack_count++] = make(&heap->rng);
    if (heap->stack_count < STACK_BLOCKS && rng_below(&heap->rng, 4) > 0)
        return;
    for (uint64_t left = 1 + rng_below(&heap->rng, heap->stack_count); left > 0; left--)
        free(heap->stack[--heap->stack_count]);
}

static void make_in_generation(struct heap *heap)
{
    if (heap->generation_count == GENERATION_BLOCKS) {
        drop_all(heap->generation, GENERATION_BLOCKS);
        heap->generation_count = 0;
    }
    heap->generation[heap->generation_count++] = make(&heap->rng);
}

static void make_lasting(struct heap *heap)
{
    void **place = &heap->lasting[rng_below(&heap->rng, LONG_BLOCKS)];

    free(*place);
    *place = make(&heap->rng);
}

static void work(size_t idx)
{
    struct heap *heap = new_table(1, sizeof(*heap));

    heap->rng = rng_of(idx);
    for (uint64_t left = share_of(ops, idx, threads); left > 0; left--) {
        uint64_t lifetime = rng_below(&heap->rng, 10);
        if (lifetime < 6)
            make_short(heap);
        else if (lifetime < 9)
            make_in_generation(heap);
        else
            make_lasting(heap);
    }
    drop_all(heap->stack, heap->stack_count);
    drop_all(heap->generation, heap->generation_count);
    drop_all(heap->lasting, LONG_BLOCKS);
    drop_table(heap, 1, sizeof(*heap));
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "the sizes of a program at large (80 % below 128 bytes, a tail up to 1 MiB) with "
          "short, common and long lives, 5 % realloc (ops: blocks made and freed)",
          PARAMETERS(OPS(4000000), THREADS(1)));
    return run(threads, work);
}
