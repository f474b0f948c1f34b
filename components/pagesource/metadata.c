/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * metadata.c - memory for metadata: regions between guards, and reservations in them.
 *
 * Idea. A write past the end of a block must not reach metadata. So metadata lies in regions of its
 * own, and a page that nothing may touch is on either side of each, whatever the kernel puts next
 * to it:
 *
 *     | guard |  reservation  | reservation |   spare   | guard |        1 MiB, shared by small reservations
 *     | guard |            reservation              | guard |            its own, from 512 KiB on
 *
 * A region is mapped without access, guards and all, and what is between them is opened. Spare
 * pieces are kept by length and zeroed before they are kept, so that what is given out reads as
 * zero. They are not merged: metadata is rarely given back.
 *
 * Each region has a node that records it, in a list. A region of its own has no other: that node is
 * the reservation's. The node of a region was there before the region was, so regions that end in
 * the opposite order of their making end while their records can still be read, though nodes lie in
 * regions.
 *
 * Cost: O(log n); four system calls for each region.
 */

#include "extents.h"

#include <cairn/base/check.h>

#include <string.h>

enum { SHARED_BYTES = 1024 * 1024, SMALL_MAX_BYTES = 512 * 1024 };

/* --- the list of regions ---------------------------------------------------------------------- */

/* The neighbours of a region: newer, older. A region's node is in no tree by length, so it has
   these links to spare. */
static uint32_t *links_of(const struct cairn_pagesource *source, uint32_t id)
{
    return cairn_extent_node(source, id)->links[1];
}

static void push_region(struct cairn_pagesource *source, uint32_t id)
{
    links_of(source, id)[0] = 0;
    links_of(source, id)[1] = source->regions;
    if (source->regions != 0)
        links_of(source, source->regions)[0] = id;
    source->regions = id;
}

static void remove_region(struct cairn_pagesource *source, uint32_t id)
{
    uint32_t newer = links_of(source, id)[0];
    uint32_t older = links_of(source, id)[1];

    if (newer != 0)
        links_of(source, newer)[1] = older;
    else
        source->regions = older;
    if (older != 0)
        links_of(source, older)[0] = newer;
}

/* --- regions ---------------------------------------------------------------------------------- */

/* How much address space a region takes. */
static size_t span_bytes(const struct cairn_pagesource *source, size_t length_bytes)
{
    return length_bytes + 2 * cairn_pagesource_page_bytes(source);
}

/* Maps a region; what is between its guards, or 0 when refused. Under the lock: nodes may depend on
   it. */
static uintptr_t map_region(struct cairn_pagesource *source, size_t length_bytes)
{
    const struct cairn_os *os = &source->config.os;
    size_t bytes = span_bytes(source, length_bytes);
    uintptr_t base = (uintptr_t)os->ops->map(os->self, bytes, false);
    uintptr_t middle = base + cairn_pagesource_page_bytes(source);

    cairn_pagesource_count_call(source, &source->stats.map_calls, base == 0);
    if (base == 0)
        return 0;
    if (os->ops->protect(os->self, (void *)middle, length_bytes, true) == 0) {
        /* With the guards, so that those of two regions side by side are one mapping to the
           kernel. */
        os->ops->mark_metadata(os->self, (void *)base, bytes);
        source->stats.metadata_bytes += bytes;
        return middle;
    }
    source->stats.refused_calls++;
    if (os->ops->unmap(os->self, (void *)base, bytes) != 0) {
        uint32_t id =
            cairn_pagesource_new_node(source, middle, middle + length_bytes, CAIRN_EXTENT_METADATA);

        source->stats.metadata_bytes += bytes; /* never opened; ends with the source */
        push_region(source, id);
    }
    return 0;
}

/* Makes a region and its record; the number of the record, or 0. */
static uint32_t new_region(struct cairn_pagesource *source, size_t length_bytes)
{
    uintptr_t base = map_region(source, length_bytes);
    uint32_t id;

    if (base == 0)
        return 0;
    id = cairn_pagesource_new_node(source, base, base + length_bytes, CAIRN_EXTENT_METADATA);
    cairn_extent_node(source, id)->flags = CAIRN_EXTENT_REGION;
    push_region(source, id);
    return id;
}

/* Makes all of a region spare. Takes a node. */
static void add_spare(struct cairn_pagesource *source, const struct cairn_pagesource_node *region)
{
    cairn_pagesource_make_free(source, cairn_pagesource_new_node(source, region->base, region->end,
                                                                 CAIRN_EXTENT_METADATA));
}

/* Makes a region for small reservations, all of it spare; false when refused. */
static bool add_shared_region(struct cairn_pagesource *source)
{
    uint32_t id = new_region(source, SHARED_BYTES);

    if (id != 0)
        add_spare(source, cairn_extent_node(source, id));
    return id != 0;
}

/* Unmaps a region that is off the list. Leaves the lock. */
static bool unmap_region(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    size_t bytes = span_bytes(source, length_bytes);

    if (!cairn_pagesource_os_unmap(source, base - cairn_pagesource_page_bytes(source), bytes))
        return false;
    source->stats.metadata_bytes -= bytes;
    return true;
}

void cairn_pagesource_end_metadata(struct cairn_pagesource *source)
{
    while (source->regions != 0) {
        const struct cairn_pagesource_node node = *cairn_extent_node(source, source->regions);

        source->regions = node.links[1][1];
        (void)unmap_region(source, node.base, cairn_node_bytes(&node));
    }
}

/* --- reservations ----------------------------------------------------------------------------- */

