/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Wrong: the last block that was freed is kept, also when the caches are told to give it back. All
   else is cairn's stack without caches. */

#define cairn_caches_free cairn_caches_free_at_once
#include "composed/stack/caches_none/cairn/stack/caches.h"
#undef cairn_caches_free

static inline void cairn_caches_free(struct cairn_caches *caches, unsigned class_idx, void *block,
                                     const char *where)
{
    static void *kept[UINT8_MAX];
    void *before = kept[class_idx];

    kept[class_idx] = block;
    if (before != NULL)
        cairn_caches_free_at_once(caches, class_idx, before, where);
}
