/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * log.c - a thread's block: a pointer that moves through mapped memory.
 *
 *     block                     at                         limit      end
 *     v                         v                            v         v
 *     +--------+----------------+----------------------------+---------+
 *     | header | events         | free                       | >= one longest event
 *     +--------+----------------+----------------------------+---------+
 *
 * Blocks grow (4, 16, then 64 KiB), for a thread may live for three calls. A thread without a block
 * has at == limit == NULL, so that one comparison finds everything out of the ordinary: the first
 * call of all, the first of a thread, a full block, and calls after a thread's last destructor.
 * Those last ones share a block, under a lock.
 */

#include "bench/trace/log.h"

#include "bench/trace/codec.h"
#include "bench/trace/ticks.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_BLOCK_BYTES = TRACE_PAGE_BYTES, LARGEST_BLOCK_BYTES = 16 * TRACE_PAGE_BYTES };

struct log {
    uint8_t *at;
    uint8_t *limit;
    struct trace_block *block;
    uint64_t progress;
    uint32_t next_bytes; /* capacity of the next block; 0: the first */
    uint32_t thread;
    bool has_number;
    bool is_busy;
    bool is_late;
    uint8_t destructor_rounds;
    struct trace_codec codec;
};

enum state { UNREADY, STARTING, RECORDING, OFF };

static struct {
    struct trace_header *header;
    enum trace_clock clock;
    enum state state;
    uint32_t threads;
    pthread_key_t key;
    bool has_key;
} process;

static __thread __attribute__((tls_model("initial-exec"))) struct log own_log;

