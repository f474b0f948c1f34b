/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * handoff.c - producers hand blocks to consumers, which free them.
 *
 *     producer --> [ queue of 1024 blocks at most ] --> consumer       `pairs` times
 *
 * Every block is freed by another thread than made it, and always in the same direction: the caches
 * of the one run dry while those of the other run over. Blocks cross in batches, and a full or
 * empty queue puts the thread to sleep, so that the queue costs little and pairs may outnumber the
 * CPUs.
 */

#include "bench/workloads/queue.h"

static uint64_t pairs, batch;

static struct queue *queues;

static void produce(size_t pair)
{
    struct rng rng = rng_of(2 * pair);
    void *blocks[QUEUE_BATCH_MOST];
    uint64_t count;

    for (uint64_t left = share_of(ops, pair, pairs); left > 0; left -= count) {
        count = least_of(left, batch);
        for (uint64_t idx = 0; idx < count; idx++)
            blocks[idx] = touched(some_size(&rng));
        queue_put(&queues[pair], blocks, count);
    }
}

static void consume(struct queue *queue)
{
    void *blocks[QUEUE_BATCH_MOST];
    uint64_t count;

    while ((count = queue_take(queue, blocks, batch)) > 0)
        for (uint64_t idx = 0; idx < count; idx++) {
            touch_block(blocks[idx], 1);
            free(blocks[idx]);
        }
}

/* Even threads produce, odd ones consume. */
static void work(size_t idx)
{
    if (idx % 2 == 0)
        produce(idx / 2);
    else
        consume(&queues[idx / 2]);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "blocks made by producers and freed by consumers, through bounded queues: "
          "frees from afar in one direction (ops: blocks)",
          PARAMETERS(OPS(1500000), PARAMETER(pairs, 1, 1, THREADS_MOST / 2),
                     PARAMETER(batch, 32, 1, QUEUE_BATCH_MOST), SIZES(16, 1024)));
    queues = new_table(pairs, sizeof(*queues));
    for (size_t idx = 0; idx < pairs; idx++)
        queue_init(&queues[idx], share_of(ops, idx, pairs));
    return run(2 * pairs, work);
}
