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

#include "bench/workloads/workload.h"

enum { QUEUE_BLOCKS = 1024, BATCH_MOST = 256 };

static uint64_t pairs, batch;

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* at most one of the two threads waits at a time */
    uint64_t put_count;
    uint64_t taken_count;
    void *blocks[QUEUE_BLOCKS];
};

static struct queue *queues;

static void put(struct queue *queue, void *const *blocks, uint64_t count)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->put_count - queue->taken_count + count > QUEUE_BLOCKS)
        pthread_cond_wait(&queue->changed, &queue->lock);
    for (uint64_t idx = 0; idx < count; idx++)
        queue->blocks[queue->put_count++ % QUEUE_BLOCKS] = blocks[idx];
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static void take(struct queue *queue, void **blocks, uint64_t count)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->put_count - queue->taken_count < count)
        pthread_cond_wait(&queue->changed, &queue->lock);
    for (uint64_t idx = 0; idx < count; idx++)
        blocks[idx] = queue->blocks[queue->taken_count++ % QUEUE_BLOCKS];
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static void produce(struct queue *queue, uint64_t count, struct rng *rng)
{
    void *blocks[BATCH_MOST];

    for (uint64_t idx = 0; idx < count; idx++)
        blocks[idx] = touched(some_size(rng));
    put(queue, blocks, count);
}

static void consume(struct queue *queue, uint64_t count)
{
    void *blocks[BATCH_MOST];

    take(queue, blocks, count);
    for (uint64_t idx = 0; idx < count; idx++) {
        touch_block(blocks[idx], 1);
        free(blocks[idx]);
    }
}

/* Even threads produce, odd ones consume. */
static void work(size_t idx)
{
    struct rng rng = rng_of(idx);
    struct queue *queue = &queues[idx / 2];
    uint64_t left = share_of(ops, idx / 2, pairs);

    while (left > 0) {
        uint64_t count = left < batch ? left : batch;
        if (idx % 2 == 0)
            produce(queue, count, &rng);
        else
            consume(queue, count);
        left -= count;
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "blocks made by producers and freed by consumers, through bounded queues: "
          "frees from afar in one direction (ops: blocks)",
          PARAMETERS(OPS(1500000), PARAMETER(pairs, 1, 1, THREADS_MOST / 2),
                     PARAMETER(batch, 32, 1, BATCH_MOST), SIZES(16, 1024)));
    queues = new_table(pairs, sizeof(*queues));
    for (size_t idx = 0; idx < pairs; idx++) {
        pthread_mutex_init(&queues[idx].lock, NULL);
        pthread_cond_init(&queues[idx].changed, NULL);
    }
    return run(2 * pairs, work);
}
