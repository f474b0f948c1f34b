/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* The heap ends with its buffer: malloc says so, and goes on when something is freed. The process
   gets no new memory meanwhile. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 100000, BLOCKS_MAX = 4096 };

/* Pages of address space, as the kernel counts them. */
static long mapped_pages(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (file == NULL || fscanf(file, "%ld", &pages) != 1)
        return -1;
    fclose(file);
    return pages;
}

int main(void)
{
    static void *blocks[BLOCKS_MAX];
    long before = mapped_pages();
    size_t count = 0;

    while (count < BLOCKS_MAX && (blocks[count] = malloc(BLOCK_BYTES)) != NULL)
        count++;
    printf("%zu blocks, then errno %d; %ld pages before, %ld after\n", count, errno, before,
           mapped_pages());
    if (errno != ENOMEM || count < 450 || count > (64u << 20) / BLOCK_BYTES)
        return 1;
    if (before <= 0 || mapped_pages() != before)
        return 1;
    free(blocks[count - 1]);
    blocks[count - 1] = malloc(BLOCK_BYTES);
    return blocks[count - 1] == NULL;
}
