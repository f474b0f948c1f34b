/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * format.h - the file that the recorder writes and the reader reads, version 2.
 *
 * Idea. Each thread writes into a block of the file that is mapped into the process: no system
 * call, no lock and no buffer to flush. What a process had recorded is in the file the moment it is
 * killed, calls _exit or exec, or crashes.
 *
 *     0         4096          8192              24576                  (all multiples of 4096)
 *     +---------+-------------+-----------------+------------- - - ---+
 *     | header  | block       | block           | block               |
 *     | 1 page  | thread 1    | thread 2        | thread 1            |
 *     +---------+-------------+-----------------+------------- - - ---+
 *               |              \
 *               +--------------+---------------------------+---------+
 *               | block header | calls, one after another  | unused  |
 *               | 64 bytes     | used_bytes                |         |
 *               +--------------+---------------------------+---------+
 *
 * The blocks of a thread are in order of time; those of several threads are mixed. A block can be
 * decoded without the ones before it. Integers are little-endian, times are nanoseconds of
 * CLOCK_MONOTONIC. Every process has a file of its own.
 *
 * A call is 3 to 6 bytes in most programs ("v": variable length, 7 bits to the byte):
 *
 *     +------+--------+----------------+-----------+-----------+
 *     | what | v time | [1 byte align] | [v size]  | [address] |
 *     +------+--------+----------------+-----------+-----------+
 *      |        since the call before     allocated   unless it failed
 *      +- bits 0-3 function, 5 failed, 6 a realloc that was given a block
 *
 * An address is the difference to the one before, in units of 8 bytes.
 *
 * Time. An allocation is stamped after it returned, a free before it starts, a realloc twice: its
 * TRACE_RELEASE before says what becomes free, itself after what was got. So two lives of one
 * address never overlap, whichever threads they are in.
 *
 * A block that is full, or whose thread has ended, is closed: it has a checksum. The others have
 * none; their `used_bytes` is stored after the bytes of a call, so what it counts is complete.
 */
#ifndef CAIRN_BENCH_TRACE_FORMAT_H
#define CAIRN_BENCH_TRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TRACE_MAGIC       "cairntrc"
#define TRACE_BLOCK_MAGIC 0x6b6c6274u /* "tblk" */

enum {
    TRACE_VERSION = 2,
    TRACE_PAGE_BYTES = 4096, /* of the file, whatever the machine's pages are */
    TRACE_COMMAND_BYTES = 3968,
};

enum trace_function {
    TRACE_MALLOC = 1,
    TRACE_CALLOC,
    TRACE_REALLOC,
    TRACE_REALLOCARRAY,
    TRACE_POSIX_MEMALIGN,
    TRACE_ALIGNED_ALLOC,
    TRACE_MEMALIGN,
    TRACE_VALLOC,
    TRACE_PVALLOC,
    TRACE_FREE,
    TRACE_FREE_SIZED,
    TRACE_FREE_ALIGNED_SIZED,
    TRACE_CFREE,
    TRACE_RELEASE, /* the block that a realloc was given, before it */
    TRACE_FUNCTION_END,
};

enum trace_flag {
    TRACE_FUNCTION_MASK = 0x0f,
    TRACE_HAS_FAILED = 0x20,
    TRACE_HAS_OLD = 0x40,
};

struct trace_header { /* a page */
    char magic[8];
    uint32_t version;
    uint32_t page_bytes; /* of the machine */
    uint64_t start_ns;
    uint64_t start_unix_ns;
    uint32_t process;
    uint32_t parent;
    uint32_t command_bytes; /* the arguments, each ended by a zero byte; cut where the room ends */
    uint32_t header_checksum; /* of all of the above, and of the command */
    /* What follows changes while the process runs. */
    uint64_t lost_events; /* by signal handlers within the recorder, or for lack of room */
    uint64_t lost_room;   /* blocks that could not be had: disk full, file gone */
    uint8_t unused[64];
    char command[TRACE_COMMAND_BYTES];
};

struct trace_block { /* a cache line */
    uint32_t magic;
    uint32_t capacity_bytes; /* with this header: a multiple of TRACE_PAGE_BYTES */
    uint32_t thread;         /* 1, 2, ... by first call */
    uint32_t system_thread;  /* as the kernel calls it */
    uint64_t start_ns;       /* the first call's time is relative to this one */
    uint32_t used_bytes;
    uint32_t closed;
    uint32_t checksum; /* of the calls, once closed */
    uint32_t unused[7];
};

/* Of 8 bytes a step, in four lanes whose multiplications overlap; `sum` chains several pieces. */
static inline uint32_t trace_checksum(uint32_t sum, const void *bytes, size_t count)
{
    const uint8_t *at = (const uint8_t *)bytes;
    uint64_t lanes[4] = {sum, 1, 2, 3};
    uint64_t word;

    for (; count >= 32; at += 32, count -= 32)
        for (unsigned lane = 0; lane < 4; lane++) {
            __builtin_memcpy(&word, at + 8 * lane, 8); /* inline also under -fno-builtin */
            lanes[lane] = (lanes[lane] ^ word) * 0x9e3779b97f4a7c15u;
            lanes[lane] ^= lanes[lane] >> 29;
        }
    for (; count > 0; at++, count--)
        lanes[0] = (lanes[0] ^ *at) * 0x100000001b3u;
    word = lanes[0] ^ lanes[1] * 3 ^ lanes[2] * 5 ^ lanes[3] * 7;
    return (uint32_t)(word ^ word >> 32);
}

