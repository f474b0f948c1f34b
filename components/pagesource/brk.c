/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * brk.c - the data segment: growing at its end, shrinking from its end, and sharing it with other
 * users of sbrk.
 *
 * Idea. The break is one number that any code in the process may move. Pagesource therefore
 * remembers which stretches it added itself (segments), and looks where the break is before it
 * relies on it.
 *
 *     | program data | segment 0 | others  | segment 1           |
 *                                            taken | free | free ^ break
 *                                                  '----run-----'  may be lowered to the start of
 *                                                                  the run
 *
 * - The break stands at the end of the last segment: it grows or shrinks there.
 * - It stands above: other code added memory. Growing starts a new segment; nothing is lowered.
 * - It stands below: other code took our memory away. What was free there is forgotten. If blocks
 *   were outstanding there, two owners now claim those addresses, and the break must not grow over
 *   them again: `lost_base` marks where, and data-segment growth ends for good.
 *
 * The first page above the program's own data is given up before the first segment, and nothing may
 * touch it: there a static allocator keeps its state. It goes back when the source ends, if the
 * break still stands at its end.
 *
 * What cannot be noticed: other code that lowers the break into our memory and raises it again
 * between two calls. libc's sbrk is not thread-safe, so other code must not call it while a thread
 * is in here.
 *
 * Source: sbrk(2). Cost: O(log runs) and one system call; one more for the guard.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

/* From here on emptying takes long enough that other threads should not wait for it. */
enum { LARGE_BYTES = 16 * 1024 * 1024 };

static struct cairn_pagesource_segment *last_segment(struct cairn_pagesource *source)
{
    return source->segment_count == 0 ? NULL : &source->segments[source->segment_count - 1];
}

const struct cairn_pagesource_segment *
cairn_pagesource_segment_of(const struct cairn_pagesource *source, uintptr_t address)
{
    for (size_t idx = 0; idx < source->segment_count; idx++) {
        const struct cairn_pagesource_segment *segment = &source->segments[idx];

        if (address >= segment->base && address < segment->end)
            return segment;
    }
    return NULL;
}

/* Forgets what is free in the data segment from `from` on; how many bytes that were. */
static size_t forget_free(struct cairn_pagesource *source, uintptr_t from)
{
    size_t forgotten_bytes = 0;
    uintptr_t at = from;

    while (at < last_segment(source)->end) {
        uint32_t id = cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, at);
        const struct cairn_pagesource_node *node;

        if (id == 0)
            id = cairn_pagesource_tree_from(source, CAIRN_TREE_FREE, at, 0);
        if (id == 0)
            break;
        node = cairn_extent_node(source, id);
        at = node->end;
        if (node->origin != CAIRN_EXTENT_BREAK)
            continue;
        forgotten_bytes += node->end - cairn_max(node->base, from);
        cairn_pagesource_clip(source, id, node->base, cairn_max(node->base, from));
    }
    cairn_pagesource_discount_held(source, CAIRN_EXTENT_BREAK, forgotten_bytes);
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

void cairn_pagesource_observe_break(struct cairn_pagesource *source)
{
    const struct cairn_pagesource_segment *last = last_segment(source);
    uintptr_t now, from;
    size_t gone_bytes;

    if (last == NULL)
        return;
    now = cairn_pagesource_os_sbrk(source, 0);
    if (now == 0 || now >= cairn_min(last->end, source->lost_base))
        return;
    /* The page that holds the break belongs to the code that moved it there. */
    from = cairn_align_down(now, cairn_pagesource_page_bytes(source));
    gone_bytes = segment_bytes(source, from, source->lost_base);
    if (forget_free(source, from) == gone_bytes && source->lost_base == UINTPTR_MAX)
        clip_segments(source, from);
    else
        source->lost_base = from;
}

/* How much of the next growth is given up as a guard. */
static size_t guard_bytes(const struct cairn_pagesource *source)
{
    return source->break_guard == 0 ? cairn_pagesource_page_bytes(source) : 0;
}

/* Gives up the first page of the first segment; where the segment begins. The page stays unused if
   it cannot be closed. */
static uintptr_t guard(struct cairn_pagesource *source, uintptr_t base)
{
    const struct cairn_os *os = &source->config.os;
    size_t bytes = guard_bytes(source);

    if (bytes == 0)
        return base;
    (void)os->ops->protect(os->self, (void *)base, bytes, false);
    source->break_guard = base + bytes;
    return source->break_guard;
}

/* Makes [base, end), which sbrk has just given, ours. False when it cannot be recorded: it stays
   unused then. */
static bool adopt(struct cairn_pagesource *source, uintptr_t base, uintptr_t end)
{
    struct cairn_pagesource_segment *last = last_segment(source);

    if (base >= end || (last != NULL && base < last->end))
        return false;
    base = guard(source, base);
    if (base == end)
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
    cairn_pagesource_adopt(source, base, end, CAIRN_EXTENT_BREAK, 0);
    return true;
}

/* Raises the break, expected at `now`, by exactly `delta_bytes`. */
static bool raise_exactly(struct cairn_pagesource *source, uintptr_t now, size_t delta_bytes)
{
    size_t page_bytes = cairn_pagesource_page_bytes(source);
    size_t charged_bytes = cairn_align_up(delta_bytes, page_bytes) - guard_bytes(source);
    size_t held_bytes = source->stats.brk_bytes;
    uintptr_t old_break;
    bool is_raised;

    if (!cairn_pagesource_charge(source, charged_bytes))
        return false;
    old_break = cairn_pagesource_os_sbrk(source, (intptr_t)delta_bytes);
    /* If other code was quicker, the new memory lies elsewhere than planned: kept, but not what was
       asked. */
    is_raised = old_break != 0 &&
                adopt(source, cairn_align_up(old_break, page_bytes),
                      cairn_align_down(old_break + delta_bytes, page_bytes)) &&
                old_break == now;
    cairn_pagesource_uncharge(source, charged_bytes - (source->stats.brk_bytes - held_bytes));
    return is_raised;
}

