/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * replay.h - plays a plan on the malloc of this process: each recorded thread as a thread.
 *
 * The calling thread plays the trace's first one, so that a malloc that treats the main thread
 * apart does so here. All memory of the replay is mapped and touched by replay_prepare(); while it
 * plays, nothing but the trace's own calls and pthread_create allocates.
 *
 * With a sampler, every call is noted, and the notes are written to a file in the end: struct
 * sampler_note. With what is resident, each so many calls and when the most bytes are live: exact
 * when there is one thread, else other threads are between. Noting costs time; the time of such a
 * run is not to be compared.
 */
#ifndef CAIRN_BENCH_TRACE_REPLAY_H
#define CAIRN_BENCH_TRACE_REPLAY_H

#include "bench/trace/plan.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- rss_sampler.c ---- */

enum { SAMPLER_SAMPLES = 160 };

struct sampler_note { /* samples.py reads it */
    uint64_t address; /* 0: the block is freed */
    uint64_t size_bytes;
    uint64_t usable_bytes;
    uint64_t resident_kib; /* beyond the baseline, and 1 more; 0: it was not looked at */
    uint32_t slot;
    uint32_t unused;
};

struct rss_sampler {
    struct sampler_note *notes;
    uint64_t *sizes; /* by slot */
    uint64_t count;
    uint64_t calls_per_sample;
    uint64_t live_bytes;
    uint64_t peak_bytes; /* at which a sample is due; UINT64_MAX once it was taken */
    uint64_t baseline_kib;
    int file;
};

/* Opens and writes the file; each ends the process where it cannot be written. */
void rss_sampler_open(struct rss_sampler *sampler, const char *path, const struct plan *plan);
void rss_sampler_close(struct rss_sampler *sampler);

/* Before and after the calls. */
void rss_sampler_begin(struct rss_sampler *sampler);
void rss_sampler_end(struct rss_sampler *sampler);

/* After an allocation; before a free, with a block of NULL. */
void rss_sampler_note(struct rss_sampler *sampler, uint32_t slot, void *block, uint64_t size_bytes);

/* ---- replay_threads.c ---- */

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
};

void replay_prepare(struct replay *replay, const struct plan *plan, enum replay_touch touch,
                    struct rss_sampler *sampler);

/* Plays all of the plan. Ends the process with status 1 and one line when a call finds no memory.
   */
void replay_play(struct replay *replay);

/* The sum over all threads. */
uint64_t replay_waits(const struct replay *replay);

/* Frees the blocks that the trace does not free; returns how many. */
uint64_t replay_free_rest(struct replay *replay);

#endif
