/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Runs of any length from one static buffer. */

#include <stdio.h>

#include <cairn/buddy.h>

static _Alignas(4096) char memory[1 << 20];
static _Alignas(64) char state[16384];

int main(void)
{
    struct cairn_buddy *buddy = (struct cairn_buddy *)state;
    const struct cairn_buddy_config config = {
        .granule_bytes = 256,
        .state_bytes = sizeof(state),
        .base = memory,
        .length_bytes = sizeof(memory),
    };

    if (cairn_buddy_init(buddy, &config) != 0)
        return 1;

    char *run = cairn_buddy_alloc(buddy, 5 * 256, 256, NULL);
    if (run == NULL)
        return 1;
    run[5 * 256 - 1] = 'x';
    printf("%zu of %zu bytes in use\n", cairn_buddy_stats(buddy).used_bytes, sizeof(memory));

    cairn_buddy_free(buddy, run, 5 * 256);
    cairn_buddy_fini(buddy);
    return 0;
}
