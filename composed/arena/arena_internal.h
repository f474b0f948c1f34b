/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * arena_internal.h - what lies at the head of the buffer: private to the arena and its locked form.
 */

#ifndef CAIRN_ARENA_INTERNAL_H
#define CAIRN_ARENA_INTERNAL_H

#include <cairn/arena.h>
#include <cairn/base/lock.h>
#include <cairn/buddy.h>
#include <cairn/pagemap.h>
#include <cairn/pool.h>
#include <cairn/slabs.h>

#include "layout.h"

struct cairn_arena {
    struct cairn_buddy *buddy; /* in the part after this one */
    struct cairn_pagemap pagemap;
    struct cairn_slabs slabs;
    struct cairn_pool *kept;        /* the only pool that may hold an empty slab; or NULL */
    struct cairn_arena_stats stats; /* but for largest_free_bytes, which is asked for when needed */
    struct cairn_arena_layout layout;
    struct cairn_lock lock;    /* of <cairn/arena_locked.h>; the plain calls leave it alone */
    struct cairn_pool pools[]; /* one per class served */
};

#endif
