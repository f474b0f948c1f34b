/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * workers.c - several producers and several consumers at one queue.
 *
 *     producer --.                      .--> consumer
 *     producer ---> [ one queue of blocks ] --> consumer
 *     producer --'                      '--> consumer
 *
 * As a thread pool with its jobs. Who frees a block is decided by who is free: the blocks of one
 * thread come back to the allocator from all sides, or those of all threads at one (consumers=1),
 * or one thread makes what all the others free (producers=1). Each job tells its size at its start
 * and at its end; both are compared when it is done, and in the end the sums.
 */

#include "bench/workloads/queue.h"

static uint64_t producers, consumers, batch;

struct job {
    size_t bytes;
    unsigned char content[];
};

static struct queue queue;
static uint64_t made_bytes, done_bytes;

static unsigned char *end_of(struct job *job, size_t bytes)
{
    return (unsigned char *)job + bytes - 1;
}

static struct job *make(size_t bytes)
{
    struct job *job = got(malloc(bytes));

    job->bytes = bytes;
    *end_of(job, bytes) = (unsigned char)bytes;
    return job;
}

static size_t finish(struct job *job)
{
    size_t bytes = job->bytes;

    if (bytes < min || bytes > max || *end_of(job, bytes) != (unsigned char)bytes)
        fail("a job was overwritten");
    free(job);
    return bytes;
}

static void produce(size_t idx)
{
    struct rng rng = rng_of(idx);
    void *jobs[QUEUE_BATCH_MOST];
    uint64_t bytes_sum = 0;
    uint64_t count;

    for (uint64_t left = share_of(ops, idx, producers); left > 0; left -= count) {
        count = least_of(left, batch);
        for (uint64_t job = 0; job < count; job++) {
            size_t bytes = some_size(&rng);
            jobs[job] = make(bytes);
            bytes_sum += bytes;
        }
        queue_put(&queue, jobs, count);
    }
    __atomic_add_fetch(&made_bytes, bytes_sum, __ATOMIC_RELAXED);
}

static void consume(void)
{
    void *jobs[QUEUE_BATCH_MOST];
    uint64_t bytes_sum = 0;
    uint64_t count;

    while ((count = queue_take(&queue, jobs, batch)) > 0)
        for (uint64_t job = 0; job < count; job++)
            bytes_sum += finish(jobs[job]);
    __atomic_add_fetch(&done_bytes, bytes_sum, __ATOMIC_RELAXED);
}

static void work(size_t idx)
{
    if (idx < producers)
        produce(idx);
    else
        consume();
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "several producers and consumers at one queue, also one against many: blocks come "
          "home from all sides, or all from one (ops: jobs)",
          PARAMETERS(OPS(1000000), PARAMETER(producers, 2, 1, THREADS_MOST / 2),
                     PARAMETER(consumers, 2, 1, THREADS_MOST / 2),
                     PARAMETER(batch, 32, 1, QUEUE_BATCH_MOST), PARAMETER(min, 16, 16, BYTES_MOST),
                     PARAMETER(max, 1024, 16, BYTES_MOST)));
    queue_init(&queue, ops);
    run_threads(producers + consumers, work);
    if (made_bytes != done_bytes)
        fail("jobs of %zu bytes were made, and of %zu bytes done", (size_t)made_bytes,
             (size_t)done_bytes);
    return report(ops);
}
