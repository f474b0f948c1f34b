/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Equal blocks, carved from one static buffer. */

#include <stdio.h>

#include <cairn/pool.h>

struct message {
    char text[120];
};

static _Alignas(16) char memory[256 << 10];
static _Alignas(64) char state[64 << 10];

int main(void)
{
    struct cairn_pool *pool =
        cairn_pool_init_over(state, sizeof(state), sizeof(struct message), memory, sizeof(memory));
    if (pool == NULL)
        return 1;

    struct message *message = cairn_pool_alloc(pool);
    if (message == NULL)
        return 1;
    message->text[0] = 'x';
    printf("%zu message in use\n", cairn_pool_stats(pool).used_count);

    cairn_pool_free(pool, message);
    cairn_pool_fini_over(pool);
    return 0;
}
