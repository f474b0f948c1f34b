/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * adapter_logging.c - an adapter that writes a line on stderr for each call.
 */

#include <cairn/stack/adapters.h>

#include <cairn/base/syscall.h>

#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[CAIRN_EDGE_COUNT] = {
    [CAIRN_EDGE_PAGES] = "cairn pages",
    [CAIRN_EDGE_SLABS] = "cairn slabs",
    [CAIRN_EDGE_BLOCKS] = "cairn blocks",
};

/* By a raw system call: errno is the program's. */
static void write_line(void *self, const char *line, size_t line_bytes)
{
    (void)self;
    (void)cairn_syscall3(SYS_write, STDERR_FILENO, line, line_bytes);
}

struct cairn_source cairn_adapter_logging(enum cairn_stack_edge edge, struct cairn_source below)
{
    static struct cairn_logging adapters[CAIRN_EDGE_COUNT];

    const struct cairn_logging_config config = {below, names[edge], write_line, NULL};

    if (cairn_logging_init(&adapters[edge], &config) != 0)
        return below;
    return cairn_logging_as_source(&adapters[edge]);
}
