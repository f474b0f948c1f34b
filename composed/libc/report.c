/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * report.c - the functions of <cairn/malloc.h>, and the statistics as a table or as JSON.
 *
 * One list of fields serves both: a name, a sentence, and the offset of the number.
 */

#include "composed/libc/conf.h"
#include "composed/malloc/frontend.h"
#include "composed/libc/sanitizer.h"
#include <cairn/base/text.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cairn/base/syscall.h>

struct field {
    const char *name;
    const char *meaning;
    size_t offset;
};

#define FIELD(name, meaning)                                                                       \
    {                                                                                              \
#name, meaning, offsetof(struct cairn_malloc_stats, name)                                  \
    }

static const struct field words[] = {
    FIELD(stack, "layers in use"),
    FIELD(mode, "guard of the per-CPU caches"),
    FIELD(reason, "why"),
    FIELD(cpu, "how the current CPU is found"),
    FIELD(pages, "policy of the page source, or another pages layer"),
};

static const struct field numbers[] = {
    FIELD(allocated_bytes, "in blocks that the program holds"),
    FIELD(cached_bytes, "free, in per-CPU caches and the depot"),
    FIELD(slab_bytes, "in slabs"),
    FIELD(slab_free_bytes, "free, in slabs"),
    FIELD(large_bytes, "in large blocks"),
    FIELD(huge_bytes, "in huge blocks"),
    FIELD(huge_count, "huge blocks"),
    FIELD(run_free_bytes, "free granules"),
    FIELD(run_dirty_bytes, "... of these, perhaps resident"),
    FIELD(page_free_bytes, "free, kept by the page source"),
    FIELD(brk_bytes, "held by extending the data segment"),
    FIELD(mapped_bytes, "held by mapping"),
    FIELD(held_peak_bytes, "peak of what was held"),
    FIELD(reserved_bytes, "address space for metadata, charged as touched"),
    FIELD(shard_count, "per-CPU caches"),
    FIELD(threshold_bytes, "where mapping begins"),
    FIELD(syscall_count, "system calls made for memory"),
    FIELD(refused_count, "... of these, refused"),
};

enum {
    WORD_COUNT = sizeof(words) / sizeof(words[0]),
    NUMBER_COUNT = sizeof(numbers) / sizeof(numbers[0]),
    NAME_COLUMNS = 17,
    NUMBER_COLUMNS = 16,
    REPORT_FILE_MIN = 200 /* away from the numbers that programs count on */
};

static const char *word_of(const struct cairn_malloc_stats *stats, const struct field *field)
{
    const char *word;

    memcpy(&word, (const char *)stats + field->offset, sizeof(word));
    return word != NULL ? word : "-";
}

static uint64_t number_of(const struct cairn_malloc_stats *stats, const struct field *field)
{
    uint64_t number;

    CAIRN_STATIC_ASSERT(sizeof(size_t) == sizeof(uint64_t), "cairn is for 64-bit machines");
    memcpy(&number, (const char *)stats + field->offset, sizeof(number));
    return number;
}

static void add_padded(struct cairn_text *text, const char *name)
{
    cairn_text_add(text, "  ");
    cairn_text_add(text, name);
    for (size_t used = strlen(name); used < NAME_COLUMNS; used++)
        cairn_text_add(text, " ");
}

static void print_table(struct cairn_text *text, const struct cairn_malloc_stats *stats)
{
    cairn_text_add(text, "cairn malloc statistics\n");
    for (size_t idx = 0; idx < WORD_COUNT; idx++) {
        add_padded(text, words[idx].name);
        cairn_text_add(text, word_of(stats, &words[idx]));
        cairn_text_add(text, "\n");
    }
    for (size_t idx = 0; idx < NUMBER_COUNT; idx++) {
        add_padded(text, numbers[idx].name);
        cairn_text_add_column(text, number_of(stats, &numbers[idx]), NUMBER_COLUMNS);
        cairn_text_add(text, "  ");
        cairn_text_add(text, numbers[idx].meaning);
        cairn_text_add(text, "\n");
    }
}

