/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * cpu_count.c - how many CPU ids there could ever be.
 *
 * The kernel lists the possible CPUs as ranges, "0-3,8-11\n". Only the highest number matters, and
 * that is the highest number in the text, whether it stands alone or ends a range. So the text is
 * read through once, piece by piece, with a few words of state: no buffer has to be large enough
 * for it.
 *
 * Without /sys (a bare chroot, a sandbox) the affinity mask answers, and without that 1. An answer
 * that is too small is no error: ids beyond it are mapped onto the shards below it.
 *
 * Cost. Four system calls and no allocation, for this runs inside the first malloc of a process.
 */

#include "cpu_internal.h"

#include <cairn/base/check.h>
#include <cairn/base/syscall.h>

#include <fcntl.h>
#include <sys/syscall.h>

/* Linux builds for at most 8192 CPUs; a number far beyond is not a CPU. */
enum { ID_LIMIT = 1 << 20, PIECE_BYTES = 256, MASK_WORDS = 128, WORD_BITS = 64 };

static void end_number(struct cpu_list *list)
{
    if (!list->in_number) {
        list->malformed = true;
        return;
    }
    if (list->number > list->highest)
        list->highest = list->number;
    list->any = true;
    list->in_number = false;
    list->number = 0;
}

static void feed_separator(struct cpu_list *list)
{
    end_number(list);
    list->in_range = true;
}

/* The kernel ends the text with one; further ones do no harm. */
static void feed_end_of_line(struct cpu_list *list)
{
    if (list->in_number || list->in_range)
        end_number(list);
}

static void feed_digit(struct cpu_list *list, char digit)
{
    list->in_number = true;
    list->in_range = false;
    list->number = list->number * 10 + (unsigned long)(digit - '0');
    if (list->number >= ID_LIMIT) {
        list->malformed = true;
        list->number = 0;
    }
}

void cairn_cpu_list_feed(struct cpu_list *list, const char *text, size_t length_bytes)
{
    for (size_t at = 0; at < length_bytes && !list->malformed; at++) {
        char c = text[at];

        if (c >= '0' && c <= '9')
            feed_digit(list, c);
        else if (c == '-' || c == ',')
            feed_separator(list);
        else if (c == '\n')
            feed_end_of_line(list);
        else
            list->malformed = true;
    }
}

unsigned cairn_cpu_list_end(struct cpu_list *list)
{
    feed_end_of_line(list);
    if (list->malformed || !list->any)
        return 0;
    CAIRN_ASSERT(list->highest < ID_LIMIT);
    return (unsigned)list->highest + 1;
}

unsigned cairn_cpu_count_file(const char *path)
{
    struct cpu_list list = {0, 0, false, false, false, false};
    char piece[PIECE_BYTES];
    long fd = cairn_syscall4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    long got;

    if (fd < 0)
        return 0;
    do {
        got = cairn_syscall3(SYS_read, fd, piece, sizeof(piece));
        if (got > 0)
            cairn_cpu_list_feed(&list, piece, (size_t)got);
    } while (got > 0);
    cairn_syscall1(SYS_close, fd);
    return cairn_cpu_list_end(&list);
}

unsigned cairn_cpu_count_affinity(void)
{
    uint64_t mask[MASK_WORDS];
    long got = cairn_syscall3(SYS_sched_getaffinity, 0, sizeof(mask), mask);

    if (got <= 0)
        return 0;
    CAIRN_ASSERT((size_t)got <= sizeof(mask));
    for (size_t word = (size_t)got / sizeof(mask[0]); word-- > 0;)
        if (mask[word] != 0)
            return (unsigned)(word * WORD_BITS) + WORD_BITS - (unsigned)__builtin_clzll(mask[word]);
    return 0;
}

/* The system call answers with the size of the kernel's own masks. */
unsigned cairn_cpu_id_bound(void)
{
    uint64_t mask[MASK_WORDS];
    long got = cairn_syscall3(SYS_sched_getaffinity, 0, sizeof(mask), mask);

    return got > 0 ? (unsigned)got * 8u : 0;
}

unsigned cairn_cpu_possible_count(void)
{
    unsigned count = cairn_cpu_count_file(CPU_POSSIBLE_PATH);

    if (count == 0)
        count = cairn_cpu_count_affinity();
    return count > 0 ? count : 1;
}