static inline uint32_t trace_header_checksum(const struct trace_header *header)
{
    uint32_t sum = trace_checksum(0, header, offsetof(struct trace_header, header_checksum));

    return trace_checksum(sum, header->command, header->command_bytes);
}

static inline uint32_t trace_block_checksum(const struct trace_block *block)
{
    return trace_checksum(block->thread, block + 1, block->used_bytes);
}

/* ---- one call to bytes and back: an encoder and a decoder keep the same state ---- */

enum {
    TRACE_LONGEST_CALL = 32, /* 2 bytes and 3 numbers of at most 10 */
    TRACE_LARGEST_ALIGN_LOG2 = 62,
};

struct trace_call {
    uint64_t time_ns;
    uint64_t size_bytes;
    uint64_t address; /* what an allocation returned, 0 where it failed; or what is freed */
    uint8_t function;
    uint8_t align_log2;
    bool has_old; /* a realloc that was given a block */
};

struct trace_codec {
    uint64_t time_ns;
    uint64_t place; /* of the address before */
};

static inline bool trace_is_free(unsigned function)
{
    return function >= TRACE_FREE;
}

static inline bool trace_has_align(unsigned function)
{
    return function >= TRACE_POSIX_MEMALIGN && function <= TRACE_MEMALIGN;
}

/* Addresses are multiples of 8, all but never: the low bits go to the top, where they cost nothing
   when they are 0. */
static inline uint64_t trace_place(uint64_t address)
{
    return address >> 3 | address << 61;
}

static inline uint8_t *trace_put_number(uint8_t *out, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *out++ = (uint8_t)(number | 0x80);
    *out++ = (uint8_t)number;
    return out;
}

/* Writes the call, at most TRACE_LONGEST_CALL bytes, and returns the byte after it. */
static inline uint8_t *trace_encode(struct trace_codec *codec, uint8_t *out,
                                    const struct trace_call *call)
{
    uint64_t place = trace_place(call->address);
    uint64_t difference = place - codec->place;
    uint8_t *what = out++;

    *what = (uint8_t)(call->function | (call->has_old ? TRACE_HAS_OLD : 0));
    out = trace_put_number(out, call->time_ns - codec->time_ns);
    codec->time_ns = call->time_ns;
    if (trace_has_align(call->function))
        *out++ = call->align_log2;
    if (!trace_is_free(call->function))
        out = trace_put_number(out, call->size_bytes);
    if (call->address == 0) {
        *what |= TRACE_HAS_FAILED;
        return out;
    }
    codec->place = place;
    return trace_put_number(out, difference << 1 ^ (0 - (difference >> 63)));
}

/* Where a decoder reads; `is_bad` stays set once the bytes ended too early or made no sense. */
struct trace_bytes {
    const uint8_t *at;
    const uint8_t *end;
    bool is_bad;
};

static inline uint8_t trace_get_byte(struct trace_bytes *in)
{
    in->is_bad |= in->at == in->end;
    return in->is_bad ? 0 : *in->at++;
}

static inline uint64_t trace_get_number(struct trace_bytes *in)
{
    uint64_t number = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = trace_get_byte(in);

        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return number;
    }
    in->is_bad = true;
    return 0;
}

/* Reads the next call; false when there is none that makes sense. */
static inline bool trace_decode(struct trace_codec *codec, struct trace_bytes *in,
                                struct trace_call *call)
{
    unsigned what = trace_get_byte(in);
    bool has_failed = (what & TRACE_HAS_FAILED) != 0;

    memset(call, 0, sizeof(*call));
    call->function = what & TRACE_FUNCTION_MASK;
    call->has_old = (what & TRACE_HAS_OLD) != 0;
    call->time_ns = codec->time_ns + trace_get_number(in);
    if (trace_has_align(call->function))
        call->align_log2 = trace_get_byte(in);
    if (!trace_is_free(call->function))
        call->size_bytes = trace_get_number(in);
    if (!has_failed) {
        uint64_t number = trace_get_number(in);

        codec->place += number >> 1 ^ (0 - (number & 1));
        call->address = codec->place << 3 | codec->place >> 61;
    }
    in->is_bad |= (call->address == 0 && !has_failed) || call->function == 0 ||
                  call->function >= TRACE_FUNCTION_END ||
                  (trace_is_free(call->function) && has_failed) || call->time_ns < codec->time_ns ||
                  call->align_log2 > TRACE_LARGEST_ALIGN_LOG2;
    codec->time_ns = call->time_ns;
    return !in->is_bad;
}

#endif
