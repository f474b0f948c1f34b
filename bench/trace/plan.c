/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* plan.c - the events of a trace to operations: once to count them, once to write them down. */

#include "bench/trace/plan.h"

#include <string.h>

struct builder {
    struct plan *plan;
    bool is_paced;
    bool does_write;
    bool has_last;
    uint32_t last_thread;
    uint64_t live_bytes;
};

static struct plan_thread *thread_at(struct plan *plan, uint32_t thread)
{
    return (struct plan_thread *)plan->threads.memory + thread;
}

const struct plan_thread *plan_thread_at(const struct plan *plan, uint32_t thread)
{
    return (const struct plan_thread *)plan->threads.memory + thread;
}

const struct plan_op *plan_ops_of(const struct plan *plan, uint32_t thread)
{
    return (const struct plan_op *)plan->ops.memory + plan_thread_at(plan, thread)->first_op;
}

static void emit(struct builder *builder, uint32_t thread, struct plan_op op)
{
    struct plan_thread *planned = thread_at(builder->plan, thread);
    struct plan_op *ops = builder->plan->ops.memory;

    if (builder->does_write)
        ops[planned->first_op + planned->op_count] = op;
    planned->op_count++;
}

static uint32_t next_turn(struct plan *plan, uint32_t slot)
{
    uint32_t *turns;

    region_reserve(&plan->turns, (slot + (size_t)1) * sizeof(*turns));
    turns = plan->turns.memory;
    if (slot >= plan->slot_count)
        plan->slot_count = slot + 1;
    return turns[slot]++;
}

static enum plan_code code_of(const struct trace_event *event)
{
    if (event->kind == TRACE_EVENT_FREE)
        return PLAN_FREE;
    if (event->kind == TRACE_EVENT_RESIZE)
        return PLAN_RESIZE;
    if (trace_has_align(event->function) || event->function == TRACE_VALLOC ||
        event->function == TRACE_PVALLOC)
        return PLAN_ALIGNED;
    return event->function == TRACE_CALLOC ? PLAN_CALLOC : PLAN_MALLOC;
}

static unsigned align_log2_of(const struct trace_event *event, unsigned page_log2)
{
    bool is_page = event->function == TRACE_VALLOC || event->function == TRACE_PVALLOC;

    return is_page ? page_log2 : event->align_log2;
}

static uint64_t size_of(const struct trace_event *event, uint64_t page_bytes)
{
    uint64_t size_bytes = event->size_bytes;

    if (event->function == TRACE_PVALLOC)
        size_bytes = (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
    return size_bytes < PLAN_LARGEST_BYTES ? size_bytes : PLAN_LARGEST_BYTES;
}

/* The call's thread begins here, or enters another epoch. */
static void introduce(struct builder *builder, uint32_t thread)
{
    struct plan_thread *planned = thread_at(builder->plan, thread);
    uint32_t epoch = (uint32_t)(builder->plan->calls / EPOCH_CALLS);

    if (planned->op_count == 0 && builder->has_last)
        emit(builder, builder->last_thread, (struct plan_op){.slot = thread, .packed = PLAN_START});
    if (planned->op_count == 0 && !builder->has_last)
        builder->plan->first_thread = thread;
    if (!builder->is_paced || planned->epoch == epoch + 1)
        return;
    emit(builder, thread,
         (struct plan_op){.slot = epoch, .turn = planned->epoch_calls, .packed = PLAN_EPOCH});
    planned->epoch = epoch + 1;
    planned->epoch_calls = 0;
    builder->plan->epoch_count = epoch + 1;
}

static void follow_live(struct builder *builder, const struct trace_event *event)
{
    if (event->kind != TRACE_EVENT_FREE)
        builder->live_bytes += event->size_bytes;
    if (event->kind != TRACE_EVENT_ALLOC)
        builder->live_bytes -= event->old_size_bytes;
    if (builder->live_bytes > builder->plan->peak_live_bytes)
        builder->plan->peak_live_bytes = builder->live_bytes;
    builder->plan->end_live_bytes = builder->live_bytes;
}

static void add(struct builder *builder, const struct trace_event *event, uint32_t page_bytes)
{
    struct plan *plan = builder->plan;
    unsigned page_log2 = (unsigned)__builtin_ctz(page_bytes);

    introduce(builder, event->thread);
    emit(builder, event->thread,
         (struct plan_op){
             .slot = event->object,
             .turn = next_turn(plan, event->object),
             .packed = size_of(event, page_bytes) << 16 |
                       (uint64_t)align_log2_of(event, page_log2) << 8 | (uint64_t)code_of(event),
         });
    thread_at(plan, event->thread)->epoch_calls++;
    plan->calls++;
    builder->has_last = true;
    builder->last_thread = event->thread;
    follow_live(builder, event);
}

static bool is_playable(const struct trace_event *event)
{
    return event->object != OBJECT_NONE && event->kind != TRACE_EVENT_FAILED;
}

static void start_over(struct plan *plan)
{
    plan->calls = plan->skipped_calls = plan->peak_live_bytes = plan->end_live_bytes = 0;
    plan->epoch_count = 0;
    for (uint32_t thread = 0; thread < plan->thread_count; thread++) {
        struct plan_thread *planned = thread_at(plan, thread);

        *planned = (struct plan_thread){.first_op = planned->first_op};
    }
    if (plan->turns.memory != NULL)
        memset(plan->turns.memory, 0, plan->turns.bytes);
}

static void walk(struct builder *builder, const struct trace_file *file)
{
    struct trace_reader reader;
    struct trace_event event;

    trace_read(&reader, file);
    while (trace_next(&reader, &event)) {
        if (is_playable(&event))
            add(builder, &event, file->header.page_bytes);
        else
            builder->plan->skipped_calls++;
    }
    trace_end(&reader);
}

/* Where each thread's operations go, now that they are counted. */
static void lay_out(struct plan *plan)
{
    uint64_t first_op = 0;

    for (uint32_t thread = 0; thread < plan->thread_count; thread++) {
        uint64_t op_count = thread_at(plan, thread)->op_count;

        thread_at(plan, thread)->first_op = first_op;
        first_op += op_count;
    }
    plan->op_count = first_op;
    region_reserve(&plan->ops, first_op * sizeof(struct plan_op));
}

void plan_make(struct plan *plan, const struct trace_file *file, bool is_paced)
{
    struct builder count = {.plan = plan, .is_paced = is_paced};
    struct builder write = {.plan = plan, .is_paced = is_paced, .does_write = true};

    memset(plan, 0, sizeof(*plan));
    plan->thread_count = file->thread_count;
    region_reserve(&plan->threads, (file->thread_count + (size_t)1) * sizeof(struct plan_thread));
    walk(&count, file);
    lay_out(plan);
    start_over(plan);
    walk(&write, file);
    region_release(&plan->turns);
}

void plan_release(struct plan *plan)
{
    region_release(&plan->ops);
    region_release(&plan->threads);
    region_release(&plan->turns);
}
