/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * crew.h - plays a plan: each recorded thread as a thread, on the malloc of this process.
 *
 * The calling thread plays the trace's first one, so that a malloc that treats the main thread apart
 * does so here. All memory of the crew is mapped and touched by crew_prepare(); while it plays, nothing
 * but the trace's own calls and pthread_create allocates.
 */
#ifndef CAIRN_BENCH_TRACE_CREW_H
#define CAIRN_BENCH_TRACE_CREW_H

#include "bench/trace/observer.h"
#include "bench/trace/plan.h"
#include "bench/trace/region.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>

enum crew_touch { CREW_TOUCH_NONE, CREW_TOUCH_ENDS, CREW_TOUCH_ALL };

/* Where an object lives while it does. */
struct crew_slot {
    void *block;
    uint32_t turn; /* operations on it that are done */
    uint32_t unused;
};

struct crew_member {
    struct crew *crew;
    pthread_t handle;
    struct crew_member *next_finished;
    uint64_t waits;
    uint32_t thread;
};

struct crew {
    const struct plan *plan;
    struct observer *observer; /* NULL: nobody watches */
    enum crew_touch touch;
    struct region slots;       /* of struct crew_slot */
    struct region members;     /* of struct crew_member, by thread */
    struct region epochs_done; /* of uint32_t, by epoch: calls */
    struct crew_member *finished;
    sem_t ended; /* once for each thread that was started and is done */
    pthread_attr_t attributes;
};

void crew_prepare(struct crew *crew, const struct plan *plan, enum crew_touch touch,
                  struct observer *observer);

/* Plays all of the plan. Ends the process with status 1 and one line when a call finds no memory. */
void crew_play(struct crew *crew);

/* How often an operation was not yet allowed. After crew_play. */
uint64_t crew_waits(const struct crew *crew);

/* Frees the blocks that the trace does not free. */
void crew_free_rest(struct crew *crew);

void crew_release(struct crew *crew);

#endif
