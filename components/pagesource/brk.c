/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * brk.c - the data segment: growing at its end, shrinking from its end, and sharing it with strangers.
 *
 * Idea. The break is one number that anybody in the process may move. Pagesource therefore remembers which
 * stretches it added itself (segments), and looks where the break is before it relies on it.
 *
 *     | program data | segment 0 | foreign | segment 1           |
 *                                            taken | free | free ^ break
 *                                                  '----run-----'  may be lowered to the start of the run
 *
 * - The break stands at the end of the last segment: it grows or shrinks there.
 * - It stands above: a stranger added memory. Growing starts a new segment; nothing is lowered.
 * - It stands below: a stranger took our memory away. What was free there is forgotten. If blocks were
 *   outstanding there, two owners now claim those addresses, and the break must not grow over them again:
 *   `lost_base` marks where, and data-segment growth ends for good.
 *
 * What cannot be noticed: a stranger who lowers the break into our memory and raises it again between two
 * calls. libc's sbrk is not thread-safe, so strangers must not call it while another thread is in here.
 *
 * Source: sbrk(2). Cost: O(log extents) and one system call.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

static struct cairn_pagesource_segment *last_segment(struct cairn_pagesource *source)
{
    return source->segment_count == 0 ? NULL : &source->segments[source->segment_count - 1];
}

const struct cairn_pagesource_segment *
cairn_pagesource__segment_of(const struct cairn_pagesource *source, uintptr_t address)
{
    for (size_t idx = 0; idx < source->segment_count; idx++) {
        const struct cairn_pagesource_segment *segment = &source->segments[idx];

        if (address >= segment->base && address < segment->end)
            return segment;
    }
    return NULL;
}

/* Forgets the free extents of the data segment from `from` on; how many bytes that were. */
static size_t forget_free(struct cairn_pagesource *source, uintptr_t from)
{
    size_t forgotten_bytes = 0;

    for (size_t idx = source->extent_count; idx-- > 0;) {
        const struct cairn_pagesource_extent extent = source->extents[idx];
        uintptr_t base = cairn_max(extent.base, from);

        if (extent.origin != CAIRN_EXTENT_BREAK || cairn_extent_end(&extent) <= from)
            continue;
        forgotten_bytes += cairn_extent_end(&extent) - base;
        cairn_pagesource__remove(source, base, cairn_extent_end(&extent) - base);
    }
    source->stats.brk_bytes -= forgotten_bytes;
    return forgotten_bytes;
}

/* How many bytes of our segments lie in [from, to). */
static size_t segment_bytes(const struct cairn_pagesource *source, uintptr_t from, uintptr_t to)
{
    size_t bytes = 0;

    for (size_t idx = 0; idx < source->segment_count; idx++) {
        uintptr_t base = cairn_max(source->segments[idx].base, from);
        uintptr_t end = cairn_min(source->segments[idx].end, to);

        bytes += base < end ? end - base : 0;
    }
    return bytes;
}

static void clip_segments(struct cairn_pagesource *source, uintptr_t from)
{
    struct cairn_pagesource_segment *last;

    while ((last = last_segment(source)) != NULL && last->base >= from)
        source->segment_count--;
    if (last != NULL)
        last->end = cairn_min(last->end, from);
}

void cairn_pagesource__observe_break(struct cairn_pagesource *source)
{
    const struct cairn_pagesource_segment *last = last_segment(source);
    uintptr_t now, from;
    size_t gone_bytes;

    if (last == NULL)
        return;
    now = cairn_pagesource__sbrk(source, 0);
    if (now == 0 || now >= cairn_min(last->end, source->lost_base))
        return;
    /* The page that holds the break belongs to whoever moved it there. */
    from = cairn_align_down(now, cairn_pagesource__page(source));
    gone_bytes = segment_bytes(source, from, source->lost_base);
    if (forget_free(source, from) == gone_bytes && source->lost_base == UINTPTR_MAX)
        clip_segments(source, from);
    else
        source->lost_base = from;
}

/* Makes [base, end), which sbrk has just given, ours. False when it cannot be recorded: it stays unused then. */
static bool adopt(struct cairn_pagesource *source, uintptr_t base, uintptr_t end)
{
    struct cairn_pagesource_segment *last = last_segment(source);
    struct cairn_pagesource_extent extent = {base, end - base, CAIRN_EXTENT_BREAK,
                                             CAIRN_EXTENT_FRESH};

    if (base >= end || (last != NULL && base < last->end))
        return false;
    if (last != NULL && base == last->end) {
        last->end = end;
    } else {
        if (source->segment_count == CAIRN_PAGESOURCE_SEGMENTS)
            return false;
        source->segments[source->segment_count].base = base;
        source->segments[source->segment_count].end = end;
        source->segment_count++;
    }
    cairn_pagesource__adopt(source, extent);
    return true;
}

