/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pagesource.c - taking, giving back and resizing: what is tried in which order.
 *
 * Taking a block is two steps that know nothing of each other. Growth (grow.c) adds free extents; cutting takes a
 * block out of free extents. So every path, from the first block of a process to the last one before the
 * limit, is the same sentence:
 *
 *     fits into what is free?  -> cut                            no system call
 *     else grow, then cut                                        one system call or two
 *     else give all free address space back, grow, then cut      pressure: limit, rlimit, fragmentation
 *     else NULL
 *
 * Giving back is one insertion, and a look whether too much dirty memory is free by now (release.c). A block that is
 * too large to be worth keeping is unmapped at once.
 *
 * The public functions check, take the lock and call a step; the steps assume the lock. System calls are made
 * under it: they are what pagesource is, and the layers above come here once in thousands of calls.
 */

#include "extents.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>

#include <errno.h>

/* User addresses have 47 bits on x86-64 unless asked otherwise; so no sum of two lengths can wrap. */
static const size_t length_max_bytes = (size_t)1 << 47;

enum { MIB = 1024 * 1024 };

/* --- init and fini ------------------------------------------------------------------------------------------- */

/* Defaults for a pair of bounds; a bound that is given beats the default of the other. */
static void set_bounds(size_t *low, size_t *high, size_t low_default, size_t high_default)
{
    if (*low == 0)
        *low = *high == 0 ? low_default : cairn_min(low_default, *high);
    if (*high == 0)
        *high = cairn_max(high_default, *low);
}

static void set_defaults(struct cairn_pagesource_config *config)
{
    if (config->os.ops == NULL)
        config->os = cairn_os_linux();
    set_bounds(&config->map_threshold_bytes, &config->map_threshold_max_bytes, (size_t)4 * MIB,
               (size_t)32 * MIB);
    set_bounds(&config->growth_min_bytes, &config->growth_max_bytes, (size_t)1 * MIB,
               (size_t)64 * MIB);
    if (config->retain_min_bytes == 0)
        config->retain_min_bytes = (size_t)4 * MIB;
}

static bool is_valid(const struct cairn_pagesource_config *config, size_t page_bytes)
{
    size_t all = config->map_threshold_bytes | config->map_threshold_max_bytes |
                 config->growth_min_bytes | config->growth_max_bytes | config->retain_min_bytes |
                 config->limit_bytes;

    if (!cairn_is_pow2(page_bytes) || !cairn_is_aligned(all, page_bytes))
        return false;
    if (config->map_threshold_max_bytes > length_max_bytes ||
        config->growth_max_bytes > length_max_bytes)
        return false;
    return config->map_threshold_bytes <= config->map_threshold_max_bytes &&
           config->growth_min_bytes <= config->growth_max_bytes &&
           (unsigned)config->policy <= CAIRN_PAGESOURCE_MMAP;
}

int cairn_pagesource_init(struct cairn_pagesource *source,
                          const struct cairn_pagesource_config *config)
{
    static const struct cairn_pagesource_stats no_stats;
    struct cairn_pagesource_config chosen = {.policy = CAIRN_PAGESOURCE_AUTO};
    size_t page_bytes;

    if (config != NULL)
        chosen = *config;
    set_defaults(&chosen);
    page_bytes = chosen.os.ops->page_bytes(chosen.os.self);
    if (!is_valid(&chosen, page_bytes))
        return -EINVAL;
    /* Field by field: the inline table is large, and untouched pages of it cost nothing. */
    cairn_lock_init(&source->lock, CAIRN_RANK_PAGES);
    source->config = chosen;
    source->stats = no_stats;
    source->decay = (struct cairn_decay){0, 0};
    source->stats.page_bytes = page_bytes;
    source->stats.map_threshold_bytes = chosen.map_threshold_bytes;
    source->extents = source->inline_extents;
    source->extent_count = 0;
    source->extent_capacity = CAIRN_PAGESOURCE_INLINE_EXTENTS;
    source->kept_count = 0;
    source->reservation_count = 0;
    source->lost_base = UINTPTR_MAX;
    source->segment_count = 0;
    return 0;
}

void cairn_pagesource_fini(struct cairn_pagesource *source)
{
    cairn_lock_take(&source->lock);
    CAIRN_CHECK(source->stats.outstanding_bytes == 0, "page source ended with blocks outstanding",
                source, __func__);
    CAIRN_CHECK(source->reservation_count == 0, "page source ended with reservations", source,
                __func__);
    cairn_pagesource__observe_break(source);
    cairn_pagesource__release_all(source);
    cairn_pagesource__purge_all(source);
    if (source->stats.table_bytes != 0)
        cairn_pagesource__unmap(source, (uintptr_t)source->extents, source->stats.table_bytes);
    source->extents = NULL;
    source->extent_count = 0;
    source->extent_capacity = 0;
    cairn_lock_release(&source->lock);
}

