/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Wrong: every size is said to fit the smallest class. */

#include <cairn/stack.h>

const struct cairn_class_table cairn_stack_classes = {
    .count = 13,
    .block_bytes = {8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768},
};
