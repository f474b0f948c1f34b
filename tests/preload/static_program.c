/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/* A program into which nothing can be preloaded. */
#include <stdlib.h>

int main(void)
{
    void *volatile block = malloc(100);
    free(block);
    return block == NULL;
}
