/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/* A library that does nothing but be there. */

int cairn_measure_preloaded(void);

__attribute__((visibility("default"))) int cairn_measure_preloaded(void)
{
    return 1;
}
