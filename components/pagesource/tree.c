/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * tree.c - nodes and ordered sets of them.
 *
 * Idea. A node is a number. Nodes lie in pieces that never move; the first is part of the struct,
 * and each further one doubles the number of nodes:
 *
 *     piece     0        1         2
 *     node   0 ... 63 | 64 ... 191 | 192 ... 447 | ...         64 << k in piece k: a logarithm finds the piece
 *
 * The sets are treaps: ordered as search trees by a key, and as heaps by a priority that is a hash
 * of the node's number, so that they are as deep as random search trees whatever comes in which
 * order. There is no rotation: a new node is put where its priority belongs, and the tree below it
 * is split by its key; an old one leaves, and its two trees are joined.
 *
 * Promises. A call that takes memory makes sure of all nodes that it may need before it begins, for
 * it cannot stop in between. Three more are always left, with which a region of metadata for the
 * next piece can be recorded.
 *
 * Cost: O(log n), expected. Source: Seidel and Aragon, "Randomized search trees", 1996.
 */

#include "extents.h"

#include <cairn/base/check.h>

enum { FIRST = CAIRN_PAGESOURCE_INLINE_NODES, NODES_FOR_GROWTH = 3 };

/* --- nodes ------------------------------------------------------------------------------------ */

/* How many nodes are there for calls that were promised none. */
static size_t unpromised(const struct cairn_pagesource *source)
{
    size_t capacity = ((size_t)FIRST << source->piece_count) - FIRST;

    return capacity - source->node_top + source->node_free_count - source->node_promised_count;
}

static bool add_piece(struct cairn_pagesource *source)
{
    size_t bytes = ((size_t)FIRST << source->piece_count) * sizeof(*source->inline_nodes);
    struct cairn_pagesource_node *node;
    uint32_t id;

    if (source->piece_count == CAIRN_PAGESOURCE_PIECES)
        return false;
    id = cairn_pagesource_take_metadata(source, cairn_align_up(bytes, CAIRN_CACHE_LINE_BYTES),
                                        CAIRN_CACHE_LINE_BYTES);
    if (id == 0)
        return false;
    node = cairn_extent_node(source, id);
    source->pieces[source->piece_count++] = (struct cairn_pagesource_node *)node->base;
    source->stats.table_bytes += cairn_node_bytes(node);
    if ((node->flags & CAIRN_EXTENT_REGION) == 0)
        cairn_pagesource_end_node(source, id);
    return true;
}

bool cairn_pagesource_may_take_nodes(struct cairn_pagesource *source, uint32_t count)
{
    return unpromised(source) >= count + NODES_FOR_GROWTH || add_piece(source);
}

bool cairn_pagesource_promise_nodes(struct cairn_pagesource *source)
{
    if (!cairn_pagesource_may_take_nodes(source, CAIRN_NODES_PER_CALL))
        return false;
    source->node_promised_count += CAIRN_NODES_PER_CALL;
    return true;
}

void cairn_pagesource_end_promise(struct cairn_pagesource *source)
{
    CAIRN_ASSERT(source->node_promised_count >= CAIRN_NODES_PER_CALL);
    source->node_promised_count -= CAIRN_NODES_PER_CALL;
}

uint32_t cairn_pagesource_new_node(struct cairn_pagesource *source, uintptr_t base, uintptr_t end,
                                   uint32_t origin)
{
    uint32_t id = source->node_free;

    if (id != 0) {
        source->node_free = cairn_extent_node(source, id)->links[0][0];
        source->node_free_count--;
    } else {
        CAIRN_CHECK(source->node_top < ((size_t)FIRST << source->piece_count) - FIRST,
                    "nodes of the page source run out", (void *)source, __func__);
        id = source->node_top++;
    }
    *cairn_extent_node(source, id) = (struct cairn_pagesource_node){
        .base = base, .end = end, .fresh_base = end, .fresh_end = end, .origin = origin};
    return id;
}

void cairn_pagesource_end_node(struct cairn_pagesource *source, uint32_t id)
{
    cairn_extent_node(source, id)->links[0][0] = source->node_free;
    source->node_free = id;
    source->node_free_count++;
}

