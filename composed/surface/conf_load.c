/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * conf_load.c - where the option strings come from.
 *
 * The first allocation of a process may come from the dynamic loader, before libc knows its
 * environment. Then the environment is read from /proc/self/environ; a process without /proc runs
 * on its defaults.
 */

#include "composed/surface/conf.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cairn/base/syscall.h>
#include <cairn/malloc.h>

enum { CONF_BYTES_MAX = 1024, READ_BYTES = 4096 };

static const char variable[] = "CAIRN_CONF=";

static void warn_on_stderr(const char *line, unsigned long line_bytes)
{
    cairn_syscall3(SYS_write, 2, line, line_bytes);
}

/* Finds "CAIRN_CONF=..." at the start of one of the NUL-terminated strings that arrive in pieces. */
struct finder {
    char found[CONF_BYTES_MAX];
    size_t
        matched; /* bytes of `variable` seen at the start of this string; more: inside the value */
    size_t used;
    int is_lost; /* this string is another variable */
};

/* True when the value is complete. */
static int feed(struct finder *finder, char byte)
{
    size_t name_bytes = sizeof(variable) - 1;

    if (byte == '\0') {
        int is_complete = finder->matched == name_bytes && !finder->is_lost;

        finder->matched = 0;
        finder->is_lost = 0;
        return is_complete;
    }
    if (finder->is_lost)
        return 0;
    if (finder->matched < name_bytes) {
        finder->is_lost = byte != variable[finder->matched];
        finder->matched++;
    } else if (finder->used < CONF_BYTES_MAX - 1) {
        finder->found[finder->used++] = byte;
    }
    return 0;
}

static const char *read_proc(struct finder *finder)
{
    char piece[READ_BYTES];
    long file = cairn_syscall4(SYS_openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC, 0);
    const char *found = NULL;

    if (file < 0)
        return NULL;
    while (found == NULL) {
        long count = cairn_syscall3(SYS_read, file, piece, READ_BYTES);

        if (count <= 0)
            break;
        for (long at = 0; at < count && found == NULL; at++)
            if (feed(finder, piece[at]))
                found = finder->found;
    }
    cairn_syscall1(SYS_close, file);
    return found;
}

static const char *from_environment(struct finder *finder)
{
    if (environ == NULL)
        return read_proc(finder);
    for (char **entry = environ; *entry != NULL; entry++)
        if (strncmp(*entry, variable, sizeof(variable) - 1) == 0)
            return *entry + sizeof(variable) - 1;
    return NULL;
}

void cairn_conf_load(struct cairn_conf_values *values)
{
    struct finder finder;
    const char *text;

    memset(&finder, 0, sizeof(finder));
    if (&cairn_conf != NULL && cairn_conf != NULL)
        cairn_conf_parse(values, cairn_conf, warn_on_stderr);
    if (getauxval(AT_SECURE) != 0)
        return;
    text = from_environment(&finder);
    if (text != NULL)
        cairn_conf_parse(values, text, warn_on_stderr);
}