/* --- taking -------------------------------------------------------------------------------------------------- */

static bool round_length(const struct cairn_pagesource *source, size_t length_bytes,
                         size_t *rounded)
{
    if (length_bytes == 0 || length_bytes > length_max_bytes)
        return false;
    *rounded = cairn_align_up(length_bytes, cairn_pagesource__page(source));
    return true;
}

static bool obtain(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes)
{
    if (cairn_pagesource__grow(source, length_bytes, align_bytes))
        return true;
    if (cairn_pagesource__release_all(source) &&
        cairn_pagesource__grow(source, length_bytes, align_bytes))
        return true;
    cairn_pagesource__shrink_table(source);
    return false;
}

/* Takes one block; 0 when there is none. Rounded length, alignment of a page at least. */
static uintptr_t take_block(struct cairn_pagesource *source, size_t length_bytes,
                            size_t align_bytes, bool *is_zeroed)
{
    uintptr_t base = cairn_pagesource__fit(source, length_bytes, align_bytes);

    if (base == 0) {
        if (!obtain(source, length_bytes, align_bytes))
            return 0;
        base = cairn_pagesource__fit(source, length_bytes, align_bytes);
        CAIRN_CHECK(base != 0, "growth did not make room", source, __func__);
    }
    CAIRN_ASSERT(cairn_is_aligned(base, align_bytes));
    *is_zeroed = cairn_pagesource__remove(source, base, length_bytes);
    source->stats.outstanding_bytes += length_bytes;
    cairn_decay_shrunk(&source->decay, source->stats.free_dirty_bytes);
    return base;
}

void *cairn_pagesource_alloc(struct cairn_pagesource *source, size_t length_bytes,
                             size_t align_bytes, bool *is_zeroed)
{
    bool is_fresh = false;
    uintptr_t base;

    if (!cairn_is_pow2(align_bytes) || align_bytes > length_max_bytes ||
        !round_length(source, length_bytes, &length_bytes))
        return NULL;
    align_bytes = cairn_max(align_bytes, cairn_pagesource__page(source));
    cairn_lock_take(&source->lock);
    cairn_pagesource__observe_break(source);
    base = take_block(source, length_bytes, align_bytes, &is_fresh);
    cairn_lock_release(&source->lock);
    if (base != 0 && is_zeroed != NULL)
        *is_zeroed = is_fresh;
    return (void *)base;
}

/* --- giving back --------------------------------------------------------------------------------------------- */

/* Stops the program unless the range can be a block, or a part of one. */
static void check_block(const struct cairn_pagesource *source, uintptr_t base, size_t length_bytes,
                        const char *where)
{
    CAIRN_CHECK(cairn_is_aligned(base, cairn_pagesource__page(source)) && base != 0,
                "pointer is not page-aligned", (void *)base, where);
    CAIRN_CHECK(!cairn_pagesource__overlaps(source, base, length_bytes), "memory is already free",
                (void *)base, where);
    CAIRN_CHECK(length_bytes <= source->stats.outstanding_bytes &&
                    cairn_pagesource__segment_of(source, base) ==
                        cairn_pagesource__segment_of(source, base + length_bytes - 1),
                "memory is not of this page source", (void *)base, where);
}

static void insert_dirty(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes,
                         uint32_t origin)
{
    struct cairn_pagesource_extent extent = {base, length_bytes, origin, 0};

    if (length_bytes != 0)
        cairn_pagesource__insert(source, extent);
}

/* Takes a block of the data segment back. What others took away is only counted. */
static void give_break(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    uintptr_t end = base + length_bytes;
    uintptr_t kept_end = cairn_max(base, cairn_min(end, source->lost_base));

    source->stats.brk_bytes -= end - kept_end;
    insert_dirty(source, base, kept_end - base, CAIRN_EXTENT_BREAK);
}

/* A mapped block came back: its size is likely to be asked for again. */
static void learn(struct cairn_pagesource *source, size_t length_bytes)
{
    size_t max_bytes = source->config.map_threshold_max_bytes;

    if (length_bytes >= source->stats.map_threshold_bytes && length_bytes <= max_bytes)
        source->stats.map_threshold_bytes =
            cairn_min(max_bytes, length_bytes + cairn_pagesource__page(source));
}

static void give_mapped(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    struct cairn_pagesource_extent pending = {base, length_bytes, CAIRN_EXTENT_MAPPED,
                                              CAIRN_EXTENT_PENDING};
    bool is_too_large = length_bytes >= source->stats.map_threshold_bytes &&
                        length_bytes > cairn_pagesource__retain_max_bytes(source);

    if (!is_too_large) {
        insert_dirty(source, base, length_bytes, CAIRN_EXTENT_MAPPED);
        return;
    }
    if (cairn_pagesource__unmap(source, base, length_bytes))
        source->stats.mapped_bytes -= length_bytes;
    else
        cairn_pagesource__insert(source, pending);
}

