/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * crew.c - the threads that play a plan.
 *
 * Order between threads is by the turn of a slot: an acquire of what the thread before has released. A
 * thread that must wait spins a little, then yields, then sleeps: there may be more threads than CPUs.
 *
 * A thread that is done puts itself on a list; who starts the next one joins it, so that the stacks of
 * dead threads do not pile up.
 */

#include "bench/trace/crew.h"

#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SPINS = 200, YIELDS = 200, SLEEP_NS = 50000, STACK_BYTES = 512 * 1024 };

static __attribute__((noreturn, format(printf, 1, 2))) void give_up(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vdprintf(STDERR_FILENO, format, arguments);
    va_end(arguments);
    _exit(1);
}

static struct crew_member *member_at(const struct crew *crew, uint32_t thread)
{
    return (struct crew_member *)crew->members.memory + thread;
}

static struct crew_slot *slot_at(const struct crew *crew, uint32_t slot)
{
    return (struct crew_slot *)crew->slots.memory + slot;
}

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

static inline void await(struct crew_member *member, const uint32_t *word, uint32_t value)
{
    if (__builtin_expect(__atomic_load_n(word, __ATOMIC_ACQUIRE) == value, 1))
        return;
    member->waits++;
    wait_for(word, value);
}

/* ---- threads ------------------------------------------------------------------------------- */

static void play_member(struct crew_member *member);

