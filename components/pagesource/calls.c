/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * calls.c - the kernel as pagesource sees it: addresses instead of pointers, and every call counted.
 *
 * Nothing here decides anything. A refusal is counted and passed on; sbrk(0) is not counted, for libc
 * answers it from memory.
 */

#include "extents.h"

#include <cairn/base/check.h>

static void count(struct cairn_pagesource *source, uint64_t *calls, bool is_refused)
{
    *calls += 1;
    if (is_refused)
        source->stats.refused_calls++;
}

uintptr_t cairn_pagesource__map(struct cairn_pagesource *source, size_t length_bytes,
                                unsigned flags)
{
    const struct cairn_os *os = &source->config.os;
    void *base = os->ops->map(os->self, NULL, length_bytes, flags);

    CAIRN_ASSERT(((uintptr_t)base & (cairn_pagesource__page(source) - 1)) == 0);
    count(source, &source->stats.map_calls, base == NULL);
    return (uintptr_t)base;
}

bool cairn_pagesource__unmap(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    bool is_refused = os->ops->unmap(os->self, (void *)base, length_bytes) != 0;

    count(source, &source->stats.unmap_calls, is_refused);
    return !is_refused;
}

bool cairn_pagesource__purge(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    bool is_refused = os->ops->purge(os->self, (void *)base, length_bytes) != 0;

    count(source, &source->stats.purge_calls, is_refused);
    return !is_refused;
}

uintptr_t cairn_pagesource__remap(struct cairn_pagesource *source, uintptr_t base, size_t old_bytes,
                                  size_t new_bytes, bool may_move)
{
    const struct cairn_os *os = &source->config.os;
    void *moved = os->ops->remap(os->self, (void *)base, old_bytes, new_bytes, may_move);

    CAIRN_ASSERT(may_move || moved == NULL || (uintptr_t)moved == base);
    count(source, &source->stats.remap_calls, moved == NULL);
    return (uintptr_t)moved;
}

uintptr_t cairn_pagesource__sbrk(struct cairn_pagesource *source, intptr_t delta_bytes)
{
    const struct cairn_os *os = &source->config.os;
    void *old_break = os->ops->sbrk(os->self, delta_bytes);

    if (delta_bytes != 0)
        count(source, &source->stats.brk_calls, old_break == NULL);
    return (uintptr_t)old_break;
}
