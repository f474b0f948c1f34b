/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * merge.c - the half of reader.h that puts the threads' calls in order.
 *
 *     thread 1   m ---- m ------- f ---------        a heap of the threads by the time of
 *     thread 2   ---- f ---- m ----- m --- f -       their next call gives the calls in turn
 *     thread 3   ---------- r======r ---------       (a realloc comes twice: it frees, it allocates)
 *
 * A call that does not fit what is known (a free where nothing lives, an allocation where something
 * does) may have overtaken another thread's by a hair: clocks have steps. It lets those of the next
 * microsecond pass; fits it still not, it is taken as it is, and counted.
 */

#include "bench/trace/reader.h"

#include <string.h>

static struct trace_cursor *cursor_at(const struct trace_reader *reader, uint32_t thread)
{
    return (struct trace_cursor *)reader->cursors.memory + thread;
}

/* ---- the heap of threads ------------------------------------------------------------------- */

static uint32_t *heap_of(const struct trace_reader *reader)
{
    return reader->heap.memory;
}

/* By time, then by thread: the order does not depend on the heap's history. */
static bool comes_before(const struct trace_reader *reader, uint32_t left, uint32_t right)
{
    uint64_t left_ticks = cursor_at(reader, left)->due_ticks;
    uint64_t right_ticks = cursor_at(reader, right)->due_ticks;

    return left_ticks != right_ticks ? left_ticks < right_ticks : left < right;
}

static void sift_down(struct trace_reader *reader, uint32_t place)
{
    uint32_t *heap = heap_of(reader);
    uint32_t moving = heap[place];

    for (;;) {
        uint32_t child = 2 * place + 1;

        if (child + 1 < reader->heap_count && comes_before(reader, heap[child + 1], heap[child]))
            child++;
        if (child >= reader->heap_count || !comes_before(reader, heap[child], moving))
            break;
        heap[place] = heap[child];
        place = child;
    }
    heap[place] = moving;
}

/* The thread on top has another time now. */
static void reorder(struct trace_reader *reader, uint64_t due_ticks)
{
    cursor_at(reader, heap_of(reader)[0])->due_ticks = due_ticks;
    sift_down(reader, 0);
}

static void drop_top(struct trace_reader *reader)
{
    uint32_t *heap = heap_of(reader);

    heap[0] = heap[--reader->heap_count];
    if (reader->heap_count > 0)
        sift_down(reader, 0);
}

/* ---- one thread's calls -------------------------------------------------------------------- */

static bool enter_next_block(const struct trace_reader *reader, struct trace_cursor *cursor)
{
    const struct trace_block_ref *ref;
    const struct trace_block *block;

    if (cursor->next_block == 0)
        return false;
    ref = (const struct trace_block_ref *)reader->file->blocks.memory + (cursor->next_block - 1);
    block = (const void *)(reader->file->bytes + ref->offset);
    cursor->in.at = (const uint8_t *)(block + 1);
    cursor->in.end = cursor->in.at + ref->used_bytes;
    cursor->in.is_bad = false;
    cursor->next_block = ref->next;
    trace_codec_reset(&cursor->codec, block->start_ticks);
    return true;
}

/* Reads the thread's next call; false at its end. */
static bool advance(struct trace_reader *reader, struct trace_cursor *cursor)
{
    cursor->is_resizing = cursor->is_overdue = false;
    cursor->lifted = OBJECT_NONE;
    for (;;) {
        if (cursor->in.at != cursor->in.end) {
            if (trace_decode(&cursor->codec, &cursor->in, &cursor->call))
                return true;
            reader->bad_blocks++;
        }
        if (!enter_next_block(reader, cursor))
            return false;
    }
}

/* The call on top has been dealt with. */
static void step(struct trace_reader *reader)
{
    struct trace_cursor *cursor = cursor_at(reader, heap_of(reader)[0]);
    uint64_t latest_ticks = cursor->due_ticks;

    if (!advance(reader, cursor)) {
        drop_top(reader);
        return;
    }
    /* Not before the call that it follows, which may have been late. */
    reorder(reader, cursor->call.ticks > latest_ticks ? cursor->call.ticks : latest_ticks);
}

/* ---- calls to events ----------------------------------------------------------------------- */

static uint64_t since_start(const struct trace_reader *reader, uint64_t ticks)
{
    uint64_t start_ticks = reader->file->header.start_ticks;

    return ticks > start_ticks ? ticks - start_ticks : 0;
}

static bool frees_old(const struct trace_call *call)
{
    return trace_is_resize(call->function) && call->old_address != 0;
}

/* realloc(p, 0) that gave NULL has freed p; one that failed has not. */
static bool is_free(const struct trace_call *call)
{
    return trace_is_free(call->function) ||
           (frees_old(call) && call->has_failed && call->size_bytes == 0);
}

static uint64_t freed_address(const struct trace_call *call)
{
    return trace_is_free(call->function) ? call->address : call->old_address;
}

/* Whether the address that the call frees, or fills, is as it must be for that. */
static bool fits(const struct trace_reader *reader, const struct trace_cursor *cursor)
{
    const struct trace_call *call = &cursor->call;

    if (is_free(call) || (frees_old(call) && !cursor->is_resizing))
        return objects_find(&reader->objects, freed_address(call)) != OBJECT_NONE;
    return call->has_failed || objects_find(&reader->objects, call->address) == OBJECT_NONE;
}

static void tell_object(const struct trace_reader *reader, struct trace_event *event,
                        uint32_t number)
{
    const struct object *object = objects_at(&reader->objects, number);

    event->object = number;
    event->old_size_bytes = object->size_bytes;
    event->born_ticks = object->born_ticks;
    event->born_thread = object->born_thread;
}