/* --- trees ------------------------------------------------------------------------------------ */

/* The links of a node in a tree: lower, higher. */
static uint32_t *links_of(const struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                          uint32_t id)
{
    static const uint8_t place[CAIRN_PAGESOURCE_TREES] = {0, 0, 0, 1, 2, 3, 1};

    return cairn_extent_node(source, id)->links[place[tree]];
}

static uint32_t priority(uint32_t id)
{
    id *= 0x9e3779b1u;
    id ^= id >> 15;
    id *= 0x85ebca77u;
    return id ^ id >> 13;
}

static bool is_before(const struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                      uint32_t id, size_t measure, uintptr_t base)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    size_t own = cairn_pagesource_measure(node, tree);

    return own != measure ? own < measure : node->base < base;
}

void cairn_pagesource_tree_add(struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                               uint32_t id)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    size_t measure = cairn_pagesource_measure(node, tree);
    uint32_t *place = &source->roots[tree];
    uint32_t *sides[2]; /* where what is lower belongs, and what is higher */
    uint32_t rest;

    while (*place != 0 && priority(*place) > priority(id))
        place =
            &links_of(source, tree, *place)[is_before(source, tree, *place, measure, node->base)];
    rest = *place;
    *place = id;
    sides[0] = &links_of(source, tree, id)[0];
    sides[1] = &links_of(source, tree, id)[1];
    while (rest != 0) {
        bool is_low = is_before(source, tree, rest, measure, node->base);
        uint32_t *side = &links_of(source, tree, rest)[is_low];

        *sides[!is_low] = rest;
        sides[!is_low] = side;
        rest = *side;
    }
    *sides[0] = *sides[1] = 0;
}

void cairn_pagesource_tree_remove(struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                                  uint32_t id)
{
    const struct cairn_pagesource_node *node = cairn_extent_node(source, id);
    size_t measure = cairn_pagesource_measure(node, tree);
    uint32_t *place = &source->roots[tree];
    uint32_t low = links_of(source, tree, id)[0];
    uint32_t high = links_of(source, tree, id)[1];

    while (*place != id) {
        CAIRN_CHECK(*place != 0, "node is not in its tree", (void *)node->base, __func__);
        place =
            &links_of(source, tree, *place)[is_before(source, tree, *place, measure, node->base)];
    }
    while (low != 0 && high != 0) {
        bool is_low_above = priority(low) > priority(high);
        uint32_t *side = is_low_above ? &low : &high;

        *place = *side;
        place = &links_of(source, tree, *side)[is_low_above];
        *side = *place;
    }
    *place = low + high;
}

/* The last node before a place in the order, or the first that is not; 0 when there is none. */
static uint32_t beside(const struct cairn_pagesource *source, enum cairn_pagesource_tree tree,
                       size_t measure, uintptr_t base, bool is_before_it)
{
    uint32_t found = 0;

    for (uint32_t id = source->roots[tree]; id != 0;) {
        bool is_low = is_before(source, tree, id, measure, base);

        found = is_low == is_before_it ? id : found;
        id = links_of(source, tree, id)[is_low];
    }
    return found;
}

uint32_t cairn_pagesource_tree_from(const struct cairn_pagesource *source,
                                    enum cairn_pagesource_tree tree, size_t measure, uintptr_t base)
{
    return beside(source, tree, measure, base, false);
}

uint32_t cairn_pagesource_tree_below(const struct cairn_pagesource *source,
                                     enum cairn_pagesource_tree tree, size_t measure,
                                     uintptr_t base)
{
    return beside(source, tree, measure, base, true);
}

uint32_t cairn_pagesource_tree_at(const struct cairn_pagesource *source,
                                  enum cairn_pagesource_tree tree, uintptr_t address)
{
    uint32_t id = cairn_pagesource_tree_below(source, tree, address, address + 1);

    return id != 0 && address < cairn_extent_node(source, id)->end ? id : 0;
}