/* A piece cut out of what is spare; 0 when none is long enough. */
static uint32_t cut_spare(struct cairn_pagesource *source, size_t length_bytes, size_t align_bytes)
{
    uintptr_t start = 0;
    uint32_t id =
        cairn_pagesource_fit_in(source, CAIRN_TREE_SPARE, true, length_bytes, align_bytes, &start);

    if (id != 0)
        id = cairn_pagesource_carve(source, id, start, start + length_bytes);
    return id;
}

uint32_t cairn_pagesource_take_metadata(struct cairn_pagesource *source, size_t length_bytes,
                                        size_t align_bytes)
{
    bool is_small = length_bytes < SMALL_MAX_BYTES;
    uint32_t id = is_small ? cut_spare(source, length_bytes, align_bytes) : 0;

    if (id == 0 && is_small && add_shared_region(source))
        id = cut_spare(source, length_bytes, align_bytes);
    if (id == 0)
        id = new_region(source, cairn_align_up(length_bytes, cairn_pagesource_page_bytes(source)));
    return id != 0 ? id : cut_spare(source, length_bytes, align_bytes);
}

/* To cache lines below a page, else to pages. */
static bool round_length(const struct cairn_pagesource *source, size_t length_bytes,
                         size_t *rounded)
{
    size_t page_bytes = cairn_pagesource_page_bytes(source);
    size_t granule_bytes = length_bytes < page_bytes ? CAIRN_CACHE_LINE_BYTES : page_bytes;

    return length_bytes != 0 && cairn_try_align_up(length_bytes, granule_bytes, rounded) &&
           *rounded <= SIZE_MAX / 2;
}

static uint32_t try_reserve(struct cairn_pagesource *source, size_t length_bytes,
                            size_t align_bytes)
{
    uint32_t id = 0;

    if (cairn_pagesource_promise_nodes(source)) {
        id = cairn_pagesource_take_metadata(source, length_bytes, align_bytes);
        cairn_pagesource_end_promise(source);
    }
    return id;
}

void *cairn_pagesource_reserve_aligned(struct cairn_pagesource *source, size_t length_bytes,
                                       size_t align_bytes)
{
    size_t rounded = 0;
    void *base = NULL;
    uint32_t id;

    if (!round_length(source, length_bytes, &rounded))
        return NULL;
    if (rounded >= cairn_pagesource_page_bytes(source))
        align_bytes = cairn_pagesource_page_bytes(source);
    cairn_lock_take(&source->lock);
    do
        id = try_reserve(source, rounded, align_bytes);
    while (id == 0 && cairn_pagesource_relieve(source));
    if (id != 0) {
        base = (void *)cairn_extent_node(source, id)->base;
        cairn_pagesource_tree_add(source, CAIRN_TREE_RESERVED, id);
        source->stats.reserved_bytes += length_bytes;
    }
    cairn_lock_release(&source->lock);
    return base;
}

void *cairn_pagesource_reserve(struct cairn_pagesource *source, size_t length_bytes)
{
    return cairn_pagesource_reserve_aligned(source, length_bytes, CAIRN_CACHE_LINE_BYTES);
}

/* Makes a piece read as zero; one of whole pages costs no memory then if the kernel agrees. */
static void empty(struct cairn_pagesource *source, uintptr_t base, size_t length_bytes)
{
    if (!cairn_is_aligned(base | length_bytes, cairn_pagesource_page_bytes(source)) ||
        !cairn_pagesource_os_purge(source, base, length_bytes))
        memset((void *)base, 0, length_bytes);
}

/* Ends a region of its own. When the kernel refuses, its record stays, and what it holds becomes
   spare if there is a node for that. */
static void give_region(struct cairn_pagesource *source, uint32_t id)
{
    struct cairn_pagesource_node *node = cairn_extent_node(source, id);

    remove_region(source, id);
    if (unmap_region(source, node->base, cairn_node_bytes(node))) {
        cairn_pagesource_end_node(source, id);
        return;
    }
    empty(source, node->base, cairn_node_bytes(node));
    push_region(source, id);
    if (cairn_pagesource_may_take_nodes(source, 1))
        add_spare(source, node);
}

/* True when a reservation of that length is what the node says. */
static bool is_length_of(const struct cairn_pagesource *source,
                         const struct cairn_pagesource_node *node, size_t length_bytes)
{
    size_t rounded = 0;

    if (!round_length(source, length_bytes, &rounded) ||
        length_bytes > source->stats.reserved_bytes)
        return false;
    if ((node->flags & CAIRN_EXTENT_REGION) != 0)
        rounded = cairn_align_up(rounded, cairn_pagesource_page_bytes(source));
    return rounded == cairn_node_bytes(node);
}

void cairn_pagesource_unreserve(struct cairn_pagesource *source, void *base, size_t length_bytes)
{
    const struct cairn_pagesource_node *node;
    uint32_t id;

    cairn_lock_take(&source->lock);
    id = cairn_pagesource_tree_at(source, CAIRN_TREE_RESERVED, (uintptr_t)base);
    CAIRN_CHECK(id != 0, "memory is not reserved", base, __func__);
    node = cairn_extent_node(source, id);
    CAIRN_CHECK(node->base == (uintptr_t)base && is_length_of(source, node, length_bytes),
                "length is not of the reservation", base, __func__);
    cairn_pagesource_tree_remove(source, CAIRN_TREE_RESERVED, id);
    source->stats.reserved_bytes -= length_bytes;
    if ((node->flags & CAIRN_EXTENT_REGION) != 0) {
        give_region(source, id);
    } else {
        empty(source, node->base, cairn_node_bytes(node));
        cairn_pagesource_make_free(source, id);
    }
    cairn_lock_release(&source->lock);
}
