/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: 2026 The cairn authors */

/*
 * report.h - statistics on stderr when the process ends.
 */

#ifndef CAIRN_COMPOSED_REPORT_H
#define CAIRN_COMPOSED_REPORT_H

#include <stdbool.h>

/* Whether exit() prints the table; set by the stack from its options. */
void cairn_report_at_exit(bool is_wanted);

#endif
