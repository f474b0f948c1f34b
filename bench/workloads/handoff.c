/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * handoff.c - producers hand blocks to consumers, which free them.
 *
 *     producer --> [ queue of 1024 blocks at most ] --> consumer       `pairs` times
 *
 * Every block is freed by another thread than made it, and always in the same direction: the caches
 * of the one run dry while those of the other run over. Blocks cross in batches, and a full or empty
 * queue puts the thread to sleep, so that the queue costs little and pairs may outnumber the CPUs.
 */

#include "bench/workloads/workload.h"

enum { QUEUE_BLOCKS = 1024, BATCH_MOST = 256 };

static uint64_t ops = 1500000;
static uint64_t pairs = 1;
static uint64_t batch = 32;
static uint64_t min = 16;
static uint64_t max = 1024;
static struct workload_sizes sizes;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("pairs", &pairs, 1, WORKLOAD_THREADS_MOST / 2),
    WORKLOAD_NUMBER("batch", &batch, 1, BATCH_MOST),
    WORKLOAD_NUMBER("min", &min, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

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

static void produce(struct queue *queue, uint64_t count, struct workload_random *random)
{
    void *blocks[BATCH_MOST];

    for (uint64_t idx = 0; idx < count; idx++)
        blocks[idx] = workload_malloc(workload_size(&sizes, random));
    put(queue, blocks, count);
}

static void consume(struct queue *queue, uint64_t count)
{
    void *blocks[BATCH_MOST];

    take(queue, blocks, count);
    for (uint64_t idx = 0; idx < count; idx++) {
        workload_touch(blocks[idx], 1);
        free(blocks[idx]);
    }
}

/* Even threads produce, odd ones consume. */
static void work(size_t idx)
{
    struct workload_random random = workload_random_of(idx);
    struct queue *queue = &queues[idx / 2];
    uint64_t left = workload_share(ops, idx / 2, pairs);

    while (left > 0) {
        uint64_t count = left < batch ? left : batch;
        if (idx % 2 == 0)
            produce(queue, count, &random);
        else
            consume(queue, count);
        left -= count;
    }
}

int main(int argument_count, char **arguments)
{
    workload_begin("handoff",
                   "blocks made by producers and freed by consumers, through bounded queues: "
                   "frees from afar in one direction (ops: blocks)",
                   parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    queues = workload_table(pairs, sizeof(*queues));
    for (size_t idx = 0; idx < pairs; idx++) {
        pthread_mutex_init(&queues[idx].lock, NULL);
        pthread_cond_init(&queues[idx].changed, NULL);
    }
    workload_threads(2 * pairs, work);
    return workload_report(ops);
}
