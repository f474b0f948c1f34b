/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */
/*
 * self.h - what the programs of this folder share: chains of blocks, and what the kernel says of
 * the process. Nothing here allocates: the programs run at the end of their memory.
 */
#ifndef CAIRN_TESTS_MEMORY_SELF_H
#define CAIRN_TESTS_MEMORY_SELF_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Ends the program, with a line that says why. */
static inline void self_fail(const char *what)
{
    ssize_t written = write(2, what, strlen(what));

    written += write(2, "\n", 1);
    (void)written;
    _exit(1);
}

static inline void self_expect(bool condition, const char *what)
{
    if (!condition)
        self_fail(what);
}

static inline void self_sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* A field of /proc/self/status in KiB; -1 when it is not there. */
static inline long self_kib(const char *field)
{
    static char text[8192];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t got = read(file, text, sizeof(text) - 1);
    const char *at;

    close(file);
    text[got > 0 ? got : 0] = '\0';
    at = strstr(text, field);
    return at == NULL ? -1 : atol(at + strlen(field) + 1);
}

/* Copies a file of /proc/self to standard output. */
static inline void self_print(const char *path)
{
    static char text[65536];
    int file = open(path, O_RDONLY);
    ssize_t got;

    while ((got = read(file, text, sizeof(text))) > 0)
        self_expect(write(1, text, (size_t)got) == got, "standard output is closed");
    close(file);
}

/* Blocks that are linked through their first words. */
struct chain {
    void **first;
    size_t count;
};

typedef void *(*take_fn)(size_t bytes);

static inline bool chain_add(struct chain *chain, void *block)
{
    if (block == NULL)
        return false;
    *(void **)block = chain->first;
    chain->first = block;
    chain->count++;
    return true;
}

/* Takes blocks until there are no more, or so many. */
static inline void chain_take(struct chain *chain, take_fn take, size_t bytes, size_t most)
{
    errno = 0;
    while (chain->count < most)
        if (!chain_add(chain, take(bytes)))
            return;
}

static inline void chain_free(struct chain *chain)
{
    while (chain->first != NULL) {
        void **next = *chain->first;

        free(chain->first);
        chain->first = next;
    }
    chain->count = 0;
}

/* Limits a resource to what is used now and so much more. */
static inline void self_limit(const char *kind, size_t more_bytes)
{
    bool is_data = strcmp(kind, "data") == 0;
    rlim_t used = (rlim_t)self_kib(is_data ? "VmData" : "VmSize") << 10;
    const struct rlimit limit = {used + more_bytes, used + more_bytes};

    self_expect(setrlimit(is_data ? RLIMIT_DATA : RLIMIT_AS, &limit) == 0, "setrlimit");
}

#endif
