/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * text.h - output without stdio: a small buffer that is written out by a function when it is full.
 *
 * stdio may allocate, and a malloc must not call itself to report on itself.
 */

#ifndef CAIRN_BASE_TEXT_H
#define CAIRN_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include <cairn/base/compiler.h>

CAIRN_BEGIN_DECLS

/* Takes a piece of output. */
typedef void (*cairn_text_write_fn)(void *self, const char *text, size_t text_bytes);

enum { CAIRN_TEXT_BYTES = 512 };

struct cairn_text {
    cairn_text_write_fn write;
    void *self;
    size_t used;
    char buffer[CAIRN_TEXT_BYTES];
};

void cairn_text_init(struct cairn_text *text, cairn_text_write_fn write, void *self);
void cairn_text_add(struct cairn_text *text, const char *string);
void cairn_text_add_bytes(struct cairn_text *text, const char *bytes, size_t count);
void cairn_text_add_number(struct cairn_text *text, uint64_t number);

/* The number, right-aligned in `width` columns. */
void cairn_text_add_column(struct cairn_text *text, uint64_t number, unsigned width);

/* Writes out what is left. */
void cairn_text_flush(struct cairn_text *text);

/* A write function for stderr: one write(2) per call, errors ignored. `self` is not used. */
void cairn_text_to_stderr(void *self, const char *bytes, size_t count);

CAIRN_END_DECLS

#endif
