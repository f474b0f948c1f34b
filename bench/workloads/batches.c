/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * batches.c - equal blocks, few and many in turn, each written whole; then the first half of them
 * is freed in the order of allocation, and the second half against it.
 *
 * The size changes from batch to batch, and meets each count in time.
 */

#include "bench/workloads/workload.h"

#include <string.h>

enum { BLOCKS_MOST = 1600, STEP_BYTES = 16, STEPS = 64 };

static uint64_t blocks, bytes; /* 0: some in turn */

static void work(size_t thread)
{
    static const uint16_t counts[] = {25, 100, 400, BLOCKS_MOST};
    static void *batch[BLOCKS_MOST];
    uint64_t turn = thread;
    uint64_t count;

    for (uint64_t left = ops; left > 0; left -= count, turn++) {
        size_t size_bytes = bytes != 0 ? bytes : STEP_BYTES * (1 + turn % STEPS);
        count = least_of(left, blocks != 0 ? blocks : counts[(turn + turn / STEPS) % 4]);
        for (uint64_t block = 0; block < count; block++)
            batch[block] = memset(got(malloc(size_bytes)), 1, size_bytes);
        for (uint64_t block = 0; block < count / 2; block++)
            free(batch[block]);
        for (uint64_t block = count; block > count / 2; block--)
            free(batch[block - 1]);
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "batches of 25 to 1600 equal blocks, written whole, half freed in order and half against "
          "it: what comes back, and where (ops: blocks made and freed)",
          PARAMETERS(OPS(3000000), PARAMETER(blocks, 0, 0, BLOCKS_MOST),
                     PARAMETER(bytes, 0, 0, BYTES_MOST)));
    return run(1, work);
}
