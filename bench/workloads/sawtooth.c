/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * sawtooth.c - sizes that shift, while a few blocks of each size stay behind.
 *
 *     live bytes   /|   /|   /|
 *                 / |_ / |_ / |_        each tooth up to `live`, then all but one in `keep` are freed
 *                 32 B 52 B 75 B ...    and the next tooth is of blocks that do not fit into the holes
 *
 * The pattern that Robson's bound is about. What stays of a tooth lives for four teeth; at 4 KiB
 * the sizes begin anew. Each block tells its tooth and its place at both ends, and is asked for
 * that when it is freed. The result has how many blocks stayed behind (kept).
 */

#include "bench/workloads/workload.h"

enum { FIRST_BYTES = 32, LAST_BYTES = 4096, TEETH_STAYING = 4, KEEP_MOST = 1000 };

static uint64_t keep;

struct tooth {
    uint64_t number;
    size_t bytes; /* of a block */
    size_t count;
    void **blocks;
};

struct jaw {
    struct tooth teeth[TEETH_STAYING + 1]; /* a ring: the one that grows, and those that stay */
    size_t blocks_most;
    uint64_t live_bytes;
    uint64_t most_live_bytes;
    uint64_t kept_count;
};

static uint64_t most_live_bytes; /* of all threads */
static uint64_t kept_count;

static uint64_t stamp_of(const struct tooth *tooth, size_t idx)
{
    return tooth->number << 32 | (uint32_t)idx;
}

/* The last 8 bytes of a block: sizes are multiples of 8. */
static uint64_t *end_of(const struct tooth *tooth, size_t idx)
{
    return (uint64_t *)tooth->blocks[idx] + tooth->bytes / sizeof(uint64_t) - 1;
}

static void make(struct jaw *jaw, struct tooth *tooth)
{
    size_t idx = tooth->count++;
    uint64_t *block = got(malloc(tooth->bytes));

    tooth->blocks[idx] = block;
    *block = stamp_of(tooth, idx);
    *end_of(tooth, idx) = stamp_of(tooth, idx);
    jaw->live_bytes += tooth->bytes;
    if (jaw->live_bytes > jaw->most_live_bytes)
        jaw->most_live_bytes = jaw->live_bytes;
}

static void drop(struct jaw *jaw, struct tooth *tooth, size_t idx)
{
    const uint64_t *block = tooth->blocks[idx];

    if (block == NULL)
        return;
    if (*block != stamp_of(tooth, idx) || *end_of(tooth, idx) != stamp_of(tooth, idx))
        fail("a block of %zu bytes was overwritten", tooth->bytes);
    free(tooth->blocks[idx]);
    tooth->blocks[idx] = NULL;
    jaw->live_bytes -= tooth->bytes;
}

static void clear(struct jaw *jaw, struct tooth *tooth)
{
    for (size_t idx = 0; idx < tooth->count; idx++)
        drop(jaw, tooth, idx);
    tooth->count = 0;
}

/* A little more than fits into a hole of the size before. */
static size_t next_bytes(size_t bytes)
{
    bytes = (bytes + bytes / 8 + 16) / 8 * 8;
    return bytes > LAST_BYTES ? FIRST_BYTES : bytes;
}

static void gnaw(struct jaw *jaw, uint64_t left, uint64_t live_most_bytes)
{
    size_t bytes = FIRST_BYTES;

    for (uint64_t number = 0; left > 0; number++, bytes = next_bytes(bytes)) {
        struct tooth *tooth = &jaw->teeth[number % (TEETH_STAYING + 1)];
        clear(jaw, tooth);
        tooth->number = number;
        tooth->bytes = bytes;
        do {
            make(jaw, tooth);
            left--;
        } while (left > 0 && tooth->count < jaw->blocks_most && jaw->live_bytes < live_most_bytes);
        for (size_t idx = 0; idx < tooth->count; idx++)
            if (idx % keep != 0)
                drop(jaw, tooth, idx);
        jaw->kept_count += (tooth->count + keep - 1) / keep;
    }
}

static void work(size_t idx)
{
    struct jaw jaw = {.blocks_most = (size_t)(live / threads / FIRST_BYTES + 1)};

    for (size_t tooth = 0; tooth <= TEETH_STAYING; tooth++)
        jaw.teeth[tooth].blocks = new_table(jaw.blocks_most, sizeof(void *));
    gnaw(&jaw, share_of(ops, idx, threads), live / threads);
    for (size_t tooth = 0; tooth <= TEETH_STAYING; tooth++) {
        clear(&jaw, &jaw.teeth[tooth]);
        drop_table(jaw.teeth[tooth].blocks, jaw.blocks_most, sizeof(void *));
    }
    __atomic_add_fetch(&most_live_bytes, jaw.most_live_bytes, __ATOMIC_RELAXED);
    __atomic_add_fetch(&kept_count, jaw.kept_count, __ATOMIC_RELAXED);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "sizes that grow by an eighth, while one block in ten of each size stays behind: "
          "holes that do not fit (ops: blocks made and freed)",
          PARAMETERS(OPS(2000000), THREADS(1), PARAMETER(live, 8 << 20, 1, UINT64_C(1) << 32),
                     PARAMETER(keep, 10, 2, KEEP_MOST)));
    run_threads(threads, work);
    extra("live_kib", most_live_bytes / 1024);
    extra("kept", kept_count);
    return report(ops);
}
