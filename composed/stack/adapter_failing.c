/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * adapter_failing.c - an adapter that refuses takes when told to.
 */

#include <cairn/stack/adapters.h>

static struct cairn_failing adapters[CAIRN_EDGE_COUNT];

struct cairn_source cairn_adapter_failing(enum cairn_stack_edge edge, struct cairn_source below)
{
    const struct cairn_failing_config config = {.below = below};

    if (cairn_failing_init(&adapters[edge], &config) != 0)
        return below;
    return cairn_failing_as_source(&adapters[edge]);
}

struct cairn_failing *cairn_adapter_failing_at(enum cairn_stack_edge edge)
{
    return &adapters[edge];
}
