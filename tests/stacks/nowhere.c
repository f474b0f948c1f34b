/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* nowhere.c - an adapter that forgets to return a source. */

#include <cairn/stack.h>

struct cairn_source cairn_adapter_nowhere(enum cairn_stack_edge edge, struct cairn_source below);

struct cairn_source cairn_adapter_nowhere(enum cairn_stack_edge edge, struct cairn_source below)
{
    (void)edge, (void)below;
    return (struct cairn_source){NULL, NULL};
}
