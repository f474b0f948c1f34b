/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * conf.c - the parser of option strings.
 */

#include "composed/libc/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cairn/base/align.h>

#include <cairn/base/text.h>

/* Of a word that is wrong no more than SHOWN_BYTES_MAX are shown: the complaint is one line,
   written at once. */
enum { WORD_BYTES_MAX = 16, SHOWN_BYTES_MAX = 150, CHOICES_MAX = 4 };

struct key {
    const char *name;
    const char *choices[CHOICES_MAX]; /* none: a number */
    uint64_t number_max;
    bool has_never; /* -1 is allowed, and 0 is not the default */
};

static const struct key keys[CAIRN_CONF_KEYS] = {
    [CAIRN_CONF_PAGES] = {"pages", {"auto", "brk", "mmap"}, 0, false},
    [CAIRN_CONF_PERCPU] = {"percpu", {"auto", "lock", "rseq"}, 0, false},
    [CAIRN_CONF_CPU] = {"cpu", {"auto", "rseq", "getcpu"}, 0, false},
    [CAIRN_CONF_FENCE] = {"fence", {"asked", "freely", "never"}, 0, false},
    [CAIRN_CONF_SHARDS] = {"shards", {NULL}, 4096, false},
    [CAIRN_CONF_LIMIT_MIB] = {"limit_mib", {NULL}, (uint64_t)1 << 30, false},
    [CAIRN_CONF_RETAIN_MIB] = {"retain_mib", {NULL}, (uint64_t)1 << 20, false},
    [CAIRN_CONF_STATS] = {"stats", {NULL}, 1, false},
    [CAIRN_CONF_THP] = {"thp", {"auto", "off", "always"}, 0, false},
    [CAIRN_CONF_SOFT_LIMIT_MIB] = {"soft_limit_mib", {NULL}, (uint64_t)1 << 30, false},
    [CAIRN_CONF_DECAY_MS] = {"decay_ms", {NULL}, 3600000, true},
    [CAIRN_CONF_BACKGROUND] = {"background", {NULL}, 1, false},
};

/* A part of the option string. */
struct word {
    const char *text;
    size_t bytes;
};

static void add_word(struct cairn_text *line, struct word word)
{
    cairn_text_add_bytes(line, word.text, cairn_min(word.bytes, SHOWN_BYTES_MAX));
}

static void add_names(struct cairn_text *line, const char *const *names, size_t count)
{
    for (size_t idx = 0; idx < count && names[idx] != NULL; idx++) {
        cairn_text_add(line, idx == 0 ? " " : ", ");
        cairn_text_add(line, names[idx]);
    }
}

static bool is_word(struct word word, const char *name)
{
    return word.bytes == strlen(name) && memcmp(word.text, name, word.bytes) == 0;
}

/* Levenshtein's distance between a word and a name, both cut at WORD_BYTES_MAX; the start of a name
   is 1 away. */
static size_t distance(struct word word, const char *name)
{
    size_t row[WORD_BYTES_MAX + 1];
    size_t columns = strnlen(name, WORD_BYTES_MAX);
    size_t rows = word.bytes < WORD_BYTES_MAX ? word.bytes : WORD_BYTES_MAX;

    if (word.bytes > 1 && word.bytes < columns && memcmp(word.text, name, word.bytes) == 0)
        return 1;
    for (size_t column = 0; column <= columns; column++)
        row[column] = column;
    for (size_t at = 0; at < rows; at++) {
        size_t diagonal = row[0];

        row[0] = at + 1;
        for (size_t column = 0; column < columns; column++) {
            size_t replaced = diagonal + (word.text[at] != name[column]);
            size_t moved = (row[column] < row[column + 1] ? row[column] : row[column + 1]) + 1;

            diagonal = row[column + 1];
            row[column + 1] = replaced < moved ? replaced : moved;
        }
    }
    return row[columns];
}

static const char *nearest(struct word word, const char *const *names, size_t count)
{
    const char *best = names[0];

    for (size_t idx = 1; idx < count; idx++)
        if (distance(word, names[idx]) < distance(word, best))
            best = names[idx];
    return best;
}

