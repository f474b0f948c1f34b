/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * codec.h - one call to bytes and back; format.h has the picture.
 *
 * Both directions keep the same state and change it by the same steps (trace_note_address), which
 * is all that an index or a difference means. It is empty at the start of a block.
 */
#ifndef CAIRN_BENCH_TRACE_CODEC_H
#define CAIRN_BENCH_TRACE_CODEC_H

#include "bench/trace/format.h"

#include <stdbool.h>
#include <string.h>

enum {
    TRACE_RECENT = 256,      /* an index is one byte */
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
    uint64_t recent[TRACE_RECENT];
};

static inline void trace_codec_reset(struct trace_codec *codec, uint64_t start_ns)
{
    memset(codec, 0, sizeof(*codec));
    codec->time_ns = start_ns;
}

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

static inline unsigned trace_recent_index(uint64_t address)
{
    return (unsigned)(address >> 4 ^ address >> 12) % TRACE_RECENT;
}

static inline void trace_note_address(struct trace_codec *codec, uint64_t address)
{
    codec->recent[trace_recent_index(address)] = address;
    codec->place = trace_place(address);
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
    unsigned idx = trace_recent_index(call->address);
    uint64_t difference = trace_place(call->address) - codec->place;
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
    if (codec->recent[idx] == call->address) {
        *what |= TRACE_IS_RECENT;
        *out++ = (uint8_t)idx;
    } else {
        out = trace_put_number(out, difference << 1 ^ (0 - (difference >> 63)));
    }
    trace_note_address(codec, call->address);
    return out;
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

static inline uint64_t trace_get_address(struct trace_codec *codec, struct trace_bytes *in,
                                         bool is_recent)
{
    uint64_t number = is_recent ? trace_get_byte(in) : trace_get_number(in);
    uint64_t place = codec->place + (number >> 1 ^ (0 - (number & 1)));
    uint64_t address = is_recent ? codec->recent[number] : place << 3 | place >> 61;

    in->is_bad |= address == 0;
    trace_note_address(codec, address);
    return address;
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
    if (!has_failed)
        call->address = trace_get_address(codec, in, (what & TRACE_IS_RECENT) != 0);
    in->is_bad |= call->function == 0 || call->function >= TRACE_FUNCTION_END ||
                  (trace_is_free(call->function) && has_failed) || call->time_ns < codec->time_ns ||
                  call->align_log2 > TRACE_LARGEST_ALIGN_LOG2;
    codec->time_ns = call->time_ns;
    return !in->is_bad;
}

#endif
