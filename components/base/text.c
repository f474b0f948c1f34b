/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * text.c - strings and numbers into a buffer on the caller's stack.
 */

#include <cairn/base/text.h>

#include <string.h>
#include <sys/syscall.h>

#include <cairn/base/syscall.h>

void cairn_text_init(struct cairn_text *text, cairn_text_write_fn write, void *self)
{
    text->write = write;
    text->self = self;
    text->used = 0;
}

void cairn_text_flush(struct cairn_text *text)
{
    if (text->used > 0)
        text->write(text->self, text->buffer, text->used);
    text->used = 0;
}

void cairn_text_add_bytes(struct cairn_text *text, const char *bytes, size_t count)
{
    for (size_t idx = 0; idx < count; idx++) {
        if (text->used == CAIRN_TEXT_BYTES)
            cairn_text_flush(text);
        text->buffer[text->used++] = bytes[idx];
    }
}

void cairn_text_add(struct cairn_text *text, const char *string)
{
    cairn_text_add_bytes(text, string, strlen(string));
}

void cairn_text_add_column(struct cairn_text *text, uint64_t number, unsigned width)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (size_t used = sizeof(digits) - at; used < width; used++)
        cairn_text_add_bytes(text, " ", 1);
    cairn_text_add_bytes(text, &digits[at], sizeof(digits) - at);
}

void cairn_text_add_number(struct cairn_text *text, uint64_t number)
{
    cairn_text_add_column(text, number, 0);
}

void cairn_text_to_stderr(void *self, const char *bytes, size_t count)
{
    (void)self;
    cairn_syscall3(SYS_write, 2, bytes, count);
}
