/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* own_buffer.c - a program's own buffer: BUFFER_BYTES, OFFSET_BYTES behind a multiple of 2 MiB. */

#include <cairn/stack/pages_buffer.h>

static _Alignas(2 << 20) char memory[OFFSET_BYTES + BUFFER_BYTES];

const struct cairn_pages_buffer cairn_pages_buffer = {memory + OFFSET_BYTES, BUFFER_BYTES};
