/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * log.c - a thread's block: a pointer that moves through mapped memory.
 *
 *     block                     at                         limit      end
 *     v                         v                            v         v
 *     +--------+----------------+----------------------------+---------+
 *     | header | calls          | free                       | >= one longest call
 *     +--------+----------------+----------------------------+---------+
 *
 * Blocks grow (4, 16, then 64 KiB), for a thread may live for three calls. A thread without a block
 * has at == limit == NULL, so that one comparison finds everything out of the ordinary: the first
 * call of a thread, a full block, and calls after a thread's last destructor, of which each has a
 * block of its own.
 *
 * The file is written by system calls alone: open(2) of the C library may be cancelled. No
 * descriptor is kept, for a program may close those that it does not know. Room is taken from the
 * disk before it is mapped: a full disk then ends the recording, and not the program.
 */

#include "bench/trace/log.h"

#include "bench/trace/format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_BLOCK_BYTES = TRACE_PAGE_BYTES, LARGEST_BLOCK_BYTES = 16 * TRACE_PAGE_BYTES };
enum { MOST_NAMES = 100 };

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

struct log {
    uint8_t *at;
    uint8_t *limit;
    struct trace_block *block;
    uint32_t next_bytes; /* capacity of the next block; 0: the first */
    uint32_t thread;     /* 0: has no number yet */
    bool is_busy;
    bool is_late; /* the last destructor has run */
    uint8_t destructor_rounds;
    struct trace_codec codec;
};

enum state { UNREADY, STARTING, RECORDING, OFF };

static struct {
    struct trace_header *header;
    enum state state;
    uint32_t threads;
    pthread_key_t key;
    bool has_key;
    uint64_t file_bytes;
    char asked_path
        [PATH_MAX]; /* read once: a program may have changed its environment before it forks */
    char path[PATH_MAX];
} process;

static __thread __attribute__((tls_model("initial-exec"))) struct log own_log;

/* ---- the file ------------------------------------------------------------------------------ */

static int open_file(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0666);
}

/* The path is in CAIRN_RECORD. The first process takes it as it is, the others append their number:
   a number may come again, too. */
static int create_file(void)
{
    static const char *const formats[] = {"%s", "%s.%d", "%s.%d.%d"};
    const char *asked = getenv("CAIRN_RECORD");
    int file = -1;

    if (process.asked_path[0] == '\0' && asked != NULL && strlen(asked) < PATH_MAX)
        strcpy(process.asked_path, asked);
    if (process.asked_path[0] == '\0')
        return -1;
    for (int attempt = 0; file < 0 && attempt < MOST_NAMES; attempt++) {
        int length = snprintf(process.path, PATH_MAX, formats[attempt < 2 ? attempt : 2],
                              process.asked_path, (int)getpid(), attempt);

        file = open_file(process.path, O_RDWR | O_CREAT | O_EXCL);
        if (length >= PATH_MAX || (file < 0 && errno != EEXIST))
            return -1;
    }
    return file;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint32_t read_command(char *command)
{
    int file = open_file("/proc/self/cmdline", O_RDONLY);
    long bytes = file < 0 ? 0 : syscall(SYS_read, file, command, TRACE_COMMAND_BYTES);

    if (file >= 0)
        syscall(SYS_close, file);
    if (bytes <= 0)
        return 0;
    command[bytes - 1] = '\0';
    return (uint32_t)bytes;
}

static void fill_header(struct trace_header *header)
{
    memcpy(header->magic, TRACE_MAGIC, sizeof(header->magic));
    header->version = TRACE_VERSION;
    header->page_bytes = (uint32_t)sysconf(_SC_PAGESIZE);
    header->start_ns = now_ns(CLOCK_MONOTONIC);
    header->start_unix_ns = now_ns(CLOCK_REALTIME);
    header->process = (uint32_t)getpid();
    header->parent = (uint32_t)getppid();
    header->command_bytes = read_command(header->command);
    header->header_checksum = trace_header_checksum(header);
}

/* Appends zeros to the file, creates it before that, and maps them; NULL when there is no room. */
static void *extend_file(bool is_new, size_t bytes)
{
    int file = is_new ? create_file() : open_file(process.path, O_RDWR);
    void *mapping = MAP_FAILED;
    off_t offset;
    int error;

    if (file < 0)
        return NULL;
    offset = (off_t)__atomic_fetch_add(&process.file_bytes, bytes, __ATOMIC_RELAXED);
    do {
        error = posix_fallocate(file, offset, (off_t)bytes);
    } while (error == EINTR);
    if (error == 0)
        mapping =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, offset);
    syscall(SYS_close, file);
    return mapping == MAP_FAILED ? NULL : mapping;
}

/* ---- a thread's block ---------------------------------------------------------------------- */

/* The flag keeps signal handlers out; what it protects is this thread's, too, and stays within. */
static inline void set_busy(struct log *log, bool is_busy)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    log->is_busy = is_busy;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void close_block(struct log *log)
{
    struct trace_block *block = log->block;

    if (block == NULL)
        return;
    block->checksum = trace_block_checksum(block);
    __atomic_store_n(&block->closed, 1, __ATOMIC_RELEASE);
    munmap(block, block->capacity_bytes);
    log->block = NULL;
    log->at = log->limit = NULL;
}

