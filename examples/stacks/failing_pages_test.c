/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* What a program does without memory can be tried at any place of it. */

#include <cairn/stack/adapters.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    struct cairn_failing *pages;
    void *block = malloc(5 << 20);

    pages = cairn_adapter_failing_at(CAIRN_EDGE_PAGES);
    cairn_failing_plan(pages, 0, UINT64_MAX);
    errno = 0;
    if (malloc(5 << 20) != NULL || errno != ENOMEM)
        return 1;
    printf("%llu takes failed\n", (unsigned long long)cairn_failing_seen(pages));
    free(block);
    cairn_failing_plan(pages, 0, 0);
    block = malloc(5 << 20);
    free(block);
    return block == NULL;
}
