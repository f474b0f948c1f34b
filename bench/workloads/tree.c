/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * tree.c - binary trees that are built, walked and dropped: where an allocator lays the nodes
 * decides how fast the walk is. One tree lives on while the others come and go.
 */

#include "bench/workloads/workload.h"

enum { DEPTH_MOST = 28 };

static uint64_t depth, walks;

struct node {
    struct node *left;
    struct node *right;
    uint64_t number;
};

/* Takes from `left` what it makes; smaller than `levels` allow when that runs out. */
static struct node *build(uint64_t levels, uint64_t *left)
{
    struct node *node;

    if (levels == 0 || *left == 0)
        return NULL;
    --*left;
    node = got(malloc(sizeof(*node)));
    node->number = 1;
    node->left = build(levels - 1, left);
    node->right = build(levels - 1, left);
    return node;
}

static uint64_t count(const struct node *node)
{
    return node == NULL ? 0 : node->number + count(node->left) + count(node->right);
}

static void drop(struct node *node)
{
    if (node == NULL)
        return;
    drop(node->left);
    drop(node->right);
    free(node);
}

static void walk_and_drop(struct node *root, uint64_t node_count)
{
    for (uint64_t walk = 0; walk < walks; walk++)
        if (count(root) != node_count)
            fail("a tree of %zu nodes lost some", (size_t)node_count);
    drop(root);
}

static void work(size_t idx)
{
    uint64_t share = share_of(ops, idx, threads);
    uint64_t left = share;
    struct node *lasting = build(depth, &left);
    uint64_t lasting_count = share - left;

    while (left > 0) {
        uint64_t before = left;
        struct node *root = build(depth, &left);
        walk_and_drop(root, before - left);
    }
    walk_and_drop(lasting, lasting_count);
}

int main(int argument_count, char **arguments)
{
    begin(argument_count, arguments,
          "binary trees built, walked and dropped: one size, many pointers "
          "(ops: nodes made and freed)",
          PARAMETERS(OPS(12000000), THREADS(1), PARAMETER(depth, 15, 1, DEPTH_MOST),
                     PARAMETER(walks, 2, 1, 1 << 20)));
    return run(threads, work);
}
