/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * reserve.c - address space for metadata, and memory emptied on request.
 *
 * A reservation is a mapping that nobody pays for until it is touched (MAP_NORESERVE). It is not counted among the
 * memory held, because it is sized for the worst case. Its end cannot fail for the caller: if munmap fails,
 * the range becomes a kept extent, for which ensure() reserved a slot when the reservation began.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

void *cairn_pagesource_reserve(struct cairn_pagesource *source, size_t length_bytes)
{
    size_t page_bytes = cairn_pagesource__page(source);
    uintptr_t base = 0;

    if (length_bytes == 0 || !cairn_try_align_up(length_bytes, page_bytes, &length_bytes))
        return NULL;
    cairn_lock_take(&source->lock);
    if (cairn_pagesource__ensure(source, 1))
        base = cairn_pagesource__map(source, length_bytes, CAIRN_OS_MAP_NORESERVE);
    if (base != 0) {
        source->reservation_count++;
        source->stats.reserved_bytes += length_bytes;
    }
    cairn_lock_release(&source->lock);
    return (void *)base;
}

void cairn_pagesource_unreserve(struct cairn_pagesource *source, void *base, size_t length_bytes)
{
    size_t rounded = cairn_align_up(length_bytes, cairn_pagesource__page(source));
    struct cairn_pagesource_extent kept = {(uintptr_t)base, rounded, CAIRN_EXTENT_KEPT,
                                           CAIRN_EXTENT_PENDING};

    cairn_lock_take(&source->lock);
    CAIRN_CHECK(cairn_is_aligned(kept.base, cairn_pagesource__page(source)) && kept.base != 0,
                "pointer is not page-aligned", base, __func__);
    CAIRN_CHECK(rounded != 0 && source->reservation_count > 0 &&
                    rounded <= source->stats.reserved_bytes,
                "memory is not reserved", base, __func__);
    CAIRN_CHECK(!cairn_pagesource__overlaps(source, kept.base, rounded), "memory is already free",
                base, __func__);
    if (!cairn_pagesource__unmap(source, kept.base, rounded))
        cairn_pagesource__insert(source, kept);
    source->reservation_count--;
    source->stats.reserved_bytes -= rounded;
    cairn_lock_release(&source->lock);
}

size_t cairn_pagesource_purge(struct cairn_pagesource *source)
{
    size_t released_bytes;

    cairn_lock_take(&source->lock);
    cairn_pagesource__observe_break(source);
    released_bytes = source->stats.free_dirty_bytes;
    cairn_pagesource__purge_all(source);
    cairn_pagesource__shrink_table(source);
    released_bytes -= source->stats.free_dirty_bytes;
    cairn_lock_release(&source->lock);
    return released_bytes;
}

int cairn_pagesource_purge_range(struct cairn_pagesource *source, void *base, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    size_t page_mask = cairn_pagesource__page(source) - 1;
    int result;

    CAIRN_CHECK((((uintptr_t)base | length_bytes) & page_mask) == 0, "range is not of whole pages",
                base, __func__);
    if (length_bytes == 0)
        return 0;
    /* Without the lock: the range is the caller's, and emptying much of it takes a while. */
    result = os->ops->purge(os->self, base, length_bytes);
    cairn_lock_take(&source->lock);
    source->stats.purge_calls++;
    source->stats.refused_calls += result != 0;
    cairn_lock_release(&source->lock);
    return result;
}