/* Raises the break by a growth step, else by just what is missing. */
static bool raise_break(struct cairn_pagesource *source, uintptr_t now, size_t missing_bytes)
{
    const struct cairn_pagesource_segment *last = last_segment(source);
    uintptr_t end = cairn_align_up(now + guard_bytes(source) + cairn_pagesource_step_bytes(source),
                                   cairn_pagesource_page_bytes(source));

    CAIRN_ASSERT(source->lost_base == UINTPTR_MAX && missing_bytes > 0);
    if (source->segment_count == CAIRN_PAGESOURCE_SEGMENTS && last->end != now)
        return false;
    if (end - now > missing_bytes && raise_exactly(source, now, end - now))
        return true;
    /* Look again: the refused step may be due to other code. */
    return cairn_pagesource_os_sbrk(source, 0) == now && raise_exactly(source, now, missing_bytes);
}

/* Where the free memory begins that memory added at the break would continue. */
static uintptr_t tail_base(const struct cairn_pagesource *source, uintptr_t now)
{
    uint32_t id = cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, now - 1);

    if (id == 0 || cairn_extent_node(source, id)->end != now)
        return cairn_align_up(now, cairn_pagesource_page_bytes(source)) + guard_bytes(source);
    return cairn_extent_node(source, id)->base;
}

uintptr_t cairn_pagesource_grow_break(struct cairn_pagesource *source, size_t length_bytes,
                                      size_t align_bytes)
{
    uintptr_t now, start, end;

    if (source->lost_base != UINTPTR_MAX)
        return 0;
    now = cairn_pagesource_os_sbrk(source, 0);
    if (now == 0)
        return 0;
    if (now < source->break_guard)
        source->break_guard = 0;
    start = cairn_align_up(tail_base(source, now), align_bytes);
    end = start + length_bytes;
    CAIRN_ASSERT(end > length_bytes);
    return end <= now || raise_break(source, now, end - now) ? start : 0;
}

bool cairn_pagesource_extend_break(struct cairn_pagesource *source, uintptr_t end,
                                   size_t missing_bytes)
{
    const struct cairn_pagesource_segment *last = last_segment(source);

    if (last == NULL || last->end != end || source->lost_base != UINTPTR_MAX)
        return false;
    return cairn_pagesource_os_sbrk(source, 0) == end && raise_break(source, end, missing_bytes);
}

/* The address down to which a run at the top must go to lose `dirty_bytes` dirty ones. Fresh memory
   below goes along: the call is made anyway, and the segment ends where memory is in use. */
static uintptr_t cut_for(const struct cairn_pagesource_node *node, size_t dirty_bytes)
{
    size_t low_bytes = node->fresh_base - node->base;
    size_t high_bytes = node->end - node->fresh_end;

    if (dirty_bytes == SIZE_MAX)
        return node->base;
    if (low_bytes + high_bytes == 0)
        return node->end;
    if (dirty_bytes < high_bytes)
        return node->end - dirty_bytes;
    return node->fresh_base - cairn_min(low_bytes, dirty_bytes - high_bytes);
}

/* The run at the top of the data segment, if the break may be lowered over it; 0 if not. */
static uint32_t top_run(struct cairn_pagesource *source)
{
    const struct cairn_pagesource_segment *last = last_segment(source);

    if (last == NULL || source->lost_base != UINTPTR_MAX ||
        cairn_pagesource_os_sbrk(source, 0) != last->end)
        return 0;
    return cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, last->end - 1);
}

/* Empties what is to go without the lock, so that the break, which moves under it, has nothing to
   give back. */
static void empty_first(struct cairn_pagesource *source, uint32_t id, uintptr_t cut)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    if (node->end - cut < LARGE_BYTES || node->fresh_base <= cut ||
        !cairn_pagesource_may_take_nodes(source, 2))
        return;
    id = cairn_pagesource_carve(source, id, cut, node->end);
    (void)cairn_pagesource_purge_node(source, id);
}

void cairn_pagesource_shrink_break(struct cairn_pagesource *source, size_t dirty_bytes)
{
    uint32_t id = top_run(source);
    uintptr_t end, cut;

    if (id == 0)
        return;
    end = cairn_extent_node(source, id)->end;
    cut = cut_for(cairn_extent_node(source, id), dirty_bytes);
    CAIRN_ASSERT(cut >= last_segment(source)->base && cut <= end);
    empty_first(source, id, cut);
    id = top_run(source);
    if (id == 0 || cut >= end || cairn_extent_node(source, id)->end != end)
        return;
    cut = cairn_max(cut, cairn_extent_node(source, id)->base);
    if (cairn_pagesource_os_sbrk(source, -(intptr_t)(end - cut)) == 0)
        return;
    cairn_pagesource_clip(source, id, cairn_extent_node(source, id)->base, cut);
    cairn_pagesource_discount_held(source, CAIRN_EXTENT_BREAK, end - cut);
    clip_segments(source, cut);
}

void cairn_pagesource_end_break(struct cairn_pagesource *source)
{
    size_t page_bytes = cairn_pagesource_page_bytes(source);

    if (source->segment_count == 0 && source->break_guard != 0 &&
        cairn_pagesource_os_sbrk(source, 0) == source->break_guard)
        (void)cairn_pagesource_os_sbrk(source, -(intptr_t)page_bytes);
}
