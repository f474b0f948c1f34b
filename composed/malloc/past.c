/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * past.c - blocks that were freed while the heap was closed: kept in arrays until it is open.
 *
 *     first (static)      | used | next | p p 0 p . . . . |
 *                                   |
 *     mapped when full              +-> | used | next | p . . . . . . |
 *
 * A thread takes the next slot of the first array that has one, and stores its block there; the
 * thread that frees them exchanges each slot for NULL. A slot can still be filled from before the
 * arrays were emptied: then the next thread that gets it finds it taken, and tries another. Arrays
 * are never unmapped, so a thread that is stopped in the middle holds nothing up.
 *
 * A thread that kept a block looks again whether the heap is open, and frees what is kept then: no
 * block is forgotten.
 *
 * Threads: safe, lock-free.
 */

#include "composed/malloc/frontend.h"

#include <cairn/base/atomic.h>
#include <cairn/base/check.h>

#include "composed/backend/backend.h"

enum { SLOTS = 510 };

struct array {
    uint32_t used; /* slots given to threads, or more */
    uint32_t unused;
    struct array *next;
    void *slots[SLOTS];
};

static struct array first;
bool cairn_past_any_kept;

static bool put(struct array *array, void *block)
{
    while (cairn_load_relaxed(&array->used) < SLOTS) {
        uint32_t idx = cairn_add_relaxed(&array->used, 1u);
        void *expected = NULL;

        if (idx < SLOTS && cairn_cas_release(&array->slots[idx], &expected, block))
            return true;
    }
    return false;
}

/* The array behind this one, made if need be; NULL when there is no memory. */
static struct array *after(struct array *array)
{
    struct cairn_pagesource *pages = &cairn_heap_backend()->pages;
    struct array *next = cairn_load_acquire(&array->next);
    struct array *expected = NULL;

    if (next != NULL)
        return next;
    next = cairn_pagesource_map_past(pages, sizeof(*next));
    if (next == NULL || cairn_cas_release(&array->next, &expected, next))
        return next;
    cairn_pagesource_unmap_past(pages, next, sizeof(*next));
    return cairn_load_acquire(&array->next);
}

void cairn_past_keep(void *block)
{
    struct array *array = &first;

    while (array != NULL && !put(array, block))
        array = after(array);
    cairn_store_release(&cairn_past_any_kept, true);
}

void cairn_past_free_kept(void)
{
    cairn_store_relaxed(&cairn_past_any_kept, false);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (struct array *array = &first; array != NULL; array = cairn_load_acquire(&array->next)) {
        for (size_t idx = 0; idx < SLOTS; idx++) {
            void *block = cairn_load_relaxed(&array->slots[idx]);

            if (block == NULL)
                continue;
            block = cairn_exchange_acquire(&array->slots[idx], NULL);
            if (block != NULL)
                cairn_heap_free(block, "free");
        }
        cairn_store_relaxed(&array->used, 0u);
    }
}

CAIRN_COLD void cairn_past_forget(void)
{
    if (!cairn_past_any_kept && first.used == 0) /* what is not written is not copied */
        return;
    cairn_past_any_kept = false;
    for (struct array *array = &first; array != NULL; array = array->next) {
        for (size_t idx = 0; idx < SLOTS; idx++)
            array->slots[idx] = NULL;
        array->used = 0;
    }
}