/* A name is worth a question when at least half of the word is right. */
static void warn_key(struct word key, struct cairn_text *line)
{
    const char *names[CAIRN_CONF_KEYS];
    const char *near;

    for (size_t idx = 0; idx < CAIRN_CONF_KEYS; idx++)
        names[idx] = keys[idx].name;
    near = nearest(key, names, CAIRN_CONF_KEYS);
    cairn_text_add(line, "cairn: option '");
    add_word(line, key);
    cairn_text_add(line, "' is not known; ");
    if (2 * distance(key, near) <= cairn_min(key.bytes, WORD_BYTES_MAX)) {
        cairn_text_add(line, "did you mean '");
        cairn_text_add(line, near);
        cairn_text_add(line, "'?\n");
    } else {
        cairn_text_add(line, "there are");
        add_names(line, names, CAIRN_CONF_KEYS);
        cairn_text_add(line, "\n");
    }
    cairn_text_flush(line);
}

static void warn_value(const struct key *key, struct word value, struct cairn_text *line)
{
    cairn_text_add(line, "cairn: option '");
    cairn_text_add(line, key->name);
    cairn_text_add(line, "' cannot be '");
    add_word(line, value);
    cairn_text_add(line, "'; it is ");
    if (key->choices[0] == NULL) {
        cairn_text_add(line, key->has_never ? "-1 or a number from 0 to " : "a number from 0 to ");
        cairn_text_add_number(line, key->number_max);
    } else {
        cairn_text_add(line, "one of");
        add_names(line, key->choices, CHOICES_MAX);
    }
    cairn_text_add(line, "\n");
    cairn_text_flush(line);
}

static bool read_number(struct word word, uint64_t maximum, uint64_t *number)
{
    uint64_t value = 0;

    if (word.bytes == 0 || word.bytes > WORD_BYTES_MAX)
        return false;
    for (size_t idx = 0; idx < word.bytes; idx++) {
        if (word.text[idx] < '0' || word.text[idx] > '9')
            return false;
        value = value * 10 + (uint64_t)(word.text[idx] - '0');
    }
    if (value > maximum)
        return false;
    *number = value;
    return true;
}

/* 0 is for the default, of which a time is none. */
static bool read_time(struct word word, uint64_t maximum, uint64_t *time)
{
    *time = CAIRN_CONF_NEVER;
    return is_word(word, "-1") || (read_number(word, maximum, time) && ++*time != 0);
}

static bool read_choice(const struct key *key, struct word word, uint64_t *number)
{
    for (size_t idx = 0; idx < CHOICES_MAX && key->choices[idx] != NULL; idx++) {
        if (is_word(word, key->choices[idx])) {
            *number = idx;
            return true;
        }
    }
    return false;
}

static bool read_value(const struct key *key, struct word word, uint64_t *value)
{
    uint64_t read = 0;
    bool is_read = key->choices[0] != NULL ? read_choice(key, word, &read)
                   : key->has_never        ? read_time(word, key->number_max, &read)
                                           : read_number(word, key->number_max, &read);

    if (is_read)
        *value = read;
    return is_read;
}

static bool set(struct cairn_conf_values *values, struct word key, struct word value,
                struct cairn_text *line)
{
    for (size_t idx = 0; idx < CAIRN_CONF_KEYS; idx++) {
        if (!is_word(key, keys[idx].name))
            continue;
        if (read_value(&keys[idx], value, &values->value[idx]))
            return true;
        warn_value(&keys[idx], value, line);
        return false;
    }
    warn_key(key, line);
    return false;
}

bool cairn_conf_parse(struct cairn_conf_values *values, const char *text,
                      cairn_malloc_write_fn warn, void *self)
{
    struct cairn_text line;
    bool is_right = true;

    cairn_text_init(&line, warn, self);
    while (*text != '\0') {
        size_t pair_bytes = strcspn(text, ",");
        size_t key_bytes = strcspn(text, ":,");
        struct word key = {text, key_bytes};
        struct word value = {text + key_bytes, 0};

        if (key_bytes < pair_bytes)
            value = (struct word){text + key_bytes + 1, pair_bytes - key_bytes - 1};
        if (pair_bytes > 0)
            is_right &= set(values, key, value, &line);
        text += pair_bytes;
        text += *text == ',';
    }
    return is_right;
}
