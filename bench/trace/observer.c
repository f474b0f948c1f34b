/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * observer.c - counts per class, and pictures of the heap.
 *
 * The heap is cut into granules, aligned pieces of its address space. A sample walks over all slots and
 * adds up the live bytes in each granule, in a hash table that is emptied by the next sample. A heap
 * with more granules than the table takes is shown in part.
 */

#include "bench/trace/observer.h"

#include "bench/trace/resident.h"
#include "bench/trace/ticks.h"

#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>

enum { LEAST_GRANULE_BYTES = 65536, GRANULES_AT_PEAK = 1024 };

static struct observer_block *block_at(struct observer *observer, uint32_t slot)
{
    return (struct observer_block *)observer->blocks.memory + slot;
}

/* ---- classes: 1, 2, ... 16, then each power of two in eighths -------------------------------- */

unsigned observer_class_of(uint64_t size_bytes)
{
    uint64_t last = size_bytes == 0 ? 0 : size_bytes - 1;
    unsigned log2;

    if (last < 16)
        return (unsigned)last;
    log2 = 63 - (unsigned)__builtin_clzll(last);
    return 8 * (log2 - 2) + (unsigned)(last >> (log2 - 3) & 7);
}

uint64_t observer_class_to(unsigned index)
{
    unsigned log2 = index / 8 + 2;

    if (index < 16)
        return index + 1;
    return ((uint64_t)8 + index % 8 + 1) << (log2 - 3);
}

static void count_class(struct observer *observer, void *block, uint64_t size_bytes)
{
    struct observer_class *counted = &observer->classes[observer_class_of(size_bytes)];

    __atomic_fetch_add(&counted->blocks, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counted->asked_bytes, size_bytes, __ATOMIC_RELAXED);
    __atomic_fetch_add(&counted->usable_bytes, malloc_usable_size(block), __ATOMIC_RELAXED);
}

/* ---- samples ------------------------------------------------------------------------------- */

static void add_to_granule(struct observer *observer, uintptr_t granule, uint64_t bytes)
{
    struct observer_block *table = observer->granules.memory;
    size_t slot = (granule * 0x9e3779b97f4a7c15u >> 40) % OBSERVER_GRANULES;

    for (unsigned probe = 0; probe < 64; probe++, slot = (slot + 1) % OBSERVER_GRANULES) {
        if (table[slot].size_bytes != 0 && table[slot].address != granule)
            continue;
        table[slot].address = granule;
        table[slot].size_bytes += bytes;
        return;
    }
}

/* A block may lie in several granules. */
static void add_block(struct observer *observer, uintptr_t address, uint64_t size_bytes)
{
    unsigned covered = 0;

    while (size_bytes > 0 && covered++ < OBSERVER_GRANULES) {
        uint64_t rest_bytes = observer->granule_bytes - address % observer->granule_bytes;
        uint64_t bytes = size_bytes < rest_bytes ? size_bytes : rest_bytes;

        add_to_granule(observer, address / observer->granule_bytes, bytes);
        address += bytes;
        size_bytes -= bytes;
    }
}

static void add_all_blocks(struct observer *observer)
{
    memset(observer->granules.memory, 0, OBSERVER_GRANULES * sizeof(struct observer_block));
    for (uint32_t slot = 0; slot < observer->slot_count; slot++) {
        struct observer_block *block = block_at(observer, slot);
        uintptr_t address = __atomic_load_n(&block->address, __ATOMIC_RELAXED);

        if (address != 0)
            add_block(observer, address, __atomic_load_n(&block->size_bytes, __ATOMIC_RELAXED));
    }
}

static void write_space(struct observer *observer)
{
    const struct observer_block *table = observer->granules.memory;
    const char *separator = "";

    add_all_blocks(observer);
    fputs(", \"space\": [", observer->report);
    for (size_t slot = 0; slot < OBSERVER_GRANULES; slot++) {
        if (table[slot].size_bytes == 0)
            continue;
        fprintf(observer->report, "%s%" PRIuPTR ",%" PRIu64, separator, table[slot].address,
                (table[slot].size_bytes + 1023) / 1024);
        separator = ",";
    }
    fputc(']', observer->report);
}

static void write_sample(struct observer *observer)
{
    double seconds = (double)(trace_monotonic_ns() - observer->start_ns) / 1e9;
    uint64_t resident_kib = resident_exact_kib();

    fprintf(observer->report, "%s\n  {\"seconds\": %.6f, \"calls\": %" PRIu64,
            observer->sample_count++ == 0 ? "" : ",", seconds,
            __atomic_load_n(&observer->calls, __ATOMIC_RELAXED));
    fprintf(observer->report, ", \"live_kib\": %" PRIu64 ", \"resident_kib\": %" PRIu64,
            __atomic_load_n(&observer->live_bytes, __ATOMIC_RELAXED) / 1024,
            resident_kib > observer->baseline_kib ? resident_kib - observer->baseline_kib : 0);
    write_space(observer);
    fputc('}', observer->report);
}

