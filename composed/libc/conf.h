/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * conf.h - options: "key:value,key:value", from the program's `cairn_conf` and from the
 * environment's CAIRN_CONF.
 *
 * The keys are listed in <cairn/malloc.h>. A key or value that is not known is named on stderr,
 * with the nearest one that is, and has no effect; the rest of the string still has. Allocates
 * nothing.
 */

#ifndef CAIRN_COMPOSED_CONF_H
#define CAIRN_COMPOSED_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/malloc.h>

CAIRN_BEGIN_DECLS

enum cairn_conf_key {
    CAIRN_CONF_PAGES = 0, /* index into "auto", "brk", "mmap" */
    CAIRN_CONF_PERCPU,    /* "auto", "lock" */
    CAIRN_CONF_CPU,       /* "auto", "rseq", "getcpu" */
    CAIRN_CONF_FENCE,     /* "asked", "freely", "never" */
    CAIRN_CONF_SHARDS,
    CAIRN_CONF_LIMIT_MIB,
    CAIRN_CONF_RETAIN_MIB,
    CAIRN_CONF_STATS, /* 0 or 1 */
    CAIRN_CONF_THP,   /* "auto", "off", "always" */
    CAIRN_CONF_SOFT_LIMIT_MIB,
    CAIRN_CONF_DECAY_MS,   /* 1 more than it says; CAIRN_CONF_NEVER */
    CAIRN_CONF_BACKGROUND, /* 0 or 1 */
    CAIRN_CONF_KEYS
};

/* Of a time: -1. */
#define CAIRN_CONF_NEVER UINT64_MAX

/* The value of each key; 0 is every key's default. */
struct cairn_conf_values {
    uint64_t value[CAIRN_CONF_KEYS];
};

/* Reads one string into `values`, over what is there. `warn` takes each complaint: one whole
   line. True when there was none. */
bool cairn_conf_parse(struct cairn_conf_values *values, const char *text,
                      cairn_malloc_write_fn warn, void *self);

/*
 * Reads `cairn_conf`, then CAIRN_CONF unless the process runs with raised privileges (AT_SECURE).
 * Warnings go to stderr. Works before libc has set up its environment. Threads: call once.
 */
void cairn_conf_load(struct cairn_conf_values *values);

CAIRN_END_DECLS

#endif
