/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * adapters.h - cairn's own adapters for the edges of a stack, each a library of its name beside
 * this header:
 *
 *     counted   counts calls, blocks and bytes
 *     failing   refuses takes when it is told to: for tests of what a program does without memory
 *     quota     lets no more than so many bytes out; none until one is set
 *     logging   a line on stderr for each call
 *
 *     cairn_malloc(name = "mymalloc", adapters = {"pages": ["@cairn//composed/stack:quota"]})
 *
 * A program that is linked with such a malloc reaches an adapter by its edge. A preloaded malloc
 * has no such names: there, a quota stays unset.
 */

#ifndef CAIRN_STACK_ADAPTERS_H
#define CAIRN_STACK_ADAPTERS_H

#include <cairn/counted.h>
#include <cairn/failing.h>
#include <cairn/logging.h>
#include <cairn/quota.h>
#include <cairn/stack.h>

CAIRN_BEGIN_DECLS

/* What cairn_malloc() calls, once for each edge. */
struct cairn_source cairn_adapter_counted(enum cairn_stack_edge edge, struct cairn_source below);
struct cairn_source cairn_adapter_failing(enum cairn_stack_edge edge, struct cairn_source below);
struct cairn_source cairn_adapter_quota(enum cairn_stack_edge edge, struct cairn_source below);
struct cairn_source cairn_adapter_logging(enum cairn_stack_edge edge, struct cairn_source below);

/* The adapter at an edge, whose own functions say more. Requires: it is there, and the process has
   allocated once. Threads: safe. */
struct cairn_counted *cairn_adapter_counted_at(enum cairn_stack_edge edge);
struct cairn_failing *cairn_adapter_failing_at(enum cairn_stack_edge edge);
struct cairn_quota *cairn_adapter_quota_at(enum cairn_stack_edge edge);

CAIRN_END_DECLS

#endif
