/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Wrong: memory that was used is mapped again as it is. */

#include <cairn/stack.h>

#include <string.h>

static struct cairn_os kernel;

static void *map_dirty(void *self, size_t length_bytes, bool is_accessible)
{
    void *base = kernel.ops->map(self, length_bytes, is_accessible);

    if (base != NULL && is_accessible)
        memset(base, 0xa5, length_bytes);
    return base;
}

struct cairn_os cairn_stack_pages(void)
{
    static struct cairn_os_ops ops;

    kernel = cairn_os_linux();
    ops = *kernel.ops;
    ops.map = map_dirty;
    return (struct cairn_os){&ops, kernel.self};
}
