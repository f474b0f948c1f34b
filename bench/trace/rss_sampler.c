/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * rss_sampler.c - notes on every call of a replay, and memory and numbers without malloc.
 *
 * Nothing is computed while the trace is played: each call leaves what it did in a table that is
 * resident before, and now and then what is resident. samples.py makes the pictures of it.
 */

#include "bench/trace/replay.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

bool rss_sampler_open(struct rss_sampler *sampler, const char *path, const struct plan *plan)
{
    memset(sampler, 0, sizeof(*sampler));
    sampler->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    sampler->calls_per_sample = plan->calls / SAMPLER_SAMPLES + 1;
    sampler->peak_bytes = plan->peak_live_bytes;
    sampler->sizes = rss_table(plan->slot_count, sizeof(*sampler->sizes));
    sampler->notes = rss_table(plan->calls, sizeof(*sampler->notes));
    return sampler->file >= 0;
}

void rss_sampler_begin(struct rss_sampler *sampler)
{
    sampler->baseline_kib = resident_kib();
}

void rss_sampler_end(struct rss_sampler *sampler)
{
    sample(sampler, &sampler->notes[sampler->count - 1]);
}

bool rss_sampler_close(struct rss_sampler *sampler)
{
    const char *at = (const char *)sampler->notes;
    const char *end = (const char *)(sampler->notes + sampler->count);

    for (ssize_t written = 1; at < end && written > 0; at += written)
        written = write(sampler->file, at, (size_t)(end - at));
    return close(sampler->file) == 0 && at == end;
}
