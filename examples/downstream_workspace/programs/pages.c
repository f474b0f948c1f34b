/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Memory from the kernel, by brk or mmap, whichever suits the size. */

#include <stdio.h>

#include <cairn/pagesource.h>

static struct cairn_pagesource pages;

int main(void)
{
    bool is_zeroed = false;

    if (cairn_pagesource_init(&pages, NULL) != 0)
        return 1;

    char *small = cairn_pagesource_alloc(&pages, 64 << 10, 4096, &is_zeroed);
    char *large = cairn_pagesource_alloc(&pages, 64 << 20, 4096, &is_zeroed);
    if (small == NULL || large == NULL)
        return 1;
    small[0] = large[0] = 'x';

    const struct cairn_pagesource_stats stats = cairn_pagesource_stats(&pages);
    printf("%zu bytes by brk, %zu by mmap\n", stats.brk_bytes, stats.mapped_bytes);

    cairn_pagesource_free(&pages, small, 64 << 10);
    cairn_pagesource_free(&pages, large, 64 << 20);
    cairn_pagesource_fini(&pages);
    return 0;
}
