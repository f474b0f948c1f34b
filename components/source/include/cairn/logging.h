/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * logging.h - a source that says what passes: one line for each call.
 *
 *     pages: take 2097152 bytes x 1, 1 given
 *     pages: give 2097152 bytes x 1
 *
 * Threads: as thread-safe as the source below and the writer are.
 */

#ifndef CAIRN_LOGGING_H
#define CAIRN_LOGGING_H

#include <cairn/base/text.h>
#include <cairn/source.h>

CAIRN_BEGIN_DECLS

struct cairn_logging_config {
    struct cairn_source below; /* outlives the adapter */
    const char *name; /* at the head of each line, at most 32 characters; outlives it, too */
    cairn_text_write_fn write; /* takes a whole line; may not allocate above the adapter */
    void *write_self;
};

/* Private; visible so that the caller can place it. */
struct cairn_logging {
    struct cairn_logging_config config;
    struct cairn_source_ops ops;
};

/*
 * Makes an adapter that writes a line for each call.
 *
 * Returns: 0.
 * Fails:   -EINVAL without a source, a name or a writer: nothing is changed.
 * Owns:    the caller keeps all; the adapter must not move while its source is used.
 * Cost:    O(1).
 * Threads: not safe; initialise before sharing.
 */
CAIRN_NODISCARD int cairn_logging_init(struct cairn_logging *logging,
                                       const struct cairn_logging_config *config);

/* Ends the adapter. */
void cairn_logging_fini(struct cairn_logging *logging);

/* The source, with the traits of `below`. */
struct cairn_source cairn_logging_as_source(struct cairn_logging *logging);

CAIRN_END_DECLS

#endif
