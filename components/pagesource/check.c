/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * check.c - every invariant that pagesource.h names, walked.
 *
 * I3 (a fresh stretch reads as zero) is not walked: reading would make it cost memory. The tests
 * read.
 */

#include "extents.h"

#include <cairn/base/check.h>

/* What the nodes say, to be compared with what was kept step by step. */
struct sums {
    struct cairn_pagesource_stats free; /* only what runs add up to */
    size_t count[CAIRN_PAGESOURCE_TREES];
    size_t bytes[CAIRN_PAGESOURCE_TREES];
    size_t origin_bytes[CAIRN_EXTENT_METADATA + 1]; /* of runs and blocks */
    size_t region_bytes;
    size_t span_bytes;
};

typedef void visitor(const struct cairn_pagesource *source, struct sums *sums,
                     const struct cairn_pagesource_node *node);

/* Every node of a tree in order. */
static void walk(const struct cairn_pagesource *source, struct sums *sums,
                 enum cairn_pagesource_tree tree, visitor *visit)
{
    const struct cairn_pagesource_node *node;
    uint32_t id = cairn_pagesource_tree_from(source, tree, 0, 0);

    while (id != 0) {
        node = cairn_extent_node(source, id);
        CAIRN_INVARIANT(node->base != 0 && node->base < node->end);
        sums->count[tree]++;
        sums->bytes[tree] += cairn_node_bytes(node);
        if (visit != NULL)
            visit(source, sums, node);
        id = cairn_pagesource_tree_from(source, tree, cairn_pagesource_measure(node, tree),
                                        node->base + 1);
    }
}

/* I1: whole pages of one origin; nothing else begins within, and nothing that should be one with it
   at the end. */
static void check_range(const struct cairn_pagesource *source,
                        const struct cairn_pagesource_node *node)
{
    const struct cairn_pagesource_segment *segment =
        cairn_pagesource_segment_of(source, node->base);
    uint32_t next = cairn_pagesource_tree_from(source, CAIRN_TREE_FREE, node->base + 1, 0);
    uint32_t next_block = cairn_pagesource_tree_from(source, CAIRN_TREE_BLOCKS, node->base + 1, 0);

    CAIRN_INVARIANT(cairn_is_aligned(node->base | node->end, cairn_pagesource_page_bytes(source)));
    CAIRN_INVARIANT(node->base <= node->fresh_base && node->fresh_base <= node->fresh_end &&
                    node->fresh_end <= node->end);
    CAIRN_INVARIANT((node->origin == CAIRN_EXTENT_BREAK) == (segment != NULL));
    CAIRN_INVARIANT(segment == NULL || node->end <= segment->end);
    CAIRN_INVARIANT(next == 0 || cairn_extent_node(source, next)->base >= node->end);
    CAIRN_INVARIANT(next_block == 0 || cairn_extent_node(source, next_block)->base >= node->end);
}

static void check_run(const struct cairn_pagesource *source, struct sums *sums,
                      const struct cairn_pagesource_node *node)
{
    uint32_t next = cairn_pagesource_tree_at(source, CAIRN_TREE_FREE, node->end);

    check_range(source, node);
    CAIRN_INVARIANT(next == 0 || cairn_extent_node(source, next)->origin != node->origin);
    CAIRN_INVARIANT(node->origin != CAIRN_EXTENT_BREAK ||
                    (node->flags == 0 && node->end <= source->lost_base));
    sums->origin_bytes[node->origin] += cairn_node_bytes(node);
    sums->free.free_dirty_bytes += cairn_node_dirty_bytes(node);
    if ((node->flags & CAIRN_EXTENT_PENDING) != 0)
        sums->free.unmap_pending_bytes += cairn_node_bytes(node);
    for (enum cairn_pagesource_tree tree = CAIRN_TREE_DIRTY; tree <= CAIRN_TREE_MIXED; tree++)
        sums->count[tree] -= cairn_pagesource_measure(node, tree) != 0;
}

static void check_block(const struct cairn_pagesource *source, struct sums *sums,
                        const struct cairn_pagesource_node *node)
{
    check_range(source, node);
    sums->origin_bytes[node->origin] += cairn_node_bytes(node);
}

/* The sum of the segments. I4: none lies below the guard. */
static size_t check_segments(const struct cairn_pagesource *source)
{
    size_t bytes = 0;

    CAIRN_INVARIANT(source->segment_count <= CAIRN_PAGESOURCE_SEGMENTS);
    CAIRN_INVARIANT(source->segment_count == 0 || source->config.policy != CAIRN_PAGESOURCE_MMAP);
    for (size_t idx = 0; idx < source->segment_count; idx++) {
        const struct cairn_pagesource_segment *segment = &source->segments[idx];

        CAIRN_INVARIANT(segment->base < segment->end);
        CAIRN_INVARIANT(
            cairn_is_aligned(segment->base | segment->end, cairn_pagesource_page_bytes(source)));
        CAIRN_INVARIANT(idx == 0 || source->segments[idx - 1].end < segment->base);
        CAIRN_INVARIANT(source->break_guard != 0 && source->break_guard <= segment->base);
        bytes += segment->end - segment->base;
    }
    return bytes;
}