void observer_sample(struct observer *observer)
{
    while (__atomic_exchange_n(&observer->is_sampling, true, __ATOMIC_ACQUIRE))
        sched_yield();
    write_sample(observer);
    __atomic_store_n(&observer->is_sampling, false, __ATOMIC_RELEASE);
}

/* Once: the samples between would miss a short peak. */
static bool is_peak(struct observer *observer, uint64_t live_bytes)
{
    uint64_t peak_bytes = __atomic_load_n(&observer->peak_bytes, __ATOMIC_RELAXED);

    return live_bytes >= peak_bytes &&
           __atomic_exchange_n(&observer->peak_bytes, UINT64_MAX, __ATOMIC_RELAXED) != UINT64_MAX;
}

static void note(struct observer *observer, uint32_t slot, void *block, uint64_t size_bytes)
{
    struct observer_block *noted = block_at(observer, slot);
    uint64_t change_bytes = size_bytes - noted->size_bytes;
    uint64_t calls = __atomic_add_fetch(&observer->calls, 1, __ATOMIC_RELAXED);
    uint64_t live_bytes = __atomic_add_fetch(&observer->live_bytes, change_bytes, __ATOMIC_RELAXED);

    __atomic_store_n(&noted->size_bytes, size_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&noted->address, (uintptr_t)block, __ATOMIC_RELAXED);
    if (calls % observer->calls_per_sample == 0 || is_peak(observer, live_bytes))
        observer_sample(observer);
}

void observer_note_block(struct observer *observer, uint32_t slot, void *block, uint64_t size_bytes)
{
    if (block != NULL)
        count_class(observer, block, size_bytes);
    note(observer, slot, block, size_bytes);
}

void observer_note_free(struct observer *observer, uint32_t slot)
{
    note(observer, slot, NULL, 0);
}

/* ---- the report ---------------------------------------------------------------------------- */

static uint64_t granule_for(uint64_t peak_bytes)
{
    uint64_t granule_bytes = LEAST_GRANULE_BYTES;

    while (granule_bytes < peak_bytes / GRANULES_AT_PEAK && granule_bytes < UINT64_C(1) << 40)
        granule_bytes *= 2;
    return granule_bytes;
}

bool observer_open(struct observer *observer, const char *path, const struct plan *plan)
{
    size_t block_bytes = (plan->slot_count + (size_t)1) * sizeof(struct observer_block);
    size_t granule_bytes = OBSERVER_GRANULES * sizeof(struct observer_block);

    memset(observer, 0, sizeof(*observer));
    observer->report = fopen(path, "we");
    if (observer->report == NULL)
        return false;
    setvbuf(observer->report, observer->buffer, _IOFBF, sizeof(observer->buffer));
    observer->slot_count = plan->slot_count;
    observer->granule_bytes = granule_for(plan->peak_live_bytes);
    observer->calls_per_sample = plan->calls / OBSERVER_SAMPLES + 1;
    observer->peak_bytes = plan->peak_live_bytes;
    region_reserve(&observer->blocks, block_bytes);
    memset(observer->blocks.memory, 0, block_bytes);
    region_reserve(&observer->granules, granule_bytes);
    memset(observer->granules.memory, 0, granule_bytes);
    return true;
}

static void write_string(FILE *report, const char *text)
{
    fputc('"', report);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', report);
        if ((unsigned char)*text >= 0x20)
            fputc(*text, report);
    }
    fputc('"', report);
}

void observer_begin(struct observer *observer, const struct plan *plan, const char *trace,
                    const char *touch, uint64_t baseline_kib)
{
    observer->baseline_kib = baseline_kib;
    fputs("{\"trace\": ", observer->report);
    write_string(observer->report, trace);
    fprintf(observer->report,
            ", \"touch\": \"%s\", \"calls\": %" PRIu64 ", \"peak_live_kib\": %" PRIu64
            ", \"baseline_kib\": %" PRIu64 ", \"granule_bytes\": %" PRIu64 ",\n \"samples\": [",
            touch, plan->calls, plan->peak_live_bytes / 1024, baseline_kib,
            observer->granule_bytes);
    observer->start_ns = trace_monotonic_ns();
}

bool observer_close(struct observer *observer)
{
    const char *separator = "";
    bool is_written;

    fputs("],\n \"classes\": [", observer->report);
    for (unsigned idx = 0; idx < OBSERVER_CLASSES; idx++) {
        const struct observer_class *counted = &observer->classes[idx];

        if (counted->blocks == 0)
            continue;
        fprintf(observer->report,
                "%s\n  [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 "]",
                separator, idx == 0 ? 0 : observer_class_to(idx - 1), observer_class_to(idx),
                counted->blocks, counted->asked_bytes, counted->usable_bytes);
        separator = ",";
    }
    fputs("]}\n", observer->report);
    is_written = ferror(observer->report) == 0;
    is_written &= fclose(observer->report) == 0;
    region_release(&observer->blocks);
    region_release(&observer->granules);
    return is_written;
}
