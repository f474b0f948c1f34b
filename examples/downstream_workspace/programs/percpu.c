/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Caches of free buffers, one per CPU, before a source that a lock protects. */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include <cairn/buffer.h>
#include <cairn/locked.h>
#include <cairn/percpu.h>

enum { BUFFER_BYTES = 2048, ROUNDS = 10000 };

static _Alignas(4096) char memory[16 << 20];
static _Alignas(64) char state[4 << 20];
static struct cairn_buffer bytes;
static struct cairn_locked locked;
static struct cairn_percpu caches;

static void *work(void *unused)
{
    (void)unused;
    for (int round = 0; round < ROUNDS; round++) {
        char *buffer = cairn_percpu_alloc(&caches, 0);
        if (buffer == NULL)
            return &caches;
        buffer[0] = 'x';
        cairn_percpu_free(&caches, 0, buffer);
    }
    return NULL;
}

int main(void)
{
    static const uint32_t block_bytes[] = {BUFFER_BYTES};
    pthread_t threads[4];
    int failed = 0;

    const struct cairn_buffer_config range = {.base = memory, .length_bytes = sizeof(memory)};
    const struct cairn_locked_config around = {
        .below = cairn_buffer_as_source(&bytes),
        .rank = CAIRN_RANK_PAGES,
    };
    if (cairn_buffer_init(&bytes, &range) != 0 || cairn_locked_init(&locked, &around) != 0)
        return 1;

    const struct cairn_percpu_config config = {
        .block_bytes = block_bytes,
        .class_count = 1,
        .source = cairn_locked_as_source(&locked),
        .state = state,
        .state_bytes = sizeof(state),
    };
    if (cairn_percpu_init(&caches, &config) != 0)
        return 1;

    for (int i = 0; i < 4; i++)
        failed |= pthread_create(&threads[i], NULL, work, NULL) != 0;
    for (int i = 0; i < 4; i++) {
        void *result = NULL;
        failed |= pthread_join(threads[i], &result) != 0 || result != NULL;
    }
    printf("%u shards, %s\n", cairn_percpu_stats(&caches).shard_count,
           cairn_percpu_stats(&caches).reason);
    cairn_percpu_fini(&caches);
    return failed;
}
