/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * logging.c - lines are put together on the stack, without the C library: a malloc may be below
 * that.
 */

#include <cairn/logging.h>

#include <cairn/base/check.h>

#include <errno.h>

enum { NAME_BYTES_MAX = 32, LINE_BYTES_MAX = 160, DIGITS_MAX = 20 };

struct line {
    char text[LINE_BYTES_MAX];
    size_t bytes;
};

static void add(struct line *line, const char *text, size_t bytes_max)
{
    for (size_t idx = 0; text[idx] != '\0' && idx < bytes_max; idx++) {
        CAIRN_ASSERT(line->bytes < LINE_BYTES_MAX);
        line->text[line->bytes++] = text[idx];
    }
}

static void add_number(struct line *line, size_t number)
{
    char digits[DIGITS_MAX + 1] = {0};
    size_t first = DIGITS_MAX;

    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    add(line, digits + first, DIGITS_MAX);
}

static struct line begin(const struct cairn_logging *logging, const char *verb, size_t block_bytes,
                         size_t count)
{
    struct line line = {.bytes = 0};

    add(&line, logging->config.name, NAME_BYTES_MAX);
    add(&line, verb, LINE_BYTES_MAX);
    add_number(&line, block_bytes);
    add(&line, " bytes x ", LINE_BYTES_MAX);
    add_number(&line, count);
    return line;
}

static void end(const struct cairn_logging *logging, struct line *line)
{
    add(line, "\n", 1);
    logging->config.write(logging->config.write_self, line->text, line->bytes);
}

static size_t logging_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                           size_t count)
{
    const struct cairn_logging *logging = self;
    size_t taken =
        cairn_source_take(logging->config.below, block_bytes, align_bytes, blocks, count);
    struct line line = begin(logging, ": take ", block_bytes, count);

    add(&line, ", ", 2);
    add_number(&line, taken);
    add(&line, " given", LINE_BYTES_MAX);
    end(logging, &line);
    return taken;
}

static void logging_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    const struct cairn_logging *logging = self;
    struct line line = begin(logging, ": give ", block_bytes, count);

    end(logging, &line);
    cairn_source_give(logging->config.below, block_bytes, blocks, count);
}

int cairn_logging_init(struct cairn_logging *logging, const struct cairn_logging_config *config)
{
    if (config->below.ops == NULL || config->name == NULL || config->write == NULL)
        return -EINVAL;
    logging->config = *config;
    logging->ops =
        (struct cairn_source_ops){"logging", config->below.ops->traits, logging_take, logging_give};
    return 0;
}

void cairn_logging_fini(struct cairn_logging *logging)
{
    logging->ops.take = NULL;
    logging->ops.give = NULL;
}

struct cairn_source cairn_logging_as_source(struct cairn_logging *logging)
{
    return (struct cairn_source){&logging->ops, logging};
}
