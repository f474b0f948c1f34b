/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* region.c - mmap and mremap. */

#include "bench/trace/region.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { GRAIN_BYTES = 65536 };

static __attribute__((noreturn)) void give_up(void)
{
    static const char message[] = "trace: out of memory: the trace needs more than there is\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);

    (void)written;
    _exit(1);
}

void region_reserve(struct region *region, size_t bytes)
{
    size_t wanted_bytes = bytes > 2 * region->bytes ? bytes : 2 * region->bytes;
    void *memory;

    if (bytes <= region->bytes)
        return;
    if (bytes > SIZE_MAX / 4)
        give_up();
    wanted_bytes = (wanted_bytes + GRAIN_BYTES - 1) / GRAIN_BYTES * GRAIN_BYTES;
    if (region->memory == NULL)
        memory =
            mmap(NULL, wanted_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    else
        memory = mremap(region->memory, region->bytes, wanted_bytes, MREMAP_MAYMOVE);
    if (memory == MAP_FAILED)
        give_up();
    region->memory = memory;
    region->bytes = wanted_bytes;
}

void region_release(struct region *region)
{
    if (region->memory != NULL)
        munmap(region->memory, region->bytes);
    memset(region, 0, sizeof(*region));
}
