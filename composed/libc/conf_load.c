/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * conf_load.c - where the option strings come from.
 *
 * The first allocation of a process may come before libc knows its environment: from the dynamic
 * loader, or from a constructor that runs earlier than libc's. The environment is on the stack all
 * the same, where the kernel put it:
 *
 *     __libc_stack_end -> | argc | argv[0] ... argv[argc-1] | NULL | environment ... | NULL |
 *
 * A libc without that symbol is asked for its environ, and where that is still empty the defaults
 * hold.
 */

#include "composed/libc/conf.h"

#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cairn/malloc.h>

#include <cairn/base/text.h>

/* The initial stack pointer: glibc's loader sets it first of all. Weak: other libcs have none. */
extern void *__libc_stack_end __attribute__((weak));

static char **environment(void)
{
    long argument_count;
    char **arguments;

    if (environ != NULL)
        return environ;
    if (&__libc_stack_end == NULL || __libc_stack_end == NULL)
        return NULL;
    argument_count = *(const long *)__libc_stack_end;
    arguments = (char **)__libc_stack_end + 1;
    return arguments + argument_count + 1;
}

static const char *from_environment(void)
{
    static const char variable[] = "CAIRN_CONF=";

    for (char **entry = environment(); entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, variable, sizeof(variable) - 1) == 0)
            return *entry + sizeof(variable) - 1;
    return NULL;
}

void cairn_conf_load(struct cairn_conf_values *values)
{
    const char *text;

    if (&cairn_conf != NULL && cairn_conf != NULL)
        (void)cairn_conf_parse(values, cairn_conf, cairn_text_to_stderr, NULL);
    if (getauxval(AT_SECURE) != 0)
        return;
    text = from_environment();
    if (text != NULL)
        (void)cairn_conf_parse(values, text, cairn_text_to_stderr, NULL);
}
