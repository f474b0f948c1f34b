/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * growth.c - buffers that grow by realloc: even ones by half, as vectors do, up to `max`; odd ones
 * by 4 KiB, as files read piece by piece, up to `stepped`. Or all of them grow and shrink to random
 * sizes up to `max`.
 *
 * They grow in turns, so that each stands in the way of the other. Each growth stamps the end of
 * the buffer and checks the stamp of the one before; a full buffer is checked at every page.
 */

#include "bench/workloads/workload.h"

enum { BUFFERS_MOST = 1024, PAGE_BYTES = 4096, FIRST_BYTES = 64 };

enum { STEPS, RANDOM };

static const char *const modes[] = {"steps", "random", NULL};

static uint64_t buffers, stepped, mode;

struct buffer {
    unsigned char *content;
    size_t bytes;
};

static unsigned char stamp_of(size_t at, size_t idx)
{
    return (unsigned char)(at / PAGE_BYTES * 7 + idx + 1);
}

/* The first byte of each page that is new, and the last byte. */
static void stamp(struct buffer *buffer, size_t from_bytes, size_t idx)
{
    size_t at = (from_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;

    for (; at < buffer->bytes; at += PAGE_BYTES)
        buffer->content[at] = stamp_of(at, idx);
    buffer->content[buffer->bytes - 1] = stamp_of(buffer->bytes - 1, idx);
}

static void check(const struct buffer *buffer, size_t at, size_t idx)
{
    if (buffer->content[at] != stamp_of(at, idx))
        fail("realloc lost byte %zu of %zu", at, buffer->bytes);
}

static size_t next_bytes(const struct buffer *buffer, size_t idx)
{
    if (idx % 2 == 1)
        return buffer->bytes + PAGE_BYTES;
    return buffer->bytes == 0 ? FIRST_BYTES : buffer->bytes + buffer->bytes / 2;
}

static void drop(struct buffer *buffer, size_t idx)
{
    for (size_t at = 0; at < buffer->bytes; at += PAGE_BYTES)
        check(buffer, at, idx);
    free(buffer->content);
    *buffer = (struct buffer){NULL, 0};
}

/* One step of a buffer; a full one is dropped first, and begins anew. */
static void grow(struct buffer *buffer, size_t idx)
{
    size_t old_bytes = buffer->bytes;

    if (old_bytes > 0 && next_bytes(buffer, idx) > (idx % 2 == 1 ? stepped : max)) {
        drop(buffer, idx);
        old_bytes = 0;
    }
    buffer->bytes = next_bytes(buffer, idx);
    buffer->content = got(realloc(buffer->content, buffer->bytes));
    if (old_bytes > 0)
        check(buffer, old_bytes - 1, idx);
    stamp(buffer, old_bytes, idx);
}

/* To any size: what is cut off may be wanted again soon. */
static void resize(struct buffer *buffer, size_t idx, struct rng *rng)
{
    size_t old_bytes = buffer->bytes;

    buffer->bytes = max / 64 + (size_t)rng_below(rng, max - max / 64);
    buffer->content = got(realloc(buffer->content, buffer->bytes));
    if (old_bytes > 0 && old_bytes < buffer->bytes)
        check(buffer, old_bytes - 1, idx);
    stamp(buffer, least_of(old_bytes, buffer->bytes), idx);
}

static void work(size_t thread)
{
    static struct buffer all[BUFFERS_MOST];
    struct rng rng = rng_of(thread);

    for (uint64_t op = 0; op < ops; op++) {
        size_t idx = mode == RANDOM ? rng_below(&rng, buffers) : op % buffers;
        if (mode == RANDOM)
            resize(&all[idx], idx, &rng);
        else
            grow(&all[idx], idx);
    }
    for (size_t idx = 0; idx < buffers; idx++)
        drop(&all[idx], idx);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "buffers that grow side by side, by half and by 4 KiB, up to some MiB: realloc in "
          "place and with a move (ops: reallocs)",
          PARAMETERS(OPS(4000), PARAMETER(buffers, 8, 1, BUFFERS_MOST),
                     PARAMETER(max, 8 << 20, FIRST_BYTES, UINT64_C(1) << 40),
                     WORD(mode, STEPS, modes),
                     PARAMETER(stepped, 1 << 20, FIRST_BYTES, UINT64_C(1) << 40)));
    return run(1, work);
}
