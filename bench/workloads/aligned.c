/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * aligned.c - aligned blocks among plain ones: 16 bytes to 64 KiB, half of the blocks aligned.
 *
 * Small alignments are more frequent than large ones. A large alignment leaves a gap before the
 * block: whether that can be used is seen in the peak memory.
 */

#include "bench/workloads/table.h"

static uint64_t align, align_octaves;

enum { ALIGN_LEAST = 16 };

/* 16 << n, for the smaller of two random n: small ones prevail. */
static size_t random_align(struct rng *rng)
{
    uint64_t one = rng_below(rng, align_octaves);
    uint64_t other = rng_below(rng, align_octaves);

    return (size_t)ALIGN_LEAST << (one < other ? one : other);
}

static void *check(void *block, size_t align_bytes)
{
    got(block);
    if ((uintptr_t)block % align_bytes != 0)
        fail("block %p is not aligned to %zu bytes", block, align_bytes);
    return block;
}

static void *make_by_posix(size_t align_bytes, size_t bytes)
{
    void *block = NULL;

    if (posix_memalign(&block, align_bytes, bytes) != 0)
        out_of_memory();
    return check(block, align_bytes);
}

/* C11 wanted the size to be a multiple of the alignment; so do some allocators. */
static void *make_by_c11(size_t align_bytes, size_t bytes)
{
    size_t whole_bytes = (bytes + align_bytes - 1) / align_bytes * align_bytes;

    return check(aligned_alloc(align_bytes, whole_bytes), align_bytes);
}

static void *make(struct rng *rng)
{
    size_t bytes = some_size(rng);
    uint64_t choice = rng_below(rng, 4);
    void *block;

    if (choice < 2)
        return touched(bytes);
    block = choice == 2 ? make_by_posix(random_align(rng), bytes)
                        : make_by_c11(random_align(rng), bytes);
    touch_block(block, bytes);
    return block;
}

static void work(size_t idx)
{
    table_play(idx, sizes_mean(), make);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "posix_memalign and aligned_alloc up to 64 KiB among plain malloc: aligned paths "
          "and the gaps they leave (ops: blocks made and freed)",
          PARAMETERS(OPS(1500000), THREADS(1), LIVE(8 << 20), SIZES(16, 4096),
                     PARAMETER(align, 64 << 10, ALIGN_LEAST, 1 << 30)));
    for (uint64_t bytes = ALIGN_LEAST; bytes <= align; bytes *= 2)
        align_octaves++;
    return run(threads, work);
}
