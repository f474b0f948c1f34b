/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * logging.c - a line is put together on the stack, without the C library: a malloc may be below
 * that. It is shorter than the buffer of a text, so it is written at once.
 */

#include <cairn/logging.h>

#include <errno.h>
#include <string.h>

enum { NAME_BYTES_MAX = 32 };

static void begin(struct cairn_text *line, const struct cairn_logging *logging, const char *verb,
                  size_t block_bytes, size_t count)
{
    const struct cairn_logging_config *config = &logging->config;

    cairn_text_init(line, config->write, config->write_self);
    cairn_text_add_bytes(line, config->name, strnlen(config->name, NAME_BYTES_MAX));
    cairn_text_add(line, verb);
    cairn_text_add_number(line, block_bytes);
    cairn_text_add(line, " bytes x ");
    cairn_text_add_number(line, count);
}

static void end(struct cairn_text *line)
{
    cairn_text_add(line, "\n");
    cairn_text_flush(line);
}

static size_t logging_take(void *self, size_t block_bytes, size_t align_bytes, void **blocks,
                           size_t count)
{
    const struct cairn_logging *logging = self;
    size_t taken =
        cairn_source_take(logging->config.below, block_bytes, align_bytes, blocks, count);
    struct cairn_text line;

    begin(&line, logging, ": take ", block_bytes, count);
    cairn_text_add(&line, ", ");
    cairn_text_add_number(&line, taken);
    cairn_text_add(&line, " given");
    end(&line);
    return taken;
}

static void logging_give(void *self, size_t block_bytes, void *const *blocks, size_t count)
{
    const struct cairn_logging *logging = self;
    struct cairn_text line;

    begin(&line, logging, ": give ", block_bytes, count);
    end(&line);
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
