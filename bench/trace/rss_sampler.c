/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rss_sampler.c - notes on every call of a replay.
 *
 * Nothing is computed while the trace is played: each call leaves what it did in a table that is
 * resident before, and now and then what is resident. samples.py makes the pictures of it.
 */

#include "bench/trace/replay.h"
#include "bench/workloads/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

/* By the page tables: exact, and as slow as the process is large. By the kernel's counter where
   there is no such file. */
static uint64_t resident_kib(void)
{
    uint64_t kib = number_in("/proc/self/smaps_rollup", "\nRss:");

    return kib != 0 ? kib : number_in("/proc/self/status", "VmRSS:");
}

static void sample(struct rss_sampler *sampler, struct sampler_note *note)
{
    uint64_t kib = resident_kib();

    note->resident_kib = 1 + (kib > sampler->baseline_kib ? kib - sampler->baseline_kib : 0);
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
    uint64_t change_bytes = size_bytes - sampler->sizes[slot];
    uint64_t live_bytes = __atomic_add_fetch(&sampler->live_bytes, change_bytes, __ATOMIC_RELAXED);
    uint64_t idx = __atomic_fetch_add(&sampler->count, 1, __ATOMIC_RELAXED);
    struct sampler_note *note = &sampler->notes[idx];

    sampler->sizes[slot] = size_bytes;
    note->address = (uintptr_t)block;
    note->size_bytes = size_bytes;
    note->usable_bytes = block == NULL ? 0 : malloc_usable_size(block);
    note->slot = slot;
    if ((idx + 1) % sampler->calls_per_sample == 0 || is_peak(sampler, live_bytes))
        sample(sampler, note);
}

void rss_sampler_open(struct rss_sampler *sampler, const char *path, const struct plan *plan)
{
    memset(sampler, 0, sizeof(*sampler));
    sampler->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (sampler->file < 0)
        fail("%s: %s", path, strerror(errno));
    sampler->calls_per_sample = plan->calls / SAMPLER_SAMPLES + 1;
    sampler->peak_bytes = plan->peak_live_bytes;
    sampler->sizes = new_resident_table(plan->slot_count, sizeof(*sampler->sizes));
    sampler->notes = new_resident_table(plan->calls, sizeof(*sampler->notes));
}

void rss_sampler_begin(struct rss_sampler *sampler)
{
    sampler->baseline_kib = resident_kib();
}

void rss_sampler_end(struct rss_sampler *sampler)
{
    sample(sampler, &sampler->notes[sampler->count - 1]);
}

void rss_sampler_close(struct rss_sampler *sampler)
{
    const char *at = (const char *)sampler->notes;
    const char *end = (const char *)(sampler->notes + sampler->count);

    for (ssize_t written = 1; at < end && written > 0; at += written)
        written = write(sampler->file, at, (size_t)(end - at));
    if (close(sampler->file) != 0 || at != end)
        fail("the notes cannot be written: %s", strerror(errno));
}