static void give_free(struct trace_reader *reader, struct trace_event *event, uint64_t address)
{
    uint32_t number = objects_find(&reader->objects, address);

    event->kind = TRACE_EVENT_UNKNOWN_FREE;
    event->address = address;
    if (number == OBJECT_NONE) {
        reader->unknown_frees++;
        return;
    }
    event->kind = TRACE_EVENT_FREE;
    tell_object(reader, event, number);
    objects_lift(&reader->objects, number);
    objects_end(&reader->objects, number, event->thread);
}

static void give_alloc(struct trace_reader *reader, struct trace_event *event,
                       const struct trace_call *call)
{
    uint32_t number = objects_new(&reader->objects, event->thread);
    struct object *object = objects_at(&reader->objects, number);

    object->size_bytes = call->size_bytes;
    object->born_ticks = event->ticks;
    object->born_thread = event->thread;
    objects_place(&reader->objects, number, call->address);
    event->kind = TRACE_EVENT_ALLOC;
    event->object = number;
    event->address = call->address;
}

static void give_resize(struct trace_reader *reader, struct trace_event *event,
                        struct trace_cursor *cursor)
{
    event->kind = TRACE_EVENT_RESIZE;
    event->address = cursor->call.address;
    tell_object(reader, event, cursor->lifted);
    objects_at(&reader->objects, cursor->lifted)->size_bytes = cursor->call.size_bytes;
    objects_place(&reader->objects, cursor->lifted, cursor->call.address);
}

/* The old block's address is free for others from now on, until the call ends. */
static void begin_resize(struct trace_reader *reader, struct trace_cursor *cursor)
{
    cursor->is_resizing = true;
    cursor->is_overdue = false;
    cursor->lifted = objects_find(&reader->objects, cursor->call.old_address);
    if (cursor->lifted == OBJECT_NONE)
        reader->unknown_resizes++;
    else
        objects_lift(&reader->objects, cursor->lifted);
    reorder(reader, cursor->due_ticks + cursor->call.took_ticks);
}

static void give_failed(struct trace_reader *reader, struct trace_event *event,
                        struct trace_cursor *cursor)
{
    event->kind = TRACE_EVENT_FAILED;
    if (cursor->lifted == OBJECT_NONE)
        return;
    if (objects_find(&reader->objects, cursor->call.old_address) == OBJECT_NONE)
        objects_place(&reader->objects, cursor->lifted, cursor->call.old_address);
}

/* Something lives where the call allocates: its free was lost. The call itself stays for the next turn. */
static void give_inferred_free(struct trace_reader *reader, struct trace_event *event)
{
    event->is_inferred = true;
    event->function = TRACE_FREE;
    reader->inferred_frees++;
    give_free(reader, event, event->address);
}

static void give(struct trace_reader *reader, struct trace_cursor *cursor,
                 struct trace_event *event)
{
    const struct trace_call *call = &cursor->call;

    if (is_free(call))
        give_free(reader, event, freed_address(call));
    else if (call->has_failed)
        give_failed(reader, event, cursor);
    else if (cursor->lifted != OBJECT_NONE)
        give_resize(reader, event, cursor);
    else
        give_alloc(reader, event, call);
}

static void describe(const struct trace_reader *reader, struct trace_event *event,
                     const struct trace_cursor *cursor, uint32_t thread)
{
    memset(event, 0, sizeof(*event));
    event->ticks = since_start(reader, cursor->due_ticks);
    event->size_bytes = cursor->call.size_bytes;
    event->address = cursor->call.address;
    event->thread = thread;
    event->object = OBJECT_NONE;
    event->function = cursor->call.function;
    event->align_log2 = cursor->call.align_log2;
}

bool trace_next(struct trace_reader *reader, struct trace_event *event)
{
    while (reader->heap_count > 0) {
        uint32_t thread = heap_of(reader)[0];
        struct trace_cursor *cursor = cursor_at(reader, thread);
        bool does_fit = fits(reader, cursor);

        if (!does_fit && !cursor->is_overdue) {
            cursor->is_overdue = true;
            reorder(reader, cursor->due_ticks + reader->patience_ticks);
            continue;
        }
        if (frees_old(&cursor->call) && !is_free(&cursor->call) && !cursor->is_resizing) {
            begin_resize(reader, cursor);
            continue;
        }
        describe(reader, event, cursor, thread);
        if (!does_fit && !is_free(&cursor->call)) {
            give_inferred_free(reader, event);
            return true;
        }
        give(reader, cursor, event);
        reader->events++;
        step(reader);
        return true;
    }
    return false;
}

void trace_read(struct trace_reader *reader, const struct trace_file *file)
{
    memset(reader, 0, sizeof(*reader));
    reader->file = file;
    reader->patience_ticks = file->header.ticks_per_second / 1000000 + 1;
    region_reserve(&reader->cursors, file->thread_count * sizeof(struct trace_cursor));
    region_reserve(&reader->heap, file->thread_count * sizeof(uint32_t));
    for (uint32_t thread = 0; thread < file->thread_count; thread++) {
        struct trace_cursor *cursor = cursor_at(reader, thread);

        cursor->next_block = trace_thread_at(file, thread)->first_block;
        if (!advance(reader, cursor))
            continue;
        cursor->due_ticks = cursor->call.ticks;
        heap_of(reader)[reader->heap_count++] = thread;
    }
    for (uint32_t place = reader->heap_count / 2; place-- > 0;)
        sift_down(reader, place);
}

void trace_end(struct trace_reader *reader)
{
    region_release(&reader->cursors);
    region_release(&reader->heap);
    objects_release(&reader->objects);
}
