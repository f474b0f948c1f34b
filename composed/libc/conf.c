/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * conf.c - the parser of option strings.
 */

#include "composed/libc/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { LINE_BYTES = 256, WORD_BYTES_MAX = 16, CHOICES_MAX = 4 };

struct key {
    const char *name;
    const char *choices[CHOICES_MAX]; /* none: a number */
    uint64_t number_max;
};

static const struct key keys[CAIRN_CONF_KEYS] = {
    [CAIRN_CONF_PAGES] = {"pages", {"auto", "brk", "mmap"}, 0},
    [CAIRN_CONF_PERCPU] = {"percpu", {"auto", "lock", "rseq"}, 0},
    [CAIRN_CONF_CPU] = {"cpu", {"auto", "rseq", "getcpu"}, 0},
    [CAIRN_CONF_FENCE] = {"fence", {"asked", "freely", "never"}, 0},
    [CAIRN_CONF_SHARDS] = {"shards", {NULL}, 4096},
    [CAIRN_CONF_LIMIT_MIB] = {"limit_mib", {NULL}, (uint64_t)1 << 30},
    [CAIRN_CONF_RETAIN_MIB] = {"retain_mib", {NULL}, (uint64_t)1 << 20},
    [CAIRN_CONF_STATS] = {"stats", {NULL}, 1},
};

/* A part of the option string. */
struct word {
    const char *text;
    size_t bytes;
};

struct line {
    char text[LINE_BYTES];
    size_t used;
};

static void add(struct line *line, const char *text, size_t bytes)
{
    for (size_t idx = 0; idx < bytes && line->used < LINE_BYTES - 1; idx++)
        line->text[line->used++] = text[idx];
}

static void add_string(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

static void add_number(struct line *line, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    add(line, digits + at, sizeof(digits) - at);
}

static void add_names(struct line *line, const char *const *names, size_t count)
{
    for (size_t idx = 0; idx < count && names[idx] != NULL; idx++) {
        add_string(line, idx == 0 ? " " : ", ");
        add_string(line, names[idx]);
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
static void warn_key(struct word key, cairn_conf_warn_fn warn)
{
    const char *names[CAIRN_CONF_KEYS];
    const char *near;
    struct line line = {.used = 0};

    for (size_t idx = 0; idx < CAIRN_CONF_KEYS; idx++)
        names[idx] = keys[idx].name;
    near = nearest(key, names, CAIRN_CONF_KEYS);
    add_string(&line, "cairn: option '");
    add(&line, key.text, key.bytes);
    add_string(&line, "' is not known; ");
    if (2 * distance(key, near) <= key.bytes) {
        add_string(&line, "did you mean '");
        add_string(&line, near);
        add_string(&line, "'?\n");
    } else {
        add_string(&line, "there are");
        add_names(&line, names, CAIRN_CONF_KEYS);
        add_string(&line, "\n");
    }
    warn(line.text, line.used);
}

static void warn_value(const struct key *key, struct word value, cairn_conf_warn_fn warn)
{
    struct line line = {.used = 0};

    add_string(&line, "cairn: option '");
    add_string(&line, key->name);
    add_string(&line, "' cannot be '");
    add(&line, value.text, value.bytes);
    add_string(&line, "'; it is ");
    if (key->choices[0] == NULL) {
        add_string(&line, "a number from 0 to ");
        add_number(&line, key->number_max);
    } else {
        add_string(&line, "one of");
        add_names(&line, key->choices, CHOICES_MAX);
    }
    add_string(&line, "\n");
    warn(line.text, line.used);
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

static void set(struct cairn_conf_values *values, struct word key, struct word value,
                cairn_conf_warn_fn warn)
{
    for (size_t idx = 0; idx < CAIRN_CONF_KEYS; idx++) {
        bool is_read;

        if (!is_word(key, keys[idx].name))
            continue;
        is_read = keys[idx].choices[0] != NULL
                      ? read_choice(&keys[idx], value, &values->value[idx])
                      : read_number(value, keys[idx].number_max, &values->value[idx]);
        if (!is_read)
            warn_value(&keys[idx], value, warn);
        return;
    }
    warn_key(key, warn);
}

void cairn_conf_parse(struct cairn_conf_values *values, const char *text, cairn_conf_warn_fn warn)
{
    while (*text != '\0') {
        size_t pair_bytes = strcspn(text, ",");
        size_t key_bytes = strcspn(text, ":,");
        struct word key = {text, key_bytes};
        struct word value = {text + key_bytes, 0};

        if (key_bytes < pair_bytes)
            value = (struct word){text + key_bytes + 1, pair_bytes - key_bytes - 1};
        if (pair_bytes > 0)
            set(values, key, value, warn);
        text += pair_bytes;
        text += *text == ',';
    }
}
