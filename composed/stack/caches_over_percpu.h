/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * caches_over_percpu.h - what the caches with per-CPU arrays have in common, whether they are
 * guarded by restartable sequences or by locks.
 */

#ifndef CAIRN_COMPOSED_STACK_CACHES_OVER_PERCPU_H
#define CAIRN_COMPOSED_STACK_CACHES_OVER_PERCPU_H

#include <cairn/percpu.h>
#include <cairn/stack.h>

#include <errno.h>

struct cairn_caches {
    struct cairn_percpu percpu;
};

static inline int cairn_caches_init_in_mode(struct cairn_caches *caches,
                                            const struct cairn_caches_config *config,
                                            enum cairn_percpu_mode mode,
                                            struct cairn_percpu_entry *entries,
                                            unsigned entry_count)
{
    static const enum cairn_cpu_id_method ways[] = {CAIRN_CPU_AUTO, CAIRN_CPU_LIBC_RSEQ,
                                                    CAIRN_CPU_GETCPU};
    struct cairn_percpu_config percpu = {
        .block_bytes = config->block_bytes,
        .class_count = config->class_count,
        .shard_count = config->shards != 0 ? config->shards : cairn_cpu_possible_count(),
        .mode = mode,
        .fence = (enum cairn_percpu_fence)config->fence,
        .cpu_id_method = ways[config->cpu],
        .pressure = config->pressure,
        .source = config->source,
        .entries = entries,
        .entry_count = entry_count,
    };
    int error;

    percpu.state_bytes = cairn_percpu_state_bytes(&percpu);
    percpu.state =
        cairn_source_take_one(config->metadata, percpu.state_bytes, CAIRN_CACHE_LINE_BYTES);
    if (percpu.state == NULL)
        return -ENOMEM;
    error = cairn_percpu_init(&caches->percpu, &percpu);
    if (error != 0)
        cairn_source_give_one(config->metadata, percpu.state_bytes, percpu.state);
    return error;
}

static inline void *cairn_caches_alloc(struct cairn_caches *caches, unsigned class_idx)
{
    return cairn_percpu_alloc_slow(&caches->percpu, class_idx);
}

static inline void cairn_caches_free(struct cairn_caches *caches, unsigned class_idx, void *block,
                                     const char *where)
{
    cairn_percpu_free_slow(&caches->percpu, class_idx, block, where);
}

static inline void cairn_caches_flush(struct cairn_caches *caches, bool may_fence)
{
    if (may_fence)
        cairn_percpu_flush(&caches->percpu);
    else
        cairn_percpu_flush_own(&caches->percpu);
}

static inline void cairn_caches_age(struct cairn_caches *caches)
{
    cairn_percpu_age(&caches->percpu);
}

static inline void cairn_caches_flush_idle(struct cairn_caches *caches)
{
    cairn_percpu_flush_idle(&caches->percpu);
}

static inline bool cairn_caches_close(struct cairn_caches *caches)
{
    return cairn_percpu_close(&caches->percpu);
}

static inline void cairn_caches_repair(struct cairn_caches *caches)
{
    cairn_percpu_repair(&caches->percpu);
}

static inline void cairn_caches_reopen(struct cairn_caches *caches)
{
    cairn_percpu_reopen(&caches->percpu);
}

static inline bool cairn_caches_suspend(const struct cairn_caches *caches)
{
    return cairn_percpu_suspend(&caches->percpu);
}

static inline void cairn_caches_resume(const struct cairn_caches *caches)
{
    cairn_percpu_resume(&caches->percpu);
}

static inline struct cairn_caches_stats cairn_caches_stats(struct cairn_caches *caches)
{
    struct cairn_percpu_stats stats = cairn_percpu_stats(&caches->percpu);

    return (struct cairn_caches_stats){
        .mode = cairn_percpu_mode_name(stats.mode),
        .reason = stats.reason,
        .cpu = cairn_cpu_id_method_name(stats.cpu_id_method),
        .shard_count = stats.shard_count,
        .cached_bytes = stats.cached_bytes + stats.depot_bytes,
    };
}

static inline void cairn_caches_check(struct cairn_caches *caches)
{
    cairn_percpu_check(&caches->percpu);
}

#endif
