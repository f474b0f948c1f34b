/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * replay_threads.h - plays a plan: each recorded thread as a thread, on the malloc of this process.
 *
 * The calling thread plays the trace's first one, so that a malloc that treats the main thread apart
 * does so here. All memory of the replay is mapped and touched by replay_prepare(); while it plays,
 * nothing but the trace's own calls and pthread_create allocates.
 */
#ifndef CAIRN_BENCH_TRACE_REPLAY_THREADS_H
#define CAIRN_BENCH_TRACE_REPLAY_THREADS_H

#include "bench/trace/plan.h"
#include "bench/trace/rss_sampler.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

enum replay_touch { REPLAY_TOUCH_NONE, REPLAY_TOUCH_ENDS, REPLAY_TOUCH_ALL };

/* Where an object lives while it does. */
struct replay_slot {
    void *block;
    uint32_t turn; /* operations on it that are done */
    uint32_t unused;
};

struct replay_thread {
    struct replay *replay;
    pthread_t handle;
    struct replay_thread *next_finished;
    uint64_t waits; /* how often an operation was not yet allowed */
    uint32_t number;
};

struct replay {
    const struct plan *plan;
    struct rss_sampler *sampler; /* NULL: nothing is sampled */
    enum replay_touch touch;
    struct replay_slot *slots;
    struct replay_thread *threads;
    uint32_t *epochs_done; /* by epoch: calls */
    struct replay_thread *finished;
    sem_t ended; /* once for each thread that was started and is done */
    pthread_attr_t attributes;
};

void replay_prepare(struct replay *replay, const struct plan *plan, enum replay_touch touch,
                    struct rss_sampler *sampler);

/* Plays all of the plan. Ends the process with status 1 and one line when a call finds no memory. */
void replay_play(struct replay *replay);

/* The sum over all threads. */
uint64_t replay_waits(const struct replay *replay);

/* Frees the blocks that the trace does not free. */
void replay_free_rest(struct replay *replay);

#endif