static void *member_main(void *argument)
{
    struct crew_member *member = argument;
    struct crew *crew = member->crew;

    play_member(member);
    member->next_finished = __atomic_load_n(&crew->finished, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&crew->finished, &member->next_finished, member, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
    sem_post(&crew->ended);
    return NULL;
}

static void join_finished(struct crew *crew)
{
    struct crew_member *member = __atomic_exchange_n(&crew->finished, NULL, __ATOMIC_ACQUIRE);

    while (member != NULL) {
        struct crew_member *next = member->next_finished;

        pthread_join(member->handle, NULL);
        member = next;
    }
}

static void start_member(struct crew *crew, uint32_t thread)
{
    struct crew_member *member = member_at(crew, thread);
    int error;

    join_finished(crew);
    error = pthread_create(&member->handle, &crew->attributes, member_main, member);
    if (error != 0)
        give_up("replayer: thread %u cannot be started: %s\n", thread, strerror(error));
}

/* ---- calls --------------------------------------------------------------------------------- */

static void touch(const struct crew *crew, void *block, uint64_t size_bytes)
{
    volatile char *bytes = block;

    if (size_bytes == 0 || crew->touch == CREW_TOUCH_NONE)
        return;
    if (crew->touch == CREW_TOUCH_ALL)
        memset(block, 1, size_bytes);
    bytes[0] = 1;
    bytes[size_bytes - 1] = 1;
}

static void *alloc_aligned(unsigned align_log2, uint64_t size_bytes)
{
    size_t align_bytes = (size_t)1 << align_log2;
    void *block;

    if (align_bytes < sizeof(void *))
        align_bytes = sizeof(void *);
    return posix_memalign(&block, align_bytes, size_bytes) == 0 ? block : NULL;
}

/* realloc(p, 0) would free: a trace has such a call only where the malloc then did not. */
static void *resize(void *old, uint64_t size_bytes)
{
    return realloc(old, size_bytes == 0 ? 1 : size_bytes);
}

static void *alloc(const struct plan_op *op, void *old)
{
    uint64_t size_bytes = plan_size_of(op);

    switch (plan_code_of(op)) {
    case PLAN_CALLOC:
        return calloc(1, size_bytes);
    case PLAN_ALIGNED:
        return alloc_aligned(plan_align_log2_of(op), size_bytes);
    case PLAN_RESIZE:
        return resize(old, size_bytes);
    default:
        return malloc(size_bytes);
    }
}

static inline void call(struct crew_member *member, const struct plan_op *op)
{
    struct crew *crew = member->crew;
    struct crew_slot *slot = slot_at(crew, op->slot);
    uint64_t size_bytes = plan_size_of(op);
    void *block = NULL;

    await(member, &slot->turn, op->turn);
    if (plan_code_of(op) == PLAN_FREE) {
        if (crew->observer != NULL)
            observer_note_free(crew->observer, op->slot);
        free(slot->block);
    } else {
        block = alloc(op, slot->block);
        if (block == NULL && size_bytes != 0)
            give_up("replayer: out of memory: a block of %" PRIu64 " bytes\n", size_bytes);
        touch(crew, block, size_bytes);
        if (crew->observer != NULL)
            observer_note_block(crew->observer, op->slot, block, size_bytes);
    }
    slot->block = block;
    /* release: the thread whose turn is next finds the block */
    __atomic_store_n(&slot->turn, op->turn + 1, __ATOMIC_RELEASE);
}

/* ---- epochs -------------------------------------------------------------------------------- */

static uint32_t *epoch_at(const struct crew *crew, uint32_t epoch)
{
    return (uint32_t *)crew->epochs_done.memory + epoch;
}

struct pace {
    uint32_t epoch; /* + 1; 0: not in one yet */
    uint32_t unused;
};

static void leave_epoch(const struct crew *crew, const struct pace *pace, uint32_t calls)
{
    if (pace->epoch != 0)
        __atomic_fetch_add(epoch_at(crew, pace->epoch - 1), calls, __ATOMIC_RELEASE);
}

static void enter_epoch(struct crew_member *member, struct pace *pace, const struct plan_op *op)
{
    leave_epoch(member->crew, pace, op->turn);
    pace->epoch = op->slot + 1;
    if (op->slot > 0)
        await(member, epoch_at(member->crew, op->slot - 1), EPOCH_CALLS);
}

static void play_member(struct crew_member *member)
{
    struct crew *crew = member->crew;
    const struct plan_thread *planned = plan_thread_at(crew->plan, member->thread);
    const struct plan_op *ops = plan_ops_of(crew->plan, member->thread);
    struct pace pace = {0};

    for (uint64_t idx = 0; idx < planned->op_count; idx++) {
        const struct plan_op *op = &ops[idx];

        if (plan_code_of(op) <= PLAN_FREE)
            call(member, op);
        else if (plan_code_of(op) == PLAN_START)
            start_member(crew, op->slot);
        else
            enter_epoch(member, &pace, op);
    }
    leave_epoch(crew, &pace, planned->epoch_calls);
}

/* ---- the whole ----------------------------------------------------------------------------- */

/* The pages are there before the clock starts. */
static void reserve_touched(struct region *region, size_t bytes)
{
    region_reserve(region, bytes);
    memset(region->memory, 0, bytes);
}

void crew_prepare(struct crew *crew, const struct plan *plan, enum crew_touch touch,
                  struct observer *observer)
{
    memset(crew, 0, sizeof(*crew));
    crew->plan = plan;
    crew->touch = touch;
    crew->observer = observer;
    sem_init(&crew->ended, 0, 0);
    pthread_attr_init(&crew->attributes);
    pthread_attr_setstacksize(&crew->attributes, STACK_BYTES);
    reserve_touched(&crew->slots, (plan->slot_count + (size_t)1) * sizeof(struct crew_slot));
    reserve_touched(&crew->members, (plan->thread_count + (size_t)1) * sizeof(struct crew_member));
    reserve_touched(&crew->epochs_done, (plan->epoch_count + (size_t)1) * sizeof(uint32_t));
    for (uint32_t thread = 0; thread < plan->thread_count; thread++) {
        member_at(crew, thread)->crew = crew;
        member_at(crew, thread)->thread = thread;
    }
}

void crew_play(struct crew *crew)
{
    const struct plan *plan = crew->plan;

    if (plan->thread_count == 0)
        return;
    play_member(member_at(crew, plan->first_thread));
    for (uint32_t thread = 0; thread < plan->thread_count; thread++)
        if (thread != plan->first_thread && plan_thread_at(plan, thread)->op_count != 0)
            while (sem_wait(&crew->ended) != 0)
                continue;
    join_finished(crew);
}

uint64_t crew_waits(const struct crew *crew)
{
    uint64_t waits = 0;

    for (uint32_t thread = 0; thread < crew->plan->thread_count; thread++)
        waits += member_at(crew, thread)->waits;
    return waits;
}

void crew_free_rest(struct crew *crew)
{
    for (uint32_t slot = 0; slot < crew->plan->slot_count; slot++) {
        free(slot_at(crew, slot)->block);
        slot_at(crew, slot)->block = NULL;
    }
}

void crew_release(struct crew *crew)
{
    sem_destroy(&crew->ended);
    pthread_attr_destroy(&crew->attributes);
    region_release(&crew->slots);
    region_release(&crew->members);
    region_release(&crew->epochs_done);
}
