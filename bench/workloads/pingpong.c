/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pingpong.c - malloc and free at once, a few sizes in turn. Nothing else lives, so each malloc can
 * take what the free before it gave back: the hot path and nothing below it.
 */

#include "bench/workloads/workload.h"

static uint64_t bytes; /* 0: some in turn */

static void play(size_t idx)
{
    static const uint16_t in_turn[] = {16, 32, 48, 64, 128, 256};
    size_t turn = 0;

    for (uint64_t left = share_of(ops, idx, threads); left > 0; left--) {
        free(touched(bytes != 0 ? bytes : in_turn[turn]));
        if (++turn == sizeof(in_turn) / sizeof(in_turn[0]))
            turn = 0;
    }
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "pairs of malloc and free of a few sizes in turn: the hot path alone (ops: pairs)",
          PARAMETERS(OPS(20000000), THREADS(1), PARAMETER(bytes, 0, 0, BYTES_MOST)));
    return run(threads, play);
}