static struct log late_log;
static bool late_lock;

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Between the flag that keeps signal handlers out and what it protects: both are this thread's. */
static inline void order_for_signals(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void count_lost(void)
{
    if (process.header != NULL)
        __atomic_fetch_add(&process.header->lost_events, 1, __ATOMIC_RELAXED);
}

static void close_block(struct log *log)
{
    struct trace_block *block = log->block;

    if (block == NULL)
        return;
    block->checksum = trace_block_checksum(block);
    __atomic_store_n(&block->closed, 1, __ATOMIC_RELEASE);
    trace_file_unmap(block, block->capacity_bytes);
    log->block = NULL;
    log->at = log->limit = NULL;
}

static uint32_t next_capacity(struct log *log)
{
    uint32_t bytes = log->next_bytes == 0 ? FIRST_BLOCK_BYTES : log->next_bytes;

    log->next_bytes = bytes < LARGEST_BLOCK_BYTES ? bytes * 4 : bytes;
    return bytes;
}

/* The magic comes last: a block without one is skipped by the reader. */
static bool open_block(struct log *log, uint64_t ticks)
{
    uint32_t capacity_bytes = next_capacity(log);
    struct trace_block *block = trace_file_extend(capacity_bytes);

    if (block == NULL) {
        __atomic_fetch_add(&process.header->lost_room, 1, __ATOMIC_RELAXED);
        return false;
    }
    trace_codec_reset(&log->codec, ticks);
    block->capacity_bytes = capacity_bytes;
    block->thread = log->thread;
    block->system_thread = (uint32_t)syscall(SYS_gettid);
    block->start_ticks = ticks;
    log->block = block;
    log->at = (uint8_t *)(block + 1);
    log->limit = (uint8_t *)block + capacity_bytes - TRACE_LONGEST_EVENT;
    log->progress = 0;
    __atomic_store_n(&block->magic, TRACE_BLOCK_MAGIC, __ATOMIC_RELEASE);
    return true;
}

static inline void append(struct log *log, struct trace_call *call)
{
    uint8_t *end;

    /* Two CPUs' clocks may differ by a hair when a thread moves. */
    if (UNLIKELY(call->ticks < log->codec.ticks))
        call->ticks = log->codec.ticks;
    end = trace_encode(&log->codec, log->at, call);
    log->progress += (1ull << 32) + (uint64_t)(end - log->at);
    log->at = end;
    /* release: who finds this count in the file finds the bytes, too */
    __atomic_store_n(&log->block->progress, log->progress, __ATOMIC_RELEASE);
}

/* Runs when a thread ends, after the destructors of earlier keys. Once more in each round: in the last, nearly
   all that other destructors free has been recorded. */
static void end_thread(void *argument)
{
    struct log *log = argument;

    if (++log->destructor_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(process.key, log);
        return;
    }
    log->is_busy = true;
    order_for_signals();
    close_block(log);
    log->is_late = true;
    order_for_signals();
    log->is_busy = false;
}

static void start_process(void)
{
    enum state expected = UNREADY;

    /* At first it means that the C library is not ready yet; later, that the program has cleared it. */
    if ((environ == NULL && !process.has_key) ||
        !__atomic_compare_exchange_n(&process.state, &expected, STARTING, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return;
    own_log.is_busy = true;
    process.header = trace_file_create();
    if (!process.has_key)
        process.has_key = pthread_key_create(&process.key, end_thread) == 0;
    if (process.header != NULL)
        process.clock = (enum trace_clock)process.header->clock;
    own_log.is_busy = false;
    __atomic_store_n(&process.state, process.header != NULL ? RECORDING : OFF, __ATOMIC_RELEASE);
}

static bool is_recording(void)
{
    enum state state = __atomic_load_n(&process.state, __ATOMIC_ACQUIRE);

    if (UNLIKELY(state == UNREADY)) {
        start_process();
        state = process.state;
    }
    return state == RECORDING;
}

static void number_thread(struct log *log)
{
    if (log->has_number)
        return;
    log->has_number = true;
    log->thread = __atomic_add_fetch(&process.threads, 1, __ATOMIC_RELAXED);
    if (process.has_key)
        pthread_setspecific(process.key, log);
}

static bool make_room(struct log *log, const struct trace_call *call)
{
    close_block(log);
    return open_block(log, call->ticks);
}

static void append_late(struct trace_call *call)
{
    while (__atomic_exchange_n(&late_lock, true, __ATOMIC_ACQUIRE))
        sched_yield();
    if (late_log.at >= late_log.limit && !make_room(&late_log, call))
        count_lost();
    else
        append(&late_log, call);
    __atomic_store_n(&late_lock, false, __ATOMIC_RELEASE);
}

static __attribute__((noinline, cold)) void append_slowly(struct log *log, struct trace_call *call)
{
    if (log->is_late) {
        append_late(call);
        return;
    }
    number_thread(log);
    if (make_room(log, call))
        append(log, call);
    else
        count_lost();
}

static inline void record(struct trace_call *call)
{
    struct log *log = &own_log;

    if (UNLIKELY(log->is_busy)) {
        count_lost();
        return;
    }
    log->is_busy = true;
    order_for_signals();
    if (UNLIKELY(log->at >= log->limit))
        append_slowly(log, call);
    else
        append(log, call);
    order_for_signals();
    log->is_busy = false;
}

void trace_log_alloc(enum trace_function function, size_t size_bytes, unsigned align_log2,
                     const void *result)
{
    if (!is_recording())
        return;

    struct trace_call call = {
        .ticks = trace_ticks_after(process.clock),
        .size_bytes = size_bytes,
        .address = (uintptr_t)result,
        .function = (uint8_t)function,
        .align_log2 = (uint8_t)align_log2,
        .has_failed = result == NULL,
    };
    record(&call);
}

void trace_log_free(enum trace_function function, const void *block)
{
    if (!is_recording())
        return;

    struct trace_call call = {
        .ticks = trace_ticks_before(process.clock),
        .address = (uintptr_t)block,
        .function = (uint8_t)function,
    };
    record(&call);
}

uint64_t trace_log_begin_resize(void)
{
    return is_recording() ? trace_ticks_before(process.clock) : 0;
}

void trace_log_resize(enum trace_function function, const void *old, size_t size_bytes,
                      const void *result, uint64_t begun_ticks)
{
    if (!is_recording() || begun_ticks == 0)
        return;

    uint64_t ended_ticks = trace_ticks_after(process.clock);
    struct trace_call call = {
        .ticks = begun_ticks,
        .took_ticks = ended_ticks > begun_ticks ? ended_ticks - begun_ticks : 0,
        .size_bytes = size_bytes,
        .address = (uintptr_t)result,
        .old_address = (uintptr_t)old,
        .function = (uint8_t)function,
        .has_failed = result == NULL,
    };
    record(&call);
}

/* The child has the mappings of its parent's file; it starts a file of its own at its first call. */
static void start_over(void)
{
    if (own_log.block != NULL)
        trace_file_unmap(own_log.block, own_log.block->capacity_bytes);
    if (process.header != NULL)
        trace_file_unmap(process.header, sizeof(*process.header));
    memset(&own_log, 0, sizeof(own_log));
    memset(&late_log, 0, sizeof(late_log));
    late_lock = false;
    process.header = NULL;
    process.threads = 0;
    process.state = UNREADY;
}

static __attribute__((constructor)) void start_log(void)
{
    pthread_atfork(NULL, NULL, start_over);
    is_recording();
}
