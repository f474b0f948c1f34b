/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/* A shared library with components/percpu in it: it takes blocks from caches of its own. */
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cairn/buffer.h>
#include <cairn/locked.h>
#include <cairn/percpu.h>

void *plugin_make(size_t size);
void plugin_drop(void *block);

static struct cairn_buffer buffer;
static struct cairn_locked locked;
static struct cairn_percpu caches;
static char bytes[1 << 20];

__attribute__((constructor)) static void load(void)
{
    static const uint32_t block_bytes[] = {64};
    struct cairn_percpu_config config = {.block_bytes = block_bytes, .class_count = 1};
    const struct cairn_buffer_config range = {.base = bytes, .length_bytes = sizeof bytes};
    const struct cairn_locked_config around = {.below = cairn_buffer_as_source(&buffer)};
    if (cairn_buffer_init(&buffer, &range) != 0 || cairn_locked_init(&locked, &around) != 0)
        abort();
    config.source = cairn_locked_as_source(&locked);
    config.state_bytes = cairn_percpu_state_bytes(&config);
    config.state = mmap(NULL, config.state_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (config.state == MAP_FAILED || cairn_percpu_init(&caches, &config) != 0)
        abort();
}

__attribute__((visibility("default"))) void *plugin_make(size_t size)
{
    (void)size;
    return cairn_percpu_alloc(&caches, 0);
}

__attribute__((visibility("default"))) void plugin_drop(void *block)
{
    cairn_percpu_free(&caches, 0, block);
}