/* Raises the break, expected at `now`, by exactly `delta_bytes`. */
static bool raise_exactly(struct cairn_pagesource *source, uintptr_t now, size_t delta_bytes)
{
    size_t page_bytes = cairn_pagesource__page(source);
    uintptr_t old_break;

    if (!cairn_pagesource__may_hold(source, cairn_align_up(delta_bytes, page_bytes)))
        return false;
    old_break = cairn_pagesource__sbrk(source, (intptr_t)delta_bytes);
    if (old_break == 0)
        return false;
    /* If a stranger was quicker, the new memory lies elsewhere than planned: kept, but not what was asked. */
    return adopt(source, cairn_align_up(old_break, page_bytes),
                 cairn_align_down(old_break + delta_bytes, page_bytes)) &&
           old_break == now;
}

/* Raises the break by a growth step, else by just what is missing. */
static bool raise_break(struct cairn_pagesource *source, uintptr_t now, size_t missing_bytes)
{
    const struct cairn_pagesource_segment *last = last_segment(source);
    uintptr_t end =
        cairn_align_up(now + cairn_pagesource__step(source), cairn_pagesource__page(source));

    CAIRN_ASSERT(source->lost_base == UINTPTR_MAX && missing_bytes > 0);
    if (source->segment_count == CAIRN_PAGESOURCE_SEGMENTS && last->end != now)
        return false;
    if (end - now > missing_bytes && raise_exactly(source, now, end - now))
        return true;
    /* Look again: the refused step may have been a stranger's doing. */
    return cairn_pagesource__sbrk(source, 0) == now && raise_exactly(source, now, missing_bytes);
}

/* Where the free memory begins that memory added at the break would continue. */
static uintptr_t tail_base(const struct cairn_pagesource *source, uintptr_t now)
{
    size_t idx = cairn_pagesource__index(source, now - 1);

    if (idx == source->extent_count || source->extents[idx].base >= now ||
        cairn_extent_end(&source->extents[idx]) != now)
        return cairn_align_up(now, cairn_pagesource__page(source));
    return source->extents[cairn_pagesource__run_first(source, idx)].base;
}

bool cairn_pagesource__grow_break(struct cairn_pagesource *source, size_t length_bytes,
                                  size_t align_bytes)
{
    uintptr_t now, end;

    if (source->lost_base != UINTPTR_MAX)
        return false;
    now = cairn_pagesource__sbrk(source, 0);
    if (now == 0)
        return false;
    end = cairn_align_up(tail_base(source, now), align_bytes) + length_bytes;
    CAIRN_ASSERT(end > length_bytes);
    return end <= now || raise_break(source, now, end - now);
}

bool cairn_pagesource__extend_break(struct cairn_pagesource *source, uintptr_t end,
                                    size_t missing_bytes)
{
    const struct cairn_pagesource_segment *last = last_segment(source);

    if (last == NULL || last->end != end || source->lost_base != UINTPTR_MAX)
        return false;
    return cairn_pagesource__sbrk(source, 0) == end && raise_break(source, end, missing_bytes);
}

/* The address down to which the run that ends at extent `last` must go to lose `dirty_bytes` dirty ones. Fresh
   memory below goes along: the call is made anyway, and the segment ends where memory is in use. */
static uintptr_t cut_for(const struct cairn_pagesource *source, size_t last, size_t dirty_bytes)
{
    size_t first = cairn_pagesource__run_first(source, last);
    uintptr_t cut = cairn_extent_end(&source->extents[last]);
    bool is_any_dirty = dirty_bytes == SIZE_MAX;

    for (size_t idx = last + 1; idx-- > first;) {
        const struct cairn_pagesource_extent *extent = &source->extents[idx];
        bool is_dirty = cairn_extent_is_dirty(extent);
        size_t part_bytes =
            is_dirty ? cairn_min(extent->length_bytes, dirty_bytes) : extent->length_bytes;

        is_any_dirty = is_any_dirty || is_dirty;
        cut = cairn_extent_end(extent) - part_bytes;
        if (is_dirty)
            dirty_bytes -= part_bytes;
        if (part_bytes < extent->length_bytes)
            break;
    }
    return is_any_dirty ? cut : cairn_extent_end(&source->extents[last]);
}

void cairn_pagesource__shrink_break(struct cairn_pagesource *source, size_t dirty_bytes)
{
    struct cairn_pagesource_segment *last = last_segment(source);
    uintptr_t end, cut;
    size_t idx;

    if (last == NULL || source->lost_base != UINTPTR_MAX)
        return;
    end = last->end;
    idx = cairn_pagesource__index(source, end - 1);
    if (idx == source->extent_count || source->extents[idx].base >= end)
        return;
    cut = cut_for(source, idx, dirty_bytes);
    CAIRN_ASSERT(cut >= last->base && cut <= end);
    if (cut == end || cairn_pagesource__sbrk(source, 0) != end ||
        cairn_pagesource__sbrk(source, -(intptr_t)(end - cut)) == 0)
        return;
    cairn_pagesource__remove(source, cut, end - cut);
    source->stats.brk_bytes -= end - cut;
    clip_segments(source, cut);
}
