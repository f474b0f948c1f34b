/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* zero_class.c - a table of classes that no generator writes: a block of 0 bytes. */

#include <cairn/stack.h>

const struct cairn_class_table cairn_stack_classes = {
    .count = 13,
    .block_bytes = {0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768},
};
