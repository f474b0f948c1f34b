/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

#include "bench/measure/memory.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static FILE *open_of(pid_t thread, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)thread, name);
    return fopen(path, "re");
}

static void read_field(const char *line, const char *name, long *value)
{
    size_t name_bytes = strlen(name);

    if (strncmp(line, name, name_bytes) == 0)
        sscanf(line + name_bytes, "%ld", value);
}

bool memory_read(pid_t thread, struct memory *memory)
{
    FILE *status = open_of(thread, "status");
    long process = 0;
    char line[256];

    *memory = (struct memory){.peak_kib = -1, .now_kib = -1};
    if (status == NULL)
        return false;
    while (fgets(line, sizeof(line), status) != NULL) {
        read_field(line, "Tgid:", &process);
        read_field(line, "VmHWM:", &memory->peak_kib);
        read_field(line, "VmRSS:", &memory->now_kib);
        read_field(line, "Threads:", &memory->threads);
    }
    fclose(status);
    memory->process = (pid_t)process;
    return process > 0;
}

bool memory_maps(pid_t thread, const char *path)
{
    FILE *maps = open_of(thread, "maps");
    char line[PATH_MAX + 128];
    bool is_found = false;

    if (maps == NULL)
        return false;
    while (!is_found && fgets(line, sizeof(line), maps) != NULL) {
        const char *file = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        is_found = file != NULL && strcmp(file, path) == 0;
    }
    fclose(maps);
    return is_found;
}

long memory_system_call(pid_t thread)
{
    FILE *call = open_of(thread, "syscall");
    long number = -1;

    if (call == NULL)
        return -1;
    if (fscanf(call, "%ld", &number) != 1)
        number = -1;
    fclose(call);
    return number;
}
