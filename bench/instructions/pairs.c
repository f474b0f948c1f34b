/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * pairs.c - pairs of malloc and free of one size, whose instructions are counted.
 *
 *     pairs BYTES WARM COUNT
 *
 *     WARM pairs | SIGTRAP | COUNT pairs        the signal only with PAIRS_STOP in the environment
 *
 * The calls go through pointers that were read before: no stub of the linker lies between the loop
 * and malloc, so whatever runs outside of this program belongs to malloc, and then to free.
 * Exit status: 0; 1 when there is no memory; 2 for a wrong call.
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

int main(int argument_count, char **arguments)
{
    uint64_t numbers[4] = {0}; /* by their place */

    for (int idx = 1; idx < 4 && argument_count == 4; idx++) {
        char *end;
        numbers[idx] = strtoull(arguments[idx], &end, 10);
        if (*arguments[idx] < '0' || *arguments[idx] > '9' || *end != '\0') {
            fprintf(stderr, "pairs: not a number: %s\n", arguments[idx]);
            return 2;
        }
    }
    if (argument_count != 4) {
        fputs("usage: pairs BYTES WARM COUNT\n", stderr);
        return 2;
    }
    play(malloc, free, numbers[1], numbers[2]);
    if (getenv("PAIRS_STOP") != NULL)
        raise(SIGTRAP);
    play(malloc, free, numbers[1], numbers[3]);
    return 0;
}
