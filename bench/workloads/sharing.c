/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * sharing.c - threads that write often to small blocks of their own, of which several may lie in
 * one cache line.
 *
 * mode=active: the threads allocate side by side, and the allocator may deal a line out to several.
 * mode=passive: the main thread allocates and deals the blocks out in turns, so that lines ARE
 * shared at first; a thread that frees such a block may get it back, and the line stays shared.
 * mode=swapped: like active, but a new block goes to whoever replaces one next.
 * After each round of writes, a thread replaces one of its blocks.
 */

#include "bench/workloads/workload.h"

enum { MODE_ACTIVE, MODE_PASSIVE, MODE_SWAPPED, BLOCKS_MOST = 256 };

static const char *const mode_words[] = {"active", "passive", "swapped", NULL};

static uint64_t blocks, bytes, writes, mode;

/* A row of each thread, in memory that no other thread writes. */
struct hand {
    volatile char *held[BLOCKS_MOST];
} __attribute__((aligned(128)));

static struct hand *hands;
static void *given; /* to whoever comes next */

/* `count` writes, to one block after another. */
static void write_round(const struct hand *hand, uint64_t count)
{
    uint64_t block = 0;

    for (; count > 0; count--) {
        ++*hand->held[block];
        if (++block == blocks)
            block = 0;
    }
}

static void work(size_t idx)
{
    struct hand *hand = &hands[idx];
    uint64_t left = share_of(ops, idx, threads);
    uint64_t round_writes = writes * blocks;

    for (uint64_t block = 0; mode != MODE_PASSIVE && block < blocks; block++)
        hand->held[block] = touched(bytes);
    for (uint64_t round = 0; left > 0; round++) {
        uint64_t count = least_of(left, round_writes);
        write_round(hand, count);
        free((void *)(uintptr_t)hand->held[round % blocks]);
        hand->held[round % blocks] =
            mode == MODE_SWAPPED ? __atomic_exchange_n(&given, touched(bytes), __ATOMIC_ACQ_REL)
                                 : touched(bytes);
        left -= count;
    }
    for (uint64_t block = 0; block < blocks; block++)
        free((void *)(uintptr_t)hand->held[block]);
}

int main(int argument_count, char **arguments)
{
    begin(
        argument_count, arguments,
        "threads that write to small blocks of their own, allocated by each (active), dealt out "
        "by one (passive) or made by another (swapped): cache lines shared by chance (ops: writes)",
        PARAMETERS(OPS(500000000), THREADS(2), PARAMETER(blocks, 8, 1, BLOCKS_MOST),
                   PARAMETER(bytes, 8, 1, BYTES_MOST), PARAMETER(writes, 100, 1, OPS_MOST),
                   WORD(mode, MODE_ACTIVE, mode_words)));
    hands = new_table(threads, sizeof(*hands));
    for (uint64_t block = 0; mode == MODE_PASSIVE && block < blocks; block++)
        for (uint64_t idx = 0; idx < threads; idx++)
            hands[idx].held[block] = touched(bytes);
    given = mode == MODE_SWAPPED ? touched(bytes) : NULL;
    run_threads(threads, work);
    free(given);
    drop_table(hands, threads, sizeof(*hands));
    return report(ops);
}
