/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Any program. With the argument "cairn" it fails unless its malloc is cairn's. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cairn/malloc.h>

int main(int argc, char **argv)
{
    char *words[1000];

    for (size_t i = 0; i < 1000; i++) {
        words[i] = malloc(i + 16);
        if (words[i] == NULL)
            return 1;
        snprintf(words[i], i + 16, "word %zu", i);
    }
    for (size_t i = 0; i < 1000; i++)
        free(words[i]);

    const char *whose = cairn_malloc_is_active != NULL ? "cairn" : "libc";
    printf("malloc is %s's\n", whose);
    return argc > 1 && strcmp(argv[1], whose) != 0;
}