/* A word may be of a layer that is not cairn's. */
static void add_json_string(struct cairn_text *text, const char *word)
{
    cairn_text_add(text, "\"");
    for (; *word != '\0'; word++) {
        if (*word == '"' || *word == '\\')
            cairn_text_add(text, "\\");
        cairn_text_add_bytes(text, (unsigned char)*word < ' ' ? " " : word, 1);
    }
    cairn_text_add(text, "\"");
}

static void print_json(struct cairn_text *text, const struct cairn_malloc_stats *stats)
{
    cairn_text_add(text, "{");
    for (size_t idx = 0; idx < WORD_COUNT; idx++) {
        add_json_string(text, words[idx].name);
        cairn_text_add(text, ":");
        add_json_string(text, word_of(stats, &words[idx]));
        cairn_text_add(text, ",");
    }
    for (size_t idx = 0; idx < NUMBER_COUNT; idx++) {
        cairn_text_add(text, "\"");
        cairn_text_add(text, numbers[idx].name);
        cairn_text_add(text, "\":");
        cairn_text_add_number(text, number_of(stats, &numbers[idx]));
        cairn_text_add(text, idx + 1 < NUMBER_COUNT ? "," : "}\n");
    }
}

CAIRN_EXPORT int cairn_malloc_is_active(void)
{
    return !cairn_sanitizer_is_present();
}

CAIRN_EXPORT size_t cairn_malloc_stats(struct cairn_malloc_stats *stats, size_t stats_bytes)
{
    struct cairn_malloc_stats all;

    cairn_frontend_stats(&all);
    memcpy(stats, &all, stats_bytes < sizeof(all) ? stats_bytes : sizeof(all));
    return sizeof(all);
}

CAIRN_EXPORT void cairn_malloc_stats_print(cairn_malloc_write_fn write, void *self,
                                           enum cairn_malloc_format format)
{
    struct cairn_malloc_stats stats;
    struct cairn_text text;

    cairn_frontend_stats(&stats);
    cairn_text_init(&text, write, self);
    if (format == CAIRN_MALLOC_JSON)
        print_json(&text, &stats);
    else
        print_table(&text, &stats);
    cairn_text_flush(&text);
}

CAIRN_EXPORT size_t cairn_malloc_trim(void)
{
    return cairn_frontend_trim(true);
}

CAIRN_EXPORT int cairn_malloc_tick(void)
{
    return cairn_frontend_tick();
}

CAIRN_EXPORT int cairn_malloc_set(const char *options)
{
    return cairn_frontend_set(options) ? 0 : EINVAL;
}

CAIRN_EXPORT void cairn_malloc_check(void)
{
    cairn_frontend_check();
}

/*
 * Programs close stderr before the end (coreutils do), so the report has a descriptor of its own;
 * and programs close descriptors that they do not know, so it is used only while it still is the
 * same file.
 */
static struct {
    bool is_wanted;
    int file;
    struct stat identity;
} at_exit;

/* A program that never allocates still has its options read, and its statistics printed. */
static __attribute__((constructor)) void start_at_load(void)
{
    int saved_errno = errno;

    at_exit.is_wanted = cairn_heap_start() && cairn_frontend_option(CAIRN_CONF_STATS) != 0;
    at_exit.file = -1;
    if (at_exit.is_wanted && fstat(STDERR_FILENO, &at_exit.identity) == 0)
        at_exit.file = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, REPORT_FILE_MIN);
    errno = saved_errno;
}

static bool is_same_file(int file)
{
    struct stat now;

    return fstat(file, &now) == 0 && now.st_dev == at_exit.identity.st_dev &&
           now.st_ino == at_exit.identity.st_ino;
}

static void to_file(void *self, const char *bytes, size_t count)
{
    const int *file = self;

    cairn_syscall3(SYS_write, *file, bytes, count);
}

static __attribute__((destructor)) void report_at_exit(void)
{
    int file = at_exit.file >= 0 ? at_exit.file : STDERR_FILENO;

    if (at_exit.is_wanted && is_same_file(file))
        cairn_malloc_stats_print(to_file, &file, CAIRN_MALLOC_TEXT);
}
