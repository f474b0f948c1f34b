/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * percpu_state.h - what lies in the state of a percpu beside the shards; where, shard.h says. Valid
 * in C++ too, for the tests.
 */

#ifndef CAIRN_PERCPU_STATE_H
#define CAIRN_PERCPU_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>
#include <cairn/base/lock.h>

/* What happened to one array: since its limit last changed, and lately. */
struct cairn_percpu_history {
    bool has_refilled;
    bool has_flushed;
    uint8_t idle_after_ticks; /* ticks without a miss before the array counts as idle */
    bool has_missed;          /* in this epoch */
};

/*
 * What a thread needs before it may touch a shard. These stand close together, apart
 * from the shards, so that forks and statistics go through them without faulting in the
 * shards of idle CPUs. Two cache lines each, because processors fetch lines in pairs.
 */
struct cairn_percpu_header {
    struct cairn_lock lock; /* rank CAIRN_RANK_SHARD, which shard.h knows: this is zeroed memory */
    uint32_t used;          /* the shard holds or held something */
    uint32_t contended;     /* times that it was found locked: approximate */
    uint32_t misses;        /* refills and overflows; wraps */
    uint32_t misses_seen;   /* at the last check whether the shard is idle */
    uint32_t pressure_seen;
    uint32_t steal_cursor;  /* the class where the search for idle arrays goes on */
    size_t extra_bytes;     /* the limits of all arrays, beyond their first batches */
    const void *stopped_by; /* who stopped it together with others: only compared */
    uint32_t older_used;    /* 1 + the shard that came into use before this one; 0: none did */
    uint32_t epoch_seen;    /* the last one whose end was noticed here */
    char apart[72];
} CAIRN_CACHE_ALIGNED;

/* What changes and is of no shard. In the state, so that a fork writes to one page
   alone. */
struct cairn_percpu_common {
    uint32_t newest_used;     /* 1 + the shard that came into use last; 0: none did */
    uint32_t shards_pressure; /* at the last search for idle shards */
    uint32_t epoch;           /* counted by cairn_percpu_age(); wraps */
    bool has_seen;            /* the last close noted the array headers: there were other threads */
    bool is_closed;           /* between cairn_percpu_close() and cairn_percpu_reopen() */
    char apart[114];
} CAIRN_CACHE_ALIGNED;

#endif
