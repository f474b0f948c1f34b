/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * queues.c - producers hand blocks to consumers, which free them. Two workloads.
 *
 *     handoff    producer --> [ queue ] --> consumer        `pairs` times: blocks go one way alone,
 *                                                           caches run dry here and run over there
 *     workers    producer --.             .--> consumer
 *                producer ---> [ queue ] ----> consumer     a thread pool: who frees a block is
 *                producer --'             '--> consumer     decided by who is free
 *
 * Blocks cross in batches, and a full or empty queue puts the thread to sleep, so that the queue
 * costs little and threads may outnumber the CPUs. The workers' blocks are jobs, which tell their
 * sizes at both ends: these are compared when a job is done, and in the end the sums.
 */

#include "bench/workloads/queue.h"

#include <errno.h>
#include <string.h>

static uint64_t pairs = 1, producers, consumers, batch;
static bool is_handoff;

struct job {
    size_t bytes;
    unsigned char content[];
};

static struct queue *queues; /* of each pair, or of all */
static uint64_t made_bytes, done_bytes;

static unsigned char *end_of(struct job *job, size_t bytes)
{
    return (unsigned char *)job + bytes - 1;
}

static void *make(size_t bytes)
{
    struct job *job;

    if (is_handoff)
        return touched(bytes);
    job = got(malloc(bytes));
    job->bytes = bytes;
    *end_of(job, bytes) = (unsigned char)bytes;
    return job;
}

static size_t finish(struct job *job)
{
    size_t bytes = is_handoff ? 0 : job->bytes;

    if (is_handoff)
        touch_block(job, 1);
    else if (bytes < min || bytes > max || *end_of(job, bytes) != (unsigned char)bytes)
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
        queue_put(&queues[idx % pairs], jobs, count);
    }
    __atomic_add_fetch(&made_bytes, bytes_sum, __ATOMIC_RELAXED);
}

static void consume(size_t idx)
{
    void *jobs[QUEUE_BATCH_MOST];
    uint64_t bytes_sum = 0;
    uint64_t count;

    while ((count = queue_take(&queues[idx % pairs], jobs, batch)) > 0)
        for (uint64_t job = 0; job < count; job++)
            bytes_sum += finish(jobs[job]);
    __atomic_add_fetch(&done_bytes, bytes_sum, __ATOMIC_RELAXED);
}

static void work(size_t idx)
{
    if (idx < producers)
        produce(idx);
    else
        consume(idx - producers);
}

int main(int argument_count, char **arguments)
{
    is_handoff = strcmp(program_invocation_short_name, "handoff") == 0;
    if (is_handoff)
        begin(argument_count, arguments,
              "blocks made by producers and freed by consumers, through bounded queues: "
              "frees from afar in one direction (ops: blocks)",
              PARAMETERS(OPS(1500000), PARAMETER(pairs, 1, 1, THREADS_MOST / 2),
                         PARAMETER(batch, 32, 1, QUEUE_BATCH_MOST), SIZES(16, 1024)));
    else
        begin(argument_count, arguments,
              "several producers and consumers at one queue, also one against many: blocks come "
              "home from all sides, or all from one (ops: jobs)",
              PARAMETERS(OPS(1000000), PARAMETER(producers, 2, 1, THREADS_MOST / 2),
                         PARAMETER(consumers, 2, 1, THREADS_MOST / 2),
                         PARAMETER(batch, 32, 1, QUEUE_BATCH_MOST),
                         PARAMETER(min, 16, 16, BYTES_MOST), PARAMETER(max, 1024, 16, BYTES_MOST)));
    if (is_handoff)
        producers = consumers = pairs;
    queues = new_table(pairs, sizeof(*queues));
    for (size_t idx = 0; idx < pairs; idx++)
        queue_init(&queues[idx], share_of(ops, idx, pairs));
    run_threads(producers + consumers, work);
    if (!is_handoff && made_bytes != done_bytes)
        fail("jobs of %zu bytes were made, and of %zu bytes done", (size_t)made_bytes,
             (size_t)done_bytes);
    return report(ops);
}
