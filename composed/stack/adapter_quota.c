/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * adapter_quota.c - an adapter that caps what may be out above an edge.
 */

#include <cairn/stack/adapters.h>

static struct cairn_quota adapters[CAIRN_EDGE_COUNT];

struct cairn_source cairn_adapter_quota(enum cairn_stack_edge edge, struct cairn_source below)
{
    const struct cairn_quota_config config = {.below = below};

    if (cairn_quota_init(&adapters[edge], &config) != 0)
        return below;
    return cairn_quota_as_source(&adapters[edge]);
}

struct cairn_quota *cairn_adapter_quota_at(enum cairn_stack_edge edge)
{
    return &adapters[edge];
}
