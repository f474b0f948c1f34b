/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * adapters.c - the adapters of components/source, one object for each edge. The linker keeps those
 * that are used.
 */

#include <cairn/stack/adapters.h>

#include <cairn/base/check.h>

/* An object lies once on an edge: above itself it would call itself for ever. A start that failed
   is tried again, over the same source. */
static void check_once(struct cairn_source before, struct cairn_source below, const char *adapter)
{
    CAIRN_CHECK(before.ops == NULL || (before.ops == below.ops && before.self == below.self),
                "the adapter is on this edge already", below.self, adapter);
}

/* An adapter that needs no more than the source below it. */
#define ADAPTER(name)                                                                              \
    static struct cairn_##name name[CAIRN_EDGE_COUNT];                                             \
                                                                                                   \
    struct cairn_source cairn_adapter_##name(enum cairn_stack_edge edge,                           \
                                             struct cairn_source below)                            \
    {                                                                                              \
        const struct cairn_##name##_config config = {.below = below};                              \
                                                                                                   \
        check_once(name[edge].below, below, __func__);                                             \
        if (cairn_##name##_init(&name[edge], &config) != 0)                                        \
            return below;                                                                          \
        return cairn_##name##_as_source(&name[edge]);                                              \
    }                                                                                              \
                                                                                                   \
    struct cairn_##name *cairn_adapter_##name##_at(enum cairn_stack_edge edge)                     \
    {                                                                                              \
        return &name[edge];                                                                        \
    }

ADAPTER(counted)
ADAPTER(failing)
ADAPTER(quota)

static const char *const names[CAIRN_EDGE_COUNT] = {
    [CAIRN_EDGE_PAGES] = "cairn pages",
    [CAIRN_EDGE_SLABS] = "cairn slabs",
    [CAIRN_EDGE_BLOCKS] = "cairn blocks",
};

struct cairn_source cairn_adapter_logging(enum cairn_stack_edge edge, struct cairn_source below)
{
    static struct cairn_logging adapters[CAIRN_EDGE_COUNT];
    const struct cairn_logging_config config = {below, names[edge], cairn_text_to_stderr, NULL};

    check_once(adapters[edge].config.below, below, __func__);
    if (cairn_logging_init(&adapters[edge], &config) != 0)
        return below;
    return cairn_logging_as_source(&adapters[edge]);
}