/* I2 and I7, and that what was kept step by step is what is there. */
static void check_sums(const struct cairn_pagesource *source, const struct sums *sums)
{
    const struct cairn_pagesource_stats *stats = &source->stats;
    size_t held_bytes = cairn_pagesource_held_bytes(source);
    size_t charged_bytes = cairn_load_relaxed(&source->charged_bytes);
    size_t segment_bytes = check_segments(source);
    bool is_lost = source->lost_base != UINTPTR_MAX;

    CAIRN_INVARIANT(sums->count[CAIRN_TREE_FREE] == stats->free_extent_count);
    CAIRN_INVARIANT(sums->bytes[CAIRN_TREE_FREE] == stats->free_bytes);
    CAIRN_INVARIANT(sums->free.free_dirty_bytes == stats->free_dirty_bytes);
    CAIRN_INVARIANT(sums->free.unmap_pending_bytes == stats->unmap_pending_bytes);
    CAIRN_INVARIANT(sums->bytes[CAIRN_TREE_BLOCKS] == stats->outstanding_bytes + stats->lost_bytes);
    CAIRN_INVARIANT(held_bytes == stats->outstanding_bytes + stats->free_bytes +
                                      stats->transit_bytes + stats->lost_bytes);
    CAIRN_INVARIANT(sums->origin_bytes[CAIRN_EXTENT_BREAK] <= stats->brk_bytes);
    CAIRN_INVARIANT(sums->origin_bytes[CAIRN_EXTENT_MAPPED] <= stats->mapped_bytes);
    CAIRN_INVARIANT(is_lost ? stats->brk_bytes <= segment_bytes
                            : stats->brk_bytes == segment_bytes);
    CAIRN_INVARIANT(stats->held_peak_bytes >= held_bytes && charged_bytes >= held_bytes);
    CAIRN_INVARIANT(source->flight_count != 0 || stats->transit_bytes == 0);
    CAIRN_INVARIANT(source->config.limit_bytes == 0 ||
                    charged_bytes <=
                        cairn_max(source->config.limit_bytes, source->limited_at_bytes));
}

/* The regions hold what is reserved, spare, and our own; and every node is in use, in the list of
   free ones, or promised. */
static void check_metadata(const struct cairn_pagesource *source, struct sums *sums)
{
    size_t free_count = 0;

    for (uint32_t id = source->regions; id != 0;) {
        const struct cairn_pagesource_node *node = cairn_extent_node(source, id);

        CAIRN_INVARIANT(node->origin == CAIRN_EXTENT_METADATA);
        sums->region_bytes += cairn_node_bytes(node);
        sums->span_bytes += cairn_node_bytes(node) + 2 * cairn_pagesource_page_bytes(source);
        id = node->links[1][1];
    }
    CAIRN_INVARIANT(sums->region_bytes >= sums->bytes[CAIRN_TREE_RESERVED] +
                                              sums->bytes[CAIRN_TREE_SPARE] +
                                              source->stats.table_bytes);
    CAIRN_INVARIANT(source->flight_count != 0 || sums->span_bytes == source->stats.metadata_bytes);
    CAIRN_INVARIANT(sums->bytes[CAIRN_TREE_RESERVED] >= source->stats.reserved_bytes);
    for (uint32_t id = source->node_free; id != 0; free_count++)
        id = cairn_extent_node(source, id)->links[0][0];
    CAIRN_INVARIANT(free_count == source->node_free_count);
}

void cairn_pagesource_check(struct cairn_pagesource *source)
{
    struct sums sums = {.region_bytes = 0};

    cairn_lock_take(&source->lock);
    walk(source, &sums, CAIRN_TREE_FREE, check_run);
    walk(source, &sums, CAIRN_TREE_BLOCKS, check_block);
    for (enum cairn_pagesource_tree tree = CAIRN_TREE_RESERVED; tree <= CAIRN_TREE_SPARE; tree++)
        walk(source, &sums, tree, NULL);
    for (enum cairn_pagesource_tree tree = CAIRN_TREE_DIRTY; tree <= CAIRN_TREE_MIXED; tree++)
        CAIRN_INVARIANT(sums.count[tree] == 0);
    check_sums(source, &sums);
    check_metadata(source, &sums);
    cairn_lock_release(&source->lock);
}
