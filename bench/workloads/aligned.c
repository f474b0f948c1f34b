/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * aligned.c - aligned blocks among plain ones: 16 bytes to 64 KiB, half of the blocks aligned.
 *
 * Small alignments are more frequent than large ones. A large alignment leaves a gap before the
 * block: whether that can be used is seen in the peak memory.
 */

#include "bench/workloads/table.h"

static uint64_t ops = 1500000;
static uint64_t threads = 1;
static uint64_t live = 8 << 20;
static uint64_t min = 16;
static uint64_t max = 4096;
static uint64_t align = 64 << 10;
static struct workload_sizes sizes;
static uint64_t align_octaves;

enum { ALIGN_LEAST = 16 };

static const struct workload_parameter parameters[] = {
    WORKLOAD_NUMBER("ops", &ops, 1, WORKLOAD_OPS_MOST),
    WORKLOAD_NUMBER("threads", &threads, 1, WORKLOAD_THREADS_MOST),
    WORKLOAD_NUMBER("live", &live, 1, UINT64_C(1) << 40),
    WORKLOAD_NUMBER("min", &min, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("max", &max, 1, WORKLOAD_BYTES_MOST),
    WORKLOAD_NUMBER("align", &align, ALIGN_LEAST, 1 << 30),
    WORKLOAD_END,
};

/* 16 << n, for the smaller of two random n: small ones prevail. */
static size_t random_align(struct workload_random *random)
{
    uint64_t one = workload_random_below(random, align_octaves);
    uint64_t other = workload_random_below(random, align_octaves);

    return (size_t)ALIGN_LEAST << (one < other ? one : other);
}

static void *check(void *block, size_t align_bytes)
{
    workload_got(block);
    if ((uintptr_t)block % align_bytes != 0)
        workload_fail("block %p is not aligned to %zu bytes", block, align_bytes);
    return block;
}

static void *make_by_posix(size_t align_bytes, size_t bytes)
{
    void *block = NULL;

    if (posix_memalign(&block, align_bytes, bytes) != 0)
        workload_out_of_memory();
    return check(block, align_bytes);
}

/* C11 wanted the size to be a multiple of the alignment; so do some allocators. */
static void *make_by_c11(size_t align_bytes, size_t bytes)
{
    size_t whole_bytes = (bytes + align_bytes - 1) / align_bytes * align_bytes;

    return check(aligned_alloc(align_bytes, whole_bytes), align_bytes);
}

static void *make(struct workload_random *random)
{
    size_t bytes = workload_size(&sizes, random);
    uint64_t choice = workload_random_below(random, 4);
    void *block;

    if (choice < 2)
        return workload_malloc(bytes);
    block = choice == 2 ? make_by_posix(random_align(random), bytes)
                        : make_by_c11(random_align(random), bytes);
    workload_touch(block, bytes);
    return block;
}

static void work(size_t idx)
{
    struct workload_random random = workload_random_of(idx);
    struct table table = table_new(live / threads, workload_sizes_mean(&sizes));

    table_work(&table, workload_share(ops, idx, threads), &random, make);
    table_drop(&table);
}

int main(int argument_count, char **arguments)
{
    workload_begin(
        "aligned",
        "posix_memalign and aligned_alloc up to 64 KiB among plain malloc: aligned paths "
        "and the gaps they leave (ops: blocks made and freed)",
        parameters, argument_count, arguments);
    sizes = workload_sizes_between(min, max);
    for (uint64_t bytes = ALIGN_LEAST; bytes <= align; bytes *= 2)
        align_octaves++;
    workload_threads(threads, work);
    return workload_report(ops);
}
