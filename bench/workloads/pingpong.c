/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pingpong.c - malloc and free at once, a few sizes in turn.
 *
 * Nothing else lives, so each malloc can take what the free before it gave back: what is measured is
 * the hot path and nothing below it. With threads, each plays with itself.
 */

#include "bench/workloads/workload.h"

static uint64_t ops = 20000000;
static uint64_t threads = 1;
static uint64_t sizes[WORKLOAD_LIST_MOST] = {16, 32, 48, 64, 128, 256};
static size_t size_count = 6;

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_LIST("sizes", sizes, &size_count, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_END,
};

static void play(size_t idx)
{
    size_t turn = 0;

    for (uint64_t left = workload_share(ops, idx, threads); left > 0; left--) {
        free(workload_malloc(sizes[turn]));
        if (++turn == size_count)
            turn = 0;
    }
}

int main(int argument_count, char **arguments)
{
    workload_begin(
        "pingpong",
        "pairs of malloc and free of a few sizes in turn: the hot path alone (ops: pairs)",
        parameters, argument_count, arguments);
    workload_threads(threads, play);
    return workload_report(ops);
}
