/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * blocks.c - prints how many blocks of 1000 bytes malloc gives before it refuses.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1000, BLOCKS_MAX = 100000, REFUSALS = 3 };

int main(void)
{
    char line[32];
    int count = 0;
    int refusals = 0;
    int length;

    while (count < BLOCKS_MAX && refusals < REFUSALS) {
        if (malloc(BLOCK_BYTES) != NULL)
            count++;
        else
            refusals++;
    }
    length = snprintf(line, sizeof(line), "%d\n", count); /* stdio would allocate a buffer */
    return write(1, line, (size_t)length) == length ? 0 : 1;
}
