/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/* Allocates, and says whether the kernel gave this process more rights than its caller has. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(void)
{
    void *volatile block = malloc(100);
    free(block);
    printf("secure %lu\n", getauxval(AT_SECURE));
    return block == NULL;
}
