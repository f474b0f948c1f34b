/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * terms.c - the program's options as a configuration of the backend, and the backend's statistics
 * as those of a malloc.
 *
 * The backend knows neither <cairn/malloc.h> nor options.
 */

#include "composed/malloc/frontend.h"

#include <cairn/base/align.h>

#include "composed/backend/backend.h"

static uint32_t decay_ms(uint64_t value)
{
    if (value == CAIRN_CONF_NEVER)
        return UINT32_MAX;
    return value == 0 ? CAIRN_BACKEND_RETAIN_MS : (uint32_t)(value - 1);
}

struct cairn_backend_bounds cairn_frontend_bounds(const struct cairn_conf_values *conf)
{
    return (struct cairn_backend_bounds){
        .retain_bytes = (size_t)conf->value[CAIRN_CONF_RETAIN_MIB] << 20,
        .limit_bytes = (size_t)conf->value[CAIRN_CONF_LIMIT_MIB] << 20,
        .soft_limit_bytes = (size_t)conf->value[CAIRN_CONF_SOFT_LIMIT_MIB] << 20,
        .decay_ms = decay_ms(conf->value[CAIRN_CONF_DECAY_MS]),
        .thp = (enum cairn_thp)conf->value[CAIRN_CONF_THP],
    };
}

struct cairn_backend_config cairn_frontend_backend_config(const struct cairn_conf_values *conf)
{
    return (struct cairn_backend_config){
        .policy = (enum cairn_pagesource_policy)conf->value[CAIRN_CONF_PAGES],
        .bounds = cairn_frontend_bounds(conf),
    };
}

/* By which of the kernel's calls; or the name of what is in the kernel's place, which may have no
   break. */
static const char *pages_name(const struct cairn_pagesource_config *config)
{
    static const char *const names[] = {"auto", "brk", "mmap"};

    return config->os.ops == cairn_os_linux().ops ? names[config->policy] : config->os.ops->name;
}

void cairn_frontend_report_backend(struct cairn_backend *backend, size_t slab_bytes,
                                   struct cairn_malloc_stats *report)
{
    struct cairn_backend_stats stats = cairn_backend_stats(backend);
    const struct cairn_pagesource_stats *pages = &stats.pages;

    report->pages = pages_name(&backend->pages.config);
    report->slab_bytes = slab_bytes;
    report->large_bytes = stats.runs.used_bytes - cairn_min(stats.runs.used_bytes, slab_bytes);
    report->huge_bytes = stats.huge_bytes;
    report->huge_count = stats.huge_count;
    report->run_free_bytes = stats.runs.free_bytes;
    report->run_dirty_bytes = stats.runs.free_dirty_bytes;
    report->page_free_bytes = pages->free_bytes;
    report->brk_bytes = pages->brk_bytes;
    report->mapped_bytes = pages->mapped_bytes;
    report->held_peak_bytes = pages->held_peak_bytes;
    report->reserved_bytes = pages->reserved_bytes + cairn_load_relaxed(&backend->leaf_bytes);
    report->threshold_bytes = pages->map_threshold_bytes;
    report->syscall_count = pages->map_calls + pages->unmap_calls + pages->brk_calls +
                            pages->purge_calls + pages->remap_calls;
    report->refused_count = pages->refused_calls;
}
