/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pingpong.c - malloc and free at once, a few sizes in turn.
 *
 * Nothing else lives, so each malloc can take what the free before it gave back: what is measured
 * is the hot path and nothing below it. With threads, each plays with itself.
 */

#include "bench/workloads/workload.h"

static uint64_t block_sizes[LIST_MOST] = {16, 32, 48, 64, 128, 256};
static size_t size_count = 6;

static void play(size_t idx)
{
    size_t turn = 0;

    for (uint64_t left = share_of(ops, idx, threads); left > 0; left--) {
        free(touched(block_sizes[turn]));
        if (++turn == size_count)
            turn = 0;
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "pairs of malloc and free of a few sizes in turn: the hot path alone (ops: pairs)",
          PARAMETERS(OPS(20000000), THREADS(1),
                     LIST("sizes", block_sizes, size_count, 1, BYTES_MOST)));
    return run(threads, play);
}
