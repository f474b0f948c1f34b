/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * adapter_counted.c - an adapter that counts what passes each edge.
 */

#include <cairn/stack/adapters.h>

static struct cairn_counted adapters[CAIRN_EDGE_COUNT];

struct cairn_source cairn_adapter_counted(enum cairn_stack_edge edge, struct cairn_source below)
{
    const struct cairn_counted_config config = {.below = below};

    if (cairn_counted_init(&adapters[edge], &config) != 0)
        return below;
    return cairn_counted_as_source(&adapters[edge]);
}

struct cairn_counted *cairn_adapter_counted_at(enum cairn_stack_edge edge)
{
    return &adapters[edge];
}
