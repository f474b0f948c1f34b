/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* The stack says what it is; and first fit gives the lowest place that was freed. */

#include <cairn/malloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    struct cairn_malloc_stats stats;
    char *low = malloc(300000);
    char *high = malloc(300000);

    cairn_malloc_stats(&stats, sizeof(stats));
    printf("stack %s\n", stats.stack);
    if (strcmp(stats.stack, "first_fit") != 0 || low >= high)
        return 1;
    free(low);
    return malloc(300000) != low;
}
