/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pairs.c - pairs of malloc and free of one size, whose instructions somebody counts.
 *
 *     pairs BYTES WARM COUNT
 *
 *     WARM pairs | SIGTRAP | COUNT pairs        the signal only with PAIRS_STOP in the environment
 *
 * The calls go through pointers that were read before: no stub of the linker lies between the loop
 * and malloc, so whatever runs outside of this program belongs to malloc, and then to free.
 */

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static void play(void *(*make)(size_t bytes), void (*drop)(void *block), size_t bytes,
                 uint64_t count)
{
    for (; count > 0; count--) {
        volatile char *block = make(bytes);
        if (block == NULL)
            _Exit(1);
        *block = 1;
        drop((void *)(uintptr_t)block);
    }
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0') {
        fprintf(stderr, "pairs: not a number: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 4) {
        fputs("usage: pairs BYTES WARM COUNT\n", stderr);
        return 2;
    }
    size_t bytes = number(arguments[1]);
    uint64_t warm_count = number(arguments[2]);
    uint64_t count = number(arguments[3]);

    play(malloc, free, bytes, warm_count);
    if (getenv("PAIRS_STOP") != NULL)
        raise(SIGTRAP);
    play(malloc, free, bytes, count);
    return 0;
}