/* The magic comes last: a block without one is skipped by the reader. */
static bool open_block(struct log *log, uint64_t time_ns)
{
    uint32_t bytes = log->next_bytes == 0 ? FIRST_BLOCK_BYTES : log->next_bytes;
    struct trace_block *block = extend_file(false, bytes);

    if (block == NULL) {
        __atomic_fetch_add(&process.header->lost_room, 1, __ATOMIC_RELAXED);
        return false;
    }
    log->next_bytes = log->is_late ? 0 : bytes < LARGEST_BLOCK_BYTES ? bytes * 4 : bytes;
    log->codec = (struct trace_codec){time_ns, 0};
    block->capacity_bytes = bytes;
    block->thread = log->thread;
    block->system_thread = (uint32_t)syscall(SYS_gettid);
    block->start_ns = time_ns;
    log->block = block;
    log->at = (uint8_t *)(block + 1);
    log->limit = (uint8_t *)block + bytes - TRACE_LONGEST_CALL;
    __atomic_store_n(&block->magic, TRACE_BLOCK_MAGIC, __ATOMIC_RELEASE);
    return true;
}

static void count_lost(void)
{
    __atomic_fetch_add(&process.header->lost_events, 1, __ATOMIC_RELAXED);
}

static inline __attribute__((always_inline)) void append(struct log *log, struct trace_call *call)
{
    /* Two CPUs' clocks may differ by a hair when a thread moves. */
    if (UNLIKELY(call->time_ns < log->codec.time_ns))
        call->time_ns = log->codec.time_ns;
    log->at = trace_encode(&log->codec, log->at, call);
    /* release: who finds this count in the file finds the bytes, too */
    __atomic_store_n(&log->block->used_bytes, (uint32_t)(log->at - (uint8_t *)(log->block + 1)),
                     __ATOMIC_RELEASE);
}

static __attribute__((noinline, cold)) void append_slowly(struct log *log, struct trace_call *call)
{
    int saved_errno = errno;

    if (log->thread == 0) {
        log->thread = __atomic_add_fetch(&process.threads, 1, __ATOMIC_RELAXED);
        if (process.has_key)
            pthread_setspecific(process.key, log);
    }
    close_block(log);
    if (open_block(log, call->time_ns))
        append(log, call);
    else
        count_lost();
    if (log->is_late)
        close_block(log);
    errno = saved_errno;
}

static inline __attribute__((always_inline)) void record(struct trace_call *call)
{
    struct log *log = &own_log;

    if (UNLIKELY(log->is_busy)) {
        count_lost();
        return;
    }
    set_busy(log, true);
    if (UNLIKELY(log->at >= log->limit))
        append_slowly(log, call);
    else
        append(log, call);
    set_busy(log, false);
}

/* ---- threads and processes ----------------------------------------------------------------- */

/* Runs when a thread ends, after the destructors of earlier keys. Once more in each round: in the
   last, nearly all that other destructors free has been recorded. */
static void end_thread(void *argument)
{
    struct log *log = argument;

    if (++log->destructor_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(process.key, log);
        return;
    }
    set_busy(log, true);
    close_block(log);
    log->is_late = true;
    log->next_bytes = 0;
    set_busy(log, false);
}

static void start_process(void)
{
    enum state expected = UNREADY;
    int saved_errno = errno;

    /* At first it means that the C library is not ready yet; later, that the program has cleared
       it. */
    if ((environ == NULL && !process.has_key) ||
        !__atomic_compare_exchange_n(&process.state, &expected, STARTING, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return;
    set_busy(&own_log, true);
    process.file_bytes = 0;
    process.header = extend_file(true, sizeof(*process.header));
    if (!process.has_key)
        process.has_key = pthread_key_create(&process.key, end_thread) == 0;
    if (process.header != NULL)
        fill_header(process.header);
    set_busy(&own_log, false);
    errno = saved_errno;
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

/* The child has the mappings of its parent's file; it starts a file of its own at its first
   call. */
static void start_over(void)
{
    if (own_log.block != NULL)
        munmap(own_log.block, own_log.block->capacity_bytes);
    if (process.header != NULL)
        munmap(process.header, sizeof(*process.header));
    memset(&own_log, 0, sizeof(own_log));
    process.header = NULL;
    process.threads = 0;
    process.state = UNREADY;
}

static __attribute__((constructor)) void start_log(void)
{
    pthread_atfork(NULL, NULL, start_over);
    is_recording();
}

/* ---- calls --------------------------------------------------------------------------------- */

void trace_log_before(enum trace_function function, const void *block)
{
    if (is_recording())
        record(&(struct trace_call){
            .time_ns = now_ns(CLOCK_MONOTONIC),
            .address = (uintptr_t)block,
            .function = (uint8_t)function,
        });
}

void trace_log_after(enum trace_function function, size_t size_bytes, unsigned align_log2,
                     bool has_old, const void *result)
{
    if (is_recording())
        record(&(struct trace_call){
            .time_ns = now_ns(CLOCK_MONOTONIC),
            .address = (uintptr_t)result,
            .size_bytes = size_bytes,
            .function = (uint8_t)function,
            .align_log2 = (uint8_t)align_log2,
            .has_old = has_old,
        });
}
