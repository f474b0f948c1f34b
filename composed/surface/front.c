/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * front.c - what is the same for every stack: start, fork, zeroed and aligned blocks, and changing
 * a block's size.
 */

#include "composed/surface/front.h"

#include <cairn/base/align.h>
#include <cairn/base/check.h>
#include <cairn/base/lock.h>
#include <cairn/classes.h>

#include <pthread.h>
#include <string.h>

#include "composed/ground/ground.h"
#include "composed/surface/report.h"

/* A block that shrinks stays where it is until it would waste more than half. */

static struct cairn_lock start_lock = CAIRN_LOCK_INIT(CAIRN_RANK_STACK);

static void prefork(void)
{
    cairn_lock_fork_take(&start_lock);
    cairn_front_lock_all();
    cairn_lock_fork_begin(); /* handlers that were registered before ours run now, and may allocate */
}

static void postfork(void)
{
    cairn_lock_fork_end();
    cairn_front_unlock_all();
    cairn_lock_fork_release(&start_lock);
}

CAIRN_COLD bool cairn_front_start(bool *is_ready,
                                  int (*build)(const struct cairn_conf_values *conf))
{
    struct cairn_conf_values conf = {{0}};
    bool is_first = false;

    cairn_lock_take(&start_lock);
    if (!*is_ready) {
        cairn_conf_load(&conf);
        is_first = build(&conf) == 0;
        cairn_report_at_exit(conf.value[CAIRN_CONF_STATS] != 0);
        cairn_store_release(is_ready,
                            is_first); /* pairs with the acquire at the head of every call */
    }
    cairn_lock_release(&start_lock);
    /* After the release, for pthread_atfork() may allocate. */
    if (is_first)
        pthread_atfork(prefork, postfork, postfork);
    return cairn_load_acquire(is_ready);
}

/* A program that never allocates still has its options read, and its statistics printed. */
static __attribute__((constructor)) void start_at_load(void)
{
    (void)cairn_front_ground();
}

void *cairn_front_alloc_zeroed(size_t size_bytes)
{
    bool is_zeroed = false;
    void *block;

    if (size_bytes <= CAIRN_CLASS_BYTES_MAX) {
        block = cairn_front_alloc(size_bytes);
    } else {
        struct cairn_ground *ground = cairn_front_ground();

        block = ground == NULL ? NULL : cairn_ground_alloc(ground, size_bytes, 1, &is_zeroed);
    }
    if (CAIRN_LIKELY(block != NULL) && !is_zeroed)
        memset(block, 0, size_bytes);
    return block;
}

void *cairn_front_alloc_aligned(size_t size_bytes, size_t align_bytes)
{
    struct cairn_ground *ground = cairn_front_ground();

    if (ground == NULL)
        return NULL;
    if (size_bytes <= CAIRN_CLASS_BYTES_MAX && align_bytes <= CAIRN_CLASS_BYTES_MAX) {
        unsigned class_idx = cairn_class_of_aligned(size_bytes, align_bytes);

        if (class_idx < CAIRN_CLASS_COUNT)
            return cairn_front_alloc_class(class_idx);
    }
    return cairn_ground_alloc(ground, cairn_max(size_bytes, 1), align_bytes, NULL);
}

/* In place, or by moving pages: for blocks above the size classes that stay above them. */
static void *resize_pages(void *block, size_t old_bytes, size_t new_bytes)
{
    struct cairn_ground *ground = cairn_front_ground();

    if (old_bytes <= CAIRN_CLASS_BYTES_MAX || new_bytes <= CAIRN_CLASS_BYTES_MAX)
        return NULL;
    return cairn_ground_resize(ground, block, cairn_pagemap_tag(&ground->map, block), new_bytes);
}

static void *move(void *block, size_t old_bytes, size_t new_bytes, const char *where)
{
    void *moved = cairn_front_alloc(new_bytes);

    if (moved == NULL) /* the block as it is will do for less */
        return new_bytes <= old_bytes ? block : NULL;
    memcpy(moved, block, cairn_min(old_bytes, new_bytes));
    cairn_front_free(block, where);
    return moved;
}

void *cairn_front_resize(void *block, size_t size_bytes, const char *where)
{
    size_t old_bytes = cairn_front_usable_bytes(block, where);
    void *resized;

    if (cairn_front_stays(old_bytes, size_bytes))
        return block;
    resized = resize_pages(block, old_bytes, size_bytes);
    return resized != NULL ? resized : move(block, old_bytes, size_bytes, where);
}
