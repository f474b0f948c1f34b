/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * queue.h - a bounded queue of blocks between any number of threads on either side. Who finds it
 * full or empty sleeps. It ends when as many blocks were put as were announced: take returns 0.
 */

#ifndef CAIRN_BENCH_WORKLOADS_QUEUE_H
#define CAIRN_BENCH_WORKLOADS_QUEUE_H

#include "bench/workloads/workload.h"

enum { QUEUE_BLOCKS = 1024, QUEUE_BATCH_MOST = 256 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t has_room;
    pthread_cond_t has_blocks;
    uint64_t total_count; /* to be put in all */
    uint64_t put_count;
    uint64_t taken_count;
    void *blocks[QUEUE_BLOCKS];
};

static inline void queue_init(struct queue *queue, uint64_t total_count)
{
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->has_room, NULL);
    pthread_cond_init(&queue->has_blocks, NULL);
    queue->total_count = total_count;
}

static inline void queue_put(struct queue *queue, void *const *blocks, uint64_t count)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->put_count - queue->taken_count + count > QUEUE_BLOCKS)
        pthread_cond_wait(&queue->has_room, &queue->lock);
    for (uint64_t idx = 0; idx < count; idx++)
        queue->blocks[queue->put_count++ % QUEUE_BLOCKS] = blocks[idx];
    if (queue->put_count == queue->total_count)
        pthread_cond_broadcast(&queue->has_blocks); /* or some would wait for more for ever */
    else
        pthread_cond_signal(&queue->has_blocks);
    pthread_mutex_unlock(&queue->lock);
}

/* Up to `most` blocks; 0 when there will be no more. */
static inline uint64_t queue_take(struct queue *queue, void **blocks, uint64_t most)
{
    uint64_t count;

    pthread_mutex_lock(&queue->lock);
    while (queue->put_count == queue->taken_count && queue->put_count < queue->total_count)
        pthread_cond_wait(&queue->has_blocks, &queue->lock);
    count = queue->put_count - queue->taken_count;
    count = count < most ? count : most;
    for (uint64_t idx = 0; idx < count; idx++)
        blocks[idx] = queue->blocks[queue->taken_count++ % QUEUE_BLOCKS];
    /* A put may need the room of several takes. */
    if (count > 0)
        pthread_cond_broadcast(&queue->has_room);
    pthread_mutex_unlock(&queue->lock);
    return count;
}

#endif
