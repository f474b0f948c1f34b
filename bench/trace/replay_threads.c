/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * replay_threads.c - the threads that play a plan.
 *
 * Order between threads is by the turn of a slot: an acquire of what the thread before has
 * released. A thread that must wait spins a little, then yields, then sleeps: there may be more
 * threads than CPUs.
 *
 * A thread that is done puts itself on a list; the thread that starts the next one joins it, so
 * that the stacks of dead threads do not pile up.
 */

#include "bench/trace/replay.h"
#include "bench/workloads/workload.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPINS = 200, YIELDS = 200, SLEEP_NS = 50000 };

static __attribute__((noinline, cold)) void wait_for(const uint32_t *word, uint32_t value)
{
    const struct timespec nap = {.tv_nsec = SLEEP_NS};

    for (unsigned round = 0; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; round++) {
        if (round < SPINS)
            continue;
        if (round < SPINS + YIELDS)
            sched_yield();
        else
            nanosleep(&nap, NULL);
    }
}

static inline void await(struct replay_thread *thread, const uint32_t *word, uint32_t value)
{
    if (__builtin_expect(__atomic_load_n(word, __ATOMIC_ACQUIRE) == value, 1))
        return;
    thread->waits++;
    wait_for(word, value);
}

/* ---- threads ------------------------------------------------------------------------------- */

static void play_thread(struct replay_thread *thread);

static void *thread_main(void *argument)
{
    struct replay_thread *thread = argument;
    struct replay *replay = thread->replay;

    play_thread(thread);
    thread->next_finished = __atomic_load_n(&replay->finished, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&replay->finished, &thread->next_finished, thread, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
    sem_post(&replay->ended);
    return NULL;
}

static void join_finished(struct replay *replay)
{
    struct replay_thread *thread = __atomic_exchange_n(&replay->finished, NULL, __ATOMIC_ACQUIRE);

    while (thread != NULL) {
        struct replay_thread *next = thread->next_finished;

        pthread_join(thread->handle, NULL);
        thread = next;
    }
}

/* ---- calls --------------------------------------------------------------------------------- */

static void touch_as(enum replay_touch touch, void *block, uint64_t size_bytes)
{
    if (size_bytes == 0 || touch == REPLAY_TOUCH_NONE)
        return;
    if (touch == REPLAY_TOUCH_ALL)
        memset(block, 1, size_bytes);
    touch_block(block, size_bytes);
}

static void *alloc_aligned(unsigned align_log2, uint64_t size_bytes)
{
    size_t align_bytes = (size_t)1 << align_log2;
    void *block;

    if (align_bytes < sizeof(void *))
        align_bytes = sizeof(void *);
    return posix_memalign(&block, align_bytes, size_bytes) == 0 ? block : NULL;
}

static void *alloc(const struct plan_op *op, void *old)
{
    uint64_t size_bytes = plan_size_of(op);

    switch (plan_code_of(op)) {
    case PLAN_CALLOC:
        return calloc(1, size_bytes);
    case PLAN_ALIGNED:
        return alloc_aligned(plan_align_log2_of(op), size_bytes);
    case PLAN_RESIZE: /* to 0 would free: in a trace it is only where the malloc did not */
        return realloc(old, size_bytes == 0 ? 1 : size_bytes);
    default:
        return malloc(size_bytes);
    }
}

static inline void call(struct replay_thread *thread, const struct plan_op *op)
{
    struct replay *replay = thread->replay;
    struct replay_slot *slot = &replay->slots[op->slot];
    uint64_t size_bytes = plan_size_of(op);
    void *block = NULL;

    await(thread, &slot->turn, op->turn);
    if (plan_code_of(op) == PLAN_FREE) {
        if (replay->sampler != NULL)
            rss_sampler_note(replay->sampler, op->slot, NULL, 0);
        free(slot->block);
    } else {
        block = alloc(op, slot->block);
        if (block == NULL && size_bytes != 0)
            fail("out of memory: a block of %" PRIu64 " bytes", size_bytes);
        touch_as(replay->touch, block, size_bytes);
        if (replay->sampler != NULL)
            rss_sampler_note(replay->sampler, op->slot, block, size_bytes);
    }
    slot->block = block;
    /* release: the thread whose turn is next finds the block */
    __atomic_store_n(&slot->turn, op->turn + 1, __ATOMIC_RELEASE);
}

/* ---- epochs -------------------------------------------------------------------------------- */

/* The calls that were made in the epoch at `done`; NULL: the thread was in none yet. */
static void leave_epoch(uint32_t *done, uint64_t calls)
{
    if (done != NULL)
        __atomic_fetch_add(done, (uint32_t)calls, __ATOMIC_RELEASE);
}

static uint32_t *enter_epoch(struct replay_thread *thread, uint32_t epoch)
{
    uint32_t *done = &thread->replay->epochs_done[epoch];

    if (epoch > 0)
        await(thread, done - 1, EPOCH_CALLS);
    return done;
}

static void play_thread(struct replay_thread *thread)
{
    struct replay *replay = thread->replay;
    const struct plan_thread *planned = &plan_threads(replay->plan)[thread->number];
    const struct plan_op *first = plan_ops_of(replay->plan, thread->number);
    uint32_t *epoch = NULL;

    for (const struct plan_op *op = first; op < first + planned->op_count; op++) {
        if (plan_code_of(op) <= PLAN_FREE) {
            call(thread, op);
        } else if (plan_code_of(op) == PLAN_START) {
            join_finished(replay);
            start_thread(&replay->threads[op->slot].handle, thread_main,
                         &replay->threads[op->slot]);
        } else {
            leave_epoch(epoch, op->turn);
            epoch = enter_epoch(thread, op->slot);
        }
    }
    leave_epoch(epoch, planned->epoch_calls);
}

/* ---- the whole ----------------------------------------------------------------------------- */

void replay_prepare(struct replay *replay, const struct plan *plan, enum replay_touch touch,
                    struct rss_sampler *sampler)
{
    memset(replay, 0, sizeof(*replay));
    replay->plan = plan;
    replay->touch = touch;
    replay->sampler = sampler;
    sem_init(&replay->ended, 0, 0);
    replay->slots = new_resident_table(plan->slot_count, sizeof(*replay->slots));
    replay->threads = new_resident_table(plan->thread_count, sizeof(*replay->threads));
    replay->epochs_done = new_resident_table(plan->epoch_count, sizeof(*replay->epochs_done));
    for (uint32_t number = 0; number < plan->thread_count; number++) {
        replay->threads[number].replay = replay;
        replay->threads[number].number = number;
    }
}

void replay_play(struct replay *replay)
{
    const struct plan *plan = replay->plan;

    if (plan->thread_count == 0)
        return;
    play_thread(&replay->threads[plan->first_thread]);
    for (uint32_t number = 0; number < plan->thread_count; number++)
        if (number != plan->first_thread && plan_threads(plan)[number].op_count != 0)
            while (sem_wait(&replay->ended) != 0)
                continue;
    join_finished(replay);
}

uint64_t replay_waits(const struct replay *replay)
{
    uint64_t waits = 0;

    for (uint32_t number = 0; number < replay->plan->thread_count; number++)
        waits += replay->threads[number].waits;
    return waits;
}

uint64_t replay_free_rest(struct replay *replay)
{
    uint64_t count = 0;

    for (uint32_t slot = 0; slot < replay->plan->slot_count; slot++) {
        count += replay->slots[slot].block != NULL;
        free(replay->slots[slot].block);
    }
    return count;
}
