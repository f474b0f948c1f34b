/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * observer.h - watches a crew at work and writes what it sees to a JSON file.
 *
 *     {"trace": ..., "touch": "ends", "calls": N, "peak_live_kib": N, "baseline_kib": N,
 *      "granule_bytes": 65536,
 *      "samples": [{"seconds": 0.01, "calls": 8192, "live_kib": 10, "resident_kib": 30,
 *                   "space": [granule, live_kib, granule, live_kib, ...]}, ...],
 *      "classes": [[from_bytes, to_bytes, blocks, asked_bytes, usable_bytes], ...]}
 *
 * A sample is taken each so many calls, and when the most bytes are live, by the thread whose call it is:
 * exact when there is one thread, else a block may be counted before or after its call. Watching costs time; the time
 * of such a run is not to be compared. `resident_kib` is without the baseline.
 */
#ifndef CAIRN_BENCH_TRACE_OBSERVER_H
#define CAIRN_BENCH_TRACE_OBSERVER_H

#include "bench/trace/plan.h"
#include "bench/trace/region.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    OBSERVER_SAMPLES = 160,
    OBSERVER_CLASSES = 64 * 8, /* eighths of powers of two */
    OBSERVER_GRANULES = 1 << 16,
};

struct observer_class {
    uint64_t blocks;
    uint64_t asked_bytes;
    uint64_t usable_bytes;
};

struct observer_block {
    uintptr_t address;
    uint64_t size_bytes;
};

struct observer {
    FILE *report;
    struct region blocks;   /* of struct observer_block, by slot */
    struct region granules; /* of struct observer_block: live bytes by granule, of one sample */
    uint64_t granule_bytes;
    uint32_t slot_count;
    uint64_t calls;
    uint64_t calls_per_sample;
    uint64_t live_bytes;
    uint64_t peak_bytes; /* at which a sample is due; UINT64_MAX once it was taken */
    uint64_t baseline_kib;
    uint64_t start_ns;
    uint32_t sample_count;
    bool is_sampling; /* a lock */
    struct observer_class classes[OBSERVER_CLASSES];
    char buffer[65536];
};

/* Opens the report; false when it cannot be written, errno says why. */
bool observer_open(struct observer *observer, const char *path, const struct plan *plan);

/* Writes the head of the report; the time of samples begins. */
void observer_begin(struct observer *observer, const struct plan *plan, const char *trace,
                    const char *touch, uint64_t baseline_kib);

void observer_note_block(struct observer *observer, uint32_t slot, void *block,
                         uint64_t size_bytes);
void observer_note_free(struct observer *observer, uint32_t slot);

/* One more sample, whenever the caller likes. */
void observer_sample(struct observer *observer);

/* Completes the report; false when it could not all be written. */
bool observer_close(struct observer *observer);

/* The class of a size, and the sizes of a class: from (exclusive) and to (inclusive). */
unsigned observer_class_of(uint64_t size_bytes);
uint64_t observer_class_to(unsigned index);

#endif
