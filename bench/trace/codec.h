/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * codec.h - one event to bytes and back; format.h has the picture.
 *
 * Both directions keep the same state and change it by the same steps (note_address), which is all
 * that an index or a difference means. It is empty at the start of a block.
 */
#ifndef CAIRN_BENCH_TRACE_CODEC_H
#define CAIRN_BENCH_TRACE_CODEC_H

#include "bench/trace/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    TRACE_RECENT = 256,       /* an index is one byte */
    TRACE_LONGEST_EVENT = 64, /* 2 bytes and 5 numbers of at most 10 */
    TRACE_LARGEST_ALIGN_LOG2 = 62,
};

/* One call. `ticks` is its time; a realloc starts there and ends at `ticks + took_ticks`. */
struct trace_call {
    uint64_t ticks;
    uint64_t took_ticks;
    uint64_t size_bytes;
    uint64_t address;     /* what an allocation returned, or what is freed */
    uint64_t old_address; /* of a realloc */
    uint8_t function;
    uint8_t align_log2;
    bool has_failed;
};

struct trace_codec {
    uint64_t ticks;
    uint64_t place; /* of the address before */
    uint64_t recent[TRACE_RECENT];
};

static inline void trace_codec_reset(struct trace_codec *codec, uint64_t start_ticks)
{
    memset(codec, 0, sizeof(*codec));
    codec->ticks = start_ticks;
}

static inline bool trace_is_free(unsigned function)
{
    return function >= TRACE_FREE;
}

static inline bool trace_is_resize(unsigned function)
{
    return function == TRACE_REALLOC || function == TRACE_REALLOCARRAY;
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

/* Returns the byte after the address; sets `flag` when it was a recent one. */
static inline uint8_t *trace_put_address(struct trace_codec *codec, uint8_t *out, uint64_t address,
                                         uint8_t flag, uint8_t *what)
{
    unsigned idx = trace_recent_index(address);
    uint64_t difference = trace_place(address) - codec->place;

    if (codec->recent[idx] == address) {
        *what |= flag;
        *out++ = (uint8_t)idx;
    } else {
        out = trace_put_number(out, difference << 1 ^ (0 - (difference >> 63)));
    }
    trace_note_address(codec, address);
    return out;
}

/* Writes the call, at most TRACE_LONGEST_EVENT bytes, and returns the byte after it. */
static inline __attribute__((always_inline)) uint8_t *
trace_encode(struct trace_codec *codec, uint8_t *out, const struct trace_call *call)
{
    uint8_t what = call->function;
    uint8_t *first = out++;

    out = trace_put_number(out, call->ticks - codec->ticks);
    codec->ticks = call->ticks + call->took_ticks;
    if (trace_has_align(call->function))
        *out++ = call->align_log2;
    if (!trace_is_free(call->function))
        out = trace_put_number(out, call->size_bytes);
    if (trace_is_resize(call->function)) {
        if (call->old_address == 0)
            what |= TRACE_OLD_IS_NULL;
        else
            out = trace_put_address(codec, out, call->old_address, TRACE_OLD_IS_RECENT, &what);
    }
    if (call->has_failed)
        what |= TRACE_HAS_FAILED;
    else
        out = trace_put_address(codec, out, call->address, TRACE_IS_RECENT, &what);
    if (trace_is_resize(call->function))
        out = trace_put_number(out, call->took_ticks);
    *first = what;
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
    if (in->at == in->end) {
        in->is_bad = true;
        return 0;
    }
    return *in->at++;
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
    uint64_t address;

    if (is_recent) {
        address = codec->recent[trace_get_byte(in)];
    } else {
        uint64_t number = trace_get_number(in);
        uint64_t place = codec->place + (number >> 1 ^ (0 - (number & 1)));

        address = place << 3 | place >> 61;
    }
    in->is_bad |= address == 0;
    trace_note_address(codec, address);
    return address;
}

static inline bool trace_flags_fit(unsigned function, unsigned what)
{
    if (function == 0 || function >= TRACE_FUNCTION_END)
        return false;
    if (trace_is_free(function) && (what & TRACE_HAS_FAILED) != 0)
        return false;
    return trace_is_resize(function) || (what & (TRACE_OLD_IS_RECENT | TRACE_OLD_IS_NULL)) == 0;
}

/* Reads the next call; false when there is none that makes sense. */
static inline bool trace_decode(struct trace_codec *codec, struct trace_bytes *in,
                                struct trace_call *call)
{
    unsigned what = trace_get_byte(in);

    memset(call, 0, sizeof(*call));
    call->function = what & TRACE_FUNCTION_MASK;
    if (in->is_bad || !trace_flags_fit(call->function, what))
        return false;
    call->has_failed = (what & TRACE_HAS_FAILED) != 0;
    call->ticks = codec->ticks + trace_get_number(in);
    if (trace_has_align(call->function))
        call->align_log2 = trace_get_byte(in);
    if (!trace_is_free(call->function))
        call->size_bytes = trace_get_number(in);
    if (trace_is_resize(call->function) && (what & TRACE_OLD_IS_NULL) == 0)
        call->old_address = trace_get_address(codec, in, (what & TRACE_OLD_IS_RECENT) != 0);
    if (!call->has_failed)
        call->address = trace_get_address(codec, in, (what & TRACE_IS_RECENT) != 0);
    if (trace_is_resize(call->function))
        call->took_ticks = trace_get_number(in);
    in->is_bad |= call->ticks < codec->ticks || call->ticks + call->took_ticks < call->ticks ||
                  call->align_log2 > TRACE_LARGEST_ALIGN_LOG2;
    codec->ticks = call->ticks + call->took_ticks;
    return !in->is_bad;
}

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
    uint32_t sum = trace_checksum(0, block, offsetof(struct trace_block, closed));

    return trace_checksum(sum, block + 1, trace_used_bytes(block));
}

#endif
