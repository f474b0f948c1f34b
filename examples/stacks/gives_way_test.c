/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Whose block is it? The sanitizer's where there is one, cairn's elsewhere. */

#include <cairn/malloc.h>

#include <stdio.h>
#include <stdlib.h>

/* The sanitizers' own question. */
extern int __sanitizer_get_ownership(const volatile void *block) __attribute__((weak));

int main(void)
{
    void *volatile block = malloc(100);
    int has_sanitizer = __sanitizer_get_ownership != NULL;
    int is_sanitizers = has_sanitizer && __sanitizer_get_ownership(block);
    int is_cairns = cairn_malloc_is_active != NULL && cairn_malloc_is_active();

    printf("%s sanitizer; the block is the sanitizer's: %d, cairn is active: %d\n",
           has_sanitizer ? "a" : "no", is_sanitizers, is_cairns);
    free(block);
    return is_sanitizers != has_sanitizer || is_cairns == has_sanitizer;
}
