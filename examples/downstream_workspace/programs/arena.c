/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* A whole heap inside one buffer, with a hard cap. */

#include <stdio.h>
#include <string.h>

#include <cairn/arena.h>

static char buffer[64 << 10];

int main(void)
{
    struct cairn_arena *arena = cairn_arena_init(buffer, sizeof(buffer));
    if (arena == NULL)
        return 1;

    char *text = cairn_arena_alloc(arena, 6);
    if (text == NULL)
        return 1;
    memcpy(text, "hello", 6);
    text = cairn_arena_realloc(arena, text, 4000);
    if (text == NULL || strcmp(text, "hello") != 0)
        return 1;
    printf("%s from %zu bytes\n", text, cairn_arena_stats(arena).buffer_bytes);

    if (cairn_arena_alloc(arena, sizeof(buffer)) != NULL)
        return 1; /* more than there is */
    cairn_arena_free(arena, text);
    return 0;
}
