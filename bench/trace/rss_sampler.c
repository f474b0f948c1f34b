/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rss_sampler.c - counts per class, and pictures of the heap.
 *
 * The heap is cut into granules, aligned pieces of its address space. A sample walks over all slots
 * and adds up the live bytes in each granule, in a hash table that is emptied by the next sample. A
 * heap with more granules than the table takes is shown in part.
 */

#include "bench/trace/replay.h"
#include "bench/trace/ticks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEAST_GRANULE_BYTES = 65536, GRANULES_AT_PEAK = 1024, PROBES = 64 };

/* ---- memory and time, without malloc ------------------------------------------------------- */

void *rss_table(size_t count, size_t bytes_each)
{
    size_t bytes = (count + 1) * bytes_each;
    void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (table == MAP_FAILED) {
        dprintf(STDERR_FILENO, "replayer: out of memory: the plan needs more than there is\n");
        _exit(1);
    }
    return table;
}

uint64_t rss_number(const char *path, const char *label)
{
    char text[8192];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
    const char *at;

    if (file >= 0)
        close(file);
    text[bytes > 0 ? bytes : 0] = '\0';
    at = strstr(text, label);
    return at == NULL ? 0 : strtoull(at + strlen(label), NULL, 10);
}

/* By the page tables: exact, and as slow as the process is large. By the kernel's counter where
   there is no such file. */
static uint64_t resident_kib(void)
{
    uint64_t kib = rss_number("/proc/self/smaps_rollup", "\nRss:");

    return kib != 0 ? kib : rss_number("/proc/self/status", "VmRSS:");
}

/* ---- classes: 1, 2, ... 16, then each power of two in eighths ------------------------------- */

unsigned sampler_class_of(uint64_t size_bytes)
{
    uint64_t last = size_bytes == 0 ? 0 : size_bytes - 1;
    unsigned log2;

    if (last < 16)
        return (unsigned)last;
    log2 = 63 - (unsigned)__builtin_clzll(last);
    return 8 * (log2 - 2) + (unsigned)(last >> (log2 - 3) & 7);
}

uint64_t sampler_class_to(unsigned idx)
{
    return idx < 16 ? idx + 1 : ((uint64_t)8 + idx % 8 + 1) << (idx / 8 - 1);
}

static void count_class(struct rss_sampler *sampler, void *block, uint64_t size_bytes)
{
    struct sampler_class *counted = &sampler->classes[sampler_class_of(size_bytes)];

    __atomic_fetch_add(&counted->blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counted->asked_bytes, size_bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counted->usable_bytes, malloc_usable_size(block), __ATOMIC_RELAXED);
}

/* ---- samples ------------------------------------------------------------------------------- */

static void add_to_granule(struct sampler_block *table, uintptr_t granule, uint64_t bytes)
{
    size_t slot = (granule * 0x9e3779b97f4a7c15u >> 40) % SAMPLER_GRANULES;

    for (unsigned probe = 0; probe < PROBES; probe++, slot = (slot + 1) % SAMPLER_GRANULES) {
        if (table[slot].size_bytes != 0 && table[slot].address != granule)
            continue;
        table[slot].address = granule;
        table[slot].size_bytes += bytes;
        return;
    }
}

/* A block may lie in several granules. */
static void add_block(struct rss_sampler *sampler, uintptr_t address, uint64_t size_bytes)
{
    for (unsigned covered = 0; size_bytes > 0 && covered < SAMPLER_GRANULES; covered++) {
        uint64_t rest_bytes = sampler->granule_bytes - address % sampler->granule_bytes;
        uint64_t bytes = size_bytes < rest_bytes ? size_bytes : rest_bytes;

        add_to_granule(sampler->granules, address / sampler->granule_bytes, bytes);
        address += bytes;
        size_bytes -= bytes;
    }
}

static void write_space(struct rss_sampler *sampler)
{
    const char *separator = "";

    memset(sampler->granules, 0, SAMPLER_GRANULES * sizeof(*sampler->granules));
    for (uint32_t slot = 0; slot < sampler->plan->slot_count; slot++) {
        struct sampler_block *block = &sampler->blocks[slot];
        uintptr_t address = __atomic_load_n(&block->address, __ATOMIC_RELAXED);

        if (address != 0)
            add_block(sampler, address, __atomic_load_n(&block->size_bytes, __ATOMIC_RELAXED));
    }
    fputs(", \"space\": [", sampler->report);
    for (size_t slot = 0; slot < SAMPLER_GRANULES; slot++) {
        const struct sampler_block *granule = &sampler->granules[slot];

        if (granule->size_bytes == 0)
            continue;
        fprintf(sampler->report, "%s%" PRIuPTR ",%" PRIu64, separator, granule->address,
                (granule->size_bytes + 1023) / 1024);
        separator = ",";
    }
    fputs("]}", sampler->report);
}

