/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* A block lies in a mapping of the file. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
    char *block = malloc(100000);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    int is_in_file = 0;

    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        uintptr_t from = 0, to = 0;

        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && (uintptr_t)block >= from &&
            (uintptr_t)block < to)
            is_in_file = strstr(line, "/memfd:heap") != NULL;
    }
    printf("%p is %sin the file\n", (void *)block, is_in_file ? "" : "not ");
    free(block);
    return is_in_file ? 0 : 1;
}
