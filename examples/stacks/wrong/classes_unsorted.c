/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* Wrong: every size up to 1 KiB is said to fit a class of 512 bytes. */

#include <cairn/stack.h>

const struct cairn_class_table cairn_stack_classes = {
    .count = 13,
    .block_bytes = {8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768},
    .fine = {[0 ... 128] = 6},
    .coarse = {[0 ... 4] = 6,
               [5 ... 8] = 7,
               [9 ... 16] = 8,
               [17 ... 32] = 9,
               [33 ... 64] = 10,
               [65 ... 128] = 11,
               [129 ... 256] = 12},
};
