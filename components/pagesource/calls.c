/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * calls.c - the kernel as pagesource sees it: addresses instead of pointers, every call counted,
 * and who waits for it.
 *
 * Nothing here decides anything. A refusal is counted and passed on; sbrk(0) is not counted, for
 * libc answers it from memory.
 *
 * Mapping, unmapping and emptying take as long as there is memory, so the lock is not held
 * meanwhile:
 *
 *     one thread    | leave |------- munmap -------| enter, put back |
 *     another            | finds nothing, growth is refused | waits |  tries again
 *
 * While a thread has the lock and no call is under way, nothing is in transit.
 */

#include "extents.h"

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

/* --- without the lock ------------------------------------------------------------------------- */

static void leave(struct cairn_pagesource *source)
{
    source->flight_count++;
    cairn_lock_release(&source->lock);
}

static void enter(struct cairn_pagesource *source)
{
    cairn_lock_take(&source->lock);
    CAIRN_ASSERT(source->flight_count > 0);
    source->flight_count--;
    cairn_store_relaxed(&source->returns, source->returns + 1);
    if (source->waiter_count != 0)
        cairn_futex_wake(&source->returns, INT32_MAX);
}

bool cairn_pagesource_await_call(struct cairn_pagesource *source)
{
    uint32_t seen = source->returns;

    if (source->flight_count == 0)
        return false;
    source->waiter_count++;
    cairn_lock_release(&source->lock);
    (void)cairn_futex_wait(&source->returns, seen, NULL);
    cairn_lock_take(&source->lock);
    source->waiter_count--;
    return true;
}

void cairn_pagesource_count_call(struct cairn_pagesource *source, uint64_t *calls, bool is_refused)
{
    *calls += 1;
    if (is_refused)
        source->stats.refused_calls++;
}

uintptr_t cairn_pagesource_os_map(struct cairn_pagesource *source, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    void *base;

    leave(source);
    base = os->ops->map(os->self, length_bytes, true);
    enter(source);
    CAIRN_ASSERT(((uintptr_t)base & (cairn_pagesource_page_bytes(source) - 1)) == 0);
    cairn_pagesource_count_call(source, &source->stats.map_calls, base == NULL);
    return (uintptr_t)base;
}

bool cairn_pagesource_os_unmap(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    bool is_refused;

    leave(source);
    is_refused = os->ops->unmap(os->self, (void *)base, length_bytes) != 0;
    enter(source);
    cairn_pagesource_count_call(source, &source->stats.unmap_calls, is_refused);
    return !is_refused;
}

bool cairn_pagesource_os_purge(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    bool is_refused;

    leave(source);
    is_refused = os->ops->purge(os->self, (void *)base, length_bytes) != 0;
    enter(source);
    cairn_pagesource_count_call(source, &source->stats.purge_calls, is_refused);
    return !is_refused;
}

/* --- under the lock --------------------------------------------------------------------------- */

uintptr_t cairn_pagesource_os_remap(struct cairn_pagesource *source, uintptr_t base,
                                    size_t old_bytes, size_t new_bytes, bool may_move)
{
    const struct cairn_os *os = &source->config.os;
    void *moved = os->ops->remap(os->self, (void *)base, old_bytes, new_bytes, may_move);

    CAIRN_ASSERT(may_move || moved == NULL || (uintptr_t)moved == base);
    cairn_pagesource_count_call(source, &source->stats.remap_calls, moved == NULL);
    return (uintptr_t)moved;
}

uintptr_t cairn_pagesource_os_sbrk(struct cairn_pagesource *source, intptr_t delta_bytes)
{
    const struct cairn_os *os = &source->config.os;
    void *old_break = os->ops->sbrk(os->self, delta_bytes);

    if (delta_bytes != 0)
        cairn_pagesource_count_call(source, &source->stats.brk_calls, old_break == NULL);
    return (uintptr_t)old_break;
}

uint64_t cairn_pagesource_now_ms(const struct cairn_pagesource *source)
{
    const struct cairn_os *os = &source->config.os;

    return os->ops->now_ms(os->self);
}
