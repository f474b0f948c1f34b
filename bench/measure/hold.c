/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * hold.c - 10,000 blocks of 4 KiB, written to, and held until exit. A program whose peak is known.
 */

#include <stdlib.h>
#include <string.h>

enum { BLOCKS = 10000, BLOCK_BYTES = 4096 };

static void *blocks[BLOCKS];

int main(void)
{
    for (size_t idx = 0; idx < BLOCKS; idx++) {
        blocks[idx] = malloc(BLOCK_BYTES);
        if (blocks[idx] == NULL)
            return EXIT_FAILURE;
        memset(blocks[idx], 1, BLOCK_BYTES);
    }
    return EXIT_SUCCESS;
}