void rss_sampler_sample(struct rss_sampler *sampler)
{
    uint64_t kib;

    while (__atomic_exchange_n(&sampler->is_sampling, true, __ATOMIC_ACQUIRE))
        sched_yield();
    kib = resident_kib();
    fprintf(sampler->report,
            "%s\n  {\"seconds\": %.6f, \"calls\": %" PRIu64 ", \"live_kib\": %" PRIu64
            ", \"resident_kib\": %" PRIu64,
            sampler->sample_count++ == 0 ? "" : ",",
            (double)(trace_monotonic_ns() - sampler->start_ns) / 1e9,
            __atomic_load_n(&sampler->calls, __ATOMIC_RELAXED),
            __atomic_load_n(&sampler->live_bytes, __ATOMIC_RELAXED) / 1024,
            kib > sampler->baseline_kib ? kib - sampler->baseline_kib : 0);
    write_space(sampler);
    __atomic_store_n(&sampler->is_sampling, false, __ATOMIC_RELEASE);
}

/* Once: the samples between would miss a short peak. */
static bool is_peak(struct rss_sampler *sampler, uint64_t live_bytes)
{
    uint64_t peak_bytes = __atomic_load_n(&sampler->peak_bytes, __ATOMIC_RELAXED);

    return live_bytes >= peak_bytes &&
           __atomic_exchange_n(&sampler->peak_bytes, UINT64_MAX, __ATOMIC_RELAXED) != UINT64_MAX;
}

void rss_sampler_note(struct rss_sampler *sampler, uint32_t slot, void *block, uint64_t size_bytes)
{
    struct sampler_block *noted = &sampler->blocks[slot];
    uint64_t change_bytes = size_bytes - noted->size_bytes;
    uint64_t calls = __atomic_add_fetch(&sampler->calls, 1, __ATOMIC_RELAXED);
    uint64_t live_bytes = __atomic_add_fetch(&sampler->live_bytes, change_bytes, __ATOMIC_RELAXED);

    if (block != NULL)
        count_class(sampler, block, size_bytes);
    __atomic_store_n(&noted->size_bytes, size_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&noted->address, (uintptr_t)block, __ATOMIC_RELAXED);
    if (calls % sampler->calls_per_sample == 0 || is_peak(sampler, live_bytes))
        rss_sampler_sample(sampler);
}

/* ---- the report ---------------------------------------------------------------------------- */

bool rss_sampler_open(struct rss_sampler *sampler, const char *path, const struct plan *plan)
{
    memset(sampler, 0, sizeof(*sampler));
    sampler->report = fopen(path, "we");
    if (sampler->report == NULL)
        return false;
    setvbuf(sampler->report, sampler->buffer, _IOFBF, sizeof(sampler->buffer));
    sampler->plan = plan;
    sampler->granule_bytes = LEAST_GRANULE_BYTES;
    while (sampler->granule_bytes < plan->peak_live_bytes / GRANULES_AT_PEAK &&
           sampler->granule_bytes < UINT64_C(1) << 40)
        sampler->granule_bytes *= 2;
    sampler->calls_per_sample = plan->calls / SAMPLER_SAMPLES + 1;
    sampler->peak_bytes = plan->peak_live_bytes;
    sampler->blocks = rss_table(plan->slot_count, sizeof(*sampler->blocks));
    sampler->granules = rss_table(SAMPLER_GRANULES, sizeof(*sampler->granules));
    return true;
}

void rss_sampler_begin(struct rss_sampler *sampler)
{
    sampler->baseline_kib = resident_kib();
    fprintf(sampler->report,
            "{\"calls\": %" PRIu64 ", \"peak_live_kib\": %" PRIu64 ", \"baseline_kib\": %" PRIu64
            ", \"granule_bytes\": %" PRIu64 ",\n \"samples\": [",
            sampler->plan->calls, sampler->plan->peak_live_bytes / 1024, sampler->baseline_kib,
            sampler->granule_bytes);
    sampler->start_ns = trace_monotonic_ns();
}

bool rss_sampler_close(struct rss_sampler *sampler)
{
    const char *separator = "";
    bool is_written;

    fputs("],\n \"classes\": [", sampler->report);
    for (unsigned idx = 0; idx < SAMPLER_CLASSES; idx++) {
        const struct sampler_class *counted = &sampler->classes[idx];

        if (counted->blocks == 0)
            continue;
        fprintf(sampler->report,
                "%s\n  [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "]",
                separator, idx == 0 ? 0 : sampler_class_to(idx - 1), sampler_class_to(idx),
                counted->blocks, counted->asked_bytes, counted->usable_bytes);
        separator = ",";
    }
    fputs("]}\n", sampler->report);
    is_written = ferror(sampler->report) == 0;
    return fclose(sampler->report) == 0 && is_written;
}
