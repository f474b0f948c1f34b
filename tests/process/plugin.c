/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/* A shared library that allocates when it is loaded, when it is used, per thread, and when it is
   unloaded. */
#include <stdlib.h>
#include <string.h>

char *plugin_make(size_t size);
void plugin_drop(char *block);

static char *held;
static _Thread_local char *per_thread;

__attribute__((constructor)) static void load(void)
{
    held = malloc(3000);
    if (held != NULL)
        memset(held, 'h', 3000);
}

__attribute__((destructor)) static void unload(void)
{
    free(held);
    free(per_thread);
}

__attribute__((visibility("default"))) char *plugin_make(size_t size)
{
    free(per_thread);
    per_thread = malloc(size);
    char *block = malloc(size);
    if (block != NULL)
        memset(block, 'p', size);
    return block;
}

__attribute__((visibility("default"))) void plugin_drop(char *block)
{
    free(block);
}
