/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * past.c - blocks past the lock, and the limit, which counts them, too.
 *
 * Idea. While a program forks, the state under the lock is closed, but a thread that needs memory
 * cannot wait for the end of it. It gets a mapping of its own, of which nothing is recorded but its
 * length in two atomic sums.
 *
 * The limit is one atomic number for all threads: what is held, what is about to be mapped, what is
 * past the lock. It is raised before the kernel is asked and lowered after the memory is gone, so
 * at no moment is there more than it says.
 *
 * Cost: one system call. Threads: lock-free.
 */

#include "extents.h"

#include <cairn/base/check.h>

bool cairn_pagesource_charge(struct cairn_pagesource *source, size_t more_bytes)
{
    size_t set_bytes = cairn_load_relaxed(&source->config.limit_bytes);
    size_t limit_bytes = set_bytes == 0 ? SIZE_MAX / 2 : set_bytes;
    size_t charged_bytes = cairn_load_relaxed(&source->charged_bytes);

    do {
        if (charged_bytes > limit_bytes || more_bytes > limit_bytes - charged_bytes)
            return false;
    } while (
        !cairn_cas_acquire(&source->charged_bytes, &charged_bytes, charged_bytes + more_bytes));
    return true;
}

void cairn_pagesource_uncharge(struct cairn_pagesource *source, size_t less_bytes)
{
    CAIRN_ASSERT(cairn_load_relaxed(&source->charged_bytes) >= less_bytes);
    cairn_sub_relaxed(&source->charged_bytes, less_bytes);
}

void *cairn_pagesource_map_past(struct cairn_pagesource *source, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    void *base;

    if (length_bytes == 0 ||
        !cairn_try_align_up(length_bytes, cairn_pagesource_page_bytes(source), &length_bytes) ||
        !cairn_pagesource_charge(source, length_bytes))
        return NULL;
    base = os->ops->map(os->self, length_bytes, true);
    if (base == NULL)
        cairn_pagesource_uncharge(source, length_bytes);
    else
        cairn_add_relaxed(&source->past_bytes, length_bytes);
    return base;
}

void cairn_pagesource_unmap_past(struct cairn_pagesource *source, void *base, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    size_t rounded = 0;
    size_t past_bytes = cairn_load_relaxed(&source->past_bytes);

    CAIRN_CHECK(cairn_is_aligned((uintptr_t)base, cairn_pagesource_page_bytes(source)) &&
                    base != NULL,
                "pointer is not page-aligned", base, __func__);
    CAIRN_CHECK(cairn_try_align_up(length_bytes, cairn_pagesource_page_bytes(source), &rounded) &&
                    rounded != 0 && rounded <= past_bytes,
                "memory is not of this page source", base, __func__);
    if (os->ops->unmap(os->self, base, rounded) == 0) {
        cairn_pagesource_uncharge(source, rounded);
    } else {
        /* Still address space of ours, so the limit goes on counting it. */
        (void)os->ops->purge(os->self, base, rounded);
        cairn_add_relaxed(&source->past_lost_bytes, rounded);
    }
    cairn_sub_relaxed(&source->past_bytes, rounded);
}