/* Takes a block or a part of one back, and trims. */
static void give_block(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes,
                       const char *where)
{
    cairn_pagesource__observe_break(source);
    check_block(source, base, length_bytes, where);
    source->stats.outstanding_bytes -= length_bytes;
    if (cairn_pagesource__segment_of(source, base) != NULL) {
        give_break(source, base, length_bytes);
    } else {
        learn(source, length_bytes);
        give_mapped(source, base, length_bytes);
    }
    cairn_pagesource__trim(source);
}

void cairn_pagesource_free(struct cairn_pagesource *source, void *base, size_t length_bytes)
{
    size_t rounded = 0;

    CAIRN_CHECK(round_length(source, length_bytes, &rounded), "length is not of a block", base,
                __func__);
    cairn_lock_take(&source->lock);
    give_block(source, (uintptr_t)base, rounded, __func__);
    cairn_lock_release(&source->lock);
}

/* --- resizing ------------------------------------------------------------------------------------------------ */

/* The end of the free run that begins at `end` and has the block's origin; `end` itself if there is none. */
static uintptr_t free_until(const struct cairn_pagesource *source, uintptr_t end, uint32_t origin)
{
    size_t idx = cairn_pagesource__index(source, end);

    if (idx == source->extent_count || source->extents[idx].base != end ||
        source->extents[idx].origin != origin)
        return end;
    return cairn_extent_end(&source->extents[cairn_pagesource__run_last(source, idx)]);
}

/* Extends a block over the free memory behind it, which the data segment may first get more of. */
static bool extend(struct cairn_pagesource *source, uintptr_t base, size_t old_bytes,
                   size_t new_bytes)
{
    bool is_break = cairn_pagesource__segment_of(source, base) != NULL;
    uint32_t origin = is_break ? CAIRN_EXTENT_BREAK : CAIRN_EXTENT_MAPPED;
    uintptr_t old_end = base + old_bytes;
    uintptr_t new_end = base + new_bytes;
    uintptr_t free_end = free_until(source, old_end, origin);

    if (free_end < new_end &&
        (!is_break || !cairn_pagesource__extend_break(source, free_end, new_end - free_end)))
        return false;
    cairn_pagesource__remove(source, old_end, new_end - old_end);
    source->stats.outstanding_bytes += new_end - old_end;
    return true;
}

/* Lets the kernel find the room for a mapped block; 0 when it cannot. */
static uintptr_t remap_block(struct cairn_pagesource *source, uintptr_t base, size_t old_bytes,
                             size_t new_bytes, bool may_move)
{
    size_t more_bytes = new_bytes - old_bytes;
    uintptr_t moved;

    if (cairn_pagesource__segment_of(source, base) != NULL ||
        !cairn_pagesource__may_hold(source, more_bytes))
        return 0;
    moved = cairn_pagesource__remap(source, base, old_bytes, new_bytes, may_move);
    if (moved == 0) {
        cairn_pagesource__shrink_table(source);
        return 0;
    }
    cairn_pagesource__count_held(source, CAIRN_EXTENT_MAPPED, more_bytes);
    source->stats.outstanding_bytes += more_bytes;
    return moved;
}

static uintptr_t resize_block(struct cairn_pagesource *source, uintptr_t base, size_t old_bytes,
                              size_t new_bytes, bool may_move)
{
    cairn_pagesource__observe_break(source);
    check_block(source, base, old_bytes, "cairn_pagesource_resize");
    if (new_bytes == old_bytes)
        return base;
    if (new_bytes < old_bytes) {
        give_block(source, base + new_bytes, old_bytes - new_bytes, "cairn_pagesource_resize");
        return base;
    }
    if (extend(source, base, old_bytes, new_bytes))
        return base;
    return remap_block(source, base, old_bytes, new_bytes, may_move);
}

void *cairn_pagesource_resize(struct cairn_pagesource *source, void *base, size_t old_bytes,
                              size_t new_bytes, size_t align_bytes, bool may_move)
{
    uintptr_t resized;

    if (!round_length(source, new_bytes, &new_bytes))
        return NULL;
    CAIRN_CHECK(round_length(source, old_bytes, &old_bytes), "length is not of a block", base,
                __func__);
    /* The kernel aligns what it moves to pages only. */
    may_move = may_move && align_bytes <= cairn_pagesource__page(source);
    cairn_lock_take(&source->lock);
    resized = resize_block(source, (uintptr_t)base, old_bytes, new_bytes, may_move);
    cairn_lock_release(&source->lock);
    return (void *)resized;
}
